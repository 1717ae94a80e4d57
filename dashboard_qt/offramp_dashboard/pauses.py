"""When delegation was paused, from `events.jsonl`. No Qt."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core import events
from offramp_core.records import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_BYTES = 4 * 1024 * 1024
"""Of the file's end that are read: many thousand changes of state."""

_SAME_START = timedelta(seconds=10)
"""Within this time after its start, a daemon says that the pause it found still holds."""


@dataclass(frozen=True, slots=True)
class Pause:
    """From `start` to `end`, UTC; `end` may be still to come, and is None without one."""

    start: datetime
    end: datetime | None


def read(folder: Path) -> tuple[Pause, ...]:
    """The pauses that the file of events in `folder` tells of, in order; none without a file."""
    lines = _tail(folder / events.FILE_NAME).split(b"\n")
    found: list[events.StateEvent] = []
    for line in lines:
        try:
            found.append(events.decode(line))
        except UNREADABLE:
            continue  # an empty line, or one torn by a full disk or by where we began
    return pauses_of(found)


def pauses_of(told: Iterable[events.StateEvent]) -> tuple[Pause, ...]:
    """The pauses in what was told, which is in order but for handovers.

    A pause ends when it is over by its own time, when delegation is resumed, and when a daemon
    starts that does not say at once that it still holds. A daemon that ends, or dies, changes
    nothing: a pause outlives it.
    """
    pauses: list[Pause] = []
    until: datetime | None = None
    started: datetime | None = None
    for event in told:
        moment = _moment(event.ts)
        if moment is None:
            continue
        is_open = bool(pauses) and (pauses[-1].end is None or pauses[-1].end > moment)
        match event.event:
            case events.PAUSED:
                until = _moment(event.until) if event.until else None
                goes_on = is_open or (
                    bool(pauses)
                    and pauses[-1].end == started is not None
                    and moment - started <= _SAME_START
                )
                if goes_on:
                    pauses[-1] = Pause(pauses[-1].start, until)
                else:
                    pauses.append(Pause(moment, until))
                started = None
            case events.RESUMED | events.STARTED if is_open:
                pauses[-1] = Pause(pauses[-1].start, max(moment, pauses[-1].start))
                started = pauses[-1].end if event.event == events.STARTED else None
            case _:
                pass  # other changes, and those that a newer version tells of
    return tuple(pause for pause in pauses if pause.end is None or pause.end > pause.start)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1 < moment.year < 9998 else None


def _tail(file: Path) -> bytes:
    """The end of `file`; nothing where it can't be read, for marks are not worth an error."""
    try:
        # Never waits, even on a pipe.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b""
        return os.pread(descriptor, _MOST_BYTES, max(0, status.st_size - _MOST_BYTES))
    except OSError:
        return b""
    finally:
        os.close(descriptor)
