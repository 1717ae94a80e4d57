"""What `offramp stats` says, before it is a table: gathered from the log, or as JSON and CSV.

The JSON's shape is a promise to scripts: keys are only ever added. Times are UTC, tokens integers.

    generated_at, time_zone, since (null without --since), skipped_lines
    week_start: day (0 is Sunday), hour, minute, and origin: where that is known from
    filters: backends, models
    period: this week or, with --since, all that it covers: a bucket, and `backends`, a list of
            {backend, the counts, request_share, token_share}; a share is a fraction of 1
    last_3_hours: 60 buckets of 3 minutes · last_24_hours: 24 buckets · weeks: a bucket each

A bucket is {start, end, the counts, split}, `split` a list of {backend, model, the counts}; the
counts are requests, success, errors, cancelled, tokens, and tokens by kind under the names that
they have in the log. `backend` and `model` are null where a request had none.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from offramp_cli.reports.counts import TOKENS, counts_of, iso, tokens_of
from offramp_core.quota import week_start
from offramp_core.settings import ANTHROPIC
from offramp_core.usage.aggregation import TimeGrid, by_backend, by_route, fold, select, series
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_core.wording.formatting import printable, share, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from offramp_core.usage.aggregation import UsageCells

_CSV_HEADER = ("section", "start", "end", "backend", "model", "status", "requests", *TOKENS)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The usage of one span of time."""

    span: Span
    usage: UsageCells


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Texts of which a backend's and a model's name must contain one; no text lets all through."""

    backends: Sequence[str] = ()
    models: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that the command shows, at the moment `now`."""

    now: datetime
    boundary: WeekBoundary
    week_origin: str
    """How the boundary is known, in the words of `week_start`."""
    since: datetime | None
    filters: Filters
    skipped_lines: int
    backends: tuple[str | None, ...]
    """Every backend in what was read, filtered away or not, as they are listed everywhere."""
    period: Bucket
    recent: tuple[Bucket, ...]
    hours: tuple[Bucket, ...]
    weeks: tuple[Bucket, ...]


def gather(
    folder: Path,
    boundary: WeekBoundary,
    now: datetime,
    *,
    week_origin: str = week_start.FROM_SETTINGS,
    week_count: int | None,
    since: datetime | None = None,
    filters: Filters,
) -> Report:
    """Read and count the log in `folder`, or of it what is `since` a time.

    `week_count` is the number of weeks to show, this one included; None shows all that hold
    requests.

    Raises:
        OfframpError: the log can't be read.
    """
    grid = TimeGrid.at(now, boundary, since)
    weeks = () if week_count is None else boundary.latest_weeks(now, week_count)
    read_from = min(weeks[0].start, grid.hours[0].start) if weeks else since
    reader = LogReader(folder, since=read_from)
    records = chain.from_iterable(reader.read_usage())
    everything = fold(records, grid)
    usage = select(everything, backends=filters.backends, models=filters.models)
    weeks = weeks or _weeks_with_requests(usage, boundary, now)
    period = weeks[-1] if since is None else Span(since, grid.recent[-1].end)
    return Report(
        now=now,
        boundary=boundary,
        week_origin=week_origin,
        since=since,
        filters=filters,
        skipped_lines=reader.skipped_lines,
        backends=_in_order(key.backend for key in everything.cells),
        period=_buckets(usage, (period,))[0],
        recent=_buckets(usage, grid.recent),
        hours=_buckets(usage, grid.hours),
        weeks=_buckets(usage, weeks),
    )


def as_json(report: Report) -> dict[str, Any]:
    """The report in the shape that this module's docstring promises."""
    return {
        "generated_at": iso(report.now),
        "time_zone": str(report.boundary.zone),
        "since": None if report.since is None else iso(report.since),
        "week_start": {
            "day": report.boundary.day,
            "hour": report.boundary.hour,
            "minute": report.boundary.minute,
            "origin": report.week_origin,
        },
        "filters": {
            "backends": list(report.filters.backends),
            "models": list(report.filters.models),
        },
        "skipped_lines": report.skipped_lines,
        "period": {**_bucket(report.period), "backends": _shares(report.period.usage)},
        "last_3_hours": [_bucket(bucket) for bucket in report.recent],
        "last_24_hours": [_bucket(bucket) for bucket in report.hours],
        "weeks": [_bucket(bucket) for bucket in report.weeks],
    }


def as_csv(report: Report) -> str:
    """One row per section (`week`, `hour`, `3 minutes`), bucket, backend, model and status.

    Rows that would count nothing are left out. Times are UTC.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    for section, buckets in (
        ("week", report.weeks),
        ("hour", report.hours),
        ("3 minutes", report.recent),
    ):
        for bucket in buckets:
            writer.writerows(_csv_rows(section, bucket))
    return text.getvalue()


def _csv_rows(section: str, bucket: Bucket) -> Iterator[tuple[str | int, ...]]:
    span = (iso(bucket.span.start), iso(bucket.span.end))
    for key, counts in sorted(bucket.usage.cells.items(), key=lambda cell: str(cell[0][1:])):
        names = (
            "" if name is None else spreadsheet_safe(printable(name))
            for name in (key.backend, key.model)
        )
        yield (section, *span, *names, key.status, counts.requests, *tokens_of(counts).values())


def _weeks_with_requests(
    usage: UsageCells, boundary: WeekBoundary, now: datetime
) -> tuple[Span, ...]:
    weeks = {boundary.week_of(key.start) for key in usage.cells} | {boundary.week_of(now)}
    return tuple(sorted(weeks, key=lambda week: week.start))


def _in_order(backends: Iterable[str | None]) -> tuple[str | None, ...]:
    """Anthropic, the others by name, and none last, so that no view depends on the numbers."""
    return tuple(
        sorted(set(backends), key=lambda name: (name is None, name != ANTHROPIC, name or ""))
    )


def _buckets(usage: UsageCells, spans: Sequence[Span]) -> tuple[Bucket, ...]:
    return tuple(map(Bucket, spans, series(usage, spans)))


def _bucket(bucket: Bucket) -> dict[str, Any]:
    return {
        "start": iso(bucket.span.start),
        "end": iso(bucket.span.end),
        **counts_of(bucket.usage.total()),
        "split": [
            {"backend": backend, "model": model, **counts_of(totals)}
            for (backend, model), totals in by_route(bucket.usage).items()
        ],
    }


def _shares(usage: UsageCells) -> list[dict[str, Any]]:
    whole = usage.total()
    return [
        {
            "backend": backend,
            **counts_of(totals),
            "request_share": share(totals.requests, whole.requests),
            "token_share": share(totals.tokens, whole.tokens),
        }
        for backend, totals in by_backend(usage).items()
    ]
