"""Remembers of each backend why it fails, until it answers again: for those who watch the daemon.

What it keeps is short and holds no content: a service's own words may quote the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control.api import BackendError

if TYPE_CHECKING:
    from offramp_core.settings import Backend
    from offramp_daemon.clock import Clock
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome

_LONGEST_WHY = 200


class LastErrors:
    """The latest error of each backend. Only used from the event loop."""

    def __init__(self, clock: Clock) -> None:
        """Nothing has failed yet."""
        self._clock = clock
        self._errors: dict[str, tuple[Backend, BackendError]] = {}

    def of(self, backend: Backend) -> BackendError | None:
        """Why `backend` fails; None if it does not, or its settings have changed since."""
        found = self._errors.get(backend.name)
        return found[1] if found is not None and found[0] == backend else None

    def note_outcome(self, exchange: Exchange, outcome: Outcome) -> None:
        """Take into account how a request ended at its backend.

        A client that left says nothing, nor does a request that no service could answer.
        """
        backend = exchange.backend
        if backend is None:
            return
        if outcome.status == "success":
            self._errors.pop(backend.name, None)
        elif outcome.status == "error" and outcome.kind is not None:
            self._keep(backend, outcome.kind, outcome)

    def _keep(self, backend: Backend, kind: str, outcome: Outcome) -> None:
        before = self.of(backend)
        error = BackendError(
            at=self._clock(),
            kind=kind,
            why=(outcome.why or "")[:_LONGEST_WHY],
            http_status=outcome.http_status,
            count=before.count + 1 if before else 1,
        )
        self._errors[backend.name] = (backend, error)
