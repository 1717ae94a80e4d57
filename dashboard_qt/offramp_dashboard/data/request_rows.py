"""One request as the table shows it, and which of them a filter lets through. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from offramp_core.wording.formatting import backend_name, model_id, printable, short_model

if TYPE_CHECKING:
    from offramp_core.usage.records import RequestRecord, Status


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestRow:
    """A record with its time read and its names fit to be shown; each is equal only to itself."""

    moment: datetime
    model: str
    """Short, for people; `record` has it in full."""
    backend: str
    status: str
    reason: str
    record: RequestRecord
    searched: str = field(repr=False)
    """All that a search looks through, case folded."""

    @property
    def cache_tokens(self) -> int:
        """Tokens of the prompt that were read from the cache or written to it."""
        return self.record.cache_read_input_tokens + self.record.cache_creation_input_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """What the table is to show; the default shows everything."""

    text: str = ""
    """Must be somewhere in a row's names, status or reason, case ignored."""
    statuses: frozenset[Status] = frozenset()
    """None at all lets every status through."""
    reason: str | None = None
    """Exactly this one, as rows show it; None lets every reason through."""
    hidden_providers: frozenset[str] = frozenset()
    hidden_models: frozenset[str] = frozenset()

    def passes(self, row: RequestRow) -> bool:
        """Whether `row` is to be shown."""
        record = row.record
        if self.statuses and record.status not in self.statuses:
            return False
        if self.reason is not None and row.reason != self.reason:
            return False
        if (record.backend or "") in self.hidden_providers:
            return False
        if (record.model or "") in self.hidden_models:
            return False
        return self.text.strip().casefold() in row.searched


def row_of(record: RequestRecord) -> RequestRow | None:
    """`record` as a row; None where its time can't be read, so that it has no place."""
    try:
        moment = datetime.fromisoformat(record.ts)
    except ValueError:
        return None
    if moment.tzinfo is None or not 1 < moment.year < 9998:
        return None  # the calendar's ends can't be told in every zone
    status: str = "ok" if record.status == "success" else record.status
    if record.status == "error" and record.http_status not in (None, 200):
        status = f"error {record.http_status}"
    backend, model = backend_name(record.backend), model_id(record.model)
    reason = printable(record.reason) if record.reason else ""
    return RequestRow(
        moment=moment,
        model=short_model(record.model),
        backend=backend,
        status=status,
        reason=reason,
        record=record,
        searched="\n".join(
            (model, backend, record.backend or "", record.status, status, reason)
        ).casefold(),
    )
