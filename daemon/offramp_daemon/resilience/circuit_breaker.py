"""Whether a backend may be used for a model now, by what its latest answers said.

A circuit breaker for each backend and cause. What speaks of the backend (its quota, its key, the
way to it) bars it for all models; what speaks of one model (overload, errors of its own) bars only
that model family, so that the others go on. A trip whose time is over lets a single request through
as a probe, whose outcome lifts the trip or renews it; all others go elsewhere meanwhile.

It decides and remembers, only in memory; it sends nothing, waits for nothing, and knows nothing of
where requests go instead. How many requests a backend serves at once is for `request_queue` to say.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_daemon.clock import utc_now
from offramp_daemon.exchange import Permit
from offramp_daemon.resilience import breaker_state
from offramp_daemon.resilience.breaker_state import (
    BackendFailure,
    BackendTrips,
    Moment,
    Sender,
    Standing,
    StandingChange,
    Trip,
    TripGroup,
    rank,
)

if TYPE_CHECKING:
    from offramp_core.settings import Backend
    from offramp_daemon.clock import Clock
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome, Scope

PROBE_LOST_S = 900.0
"""A probe that is silent for so long is replaced: should its outcome never be noted, the backend
must not stay barred. Longer than any silence that the daemon bears by default."""

QUIET_AFTER_S = 60.0
"""A trip whose time has been over for so long, with no request to try it, is no longer shown:
the next request goes to the backend."""

_NAME_CHARACTERS = 200

SpentUntil = Callable[[str, str | None, str | None], datetime | None]
"""Until when the plan at the backend of that name refuses a model, for the client's credential;
None if it serves it, or nothing is known."""


def nothing_known(_backend: str, _model: str | None, _credential: str | None) -> datetime | None:
    """No plan is known to be spent."""
    return None


class CircuitBreaker:
    """Trips and probes of all backends. Only used from the event loop; nothing in it blocks."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        spent_until: SpentUntil = nothing_known,
    ) -> None:
        """Nothing is barred. `chance` gives numbers from 0 to 1, which spread the back-offs."""
        self._spent_until = spent_until
        self._clock = clock
        self._now = now
        self._chance = chance
        self._number = 0
        self._records: dict[str, BackendTrips] = {}
        self._followers: list[Callable[[StandingChange], None]] = []

    def follow(self, callback: Callable[[StandingChange], None]) -> None:
        """Have `callback` called whenever a standing begins, gets another cause, or is over."""
        self._followers.append(callback)

    def ask(self, backend: Backend, model: str | None, sender: Sender = None) -> Permit:
        """Whether a request with `model`, as it would be sent, may go to `backend` now.

        `sender` tells it from the requests that may well fail for another reason. A probe keeps all
        others out until its outcome is noted by one of the `note_` methods that take a permit: let
        no way out of the request leave all of them out.
        """
        record, family = self._record_of(backend), _family_of(model)
        self._number += 1
        met = [] if record.is_clear else record.trips_for(family, sender)
        if not met:
            return Permit(backend=backend, family=family, number=self._number, sender=sender)
        moment = self._moment()
        closed = [trip for trip in met if trip.is_closed(moment, PROBE_LOST_S)]
        if not closed:
            for trip in met:
                trip.is_quiet = trip.is_quiet or trip.is_idle(moment, QUIET_AFTER_S)
                trip.probe, trip.probe_s = self._number, moment.clock_s
            self._announce(record)
        shown = max(closed or met, key=rank)
        return Permit(
            backend=backend,
            family=family,
            number=self._number,
            is_open=not closed,
            is_probe=not closed,
            cause=shown.cause,
            since=shown.since,
            until=shown.shown_until(moment),
            sender=sender,
        )

    @property
    def is_calm(self) -> bool:
        """Whether nothing is wrong with any backend, so that an answer would not be news."""
        return all(record.is_clear for record in self._records.values())

    def is_open(self, backend: Backend, model: str | None) -> bool:
        """Whether nothing bars `backend`: for requests that are worth no probe. Changes nothing."""
        return self.barred_by(backend, model) is None

    def barred_by(self, backend: Backend, model: str | None) -> str | None:
        """Why a request with `model` goes around `backend`; None if it does not."""
        record = self._known(backend)
        met = record.trips_for(_family_of(model)) if record is not None else []
        return max(met, key=rank).cause if met else None

    def note_outcome(self, exchange: Exchange, outcome: Outcome) -> None:
        """Take into account how a request ended for which a permit was given."""
        permit, exchange.permit = exchange.permit, None
        if permit is None:
            return
        if outcome.kind is not None:
            until = None
            if outcome.kind == api.LIMIT:
                until = self._spent_until(permit.backend.name, permit.family, None)
            self.note_failure(
                permit,
                outcome.kind,
                until=until,
                retry_after_s=outcome.retry_after_s,
                scope=outcome.scope,
                # A conversation may stumble over itself in any way, again and again.
                is_suspect=outcome.is_suspect or exchange.conversation is not None,
            )
        elif outcome.was_passed_on:
            self.note_success(permit)
        else:
            self.note_abandoned(permit, was_reached=outcome.was_reached)

    def note_begun(self, permit: Permit) -> None:
        """The backend has begun to answer, and not with an error: what barred it is lifted.

        Failures in a row go on to count until an answer was whole: a backend whose streams all
        break off is not well.
        """
        record = self._current(permit)
        if record is not None and not record.is_clear:
            self._lift(record, permit)

    def _lift(self, record: BackendTrips, permit: Permit) -> None:
        record.release(permit.number)
        out = record.whole.trips.get(api.UNREACHABLE)
        if out is None or out.number < permit.number:
            self._note_reached(record)
        for group in record.groups_for(permit.family, permit.sender):
            for slot, trip in list(group.trips.items()):
                if trip.number < permit.number:
                    del group.trips[slot]
        self._announce(record)

    def note_success(self, permit: Permit) -> None:
        """The backend has answered, wholly and without an error."""
        record = self._current(permit)
        if record is None or record.is_clear:
            return
        self._lift(record, permit)
        for group in record.groups_for(permit.family, permit.sender):
            group.clear_row()
        family = record.families.get(permit.family)
        if family is not None and not family.trips:
            del record.families[permit.family]
        if record.senders and permit.sender is not None:
            record.senders.pop((permit.family, permit.sender()), None)

    def note_failure(
        self,
        permit: Permit,
        kind: str,
        *,
        until: datetime | None = None,
        retry_after_s: float | None = None,
        scope: Scope | None = None,
        is_suspect: bool = False,
    ) -> None:
        """The backend has failed the request; `kind` is a `BackendError.kind`.

        `until` is when a spent quota resets, if that is known. `retry_after_s` is what the answer
        asked for; a back-off lasts at least so long, within bounds. `scope` says whether it speaks
        of only the model (one that is not in the plan, a limit of one family's) or of the whole
        backend; None takes what is usual for the kind. `is_suspect` says that an error of its own
        may be the request's fault after all. `BUSY` says nothing here.
        """
        record = self._current(permit)
        if record is None:
            return
        was_probe = record.release(permit.number)
        if kind != api.BUSY:
            failure = BackendFailure(
                kind=kind,
                scope=scope or breaker_state.usual_scope(kind),
                until=until,
                retry_after_s=retry_after_s,
                is_suspect=is_suspect and kind == api.FAILING,
            )
            for group in record.count(permit, failure, was_probe=was_probe):
                self._set(group, failure)
        self._announce(record)

    def note_abandoned(self, permit: Permit, *, was_reached: bool = False) -> None:
        """The request ended without saying how the backend does: its client left, say.

        `was_reached` where the backend did answer, but to a request that was itself at fault.
        """
        record = self._current(permit)
        if record is None:
            return
        record.release(permit.number)
        if was_reached:
            self._note_reached(record)
        self._announce(record)

    def note_spent(self, backend: Backend, until: datetime, *, model: str | None = None) -> None:
        """The quota is known to be spent until then, whether or not a request was refused yet.

        Only for `model` where one is given. May be called again and again: a later `until` holds.
        """
        record = self._record_of(backend)
        failure = BackendFailure(
            kind=api.LIMIT, scope="backend" if model is None else "family", until=until
        )
        group = record.group(_family_of(model), failure.scope)
        trip = group.trips.get(api.LIMIT)
        if until > self._now() and (trip is None or trip.until != until):
            self._set(group, failure)
            self._announce(record)

    def note_quota_left(self, backend: Backend, *, model: str | None = None) -> None:
        """The quota is known not to be spent, for `model` or for all, whatever was known before.

        The service may say so before the reset, where a plan was topped up.
        """
        record = self._known(backend)
        if record is None:
            return
        groups = [record.whole, *record.families.values()]
        if model is not None:
            groups = [record.families.get(_family_of(model), TripGroup())]
        for group in groups:
            group.trips.pop(api.LIMIT, None)
        self._announce(record)

    def note_network_changed(self) -> None:
        """The way out is another one now: what could not be reached may be within reach."""
        for record in self._records.values():
            record.note_reached()
            self._announce(record)

    def count_bypassed(self, backend: Backend) -> None:
        """A request that belongs at `backend` goes elsewhere."""
        record = self._known(backend)
        if record is not None:
            record.requests += 1

    def standing(self, backend: Backend) -> Standing | None:
        """What stands against `backend`, for its status; None if the next request goes there.

        While several things do: what concerns all models first, then what lasts longest.
        """
        record = self._known(backend)
        return None if record is None else self._standing_of(record)

    def families(self, backend: Backend) -> tuple[str, ...]:
        """The model families of which something is remembered at `backend`."""
        record = self._known(backend)
        return () if record is None else tuple(record.families)

    def settle(self) -> None:
        """Tell of standings that are over because their time is, though no request came to try."""
        for record in self._records.values():
            self._announce(record)

    def _set(self, group: TripGroup, failure: BackendFailure) -> None:
        """Trip `group`, or renew its trip."""
        moment, slot = self._moment(), breaker_state.slot_of(failure.kind)
        length = breaker_state.length_of(
            failure.kind,
            strikes=group.strikes,
            until=failure.until,
            retry_after_s=failure.retry_after_s,
            now=moment.wall,
            chance=self._chance,
        )
        if breaker_state.doubles(failure.kind):
            group.strikes += 1
        before = group.trips.get(slot)
        goes_on = before is not None and not before.is_quiet
        group.trips[slot] = Trip(
            cause=failure.kind,
            since=before.since if before is not None and goes_on else moment.wall,
            until=length.until,
            due_s=moment.clock_s + length.delay_s,
            due=moment.wall + timedelta(seconds=length.delay_s),
            number=self._number,
        )

    def _note_reached(self, found: BackendTrips) -> None:
        """The network leads there. Where it did not before, it is back: try the others now."""
        if not found.note_reached():
            return
        moment = self._moment()
        for record in self._records.values():
            trip = record.whole.trips.get(api.UNREACHABLE)
            if trip is not None:
                trip.due_s = min(trip.due_s, moment.clock_s)

    def _standing_of(self, record: BackendTrips) -> Standing | None:
        moment = self._moment()
        shown = [
            (name, trip)
            for name, trip in record.all_trips()
            if not trip.is_quiet and not trip.is_idle(moment, QUIET_AFTER_S)
        ]
        if not shown:
            return None
        name, trip = max(shown, key=lambda one: (one[0] is None, one[1].is_lasting, one[1].due_s))
        return Standing(
            cause=trip.cause,
            since=record.since or trip.since,
            until=trip.shown_until(moment),
            requests=record.requests,
            family=name,
        )

    def _announce(self, record: BackendTrips) -> None:
        """Call the followers if what stands is not what they heard last."""
        standing = self._standing_of(record)
        cause = standing.cause if standing else None
        if cause == record.announced:
            return
        if record.announced is None or standing is None:
            record.since, record.requests = (standing.since if standing else None), 0
        record.announced = cause
        for callback in self._followers:
            callback(StandingChange(backend=record.backend, standing=standing))

    def _record_of(self, backend: Backend) -> BackendTrips:
        """What is remembered of `backend`, begun afresh if its settings were different before."""
        record = self._records.get(backend.name)
        if record is not None and (record.backend is backend or record.backend == backend):
            return record
        self._number += 1
        fresh = BackendTrips(backend=backend, first=self._number)
        self._records[backend.name] = fresh
        if record is not None:
            record.whole, record.families = TripGroup(), OrderedDict()
            record.senders = OrderedDict()
            self._announce(record)
        return fresh

    def _known(self, backend: Backend) -> BackendTrips | None:
        record = self._records.get(backend.name)
        return record if record is not None and record.backend == backend else None

    def _current(self, permit: Permit) -> BackendTrips | None:
        """The record that an outcome counts for; None if its settings have changed since."""
        record, backend = self._records.get(permit.backend.name), permit.backend
        if record is None or permit.number < record.first:
            return None
        return record if record.backend is backend or record.backend == backend else None

    def _moment(self) -> Moment:
        return Moment(self._clock(), self._now())


def _family_of(model: str | None) -> str:
    return (model or "")[:_NAME_CHARACTERS].lower()
