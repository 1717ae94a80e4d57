"""Whether requests are delegated at present, and the file by which a pause outlives the daemon.

Times are wall time: a pause until 22:00 is over at 22:00, though the machine slept or the daemon
was down. Whether it is over is looked up at each request, so that no timer can be late for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file, private_files
from offramp_core.control.api import Moment, Pause
from offramp_core.errors import OfframpError
from offramp_daemon.clock import Clock, utc_now

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_MAX_BYTES = 64 * 1024
_LAST_YEAR = 9998
"""The calendar's very last days can't be shown in every zone."""


class Delegation:
    """Goes on, or is paused. Read from any thread, changed from the event loop only."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        """Delegation goes on, for now."""
        self._clock = clock
        self._pause: Pause | None = None

    @property
    def pause(self) -> Pause | None:
        """The pause that holds at this moment; None while delegation goes on."""
        return None if self._pause is None or self._is_over() else self._pause

    @property
    def due(self) -> datetime | None:
        """When a timed pause ends, until `settle` has taken note of it."""
        return self._pause.until if self._pause else None

    def set(self, pause: Pause | None) -> None:
        """Pause, or go on with None, from the next request on."""
        self._pause = pause

    def settle(self) -> Pause | None:
        """Forget a pause whose time is over, and return it; None while there is none such."""
        if not self._is_over():
            return None
        ended, self._pause = self._pause, None
        return ended

    def _is_over(self) -> bool:
        until = self._pause.until if self._pause else None
        return until is not None and self._clock() >= until


class _StoredPause(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. `since` only while paused."""

    is_paused: bool
    since: Moment | None = None
    until: Moment | None = None


def load_pause(file: Path) -> Pause | None:
    """Return the pause in `file`, over or not; None for no pause, and for no file.

    Raises:
        OfframpError: it can't be read, or holds something else.
    """
    try:
        data = atomic_file.load(file, _MAX_BYTES)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    if data is None:
        return None
    try:
        saved = msgspec.json.decode(data, type=_StoredPause)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(file, "it is damaged") from error
    if not saved.is_paused:
        return None
    moments = [moment for moment in (saved.since, saved.until) if moment is not None]
    if saved.since is None or any(not 1 < moment.year <= _LAST_YEAR for moment in moments):
        raise _unreadable(file, "it is damaged")
    return Pause(since=saved.since, until=saved.until)


def save_pause(file: Path, pause: Pause | None) -> None:
    """Write it down, whole or not at all, so that it holds after a power cut too. Blocks.

    Raises:
        OSError: the disk is full, read-only or broken; what was there stays.
    """
    saved = _StoredPause(is_paused=False)
    if pause is not None:
        saved = _StoredPause(is_paused=True, since=pause.since, until=pause.until)
    private_files.make_folder(file.parent)
    atomic_file.replace(file, msgspec.json.encode(saved) + b"\n")


def _unreadable(file: Path, why: str) -> OfframpError:
    return OfframpError(
        f"Whether delegation is paused can't be read from {file}: {why}.",
        hint="Delegation is on; pause again if you want it paused.",
    )
