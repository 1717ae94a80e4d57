"""`offramp simulate`: what each way of delegating would have made of both plans."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from offramp_cli.options import Number, WholeNumber, demo_option
from offramp_cli.reports import log_filters
from offramp_cli.whatif import comparison, log_replay, plan_advice, zai_costs
from offramp_core.errors import OfframpError
from offramp_core.quota import history_log, state_file, windows
from offramp_core.services import zai
from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.weeks import system_zone
from offramp_core.wording.formatting import format_percent
from offramp_daemon.autopilot.costs import state_file as autopilot_file
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.work.history import LEARNT_WEEKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from offramp_cli.whatif.comparison import Contest, Summary
    from offramp_cli.whatif.log_replay import LoggedRequest, Replay
    from offramp_cli.whatif.plan_advice import Lasting
    from offramp_cli.whatif.zai_costs import ZaiCosts
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings

_DEFAULT_WEEKS = 12
_MOST_WEEKS = 520
_WEEK = timedelta(days=7)
_COSTS_FROM = 4 * _WEEK
"""From so long ago on readings say what requests cost: plans and prices change."""
_COLUMNS = 78
_HEADINGS = ("", "used", "p10", "if enough", "over", "blocked", "delegated", "switches")
_LEGEND = (
    "\nused: share of the Claude week used (median; p10: lowest tenth). if enough:\n"
    "the median over weeks with enough work to fill it. over: weeks in which the\n"
    "limit was reached. blocked: hours in which Claude refused work (average).\n"
    "delegated: share of the Sonnet and Haiku work. switches: changes of service\n"
    "per hour of conversation. linear: for comparison, delegates whenever Claude\n"
    "is ahead of an even pace."
)
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
    type=Number(0, 1_000_000, min_open=True),
    metavar="DOLLARS",
    help="The size of your Claude week, in dollars at list price.  [default: as learnt, or your "
    "busiest week]",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON; shares are fractions of 1.")
@demo_option
def command(paths: Paths, week_count: int | None, week_worth: float | None, is_json: bool) -> None:
    """Replay your own weeks in each mode of delegation.

    `always` delegates all Sonnet and Haiku work, and `never` nothing. `auto` delegates only as
    much as the Claude week needs to last. `linear`, which is only for comparison, delegates
    whenever Claude is ahead of an even pace. Once your own readings of Z.ai's quota show what
    requests cost there, it also says which of Z.ai's plans would have lasted. Nothing is sent
    anywhere.
    """
    log_filters.mention_zone()
    loaded = log_filters.load(paths)
    settings = loaded.settings
    folder = log_filters.log_folder(paths, settings)
    boundary = log_filters.week_of(paths, loaded).boundary
    learnt = _learnt(paths)
    count = week_count or _DEFAULT_WEEKS
    end = boundary.week_of(datetime.now(UTC)).start
    requests, skipped = _own_requests(folder, end - (count + LEARNT_WEEKS + 1) * _WEEK)
    costs = _zai_costs(paths, folder, requests)
    replayed = log_replay.weeks_of(
        requests, end=end, week_worth=week_worth, learnt=learnt, zai=costs
    )
    if not replayed.weeks and not is_json:
        _explain_none(folder, paths, settings)
    else:
        contests = [comparison.contest(week) for week in replayed.weeks[-count:]]
        since = end - min(count, len(replayed.weeks)) * _WEEK
        plans = () if costs is None else plan_advice.lasting(requests, costs, since=since, end=end)
        if is_json:
            click.echo(json.dumps(_document(contests, replayed, costs, plans)))
        else:
            _print(contests, replayed, source=_source(week_worth, learnt))
            _print_plans(costs, plans)
    log_filters.mention_skipped(skipped)


def _learnt(paths: Paths) -> CostModel | None:
    """What the autopilot has learnt of the plan in use; None if that is not enough."""
    accounts = list(autopilot_file.load(paths.autopilot_file).values())
    if not accounts:
        return None
    known = CostModel.of(accounts[-1].learnt)
    return known if known.is_known else None


def _source(week_worth: float | None, learnt: CostModel | None) -> str | None:
    """Where it is known from what a week holds; None where it was said."""
    if week_worth is not None:
        return None
    return "your busiest week's work" if learnt is None else "from Claude's own figures"


def _own_requests(folder: Path, since: datetime) -> tuple[list[LoggedRequest], int]:
    """The log's requests from then on, in order of time, and how many lines were skipped."""
    replay = log_replay.RequestReader()
    found: list[LoggedRequest] = []
    skipped = 0
    for line in LogReader(folder, since=since).read_lines():
        try:
            request = replay.request(records.decode(line))
        except records.UNREADABLE:
            skipped += 1
            continue
        if request is not None:
            found.append(request)
    found.sort(key=lambda request: request.at)
    return found, skipped


