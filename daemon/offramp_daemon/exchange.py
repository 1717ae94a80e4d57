"""One request from its arrival to its record: all that is known of it, finished exactly once."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.redaction import MASK, holds_key, model_name, redactor_of
from offramp_core.usage.records import RequestRecord, format_timestamp
from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.outcome import Outcome
from offramp_daemon.messages.answers.usage_meter import TokenUsage, UsageMeter

if TYPE_CHECKING:
    from aiohttp import web

    from offramp_core.redaction import Redactor
    from offramp_core.settings import Backend, Settings
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.routing.affinity import Conversation
    from offramp_daemon.routing.decision import Decision

OutcomeListener = Callable[["Exchange", Outcome], None]
"""Is called with each outcome of a request at a backend. Unless the exchange has an outcome itself
by then, it was not the last one: another backend is asked next."""

_NAME_LIMIT = 200
_NO_USAGE = TokenUsage()
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Whether one request may go to the backend; the circuit breaker gives it out.

    A request may be sent though `is_open` is False, where nobody else can serve it: its outcome
    counts anyway.
    """

    backend: Backend
    family: str
    number: int
    """Counts up: what was tripped later is not lifted by what this request finds."""
    is_open: bool = True
    is_probe: bool = False
    """Only it tries whether the backend is well again; the others wait for its outcome."""
    cause: str | None = None
    """Why the backend is barred (a `BackendError.kind`); of a probe, why it was."""
    since: datetime | None = None
    until: datetime | None = None
    """When it is tried again, or its quota resets. None where that is not known, as with a key
    that somebody has to change, and while it is being tried."""
    sender: Callable[[], Hashable] | None = None
    """Tells apart the requests that may fail for one and the same reason of their own; None where
    each stands for itself."""


