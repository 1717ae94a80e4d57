"""Decides how a request ended at a backend, and what that says of the backend.

This is the one place for it: `of_answer` reads the status and the meter of an answer that was
passed on; `of_failure` reads the failure that stands for an error body, a first event or an
exception; the rest is about streams that were cut and clients that left. Pure.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from offramp_core.control import api
from offramp_daemon.messages.answers.errors import RETRY_AFTER, trouble_of

if TYPE_CHECKING:
    from offramp_core.usage.records import Status
    from offramp_daemon.messages.answers.errors import Failure
    from offramp_daemon.messages.answers.usage_meter import UsageMeter

Scope = Literal["backend", "family"]
"""What a failure speaks of: the whole backend, or one model family at it."""

_ERROR_STATUS: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_OF_EVENTS: Final = {
    "rate_limit_error": api.LIMIT,
    "overloaded_error": api.OVERLOADED,
    "api_error": api.FAILING,
    "timeout_error": api.FAILING,
    "error": api.FAILING,
}
"""What Anthropic's own error events say of it; others are about the request."""
_OF_DELEGATES_EVENTS: Final = {
    # Delegates send this for a momentary limit, too; a spent quota shows with the next request.
    "rate_limit_error": api.OVERLOADED,
    "overloaded_error": api.OVERLOADED,
}
"""What error events in the middle of a delegate's answer say of it; others say `FAILING`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a request ended at a backend."""

    status: Status
    kind: str | None = None
    """What is wrong with the backend, a `BackendError.kind`; None where it says nothing of that."""
    scope: Scope | None = None
    """None for what is usual for the kind."""
    is_suspect: bool = False
    """Whether the request may well have brought it about by itself, at a service that is well."""
    retry_after_s: float | None = None
    """For how many seconds the service asked not to be asked again."""
    http_status: int | None = None
    """As the client got it; None if it got none."""
    why: str | None = None
    """Why it failed, for the user, in words without content."""
    was_passed_on: bool = False
    """Whether the client got the backend's own answer to its end, be it an error."""
    was_reached: bool = False
    """Whether the backend answered, though with nothing that could be passed on."""
    trouble_cause: str | None = None
    """What a run of such outcomes means for delegation, as a `DelegationTrouble.cause`."""
    detail: str | None = None
    """What the backend answered, in a few words without content: `HTTP 400, code 1210`."""


def of_answer(http_status: int, meter: UsageMeter, *, is_delegated: bool) -> Outcome:
    """The outcome of an answer that was passed on: a success only if it is whole and no error."""
    event = meter.error_type
    if event is None and http_status < _ERROR_STATUS:
        if meter.is_complete and not is_delegated:
            return _of_success(http_status)
        is_whole = meter.is_complete or not meter.is_readable
        is_silent = is_delegated and meter.is_stream and meter.is_empty
        is_hollow = is_delegated and meter.is_hollow
        kind: str | None = api.FAILING if is_silent else None
        return Outcome(
            status="success" if is_whole else "error",
            kind=kind,
            http_status=http_status,
            why=None if is_whole else f"HTTP {http_status}",
            was_passed_on=True,
            trouble_cause=api.EMPTY_ANSWERS if is_hollow else kind,
            detail=f"HTTP {http_status}, no content" if is_hollow or is_silent else None,
        )
    if event is not None and is_delegated:
        kind = _OF_DELEGATES_EVENTS.get(event, api.FAILING)
    elif http_status == _TOO_MANY_REQUESTS:
        kind = api.LIMIT
    elif http_status >= _ERROR_STATUS:
        kind = trouble_of(http_status)
    else:
        kind = _OF_EVENTS.get(event or "")
    # Only a known name is sure to hold no content.
    why = f"HTTP {http_status}, {event}" if event in _OF_EVENTS else f"HTTP {http_status}"
    return Outcome(
        status="error",
        kind=kind,
        http_status=http_status,
        why=why,
        was_passed_on=True,
        trouble_cause=kind if is_delegated else None,
        detail=why if is_delegated else None,
    )


@functools.lru_cache(maxsize=16)
def _of_success(http_status: int) -> Outcome:
    """The outcome of nearly all requests."""
    return Outcome(status="success", http_status=http_status, was_passed_on=True)


def of_failure(failure: Failure) -> Outcome:
    """The outcome of a request to which `failure` is the answer."""
    return Outcome(
        status="error",
        kind=failure.trouble,
        scope="family" if failure.is_of_model else None,
        is_suspect=failure.is_suspect,
        retry_after_s=_seconds(failure.headers.get(RETRY_AFTER, "").strip()),
        http_status=failure.status,
        why=(failure.diagnostic or failure.message).removeprefix("Offramp: "),
        was_reached=not failure.is_internal,
        trouble_cause=failure.refusal or failure.trouble,
        detail=failure.detail,
    )


def of_cut(how: str, http_status: int | None) -> Outcome:
    """The outcome of a stream that the backend broke off, in the way that `how` says."""
    return Outcome(
        status="error",
        kind=api.FAILING,
        http_status=http_status,
        why=f"cut off: {how}",
        trouble_cause=api.FAILING,
        detail="cut off",
    )


def of_abandoned(http_status: int | None, *, is_stopping: bool) -> Outcome:
    """The outcome of a request whose client has gone, or whose daemon `is_stopping`."""
    if is_stopping:
        return Outcome(status="error", http_status=http_status, why="daemon stopped")
    return Outcome(status="cancelled", http_status=http_status)


def _seconds(value: str) -> float | None:
    """What a Retry-After header asks for; None if it is not a number of seconds."""
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
