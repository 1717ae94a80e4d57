"""How each backend stands: why it failed last, whether it is stepped around, how many it serves.

It gathers what `backend_errors`, `availability` and `turns` know, for the daemon's status, and
words what has changed for the console. It decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control.api import LIMIT, BackendStatus, Bypass, Key
from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.usage import state_events
from offramp_core.usage.records import format_timestamp
from offramp_core.wording import failover_text, quota_text
from offramp_core.wording.formatting import backend_name
from offramp_daemon.resilience.circuit_breaker import Availability
from offramp_daemon.resilience.last_errors import BackendErrors
from offramp_daemon.resilience.request_queue import Turns

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.quota.windows import PlanQuota
    from offramp_core.settings import Backend
    from offramp_daemon.clock import Clock
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.errors import Failure
    from offramp_daemon.quota.tracker import QuotaKeeper
    from offramp_daemon.resilience.circuit_breaker import Change, Standing

_SURELY_LEFT = 0.97


class BackendStanding:
    """All backends' standing. Used from the event loop alone."""

    def __init__(self, clock: Clock, keeper: QuotaKeeper) -> None:
        """All is well, as far as is known; `keeper` hears of what is used, and found spent."""
        self._keeper = keeper
        self.errors = BackendErrors(clock)
        self.availability = Availability(now=clock)
        self.turns = Turns()

    def note(self, exchange: Exchange) -> None:
        """Take into account how a request ended."""
        self.errors.note(exchange)
        backend = exchange.backend
        if backend is None:
            return
        self._keeper.note_use(backend.name)
        error = self.errors.of(backend) if exchange.status == "error" else None
        self._note_trouble(backend, error.kind if error else None)

    def note_failure(self, backend: Backend, failure: Failure) -> None:
        """Take into account that `backend` failed a request which another one then served."""
        self.errors.note_failure(backend, failure)
        self._note_trouble(backend, failure.trouble)

    def _note_trouble(self, backend: Backend, kind: str | None) -> None:
        if kind == LIMIT:
            self._keeper.ask_soon(backend.name)

    def note_quota(self, backend: Backend, plan: PlanQuota, now: datetime) -> None:
        """The service has told how much of its plan is used.

        A figure just below all of it takes nothing back: it may be older than the refusal.
        """
        spent_until = self._keeper.spent_until(backend.name, None)
        if spent_until is not None:
            self.availability.note_spent(backend, spent_until)
            return
        used = [windows.used_at(window, now) for window in quota_text.important(plan.windows)]
        if used and all(part is not None and part < _SURELY_LEFT for part in used):
            self.availability.note_quota_left(backend)

    def status(
        self, backend: Backend, *, key: Key, key_note: str | None, may_step: bool
    ) -> BackendStatus:
        """How `backend` stands; `may_step` says whether another one may stand in for it."""
        return BackendStatus(
            name=backend.name,
            key=key,
            key_note=key_note,
            last_error=self.errors.of(backend),
            bypass=self._bypass(backend) if may_step else None,
            at_once=self.turns.at_once(backend.name),
            waiting=self.turns.waiting(backend.name),
        )

    def _bypass(self, backend: Backend) -> Bypass | None:
        standing = self.availability.standing(backend)
        return None if standing is None or backend.auth == "client" else _bypass_of(standing)


def _bypass_of(standing: Standing) -> Bypass:
    return Bypass(
        to=ANTHROPIC,
        since=standing.since,
        cause=standing.cause,
        until=standing.until,
        requests=standing.requests,
        family=standing.family,
    )


def change_event(change: Change, now: datetime) -> state_events.StateEvent:
    """The line of `events.jsonl` that tells of `change`."""
    standing = change.standing
    if standing is None:
        return state_events.StateEvent(
            ts=format_timestamp(now), event=state_events.BYPASS_OVER, backend=change.backend.name
        )
    return state_events.StateEvent(
        ts=format_timestamp(now),
        event=state_events.BYPASSED,
        backend=change.backend.name,
        why=standing.cause,
        until=format_timestamp(standing.until) if standing.until else None,
    )


def change_text(change: Change, now: datetime, zone: tzinfo) -> str:
    """`change` in a sentence for the console."""
    name, standing = change.backend.name, change.standing
    if standing is None:
        return f"{backend_name(name)} is asked again."
    bypass = _bypass_of(standing)
    cause = failover_text.cause_text(name, bypass, None, now)
    return f"{cause}: {failover_text.effect_text(bypass, now, zone)}."
