"""What trips the breaker of a backend, and for how long: a trip's state, each cause's times. Pure.

A trip is over when either clock says so: the monotonic one stands still while a machine sleeps, and
the wall clock may be set back.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.control import api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_core.settings import Backend
    from offramp_daemon.exchange import Permit
    from offramp_daemon.messages.answers.outcome import Scope

Sender = Callable[[], Hashable] | None
"""Tells the senders of requests apart, at some cost; None where each request stands for itself."""

LIMIT_UNKNOWN_S: Final = 900.0
"""For a quota whose reset is not known."""
LIMIT_LOOK_S: Final = 3600.0
"""A spent quota is tried so often even before its reset: a plan may have been topped up, and a
reset may have been stated wrongly. One refused request an hour costs less than a lost week."""
LASTING_LOOK_S: Final = 300.0
"""How often a key or an account that was refused is tried, since it may have been put right."""
BACK_OFF_FIRST_S: Final = 5.0
BACK_OFF_LONGEST_S: Final = 300.0
UNREACHABLE_LONGEST_S: Final = 60.0
RETRY_AFTER_LONGEST_S: Final = 900.0
"""However long a service asks for, in seconds."""
ROW_THAT_TRIPS: Final = 3
JITTER: Final = 0.2
_LONGEST_WINDOW = timedelta(days=40)
"""No plan has a longer one: a reset beyond it is not a reset."""

MOST_FAMILIES: Final = 200
"""Models that are remembered of one backend: their names come from clients."""
MOST_SENDERS: Final = 200
LEAST_SENDERS: Final = 2
"""So many must have failed in a row before the service is at fault, and not their requests."""

_LASTING = frozenset({api.KEY_REFUSED, api.ACCOUNT})
_WHOLE = frozenset({api.LIMIT, api.UNREACHABLE, *_LASTING})
_BACK_OFF = "back-off"


@dataclass(frozen=True, slots=True)
class Moment:
    """This moment on both clocks."""

    clock_s: float
    wall: datetime


@dataclass(frozen=True, slots=True)
class TripLength:
    """How long a trip holds until it is tried, and until when it is said to hold."""

    delay_s: float
    until: datetime | None


@dataclass(slots=True, kw_only=True)
class Trip:
    """One cause that stands against a backend or a family, and the probe that tries it."""

    cause: str
    since: datetime
    until: datetime | None
    """For people; None for what lasts until somebody does something."""
    due_s: float
    due: datetime
    """From then on (whichever clock is there first) one request may try."""
    number: int
    """What was admitted before it was set says nothing against it."""
    probe: int | None = None
    """The admission that tries at present."""
    probe_s: float = 0.0
    is_quiet: bool = False
    """Whether it is no longer shown, having been idle; it still lets only one probe through."""

    @property
    def is_lasting(self) -> bool:
        """Whether it ends by what somebody does, not by itself."""
        return self.cause in _LASTING

    def is_due(self, moment: Moment) -> bool:
        """Whether it may be tried."""
        return moment.clock_s >= self.due_s or moment.wall >= self.due

    def is_held(self, moment: Moment, lost_after_s: float) -> bool:
        """Whether a probe is out that is not lost."""
        return self.probe is not None and moment.clock_s - self.probe_s < lost_after_s

    def is_closed(self, moment: Moment, lost_after_s: float) -> bool:
        """Whether it keeps requests out: it is not due yet, or a probe tries it already."""
        return not self.is_due(moment) or self.is_held(moment, lost_after_s)

    def is_idle(self, moment: Moment, after_s: float) -> bool:
        """Whether it may be tried since `after_s` or longer, and nobody does."""
        if self.probe is not None:
            return False
        is_long = moment.clock_s >= self.due_s + after_s
        return is_long or moment.wall >= self.due + timedelta(seconds=after_s)

    def shown_until(self, moment: Moment) -> datetime | None:
        """`until`, as long as it lies ahead."""
        return self.until if self.until is not None and self.until > moment.wall else None


@dataclass(slots=True)
class TripGroup:
    """What stands against a backend as a whole, or against one model family at it."""

    trips: dict[str, Trip] = field(default_factory=dict)
    failures: int = 0
    """In a row, with no whole answer between them."""
    strikes: int = 0
    """How many trips that double have been set in a row."""
    senders: set[Hashable] = field(default_factory=set)
    """Whose requests have failed in a row; only counted up to a few."""

    def count(
        self, failure: BackendFailure, *, was_probe: bool, may_trip: bool = True
    ) -> Iterator[TripGroup]:
        """Count a failure, and give back the group if it trips, or renews its trip."""
        self.failures += 1
        trip = self.trips.get(slot_of(failure.kind))
        if trip is not None and not was_probe:
            # It went out before the trip was set, or in spite of it: only a reset would be news.
            if failure.kind == api.LIMIT and failure.until is not None:
                yield self
        elif trip is not None or (
            may_trip and (was_probe or self.failures >= row_that_trips(failure.kind))
        ):
            yield self

    def clear_row(self) -> None:
        """An answer was whole: the failures before it are in no row any more."""
        self.failures = 0
        self.senders.clear()


@dataclass(slots=True)
class BackendTrips:
    """What is remembered of one backend, as it is set up at present."""

    backend: Backend
    first: int
    """Outcomes of requests that were admitted before belong to other settings."""
    whole: TripGroup = field(default_factory=TripGroup)
    families: OrderedDict[str, TripGroup] = field(default_factory=OrderedDict)
    senders: OrderedDict[tuple[str, Hashable], TripGroup] = field(default_factory=OrderedDict)
    """What stands against single senders only, whose requests may be at fault themselves."""
    announced: str | None = None
    """The cause that followers know of; None while nothing stands."""
    since: datetime | None = None
    requests: int = 0

    def release(self, number: int) -> bool:
        """Take the probe from the admission of that number, and say whether it had it."""
        of_senders = (trip for group in self.senders.values() for trip in group.trips.values())
        trips = itertools.chain((trip for _, trip in self.all_trips()), of_senders)
        held = [trip for trip in trips if trip.probe == number]
        for trip in held:
            trip.probe = None
        return bool(held)

    def count(
        self, permit: Permit, failure: BackendFailure, *, was_probe: bool
    ) -> Iterator[TripGroup]:
        """Count a failure where it belongs, and give back each group that trips.

        What a request may have brought about by itself bars only its sender, until requests of
        others fail in the same row.
        """
        group = self.group(permit.family, failure.scope)
        sender = permit.sender() if failure.is_suspect and permit.sender else None
        if len(group.senders) < LEAST_SENDERS:
            group.senders.add(permit.number if sender is None else sender)
        has_many = len(group.senders) >= LEAST_SENDERS
        yield from group.count(failure, was_probe=was_probe, may_trip=sender is None or has_many)
        if sender is not None and not group.trips:
            of_sender = self.group_of_sender(permit.family, sender)
            yield from of_sender.count(failure, was_probe=was_probe)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is remembered that a good answer would change."""
        whole = self.whole
        return not (
            whole.trips
            or whole.failures
            or whole.strikes
            or self.families
            or self.senders
            or self.announced
        )

    def groups_for(self, family: str, sender: Sender = None) -> Iterator[TripGroup]:
        """What concerns requests of that family, and of that sender."""
        yield self.whole
        if family in self.families:
            yield self.families[family]
        if sender is not None and self.senders and (key := (family, sender())) in self.senders:
            yield self.senders[key]

    def trips_for(self, family: str, sender: Sender = None) -> list[Trip]:
        """The trips that requests of that family and sender meet."""
        return [trip for group in self.groups_for(family, sender) for trip in group.trips.values()]

    def all_trips(self) -> Iterator[tuple[str | None, Trip]]:
        """Every trip, with the family if it concerns only that one."""
        for trip in self.whole.trips.values():
            yield None, trip
        for name, group in self.families.items():
            for trip in group.trips.values():
                yield name, trip

    def group(self, family: str, scope: Scope) -> TripGroup:
        """The group that a failure of that scope counts for; families are forgotten in turn."""
        if scope == "backend":
            return self.whole
        group = self.families.setdefault(family, TripGroup())
        self.families.move_to_end(family)
        if len(self.families) > MOST_FAMILIES:
            self.families.popitem(last=False)
        return group

    def group_of_sender(self, family: str, sender: Hashable) -> TripGroup:
        """The group that failures of that sender's requests count for."""
        key = family, sender
        group = self.senders.setdefault(key, TripGroup())
        self.senders.move_to_end(key)
        if len(self.senders) > MOST_SENDERS:
            self.senders.popitem(last=False)
        return group

    def note_reached(self) -> bool:
        """The network leads there; whether that is news."""
        self.whole.strikes = 0
        return self.whole.trips.pop(api.UNREACHABLE, None) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What belongs at a backend goes around it: for its `control_api.Bypass`."""

    cause: str
    since: datetime
    until: datetime | None = None
    """As of a `Permit`."""
    requests: int = 0
    """How many have gone around since."""
    family: str | None = None
    """The only model that is concerned; None if all are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingChange:
    """A backend's standing has begun, has another cause now, or is over (None)."""

    backend: Backend
    standing: Standing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendFailure:
    """What speaks against a backend; see `CircuitBreaker.note_failure`."""

    kind: str
    scope: Scope
    until: datetime | None = None
    retry_after_s: float | None = None
    is_suspect: bool = False
    """The request may have brought it about by itself."""


