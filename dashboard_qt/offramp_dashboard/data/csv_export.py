"""What is seen, as CSV: RFC 4180, UTF-8, times in ISO 8601 with their offset. No Qt.

Names come from whoever sent the requests. A spreadsheet takes a cell that begins like a formula for
one, so such a text gets an apostrophe in front, which spreadsheets show as "this is text".
"""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.errors import OfframpError
from offramp_core.wording import session_text
from offramp_core.wording.formatting import backend_name, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from offramp_dashboard.data.request_rows import RequestRow
    from offramp_dashboard.data.sessions.session_rows import SessionRow
    from offramp_dashboard.data.snapshot import Bars, Quota, Tokens, Weeks


_REQUEST_COLUMNS = (
    "time",
    "model",
    "backend",
    "served_model",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "status",
    "http_status",
    "reason",
)


_SESSION_COLUMNS = (
    *("session", "project", "start", "last", "requests", "errors", "cancelled"),
    *("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    *("tokens", "changes", "list_price_usd", "served_by"),
)


def bars_csv(bars: Bars) -> str:
    """One row per bar: its time, then each series; the header says what is counted."""
    unit = bars.measure.value
    header = ("start", "end", *(f"{series.name} ({unit})" for series in bars.series))
    rows = (
        (
            _iso(start),
            _iso(end),
            *(series.values[place] for series in bars.series),
        )
        for place, (start, end) in enumerate(pairwise(bars.edges))
    )
    return _csv(header, rows)


def weeks_csv(weeks: Weeks) -> str:
    """One row per week: its time, then each backend; the running week is what is there so far."""
    unit = weeks.measure.value
    header = ("start", "end", *(f"{backend_name(name)} ({unit})" for name in weeks.backends))
    rows = (
        (_iso(week.start), _iso(week.end), *(value for _, value in week.values))
        for week in weeks.weeks
    )
    return _csv(header, rows)


def tokens_csv(tokens: Tokens) -> str:
    """One row per backend: its tokens by kind, and the part of its prompts that was cached."""
    header = (
        *("start", "end", "backend", "input_tokens", "output_tokens"),
        *("cache_creation_input_tokens", "cache_read_input_tokens", "cache_hit_rate"),
    )
    rows = (
        (
            _iso(tokens.start),
            _iso(tokens.end),
            backend_name(kind.backend),
            kind.input,
            kind.output,
            kind.cache_write,
            kind.cache_read,
            None if kind.cache_hit_rate is None else round(kind.cache_hit_rate, 6),
        )
        for kind in tokens.kinds
    )
    return _csv(header, rows)


def quota_csv(quota: Quota) -> str:
    """One row per figure that was told of a running window; the beginning of each is 0."""
    return _csv(
        ("backend", "window", "time", "used", "resets"),
        (
            (
                backend_name(burn_up.backend),
                burn_up.window,
                _iso(point.moment),
                round(point.used, 6),
                _iso(burn_up.end),
            )
            for burn_up in quota.burn_ups
            for point in burn_up.points
        ),
    )


def requests_csv(rows: Sequence[RequestRow], zone: tzinfo) -> str:
    """One row per request, in their order; names in full, as the log has them."""
    return _csv(
        _REQUEST_COLUMNS,
        (
            (
                _iso(row.moment.astimezone(zone), timespec="milliseconds"),
                row.record.model,
                row.record.backend,
                row.record.served_model,
                row.record.input_tokens,
                row.record.output_tokens,
                row.record.cache_creation_input_tokens,
                row.record.cache_read_input_tokens,
                row.record.status,
                row.record.http_status,
                row.record.reason,
            )
            for row in rows
        ),
    )


def sessions_csv(rows: Sequence[SessionRow], zone: tzinfo) -> str:
    """One row per session, in their order; the list price is of what was delegated."""
    return _csv(
        _SESSION_COLUMNS,
        (
            (
                row.session.id,
                row.project,
                _iso(row.session.start.astimezone(zone), timespec="milliseconds"),
                _iso(row.session.last.astimezone(zone), timespec="milliseconds"),
                row.total.requests,
                row.total.errors,
                row.total.cancelled,
                row.total.counts.input_tokens,
                row.total.counts.output_tokens,
                row.total.counts.cache_creation_input_tokens,
                row.total.counts.cache_read_input_tokens,
                row.total.tokens,
                row.session.changes,
                None if row.usd is None else round(row.usd, 6),
                session_text.services(row.session),
            )
            for row in rows
        ),
    )


def save(file: Path, text: str) -> None:
    """Put `text` in the place of `file`, whole or not at all.

    Raises:
        OfframpError: it can't be written; what was there stays.
    """
    save_bytes(file, text.encode())


def save_bytes(file: Path, data: bytes) -> None:
    """As `save`, for what is not text.

    Raises:
        OfframpError: it can't be written; what was there stays.
    """
    try:
        atomic_file.replace(file, data)
    except OSError as error:
        raise OfframpError(
            f"{file} can't be written: {error.strerror or error}.",
            hint="Choose a folder of yours, on a disk with free space.",
        ) from error


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(_safe, header))
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers as they are."""
    return spreadsheet_safe(cell) if isinstance(cell, str) else cell


def _iso(moment: datetime, timespec: str = "seconds") -> str:
    return moment.isoformat(timespec=timespec)
