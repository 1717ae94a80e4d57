"""One request from its arrival to its record: all that is known of it, finished exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.usage.records import RequestRecord, Status, format_timestamp
from offramp_daemon.messages.usage_meter import Meter, Usage
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from aiohttp import web

    from offramp_core.settings import Backend, Settings
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.routing.affinity import Conversation
    from offramp_daemon.routing.router import Decision

FinishListener = Callable[["Exchange"], None]

_NAME_LIMIT = 200
_NO_USAGE = Usage()


@dataclass(slots=True, eq=False, repr=False)
class Exchange:
    """A request under way. Fields are filled in as they become known.

    `finish` reports to `on_finish` the first time that it is called and never again. `encoded` and
    `body` are there once the request was read, `decision` and `sent_model` once it `is_routed`.
    """

    request: web.BaseRequest
    settings: Settings
    """As they were when the request arrived."""
    on_finish: FinishListener | None
    """None for what is no message, such as count_tokens: it is neither metered nor recorded."""
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_s: float = field(default_factory=time.monotonic)
    credential: str | None = field(init=False)
    """What the client would log in with at Anthropic."""
    encoded: bytes = field(init=False)
    """The body as it came, in the client's content coding."""
    body: RequestBody = field(init=False)
    is_paused: bool = False
    """Whether delegation is paused by the user."""
    session_id: str | None = None
    conversation: Conversation | None = None
    model: str | None = None
    """The one that the client asked for, as it is recorded."""
    is_routed: bool = False
    decision: Decision = field(init=False)
    sent_model: str | None = field(init=False)
    """The model's name as the backend gets it."""
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
    """False for probes, which go only to the diagnostics."""
    status: Status | None = None
    elapsed_ms: int = 0

    def __post_init__(self) -> None:
        """Look up what the client logs in with."""
        self.credential = headers.client_credential(self.request.headers)

    @property
    def is_message(self) -> bool:
        """Whether it is a POST to `/v1/messages`, which is metered and leaves a record."""
        return self.on_finish is not None

    @property
    def backend(self) -> Backend | None:
        """The backend that serves it at present; None before one was chosen."""
        return self.decision.backend if self.is_routed else None

    def send_to(self, decision: Decision, reason: str | None = None) -> None:
        """Have the backend of `decision` serve it from now on.

        Whatever was said instead of a decision's reason was about the backend before; `reason`
        takes its place.
        """
        self.decision = decision
        self.is_routed = True
        self.reason = reason
        route = decision.route
        self.sent_model = (route.send_model if route else None) or self.body.model

    def finish(self, status: Status) -> None:
        """End the exchange with `status`."""
        if self.status is not None or self.on_finish is None:
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
        meter = self.meter
        usage = meter.usage if meter else _NO_USAGE
        return RequestRecord(
            ts=format_timestamp(self.arrived),
            model=_clean(self.model),
            backend=self.decision.backend.name if self.is_routed else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_creation_input_tokens=usage.cache_creation_input_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens,
            status=self.status or "error",
            http_status=self.http_status,
            served_model=_clean(meter.served_model) if meter else None,
            reason=self.reason or (self.decision.reason if self.is_routed else None),
            session_id=_clean(self.session_id),
            cache_creation_5m_input_tokens=usage.cache_creation_5m_input_tokens,
            cache_creation_1h_input_tokens=usage.cache_creation_1h_input_tokens,
        )


def _clean(name: str | None) -> str | None:
    """`name` fit for a record: bounded, and no half characters, which UTF-8 can't hold."""
    if name is None or (name.isascii() and len(name) <= _NAME_LIMIT):
        return name
    return name[:_NAME_LIMIT].encode("utf-8", "replace").decode()
