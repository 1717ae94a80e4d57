"""Follows the log for the running week's totals, in a thread of its own.

It reads only what is new: when it is nudged (the daemon told of a change), when the week is over,
and, as nobody tells of what another daemon writes, once in a long while by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from offramp_core.usage.aggregation import TimeGrid, UsageCells, by_backend, fold, merge, series
from offramp_core.usage.log_reader import LogReader
from offramp_tray.state.tray_state import WeekTotals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_core.usage.weeks import WeekBoundary
    from offramp_tray.state.tray_state import Clock

GAP_S = 0.25
"""Between two looks at least, so four a second at most."""
LOOK_EVERY_S = 60.0
"""Between two looks at most; a machine that slept over the week's end is late by that."""

_BLOCK_BYTES = 64 * 1024
"""A week is read once: there is no hurry, and the memory is not given back."""

_LOG = logging.getLogger(__name__)


class WeekLog:
    """The running week's totals; each call reads what is new since. Used by one thread."""

    def __init__(self, folder: Path, boundary: WeekBoundary, clock: Clock) -> None:
        """Stand before the running week's records in `folder`."""
        self.folder = folder
        self.boundary = boundary
        self._clock = clock
        self._begin()

    @property
    def bytes_read(self) -> int:
        """How much of this week's log has been read."""
        return self._reader.bytes_read

    def totals(self) -> WeekTotals:
        """This week until now, each backend that had a request.

        Raises:
            OfframpError: the log can't be read.
        """
        if self._clock() >= self._span.end or self._clock() < self._span.start:
            self._begin()
        restarts = self._reader.restarts
        self._read()
        if self._reader.restarts != restarts:  # what was counted is in no file any more
            self._begin()
            self._read()
        (week,) = series(self._usage, (self._span,))
        return WeekTotals(span=self._span, by_backend=by_backend(week))

    def _begin(self) -> None:
        self._span = self.boundary.week_of(self._clock())
        # Of the week's beginning, so that nearly all of it is one slot, however long it lasts.
        self._grid = TimeGrid.at(self._span.start, self.boundary, since=self._span.start)
        self._reader = LogReader(self.folder, since=self._span.start, block_bytes=_BLOCK_BYTES)
        self._usage = UsageCells({})

    def _read(self) -> None:
        for records in self._reader.read_usage():
            self._usage = merge(self._usage, fold(records, self._grid))


class WeekFollower:
    """Calls `look` when nudged and now and then, never two at a time nor too often."""

    def __init__(
        self,
        look: Callable[[], float | None],
        *,
        gap_s: float = GAP_S,
        look_every_s: float = LOOK_EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` does the work, and may say in how many seconds it is due again."""
        self._monotonic = monotonic
        self._look = look
        self._gap_s = gap_s
        self._look_every_s = look_every_s
        self._is_asked = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="week", daemon=True)

    def start(self) -> None:
        """Look for the first time, and go on."""
        self._thread.start()

    def nudge(self) -> None:
        """Have it look soon; from any thread."""
        self._is_asked.set()

    def stop(self) -> None:
        """End it; waits for a look under way, a second at most."""
        self._is_over.set()
        self._is_asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._is_asked.clear()
            wait_s = self._look_every_s
            try:
                due_s = self._look()
            except Exception:  # noqa: BLE001 - the tray goes on, with older numbers
                _LOG.exception("The week could not be looked at")
            else:
                wait_s = wait_s if due_s is None else min(wait_s, max(due_s, self._gap_s))
            looked_s = self._monotonic()
            if self._is_asked.wait(wait_s):
                self._is_over.wait(max(0.0, looked_s + self._gap_s - self._monotonic()))
