"""`offramp stats --by`: one table of totals, by project, session, model, reason or day.

The JSON's shape is a promise to scripts: keys are only ever added. Times are UTC, tokens integers.

    generated_at, time_zone, skipped_lines, by
    period: start (null for the whole log), end
    filters: backends, models
    rows: a list of {name, the counts}; `name` is null for what has none
    total: the counts

The counts are those of `offramp stats --json`.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from offramp_cli.reports.counts import counts_of, iso
from offramp_core.usage.aggregation import Totals, contains_any, sum_totals
from offramp_core.usage.breakdown import Breakdown
from offramp_core.usage.log_reader import LogReader
from offramp_core.wording.formatting import (
    printable,
    spreadsheet_safe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo
    from pathlib import Path

    from offramp_cli.reports.stats_report import Filters
    from offramp_core.usage.breakdown import By
    from offramp_core.usage.records import DetailRecord

_BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)
"""No calendar problem arises with times from here on, in any zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakdownReport:
    """The totals by name, in the order in which they are shown."""

    by: By
    now: datetime
    start: datetime | None
    """None for the whole log."""
    end: datetime
    zone: tzinfo
    filters: Filters
    skipped_lines: int
    totals: Mapping[str | None, Totals]

    def total(self) -> Totals:
        """Return everything in one sum."""
        return sum_totals(self.totals.values())


def gather(
    folder: Path,
    by: By,
    *,
    now: datetime,
    start: datetime | None,
    end: datetime,
    zone: tzinfo,
    filters: Filters,
    projects: Mapping[str, str],
) -> BreakdownReport:
    """Read and count what the log in `folder` has from `start` until before `end`.

    Raises:
        OfframpError: the log can't be read.
    """
    reader = LogReader(folder, since=start)
    breakdown = Breakdown(by, zone, projects)
    for records in reader.read_details():
        breakdown.add(_selected(records, start or _BEGINNING, end, filters))
    return BreakdownReport(
        by=by,
        now=now,
        start=start,
        end=end,
        zone=zone,
        filters=filters,
        skipped_lines=reader.skipped_lines,
        totals=breakdown.totals(),
    )


def as_json(report: BreakdownReport) -> str:
    """The report in the shape that this module's docstring promises."""
    shape: dict[str, Any] = {
        "generated_at": iso(report.now),
        "time_zone": str(report.zone),
        "skipped_lines": report.skipped_lines,
        "by": report.by,
        "period": {
            "start": None if report.start is None else iso(report.start),
            "end": iso(report.end),
        },
        "filters": {
            "backends": list(report.filters.backends),
            "models": list(report.filters.models),
        },
        "rows": [{"name": name, **counts_of(totals)} for name, totals in report.totals.items()],
        "total": counts_of(report.total()),
    }
    return json.dumps(shape)


def as_csv(report: BreakdownReport) -> str:
    """One row per name; the first column is headed by what the names are of."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((report.by, *counts_of(Totals())))
    for name, totals in report.totals.items():
        shown = "" if name is None else spreadsheet_safe(printable(name))
        writer.writerow((shown, *counts_of(totals).values()))
    return text.getvalue()


def _selected(
    records: list[DetailRecord], start: datetime, end: datetime, filters: Filters
) -> Iterator[DetailRecord]:
    is_filtered = bool(filters.backends or filters.models)
    for record in records:
        if not start <= record.ts < end:
            continue
        if is_filtered and not (
            contains_any(record.backend, filters.backends)
            and contains_any(record.model, filters.models)
        ):
            continue
        yield record
