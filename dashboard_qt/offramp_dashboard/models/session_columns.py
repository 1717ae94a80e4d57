"""The columns of the table of sessions: what they are called, and what each says of a session."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale

from offramp_core.wording import session_text
from offramp_core.wording.formatting import format_dollars, format_moment, printable
from offramp_dashboard.data.sessions.session_rows import SessionRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from offramp_dashboard.data.sessions.session_rows import SessionRow


class SessionColumn(IntEnum):
    """The table's columns, in their order."""

    LAST = 0
    PROJECT = 1
    REQUESTS = 2
    TOKENS = 3
    ERRORS = 4
    CHANGES = 5
    PRICE = 6
    SERVED = 7
    INPUT = 8
    OUTPUT = 9
    CACHE_READ = 10
    CACHE_WRITTEN = 11
    START = 12
    SESSION = 13

    @property
    def falls_first(self) -> bool:
        """Whether the largest comes first when the column is chosen: numbers and times."""
        return self not in (SessionColumn.PROJECT, SessionColumn.SERVED, SessionColumn.SESSION)

    @property
    def is_number(self) -> bool:
        """Whether it is aligned as numbers are."""
        return self.falls_first and self not in TIMES


TIMES = (SessionColumn.LAST, SessionColumn.START)
HEADERS = (
    *("Last activity", "Project", "Requests", "Tokens", "Errors", "Changes", "List price"),
    *("Served by", "Input", "Output", "Cache read", "Cache written", "Start", "Session"),
)
HINTS = (
    "When its latest request arrived",
    "The folder that Claude Code was started in",
    "Requests, those of subagents included",
    "Tokens of every kind together",
    "Requests that failed",
    "How often a model's requests went to another service than those before",
    "What the delegated tokens would have cost at Anthropic's list prices",
    "The models that were asked for, who served them, and how often",
    "Input tokens, without those of the cache",
    "Output tokens",
    "Tokens read from the cache",
    "Tokens written to the cache",
    "When its first request arrived",
    "Its id, as Claude Code has it",
)
_SESSION_LETTERS = 8


def project_text(row: SessionRow) -> str:
    """The project's path or its folder's name, or that there is none."""
    return printable(row.project) if row.project else session_text.NO_PROJECT


VALUES: dict[SessionColumn, Callable[[SessionRow], Any]] = {
    SessionColumn.LAST: lambda row: row.session.last,
    SessionColumn.PROJECT: project_text,
    SessionColumn.REQUESTS: lambda row: row.total.requests,
    SessionColumn.TOKENS: lambda row: row.total.tokens,
    SessionColumn.ERRORS: lambda row: row.total.errors,
    SessionColumn.CHANGES: lambda row: row.session.changes,
    SessionColumn.PRICE: lambda row: -1.0 if row.usd is None else row.usd,
    SessionColumn.SERVED: lambda row: session_text.services(row.session),
    SessionColumn.INPUT: lambda row: row.total.counts.input_tokens,
    SessionColumn.OUTPUT: lambda row: row.total.counts.output_tokens,
    SessionColumn.CACHE_READ: lambda row: row.total.counts.cache_read_input_tokens,
    SessionColumn.CACHE_WRITTEN: lambda row: row.total.counts.cache_creation_input_tokens,
    SessionColumn.START: lambda row: row.session.start,
    SessionColumn.SESSION: lambda row: printable(row.session.id),
}
"""What rows are sorted by."""

_LISTED: dict[SessionColumn, Callable[[SessionRows], Sequence[Any]]] = {
    SessionColumn.LAST: lambda rows: rows.lasts,
    SessionColumn.REQUESTS: lambda rows: rows.requests,
    SessionColumn.TOKENS: lambda rows: rows.tokens,
    SessionColumn.ERRORS: lambda rows: rows.errors,
    SessionColumn.CHANGES: lambda rows: rows.changes,
    SessionColumn.INPUT: lambda rows: rows.tokens_of(1),
    SessionColumn.OUTPUT: lambda rows: rows.tokens_of(2),
    SessionColumn.CACHE_WRITTEN: lambda rows: rows.tokens_of(3),
    SessionColumn.CACHE_READ: lambda rows: rows.tokens_of(4),
    SessionColumn.START: lambda rows: rows.firsts,
}
"""The same of all rows at once, without making one."""


def values(rows: Sequence[SessionRow], column: SessionColumn) -> Sequence[Any]:
    """Return what each of `rows` is sorted by."""
    if isinstance(rows, SessionRows) and column in _LISTED:
        return _LISTED[column](rows)
    return [VALUES[column](row) for row in rows]


def names(rows: Sequence[SessionRow]) -> list[str]:
    """Return each row's session."""
    return rows.names if isinstance(rows, SessionRows) else [row.session.id for row in rows]


def text(row: SessionRow, column: SessionColumn, now: datetime, zone: tzinfo) -> str:
    """A cell as it is shown."""
    value = VALUES[column](row)
    if column in TIMES:
        return format_moment(value, now, zone)
    match column:
        case SessionColumn.PRICE:
            return "" if row.usd is None else format_dollars(row.usd)
        case SessionColumn.SESSION:
            return str(value)[:_SESSION_LETTERS]
        case _:
            return QLocale().toString(value) if isinstance(value, int) else str(value)


def full(row: SessionRow, column: SessionColumn, zone: tzinfo) -> str:
    """A cell with nothing left out, as it is copied."""
    value = VALUES[column](row)
    if column in TIMES:
        return str(value.astimezone(zone).isoformat(timespec="milliseconds"))
    if column is SessionColumn.PRICE:
        return "" if row.usd is None else f"{row.usd:.6f}"
    return str(value)
