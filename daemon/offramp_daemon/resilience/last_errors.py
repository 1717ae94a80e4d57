"""Remembers of each backend why it fails, until it answers again: for those who watch the daemon.

What it keeps is short and holds no content: a service's own words may quote the prompt.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.control.api import BackendError
from offramp_daemon.messages import errors

if TYPE_CHECKING:
    from offramp_core.settings import Backend
    from offramp_daemon.clock import Clock
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.errors import Failure

_LONGEST_WHY = 200

_OF_ERROR_EVENTS = {
    "rate_limit_error": api.LIMIT,
    "overloaded_error": api.OVERLOADED,
    "api_error": api.FAILING,
    "timeout_error": api.FAILING,
    "error": api.FAILING,
}


class BackendErrors:
    """The latest error of each backend. Used from the event loop alone."""

    def __init__(self, clock: Clock) -> None:
        """Nothing has failed yet."""
        self._clock = clock
        self._errors: dict[str, tuple[Backend, BackendError]] = {}

    def of(self, backend: Backend) -> BackendError | None:
        """Why `backend` fails; None if it does not, or was set up anew since."""
        found = self._errors.get(backend.name)
        return found[1] if found is not None and found[0] == backend else None

    def note(self, exchange: Exchange) -> None:
        """Take into account how a request ended."""
        backend = exchange.backend
        if backend is None:
            return
        if exchange.status == "success":
            self._errors.pop(backend.name, None)
            return
        kind = _trouble(exchange) if exchange.status == "error" else None
        if kind is None:
            return  # a client that left, or a request that no service could answer
        self._keep(backend, kind, _why(exchange), exchange.http_status)

    def note_failure(self, backend: Backend, failure: Failure) -> None:
        """Take into account that `backend` failed a request which another one then served."""
        if failure.trouble is not None:
            why = failure.diagnostic or failure.message.removeprefix("Offramp: ")
            self._keep(backend, failure.trouble, why[:_LONGEST_WHY], failure.status)

    def _keep(self, backend: Backend, kind: str, why: str, http_status: int | None) -> None:
        before = self.of(backend)
        error = BackendError(
            at=self._clock(),
            kind=kind,
            why=why,
            http_status=http_status,
            count=before.count + 1 if before else 1,
        )
        self._errors[backend.name] = (backend, error)


def _trouble(exchange: Exchange) -> str | None:
    if exchange.trouble is not None or exchange.cause is not None:
        return exchange.trouble
    # An answer of Anthropic's own, which was passed on unread; its stream may hold an error.
    if exchange.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return api.LIMIT
    if exchange.http_status is not None and exchange.http_status >= HTTPStatus.BAD_REQUEST:
        return errors.trouble_of(exchange.http_status)
    event = exchange.meter.error_type if exchange.meter else None
    return _OF_ERROR_EVENTS.get(event) if event else None


def _why(exchange: Exchange) -> str:
    if exchange.cause is not None:
        return exchange.cause[:_LONGEST_WHY]
    event = exchange.meter.error_type if exchange.meter else None
    status = f"HTTP {exchange.http_status}"
    return f"{status}, {event}" if event in _OF_ERROR_EVENTS else status