@dataclass(eq=False, repr=False)
class Exchange:
    """A request under way. Fields are filled in as they become known.

    Until then the class has their values, so that a new exchange costs little.

    Each outcome is reported to all `listeners`, in their order, and `finish` does so only once.
    A listener that fails is logged, and the next one is called.
    `encoded`, `body` and `work_bytes` are there once the request was read, `decision` and
    `sent_model` once it has a `backend`.
    """

    request: web.BaseRequest
    settings: Settings
    """As they were when the request arrived."""
    listeners: Sequence[OutcomeListener] = ()
    is_message: bool = True
    """Whether it is a POST to `/v1/messages`; all else is neither metered nor reported."""
    arrived: datetime = field(default_factory=functools.partial(datetime.now, UTC))
    started_s: float = field(default_factory=time.monotonic)
    sent_s: float | None = None
    """When it was first sent to a service, as `started_s`; None before that."""
    credential: str | None = None
    """What the client would log in with at Anthropic."""
    credentials: tuple[str, ...] = ()
    """All that the client sent to log in with: Anthropic may get more than one."""
    encoded: bytes = field(init=False)
    """The body as it came, in the client's content coding."""
    body: RequestBody = field(init=False)
    work_bytes: int = field(init=False)
    """How long the body counts as where it is decided what is done in a thread."""
    is_paused: bool = field(init=False, default=False)
    """Whether delegation is paused by the user."""
    session_id: str | None = field(init=False, default=None)
    conversation: Conversation | None = field(init=False, default=None)
    model: str | None = field(init=False, default=None)
    """The one that the client asked for, as it is recorded."""
    decision: Decision = field(init=False)
    backend: Backend | None = field(init=False, default=None)
    """The one that serves it at present; None before one was chosen."""
    is_delegated: bool = field(init=False, default=False)
    """Whether a backend other than the client's own serves it at present."""
    permit: Permit | None = field(init=False, default=None)
    """What the circuit breaker gave for the attempt under way, until its outcome was reported."""
    sent_model: str | None = field(init=False)
    """The model's name as the backend gets it, fit to be kept."""
    http_status: int | None = field(init=False, default=None)
    """Of the answer that is being passed on."""
    meter: UsageMeter | None = field(init=False, default=None)
    reason: str | None = field(init=False, default=None)
    """Overrides the decision's reason, where no decision was made or it was not the last word."""
    prompt: str | None = field(init=False, default=None)
    masked_key: str | None = field(init=False, default=None)
    is_recorded: bool = field(init=False, default=True)
    """False for probes, which go only to the diagnostics."""
    outcome: Outcome | None = field(init=False, default=None)
    """None until it is finished."""
    elapsed_ms: int = field(init=False, default=0)
    _shape: int | None = field(init=False, default=None)
    _redactor: Redactor | None = field(init=False, default=None)

    def sender(self) -> Hashable:
        """Who would send the same fault again: the session, or else the request's shape.

        A session's agents share its tools, and so its faults. Requests without a session that offer
        the same tools count as one, since it is mostly a tool's schema that a service trips over;
        the others are told apart by their whole body.
        """
        if self.conversation is not None:
            return self.conversation.session_id
        if self._shape is None:
            self._shape = hash(bytes(request_body.tools_of(self.body) or self.body.source))
        return self._shape

    def send_to(
        self, decision: Decision, *, after: Outcome | None = None, reason: str | None = None
    ) -> None:
        """Have the backend of `decision` serve it from now on.

        `after` is how it ended at the backend before, if it was there. Whatever was said instead of
        a decision's reason was about that backend; `reason` takes its place.
        """
        if after is not None:
            self._report(after)
        self.permit = None
        self.decision = decision
        self.backend = decision.backend
        self.is_delegated = decision.backend.auth != "client"
        self.reason = reason
        self._note_sent_model()

    def send_as(self, decision: Decision) -> None:
        """Have the same backend serve it as `decision` has it, in the attempt under way."""
        self.decision = decision
        self.reason = None
        self._note_sent_model()

    def _note_sent_model(self) -> None:
        route = self.decision.route
        sent = (route.send_model if route else None) or self.body.model
        self.sent_model = None if sent is None else self.kept(sent)

    def finish(self, outcome: Outcome) -> None:
        """End the exchange with `outcome`, unless it has ended already."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        if outcome.trouble_cause == api.EMPTY_ANSWERS:
            self.reason = f"{self.reason or self.decision.reason}, empty answer"
        self.elapsed_ms = round((time.monotonic() - self.started_s) * 1000)
        self._report(outcome)

    def _report(self, outcome: Outcome) -> None:
        """Call the listeners; one that fails costs neither the client's answer nor the record."""
        for listener in self.listeners:
            try:
                listener(self, outcome)
            except Exception:  # noqa: BLE001 - whatever it is, the others hear of the outcome
                _LOG.exception("A listener to the outcomes of requests failed")

    @property
    def shown_model(self) -> str | None:
        """The model that the client asked for, fit for a file and for a terminal."""
        return _shown(self.model, self.redactor)

    @property
    def redactor(self) -> Redactor:
        """Takes the credentials that take part in the request out of a text."""
        if self._redactor is None:
            own = (self.credential,) if self.credential else ()
            self._redactor = redactor_of(*_KEYS.of(self.settings), *own, *self.credentials)
        return self._redactor

    def kept(self, name: str) -> str:
        """`name`, which the client or a service gave, or the mask if it holds a credential."""
        return _hidden(name, self.redactor)

    def record(self) -> RequestRecord:
        """The line for the log, once it is finished."""
        meter, outcome = self.meter, self.outcome
        if outcome is None:
            raise RuntimeError("The exchange is not finished")
        usage, redactor = meter.usage if meter else _NO_USAGE, self.redactor
        reason = self.reason or (self.decision.reason if self.backend else None)
        return RequestRecord(
            ts=format_timestamp(self.arrived),
            model=_shown(self.model, redactor),
            backend=self.backend.name if self.backend else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_creation_input_tokens=usage.cache_creation_input_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens,
            status=outcome.status,
            http_status=outcome.http_status,
            served_model=_shown(meter.served_model, redactor) if meter else None,
            reason=None if reason is None else _redacted(reason, redactor),
            session_id=None if self.session_id is None else self.kept(_fit(self.session_id)),
            cache_creation_5m_input_tokens=usage.cache_creation_5m_input_tokens,
            cache_creation_1h_input_tokens=usage.cache_creation_1h_input_tokens,
        )


class _SettingsKeys:
    """The credentials in the settings in force, revealed once for each change of these."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._keys: tuple[str, ...] = ()

    def of(self, settings: Settings) -> tuple[str, ...]:
        if settings is not self._settings:
            self._settings = settings
            self._keys = tuple(secret.reveal() for secret in settings.secrets())
        return self._keys


_KEYS = _SettingsKeys()


@functools.lru_cache(maxsize=256)
def _shown(model: str | None, redactor: Redactor) -> str | None:
    """A model's name fit for a record, unless it holds a credential."""
    return None if model is None else _hidden(model_name(model), redactor)


@functools.lru_cache(maxsize=256)
def _hidden(text: str, redactor: Redactor) -> str:
    """`text`, or the mask: most of these are the same each time."""
    return MASK if holds_key(text) or redactor.holds(text) else text


@functools.lru_cache(maxsize=256)
def _redacted(text: str, redactor: Redactor) -> str:
    return redactor.redact(text)


def _fit(session: str) -> str:
    """A session's id, bounded, and without half characters, which no file can hold."""
    if session.isascii() and len(session) <= _NAME_LIMIT:
        return session
    return session[:_NAME_LIMIT].encode("utf-8", "replace").decode()
