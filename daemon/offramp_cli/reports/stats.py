"""`offramp stats`: how requests and tokens split, from the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from offramp_cli.options import WholeNumber, demo_option
from offramp_cli.reports import breakdown, log_filters, stats_report

if TYPE_CHECKING:
    from offramp_cli.reports.breakdown import BreakdownReport
    from offramp_cli.reports.stats_report import Report
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings
    from offramp_core.usage.breakdown import By
    from offramp_core.usage.weeks import WeekBoundary

_DEFAULT_WEEKS = 8
_MOST_WEEKS = 1000


@click.command("stats")
@click.option(
    "--weeks",
    "week_count",
    type=WholeNumber(1, _MOST_WEEKS),
    help=f"Show this many weeks, including this one.  [default: {_DEFAULT_WEEKS}]",
)
@click.option("--all", "is_all", is_flag=True, help="Show every week that has requests.")
@click.option(
    "--since",
    metavar="TIME",
    help="Count only from TIME on: a date, an ISO time, or 3h, 2d, 1w for that long ago.",
)
@click.option(
    "--by",
    type=click.Choice(["project", "session", "model", "reason", "day"]),
    help="Show one table instead, with totals by this.",
)
@log_filters.filter_options
@click.option("--json", "is_json", is_flag=True, help="Print JSON: integers, UTC times.")
@click.option("--csv", "is_csv", is_flag=True, help="Print CSV: one row per cell of every table.")
@demo_option
def command(
    paths: Paths,
    week_count: int | None,
    is_all: bool,
    since: str | None,
    by: By | None,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    is_json: bool,
    is_csv: bool,
) -> None:
    """Show how requests and tokens split between the services.

    This week by service, the last 3 hours, the last 24 hours by model, and this week with the
    7 before it. With --by, one table of this week, or of the time that the options choose.
    Tokens are input, output and cache together. Weeks begin when Claude's do, once its answers
    have shown when that is, unless you set week_start_day or week_start_hour. Times are in
    your time zone (or TZ's).
    """
    log_filters.refuse_both(("--weeks", week_count), ("--all", is_all), ("--since", since))
    log_filters.refuse_both(("--json", is_json), ("--csv", is_csv))
    log_filters.tolerate_encoding()
    log_filters.mention_zone()
    loaded = log_filters.load(paths)
    week = log_filters.week_of(paths, loaded)
    now = datetime.now(UTC)
    since_moment = (
        None if since is None else log_filters.parse_since(since, now, week.boundary.zone)
    )
    filters = stats_report.Filters(backends=backends, models=models)
    folder = log_filters.log_folder(paths, loaded.settings)
    if by is not None:
        table = breakdown.gather(
            folder,
            by,
            now=now,
            start=_start(week.boundary, now, since_moment, week_count, is_all=is_all),
            end=week.boundary.week_of(now).end,
            zone=week.boundary.zone,
            filters=filters,
            projects=log_filters.projects(loaded.settings) if by == "project" else {},
        )
        if not (table.totals or is_json or is_csv) and log_filters.is_empty(folder):
            log_filters.explain_empty(paths, loaded.settings)
        else:
            _print_breakdown(table, is_json=is_json, is_csv=is_csv)
        return
    report = stats_report.gather(
        folder,
        week.boundary,
        now,
        week_origin=week.origin,
        week_count=None if is_all or since else week_count or _DEFAULT_WEEKS,
        since=since_moment,
        filters=filters,
    )
    if is_json:
        click.echo(json.dumps(stats_report.as_json(report)))
    elif is_csv:
        click.echo(stats_report.as_csv(report), nl=False)
    else:
        _print_tables(report, paths, loaded.settings)
    log_filters.mention_skipped(report.skipped_lines)


def _start(
    boundary: WeekBoundary,
    now: datetime,
    since: datetime | None,
    week_count: int | None,
    *,
    is_all: bool,
) -> datetime | None:
    """Where one table's time begins: this week unless options say otherwise; None for --all."""
    if is_all or since is not None:
        return since
    return boundary.latest_weeks(now, week_count or 1)[0].start


def _print_breakdown(report: BreakdownReport, *, is_json: bool, is_csv: bool) -> None:
    if is_json:
        click.echo(breakdown.as_json(report))
    elif is_csv:
        click.echo(breakdown.as_csv(report), nl=False)
    elif report.totals:
        from offramp_cli.reports import breakdown_table  # rich is slow to import

        breakdown_table.show(report)
    else:
        given = (("--backend", report.filters.backends), ("--model", report.filters.models))
        options = [name for name, texts in given if texts]
        ways = log_filters.widening_text(options, is_all=report.start is None)
        click.echo(f"No request matches.{ways}")
    log_filters.mention_skipped(report.skipped_lines)


def _print_tables(report: Report, paths: Paths, settings: Settings) -> None:
    folder = log_filters.log_folder(paths, settings)
    if any(bucket.usage.cells for bucket in (*report.weeks, *report.hours)):
        from offramp_cli.reports import stats_tables  # rich is slow to import

        stats_tables.show(report)
    elif report.filters.backends or report.filters.models:
        click.echo("No request matches. Leave out --backend and --model to see them all.")
    elif log_filters.is_empty(folder):
        log_filters.explain_empty(paths, settings)
    else:
        click.echo(f"No request in that time in {folder}.\nTry --all for the whole log.")
