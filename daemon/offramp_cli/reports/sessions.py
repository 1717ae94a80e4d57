"""`offramp sessions`: one row per conversation of Claude Code, the latest first.

The JSON's shape is a promise to scripts: keys are only ever added. Times are UTC, tokens integers.

    generated_at, since (null for the whole log), skipped_lines, without_session
    sessions: a list of {id, project (null without one), start, last, the counts, changes,
              list_price_usd, services}; `services` is a list of {backend, model, served_model,
              the counts}

The counts are those of `offramp stats --json`. `changes` is how often a model's requests went to
another backend than those before. `list_price_usd` estimates what was delegated at Anthropic's list
prices; it is null without the charts, which bring the price list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from offramp_cli.options import WholeNumber, demo_option
from offramp_cli.reports import log_filters
from offramp_cli.reports.counts import counts_of, iso
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.prices import PriceList
from offramp_core.usage.sessions import SessionTable, price_of
from offramp_core.wording import session_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from offramp_core.paths import Paths
    from offramp_core.usage.sessions import Session

_DEFAULT_COUNT = 20
_DEFAULT_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """What is shown: sessions, the latest first, with their projects and estimated prices."""

    now: datetime
    since: datetime | None
    sessions: tuple[Session, ...]
    projects: Mapping[str, str]
    prices: Mapping[str, float]
    """US dollars by session; empty without a price list."""
    without_session: int
    skipped_lines: int


@click.command("sessions")
@click.option(
    "-n",
    "count",
    type=WholeNumber(1),
    default=_DEFAULT_COUNT,
    show_default=True,
    help="Show this many of the latest sessions.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Count only from TIME on: a date, an ISO time, or 3h, 2d, 1w for that long ago.  "
    "[default: 7d]",
)
@click.option("--all", "is_all", is_flag=True, help="Count the whole log.")
@click.option(
    "--project",
    "names",
    multiple=True,
    metavar="TEXT",
    help="Only projects whose name contains TEXT (case does not matter). Repeat it for several.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON: integers, UTC times.")
@demo_option
def command(
    paths: Paths,
    count: int,
    since: str | None,
    is_all: bool,
    names: tuple[str, ...],
    is_json: bool,
) -> None:
    """Show what each conversation of Claude Code used, subagents included.

    One row per session: its project, when it was last active, its requests and tokens, the
    services that answered, how often it changed the service, its errors, and what the
    delegated tokens would have cost at Anthropic's list prices (with the charts installed).
    `offramp logs --session ID` shows a session's requests.

    Projects come from the names of Claude Code's own files, which are never opened. To leave
    them out, set show_projects = false.
    """
    log_filters.refuse_both(("--since", since), ("--all", is_all))
    log_filters.tolerate_encoding()
    log_filters.mention_zone()
    loaded = log_filters.load(paths)
    now = datetime.now(UTC)
    zone = log_filters.week_of(paths, loaded).boundary.zone
    begin = None if is_all else now - timedelta(days=_DEFAULT_DAYS)
    if since is not None:
        begin = log_filters.parse_since(since, now, zone)
    folder = log_filters.log_folder(paths, loaded.settings)
    report = gather(
        folder,
        now,
        begin,
        projects=log_filters.projects(loaded.settings),
        names=names,
        count=count,
    )
    if is_json:
        click.echo(json.dumps(as_json(report)))
    elif report.sessions:
        from offramp_cli.reports import sessions_table  # rich is slow to import

        sessions_table.show(report, zone)
    elif log_filters.is_empty(folder):
        log_filters.explain_empty(paths, loaded.settings)
    else:
        options = ["--project"] if names else []
        click.echo(f"No session matches.{log_filters.widening_text(options, is_all=is_all)}")
        if report.without_session:
            click.echo(session_text.without_session(report.without_session))
    log_filters.mention_skipped(report.skipped_lines)


def gather(
    folder: Path,
    now: datetime,
    since: datetime | None,
    *,
    projects: Mapping[str, str],
    names: Sequence[str] = (),
    count: int,
) -> SessionReport:
    """Read the log in `folder`, or of it what is `since` a time, and count its sessions.

    Only the latest `count` are kept whose projects contain one of `names`, if there are any.

    Raises:
        OfframpError: the log can't be read.
    """
    reader, table = LogReader(folder, since=since), SessionTable()
    for records in reader.read_details():
        table.add(record for record in records if since is None or record.ts >= since)
    found = [session for session in table.sessions() if _is_named(projects.get(session.id), names)]
    sessions = tuple(found[:count])
    return SessionReport(
        now=now,
        since=since,
        sessions=sessions,
        projects=projects,
        prices=_prices(sessions),
        without_session=table.without_session,
        skipped_lines=reader.skipped_lines,
    )


def as_json(report: SessionReport) -> dict[str, Any]:
    """The report in the shape that this module's docstring promises."""
    return {
        "generated_at": iso(report.now),
        "since": None if report.since is None else iso(report.since),
        "skipped_lines": report.skipped_lines,
        "without_session": report.without_session,
        "sessions": [_session(session, report) for session in report.sessions],
    }


def _session(session: Session, report: SessionReport) -> dict[str, Any]:
    return {
        "id": session.id,
        "project": report.projects.get(session.id),
        "start": iso(session.start),
        "last": iso(session.last),
        **counts_of(session.total()),
        "changes": session.changes,
        "list_price_usd": report.prices.get(session.id),
        "services": [
            {**service._asdict(), **counts_of(totals)}
            for service, totals in session.services.items()
        ],
    }


def _prices(sessions: Sequence[Session]) -> dict[str, float]:
    prices = PriceList()
    found = {session.id: price_of(session, prices) for session in sessions}
    return {name: usd for name, usd in found.items() if usd is not None}


def _is_named(project: str | None, names: Sequence[str]) -> bool:
    folded = (project or "").casefold()
    return not names or any(name.casefold() in folded for name in names)
