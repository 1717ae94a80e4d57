"""How each backend does: why it failed last, whether it is bypassed, how many it serves at once.

It holds the breaker, the queue and the last errors, gathers what they know for the daemon's status,
and words what has changed for the console. It decides nothing.
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
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_daemon.resilience.last_errors import LastErrors
from offramp_daemon.resilience.request_queue import RequestQueue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from offramp_core.quota.windows import PlanQuota
    from offramp_core.settings import Backend, Settings
    from offramp_daemon.clock import Clock
    from offramp_daemon.exchange import Exchange, OutcomeListener
    from offramp_daemon.messages.answers.outcome import Outcome
    from offramp_daemon.quota.tracker import QuotaTracker
    from offramp_daemon.resilience.breaker_state import Standing, StandingChange

_SURELY_LEFT = 0.97


class BackendHealth:
    """The health of all backends. Only used from the event loop."""

    def __init__(self, clock: Clock, keeper: QuotaTracker) -> None:
        """All is well, as far as is known; `keeper` hears of what is used, and found spent."""
        self._keeper = keeper
        self.errors = LastErrors(clock)
        self.breaker = CircuitBreaker(now=clock, spent_until=keeper.spent_until)
        self.queue = RequestQueue()

    @property
    def listeners(self) -> tuple[OutcomeListener, ...]:
        """What learns from the outcomes of requests, in the order in which it is to hear."""
        return (self.breaker.note_outcome, self.errors.note_outcome, self._note_use)

    def _note_use(self, exchange: Exchange, outcome: Outcome) -> None:
        """Have the quota of the backend looked at once it was used, or found spent."""
        backend = exchange.backend
        if backend is None:
            return
        if exchange.outcome is not None:
            self._keeper.note_use(backend.name)
        if outcome.kind == LIMIT:
            self._keeper.ask_soon(backend.name)

    def note_quota(self, backend: Backend, plan: PlanQuota, now: datetime) -> None:
        """Take into account how much of its plan the service says is used.

        A figure just below all of it takes nothing back: it may be older than the refusal.
        """
        spent_until = self._keeper.spent_until(backend.name, None)
        if spent_until is not None:
            self.breaker.note_spent(backend, spent_until)
            return
        used = [windows.used_at(window, now) for window in quota_text.important(plan.windows)]
        if used and all(part is not None and part < _SURELY_LEFT for part in used):
            self.breaker.note_quota_left(backend)

    def status(
        self,
        backend: Backend,
        *,
        key: Key,
        is_used: bool,
        key_note: str | None,
        chain: Sequence[str],
    ) -> BackendStatus:
        """How `backend` stands; `chain` names those that may stand in for it, in their order."""
        return BackendStatus(
            name=backend.name,
            key=key,
            is_used=is_used,
            key_note=key_note,
            last_error=self.errors.of(backend),
            bypass=self._bypass(backend, chain),
            at_once=self.queue.at_once(backend.name),
            waiting=self.queue.waiting(backend.name),
        )

    def is_bypassed(self, name: str, model: str, settings: Settings) -> bool:
        """Whether the status shows that requests for `model` go around the backend of that name."""
        chain = self.stand_ins(settings)
        bypasses = [self._bypass(each, chain) for each in settings.backends if each.name == name]
        return any(
            bypass is not None and bypass.family in {None, model.lower()} for bypass in bypasses
        )

    def stand_ins(self, settings: Settings) -> tuple[str, ...]:
        """Who may stand in for a backend, in the order in which they are asked.

        Those that can't serve at present come last: without a key, or in trouble themselves.
        """

        def is_unable(name: str) -> bool:
            if name == ANTHROPIC:
                return False
            backend = settings.backend(name)
            standing = self.breaker.standing(backend)
            return backend.lacks_key or (standing is not None and standing.family is None)

        return tuple(sorted(settings.failover_chain, key=is_unable))

    def _bypass(self, backend: Backend, chain: Sequence[str]) -> Bypass | None:
        if backend.auth == "client":
            return None
        standing, to = self.breaker.standing(backend), stand_in_for(backend, chain)
        return None if standing is None or to is None else _bypass_of(standing, to)


def stand_in_for(backend: Backend, chain: Sequence[str]) -> str | None:
    """Name the first of `chain` that may serve what `backend` does not."""
    return next((name for name in chain if name != backend.name), None)


def _bypass_of(standing: Standing, to: str) -> Bypass:
    return Bypass(
        to=to,
        since=standing.since,
        cause=standing.cause,
        until=standing.until,
        requests=standing.requests,
        family=standing.family,
    )


def change_event(change: StandingChange, now: datetime) -> state_events.StateEvent:
    """The line of `events.jsonl` about `change`."""
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


def change_text(change: StandingChange, now: datetime, zone: tzinfo, to: str = ANTHROPIC) -> str:
    """`change` in a sentence for the console; `to` serves what the backend does not."""
    name, standing = change.backend.name, change.standing
    if standing is None:
        return f"{backend_name(name)} is used again."
    bypass = _bypass_of(standing, to)
    cause = failover_text.cause_text(name, bypass, None, now)
    return f"{cause}: {failover_text.effect_text(bypass, now, zone)}."
