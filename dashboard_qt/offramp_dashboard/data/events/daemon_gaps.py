"""When no daemon ran, so that nobody can know what happened then. No Qt, no files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_dashboard.data.events.event_reader import moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offramp_core.usage.state_events import StateEvent

_NOTICED_FROM = timedelta(minutes=1)
"""A restart takes seconds, in which nothing is lost that the next answer would not tell."""


@dataclass(frozen=True, slots=True)
class Absence:
    """No daemon ran from `start` to `end`, UTC; `end` is None while there still is none.

    A daemon that died did not say when: then both are the time at which the next one began.
    """

    start: datetime
    end: datetime | None


def absences_of(events: Iterable[StateEvent]) -> tuple[Absence, ...]:
    """Find the absences in `events`, which are in order but for handovers."""
    moments = [(moment, event) for event in events if (moment := moment_of(event.ts)) is not None]
    stopped = {event.pid for _, event in moments if event.event == state_events.STOPPED}
    found: list[Absence] = []
    running: set[int | None] = set()
    left: datetime | None = None
    for moment, event in moments:
        if event.event == state_events.STARTED:
            if running - stopped:  # it never said that it ended, and the new one took its place
                found.append(Absence(moment, moment))
                running &= stopped
            elif left is not None and not running and moment - left >= _NOTICED_FROM:
                found.append(Absence(left, moment))
            running.add(event.pid)
        elif event.event == state_events.STOPPED:
            running.discard(event.pid)
            left = moment
    if left is not None and not running:
        found.append(Absence(left, None))
    return tuple(found)


def common_absences(machines: Iterable[Sequence[StateEvent]]) -> tuple[Absence, ...]:
    """Find when no machine's daemon ran; before its first event a machine had none."""
    common: list[Absence] = []
    first: datetime | None = None
    for events in machines:
        begin = next((moment for event in events if (moment := moment_of(event.ts))), None)
        if begin is None:
            continue
        absences = absences_of(events)
        if first is None:
            common, first = list(absences), begin
            continue
        before, after = Absence(first, begin), Absence(begin, first)
        common = [
            both
            for one in (*common, *((after,) if begin < first else ()))
            for other in (*absences, *((before,) if first < begin else ()))
            if (both := _overlap(one, other)) is not None
        ]
        first = min(first, begin)
    return tuple(sorted(common, key=lambda absence: absence.start))


def _overlap(one: Absence, other: Absence) -> Absence | None:
    start = max(one.start, other.start)
    ends = [end for end in (one.end, other.end) if end is not None]
    end = min(ends, default=None)
    is_moment = one.start == one.end or other.start == other.end
    if end is not None and (end < start or (end == start and not is_moment)):
        return None
    return Absence(start, end)


def is_watched(absences: Sequence[Absence], start: datetime, end: datetime) -> bool:
    """Whether daemons ran all the time from `start` to `end`, as far as that was told."""
    return not any(
        absence.start <= end and (absence.end is None or absence.end >= start)
        for absence in absences
    )
