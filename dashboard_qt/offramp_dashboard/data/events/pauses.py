"""When delegation was paused, from what daemons told of themselves. No Qt, no files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_dashboard.data.events.event_reader import moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from offramp_core.usage.state_events import StateEvent

_SAME_START = timedelta(seconds=10)
"""Within this time after its start, a daemon says that the pause it found still holds."""


@dataclass(frozen=True, slots=True)
class PausePeriod:
    """From `start` to `end`, UTC; `end` may be still to come, and is None without one."""

    start: datetime
    end: datetime | None


def all_pauses(machines: Sequence[Sequence[StateEvent]]) -> tuple[PausePeriod, ...]:
    """Find the pauses in each machine's events, in order of time.

    Of a file without a later daemon nobody says when its pause ended: where other machines' events
    are younger, it counts until the last event, as the file of a machine that got a name since.
    """
    last = [_last_moment(events) for events in machines]
    newest = max((moment for moment in last if moment), default=None)
    found: list[PausePeriod] = []
    for events, end in zip(machines, last, strict=True):
        is_left = end is not None and end != newest and events[-1].event == state_events.STOPPED
        found += (
            PausePeriod(pause.start, end) if is_left and _is_open(pause, end) else pause
            for pause in pauses_of(events)
        )
    return tuple(sorted(found, key=lambda pause: pause.start))


def _last_moment(events: Sequence[StateEvent]) -> datetime | None:
    return moment_of(events[-1].ts) if events else None


def _is_open(pause: PausePeriod, moment: datetime | None) -> bool:
    return moment is not None and (pause.end is None or pause.end > moment)


def pauses_of(events: Iterable[StateEvent]) -> tuple[PausePeriod, ...]:
    """Find the pauses in `events`, which are in order but for handovers.

    A pause ends when it is over by its own time, when delegation is resumed, and when a daemon
    starts that does not say at once that it still holds. A daemon that ends, or dies, changes
    nothing: a pause outlives it.
    """
    pauses: list[PausePeriod] = []
    until: datetime | None = None
    started: datetime | None = None
    for event in events:
        moment = moment_of(event.ts)
        if moment is None:
            continue
        is_open = bool(pauses) and (pauses[-1].end is None or pauses[-1].end > moment)
        match event.event:
            case state_events.PAUSED:
                until = moment_of(event.until) if event.until else None
                goes_on = is_open or (
                    bool(pauses)
                    and pauses[-1].end == started is not None
                    and moment - started <= _SAME_START
                )
                if goes_on:
                    pauses[-1] = PausePeriod(pauses[-1].start, until)
                else:
                    pauses.append(PausePeriod(moment, until))
                started = None
            case state_events.RESUMED | state_events.STARTED if is_open:
                pauses[-1] = PausePeriod(pauses[-1].start, max(moment, pauses[-1].start))
                started = pauses[-1].end if event.event == state_events.STARTED else None
            case _:
                pass  # other changes, and those that a newer version tells of
    return tuple(pause for pause in pauses if pause.end is None or pause.end > pause.start)
