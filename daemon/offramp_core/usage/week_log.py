"""Counts the running week from the log, each time only what is new; for the tray and the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.usage.aggregation import TimeGrid, UsageCells, by_backend, fold, merge, series
from offramp_core.usage.log_reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from offramp_core.usage.aggregation import Totals
    from offramp_core.usage.weeks import Span, WeekBoundary

_BLOCK_BYTES = 64 * 1024
"""A week is read once: there is no hurry, and the memory is not given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekTotals:
    """The running week by backend, from the log."""

    span: Span
    by_backend: Mapping[str | None, Totals]


class WeekLog:
    """The running week's totals; each call reads what is new since. Used by one thread."""

    def __init__(self, folder: Path, boundary: WeekBoundary, clock: Callable[[], datetime]) -> None:
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
