"""One request from its arrival to its record: what is known of it, finished exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.usage.records import RequestRecord, Status, format_timestamp
from offramp_daemon.messages.usage_meter import Meter, Usage
from offramp_daemon.recording.console import RequestLine
from offramp_daemon.routing.tiers import tier_of

if TYPE_CHECKING:
    from offramp_daemon.routing.affinity import Conversation
    from offramp_daemon.routing.decision import Decision

Finished = Callable[["Exchange"], None]

_NAME_LIMIT = 200


@dataclass(slots=True)
class Exchange:
    """A POST to `/v1/messages` under way. Fields are filled in as they become known.

    `finish` reports to `on_finish` the first time that it is called and never again.
    """

    on_finish: Finished
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_s: float = field(default_factory=time.monotonic)
    model: str | None = None
    decision: Decision | None = None
    session_id: str | None = None
    conversation: Conversation | None = None
    http_status: int | None = None
    meter: Meter | None = None
    reason: str | None = None
    """Overrides the decision's reason, where no decision was made or it was not the last word."""
    cause: str | None = None
    """Why it failed, in words without content, for the console."""
    trouble: str | None = None
    """What the failure says of the backend, where it says something."""
    prompt: str | None = None
    masked_key: str | None = None
    is_recorded: bool = True
    """False for probes, which go to the diagnostics alone."""
    status: Status | None = None
    elapsed_ms: int = 0

    def finish(self, status: Status) -> None:
        """End the exchange with `status`."""
        if self.status is not None:
            return
        self.status = status
        self.elapsed_ms = round((time.monotonic() - self.started_s) * 1000)
        self.on_finish(self)

    def outcome(self) -> Status:
        """What the answer read so far amounts to: success only if it was whole and no error."""
        meter = self.meter
        if meter is None or self.http_status is None or self.http_status >= 400:
            return "error"
        if meter.error_type is not None:
            return "error"
        return "success" if meter.is_complete or not meter.is_readable else "error"

    def record(self) -> RequestRecord:
        """The line for the log."""
        usage = self.meter.usage if self.meter else Usage()
        served = self.meter.served_model if self.meter else None
        return RequestRecord(
            ts=format_timestamp(self.arrived),
            model=_clean(self.model),
            backend=self.decision.backend.name if self.decision else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_creation_input_tokens=usage.cache_creation_input_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens,
            status=self.status or "error",
            http_status=self.http_status,
            served_model=_clean(served),
            reason=self._reason(),
            session_id=_clean(self.session_id),
            cache_creation_5m_input_tokens=usage.cache_creation_5m_input_tokens,
            cache_creation_1h_input_tokens=usage.cache_creation_1h_input_tokens,
        )

    def line(self) -> RequestLine:
        """The line for the console."""
        usage = self.meter.usage if self.meter else Usage()
        is_delegated = self.decision is not None and self.decision.is_delegated
        return RequestLine(
            tier=tier_of(self.model, self.decision),
            backend=self.decision.backend.name if self.decision else "-",
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            elapsed_ms=self.elapsed_ms,
            status=self.status or "error",
            http_status=self.http_status,
            reason=self._notable_reason(),
            prompt=self.prompt,
            masked_key=None if is_delegated else self.masked_key,
        )

    def _reason(self) -> str | None:
        return self.reason or (self.decision.reason if self.decision else None)

    def _notable_reason(self) -> str | None:
        """Why it failed, else why it was routed so, unless the rules were simply followed."""
        if self.cause is not None:
            return self.cause
        is_ordinary = (
            self.reason is None and self.decision is not None and self.decision.is_ordinary
        )
        return None if is_ordinary else self._reason()


def _clean(name: str | None) -> str | None:
    """`name` fit for a record: bounded, and no half characters, which UTF-8 can't hold."""
    if name is None or (name.isascii() and len(name) <= _NAME_LIMIT):
        return name
    return name[:_NAME_LIMIT].encode("utf-8", "replace").decode()