def _zai_costs(paths: Paths, folder: Path, requests: Sequence[LoggedRequest]) -> ZaiCosts | None:
    """What the readings of the last weeks show; None where they can't be read, too."""
    quota = windows.find(state_file.read(paths.quota_file), zai.NAME)
    since = datetime.now(UTC) - _COSTS_FROM
    try:
        points = history_log.read(folder, since)
    except OfframpError:
        return None
    return zai_costs.learn(quota, points, [each for each in requests if each.at >= since])


def _explain_none(folder: Path, paths: Paths, settings: Settings) -> None:
    if log_filters.is_empty(folder):
        log_filters.explain_empty(paths, settings)
    else:
        click.echo(f"No whole week of requests in {folder} yet.")


def _document(
    contests: Sequence[Contest], limits: Replay, costs: ZaiCosts | None, plans: Sequence[Lasting]
) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "weeks": len(contests),
        "weeks_of_opus_beyond_plan": sum(each.is_apart for each in contests),
        "week_worth_dollars": limits.worth,
        "five_hour_part": limits.five_hour_part,
        "zai_plan": costs.plan.level if costs else None,
        "zai_credits_per_dollar": costs.credits_per_dollar if costs else None,
        "zai_plans": [
            {
                "plan": each.plan.level,
                "limits_are_a_guess": each.plan.is_guess,
                "weeks": each.weeks,
                "ran_out": [records.format_timestamp(moment) for moment in each.ran_out],
                "five_hour_limit_hours": each.window_hours,
            }
            for each in plans
        ],
        "modes": [asdict(line) for line in comparison.summaries(contests)],
    }


def _print(contests: Sequence[Contest], limits: Replay, *, source: str | None) -> None:
    lines = comparison.summaries(contests)
    counted = lines[0]
    weeks = "1 whole week" if counted.weeks == 1 else f"{counted.weeks} whole weeks"
    click.echo(
        f"Replayed {weeks} of your log; {counted.enough_weeks} had enough work to fill Claude's "
        "week."
    )
    if apart := sum(each.is_apart for each in contests):
        click.echo(f"Left out: {apart} whose Opus work is already more than the plan.")
    if counted.weeks:
        click.echo("\n" + _ROW.format(*_HEADINGS))
        for line in lines:
            click.echo(_ROW.format(*_cells(line)))
        click.echo(_LEGEND)
    where = "" if source is None else f", {source}"
    part = format_percent(limits.five_hour_part)
    click.echo(
        f"\nAssumed size of a Claude week: ${limits.worth:,.0f} at list price{where}\n(see "
        f"--week-worth); of a 5-hour window: {part} of that."
    )


def _print_plans(costs: ZaiCosts | None, plans: Sequence[Lasting]) -> None:
    if costs is None:
        click.echo("\n" + click.wrap_text(plan_advice.UNKNOWN, _COLUMNS))
        return
    zone = system_zone(os.environ)
    intro = (
        "Z.ai's plans, if all Sonnet and Haiku work went there. By your own readings a dollar's "
        f"worth at list price costs {costs.credits_per_dollar:,.0f} credits there. Your plan is "
        f"{costs.plan.title}."
    )
    click.echo("\n" + click.wrap_text(intro, _COLUMNS))
    for each in plans:
        click.echo(click.wrap_text(each.sentence(zone), _COLUMNS, "- ", "  "))


def _cells(line: Summary) -> tuple[str, ...]:
    return (
        line.mode,
        _percent(line.used_median),
        _percent(line.used_p10),
        _percent(line.enough_used_median),
        str(line.weeks_over),
        f"{line.blocked_h / line.weeks:.1f} h",
        format_percent(line.delegated_share),
        f"{line.switches_per_conversation_h:.2f}",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else format_percent(share)
