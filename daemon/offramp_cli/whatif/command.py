"""`offramp simulate`: what each way of delegating would have made of the Claude week."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from offramp_cli.options import WholeNumber, demo_option
from offramp_cli.reports import log_filters
from offramp_cli.whatif import comparison, log_replay
from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader
from offramp_core.wording.formatting import format_percent
from offramp_daemon.autopilot import state_file
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.history import LEARNT_WEEKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from offramp_cli.whatif.comparison import Contest, Summary
    from offramp_cli.whatif.log_replay import LoggedRequest, Replay
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings
    from offramp_core.usage.weeks import WeekBoundary

_DEFAULT_WEEKS = 12
_MOST_WEEKS = 520
_HEADINGS = ("", "used", "p10", "if enough", "over", "blocked", "delegated", "switches")
_ROW = "{:<8}{:>6}{:>6}{:>11}{:>6}{:>9}{:>11}{:>10}"


@click.command("simulate")
@click.option(
    "--weeks",
    "week_count",
    type=WholeNumber(1, _MOST_WEEKS),
    help=f"Replay this many whole weeks of your log.  [default: {_DEFAULT_WEEKS}]",
)
@click.option(
    "--week-worth",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    metavar="DOLLARS",
    help="The size of your Claude week, in dollars at list price.  [default: as learnt, or your "
    "busiest week]",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON; shares are fractions of 1.")
@demo_option
def command(paths: Paths, week_count: int | None, week_worth: float | None, is_json: bool) -> None:
    """Replay your own weeks in each mode of delegation.

    always delegates all execution work, never none, auto only as much as the Claude week needs
    to last, and linear whenever Claude is ahead of an even pace. Nothing is sent anywhere.
    """
    log_filters.mention_zone()
    loaded = log_filters.load(paths)
    settings = loaded.settings
    folder = log_filters.log_folder(paths, settings)
    boundary = log_filters.week_of(paths, loaded).boundary
    learnt = _learnt(paths)
    count = week_count or _DEFAULT_WEEKS
    replayed, skipped = _own_weeks(folder, boundary, count, week_worth, learnt)
    if not replayed.weeks and not is_json:
        _explain_none(folder, paths, settings)
    else:
        contests = [comparison.contest(week) for week in replayed.weeks[-count:]]
        if is_json:
            click.echo(json.dumps(_document(contests, replayed)))
        else:
            _print(contests, replayed, source=_source(week_worth, learnt))
    log_filters.mention_skipped(skipped)


def _learnt(paths: Paths) -> CostModel | None:
    """What the autopilot has learnt of the plan in use; None if that is not enough."""
    accounts = list(state_file.load(paths.autopilot_file).values())
    if not accounts:
        return None
    known = CostModel.of(accounts[-1].learnt)
    return known if known.is_known else None


def _source(week_worth: float | None, learnt: CostModel | None) -> str | None:
    """Where it is known from what a week holds; None where it was said."""
    if week_worth is not None:
        return None
    return "your busiest week's work" if learnt is None else "from Claude's own figures"


def _own_weeks(
    folder: Path,
    boundary: WeekBoundary,
    count: int,
    worth: float | None,
    learnt: CostModel | None,
) -> tuple[Replay, int]:
    """The last `count` whole weeks, with those before as their history, and lines skipped."""
    end = boundary.week_of(datetime.now(UTC)).start
    history = LEARNT_WEEKS + 1
    reader = LogReader(folder, since=end - (count + history) * timedelta(days=7))
    skipped = [0]
    requests = _requests(reader, skipped)
    found = log_replay.weeks_of(requests, end=end, week_worth=worth, learnt=learnt)
    return found, skipped[0]


def _requests(reader: LogReader, skipped: list[int]) -> Iterator[LoggedRequest]:
    replay = log_replay.RequestReader()
    for line in reader.read_lines():
        try:
            request = replay.request(records.decode(line))
        except records.UNREADABLE:
            skipped[0] += 1
            continue
        if request is not None:
            yield request


def _explain_none(folder: Path, paths: Paths, settings: Settings) -> None:
    if log_filters.is_empty(folder):
        log_filters.explain_empty(paths, settings)
    else:
        click.echo(f"No whole week of requests in {folder} yet.")


def _document(contests: Sequence[Contest], limits: Replay) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "weeks": len(contests),
        "weeks_of_opus_beyond_plan": sum(each.is_apart for each in contests),
        "week_worth_dollars": limits.worth,
        "five_hour_part": limits.five_hour_part,
        "modes": [asdict(line) for line in comparison.summaries(contests)],
    }


def _print(contests: Sequence[Contest], limits: Replay, *, source: str | None) -> None:
    lines = comparison.summaries(contests)
    counted = lines[0]
    click.echo(
        f"Replayed {counted.weeks} whole weeks of your log; {counted.enough_weeks} had enough work "
        "to fill Claude's week."
    )
    if apart := sum(each.is_apart for each in contests):
        click.echo(f"Left out: {apart} whose Opus work is already more than the plan.")
    click.echo("\n" + _ROW.format(*_HEADINGS))
    for line in lines:
        click.echo(_ROW.format(*_cells(line)))
    click.echo(
        "\nused: share of the Claude week used (median; p10: lowest tenth). if enough:\n"
        "the median over weeks with enough work to fill it. over: weeks in which the\n"
        "limit was reached. blocked: hours in which Claude refused work (average).\n"
        "delegated: share of the execution work. switches: changes of service per hour of\n"
        "conversation."
    )
    where = "" if source is None else f", {source}"
    part = format_percent(limits.five_hour_part)
    click.echo(
        f"\nAssumed size of a Claude week: ${limits.worth:,.0f} at list price{where}\n(see "
        f"--week-worth); of a 5-hour window: {part} of that."
    )


def _cells(line: Summary) -> tuple[str, ...]:
    return (
        line.mode,
        _percent(line.used_median),
        _percent(line.used_p10),
        _percent(line.enough_used_median),
        str(line.weeks_over),
        f"{line.blocked_h / line.weeks if line.weeks else 0:.1f} h",
        format_percent(line.delegated_share),
        f"{line.switches_per_conversation_h:.2f}",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else format_percent(share)