def rank(trip: Trip) -> tuple[bool, float]:
    """By which the one of several trips is chosen that is shown."""
    return trip.is_lasting, trip.due_s


def slot_of(kind: str) -> str:
    """The name under which a trip of that kind is kept: overload and own errors share one."""
    return kind if kind in _WHOLE else _BACK_OFF


def usual_scope(kind: str) -> Scope:
    """What a failure of that kind speaks of, unless the answer says otherwise."""
    return "backend" if kind in _WHOLE else "family"


def row_that_trips(kind: str) -> int:
    """How many failures in a row it takes; kinds that are not known count as errors of its own."""
    return 1 if kind in _WHOLE else ROW_THAT_TRIPS


def doubles(kind: str) -> bool:
    """Whether each trip in a row lasts twice as long as the one before."""
    return kind == api.UNREACHABLE or kind not in _WHOLE


def length_of(
    kind: str,
    *,
    strikes: int,
    until: datetime | None,
    retry_after_s: float | None,
    now: datetime,
    chance: Callable[[], float],
) -> TripLength:
    """How long a failure of `kind` bars, after as many trips in a row as `strikes`.

    `until` is when a quota resets; `retry_after_s` is what the answer asked for. Both come from
    outside: neither can trip for longer than the bounds above.
    """
    if kind in _LASTING:
        return TripLength(LASTING_LOOK_S, None)
    asked_s = _asked(retry_after_s)
    if kind == api.LIMIT:
        if until is not None and now < until <= now + _LONGEST_WINDOW:
            return TripLength(min((until - now).total_seconds(), LIMIT_LOOK_S), until)
        delay_s = max(LIMIT_UNKNOWN_S, asked_s)
    else:
        is_out = kind == api.UNREACHABLE
        longest_s = UNREACHABLE_LONGEST_S if is_out else BACK_OFF_LONGEST_S
        plain_s = min(BACK_OFF_FIRST_S * 2 ** min(strikes, 16), longest_s)
        delay_s = max(plain_s * (1 - JITTER + 2 * JITTER * chance()), asked_s)
    return TripLength(delay_s, now + timedelta(seconds=delay_s))


def _asked(retry_after_s: float | None) -> float:
    if retry_after_s is None or math.isnan(retry_after_s):
        return 0.0
    return min(max(retry_after_s, 0.0), RETRY_AFTER_LONGEST_S)
