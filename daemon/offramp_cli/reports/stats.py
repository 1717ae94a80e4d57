"""`offramp stats`: how requests and tokens split, from the log."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import click

from offramp_cli.options import demo_option
from offramp_cli.reports import log_filters, stats_report

if TYPE_CHECKING:
    from offramp_cli.reports.stats_report import Report
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings

_DEFAULT_WEEKS = 8
_MOST_WEEKS = 1000
_AGO = re.compile(r"(\d{1,5})\s*([hdw])", re.IGNORECASE)
_AGO_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.command("stats")
@click.option(
    "--weeks",
    "week_count",
    type=click.IntRange(1, _MOST_WEEKS),
    help=f"Show so many weeks, this one included.  [default: {_DEFAULT_WEEKS}]",
)
@click.option("--all", "is_all", is_flag=True, help="Show every week that has requests.")
@click.option(
    "--since",
    metavar="TIME",
    help="Count only from TIME on: a date, an ISO time, or 3h, 2d, 1w for that long ago.",
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
    backends: tuple[str, ...],
    models: tuple[str, ...],
    is_json: bool,
    is_csv: bool,
) -> None:
    """Show how requests and tokens split between the backends.

    This week by backend, the last 3 hours, the last 24 hours by model, and this week with the 7
    before it. Tokens are input, output and cache together. Weeks begin with Claude's, once its
    answers have told when that is, unless week_start_day or week_start_hour is set; in your time
    zone (or TZ's).
    """
    _refuse_both(("--weeks", week_count), ("--all", is_all), ("--since", since))
    _refuse_both(("--json", is_json), ("--csv", is_csv))
    log_filters.tolerate_encoding()
    loaded = log_filters.load(paths)
    settings = loaded.settings
    folder = log_filters.log_folder(paths, settings)
    week = log_filters.week_of(paths, loaded)
    now = datetime.now(UTC)
    report = stats_report.gather(
        folder,
        week.boundary,
        now,
        week_origin=week.origin,
        week_count=None if is_all or since else week_count or _DEFAULT_WEEKS,
        since=None if since is None else _parse_since(since, now, week.boundary.zone),
        filters=stats_report.Filters(backends=backends, models=models),
    )
    if is_json:
        click.echo(json.dumps(stats_report.as_json(report)))
    elif is_csv:
        click.echo(stats_report.as_csv(report), nl=False)
    else:
        _print_tables(report, paths, settings)
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


def _refuse_both(*options: tuple[str, object]) -> None:
    given = [name for name, value in options if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} can't be combined: choose one.")


def _parse_since(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The instant that `text` means; without an offset it is `zone`'s wall time."""
    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _AGO_UNITS[ago[2].lower()]
    try:
        moment = datetime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        since = aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time. Give a date (2026-02-07), an ISO time (2026-02-07T10:30), "
            "or how long ago: 3h, 2d, 1w.",
            param_hint="'--since'",
        ) from error
    if since > now:
        raise click.BadParameter(f"{text!r} is still to come.", param_hint="'--since'")
    return since
