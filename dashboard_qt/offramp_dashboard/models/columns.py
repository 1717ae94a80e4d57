"""The columns of the table of requests: what they are called, and what each says of a request."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale, Qt

from offramp_core.wording.formatting import model_id, printable, short_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from offramp_dashboard.data.request_rows import RequestRow


class Column(IntEnum):
    """The table's columns, in their order."""

    TIME = 0
    MODEL = 1
    BACKEND = 2
    SERVED = 3
    INPUT = 4
    OUTPUT = 5
    CACHE = 6
    STATUS = 7
    SESSION = 8
    REASON = 9

    @property
    def falls_first(self) -> bool:
        """Whether the largest comes first when the column is chosen: numbers and times."""
        return self is Column.TIME or self in NUMBERS


NUMBERS = (Column.INPUT, Column.OUTPUT, Column.CACHE)
HEADERS = (
    *("Time", "Model", "Backend", "Served model", "Input", "Output", "Cache", "Status"),
    *("Session", "Reason"),
)
ARROWS = {
    Qt.SortOrder.AscendingOrder: "\N{BLACK UP-POINTING TRIANGLE}",
    Qt.SortOrder.DescendingOrder: "\N{BLACK DOWN-POINTING TRIANGLE}",
}
_SESSION_LETTERS = 8
HINTS = (
    "When the request arrived",
    "The model that Claude Code asked for",
    "Who served it",
    "The model that the answer names",
    "Input tokens, without those of the cache",
    "Output tokens",
    "Tokens read from or written to the cache",
    "How it ended",
    "The conversation that it belongs to",
    "Why this service was chosen",
)
VALUES: dict[Column, Callable[[RequestRow], Any]] = {
    Column.TIME: lambda row: row.moment,
    Column.MODEL: lambda row: row.model,
    Column.BACKEND: lambda row: row.backend,
    Column.SERVED: lambda row: _model_text(row.record.served_model),
    Column.INPUT: lambda row: row.record.input_tokens,
    Column.OUTPUT: lambda row: row.record.output_tokens,
    Column.CACHE: lambda row: row.cache_tokens,
    Column.STATUS: lambda row: row.status,
    Column.SESSION: lambda row: printable(row.record.session_id or "")[:_SESSION_LETTERS],
    Column.REASON: lambda row: row.reason,
}


def details(row: RequestRow, zone: tzinfo) -> list[tuple[str, str]]:
    """All that the log has of a request, as names and values."""
    record = row.record
    number = QLocale().toString
    return [
        ("Time", full_time(row, zone)),
        ("Model", model_id(record.model)),
        ("Backend", row.backend),
        ("Served model", printable(record.served_model or "none")),
        ("Status", row.status),
        ("HTTP status", "none" if record.http_status is None else str(record.http_status)),
        ("Reason", row.reason or "none"),
        ("Input tokens", number(record.input_tokens)),
        ("Output tokens", number(record.output_tokens)),
        ("Cache read", number(record.cache_read_input_tokens)),
        ("Cache written", number(record.cache_creation_input_tokens)),
        ("Session", printable(record.session_id or "none")),
    ]


def full_time(row: RequestRow, zone: tzinfo) -> str:
    """When it arrived, with the zone's name."""
    return f"{row.moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def full(row: RequestRow, column: Column, zone: tzinfo) -> str:
    """A cell with nothing left out, as it is copied."""
    record = row.record
    match column:
        case Column.TIME:
            return row.moment.astimezone(zone).isoformat(timespec="milliseconds")
        case Column.MODEL:
            return model_id(record.model)
        case Column.SERVED:
            return printable(record.served_model or "")
        case Column.SESSION:
            return printable(record.session_id or "")
        case _:
            return str(VALUES[column](row))


def _model_text(model: str | None) -> str:
    return short_model(model) if model else ""
