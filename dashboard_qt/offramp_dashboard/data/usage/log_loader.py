"""Reads the request log into a `UsageHistory`: the latest weeks first, then month after month.

No Qt and no threads: whoever drives it takes small steps, and may stop after any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.usage.log_reader import LogReader
from offramp_dashboard.data.sessions import session_columns
from offramp_dashboard.data.sessions.session_columns import usage_of
from offramp_dashboard.data.usage.month_cache import Folded
from offramp_dashboard.data.usage.usage_history import UsageHistory
from offramp_dashboard.data.usage.usage_table import GRID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from offramp_core.usage.log_file import FileId
    from offramp_core.usage.log_reader import FileStatus
    from offramp_core.usage.weeks import WeekBoundary
    from offramp_dashboard.data.sessions.session_columns import SessionColumns
    from offramp_dashboard.data.usage.month_cache import MonthCache

BLOCK_BYTES = 128 * 1024
"""Read in one step: some 400 records, a millisecond, so that the window's thread gets its turns."""

_CLOSED_AFTER = timedelta(days=1)
"""So long after its end, no request of a month is under way any more, nor in a chart of hours."""


@dataclass(slots=True)
class _Counting:
    """A closed month that is being counted, for the cache."""

    parts: list[SessionColumns] = field(default_factory=list)
    skipped_lines: int = 0


class LogReading:
    """One log folder, read once and followed from then on. Use it from one thread.

    `is_stale` becomes true when a file was truncated, replaced or removed: what was counted may be
    gone then. It also does when a file has come, as from another machine, that holds more than the
    latest weeks. Only a new `LogReading` knows better.
    """

    def __init__(
        self,
        folder: Path,
        boundary: WeekBoundary,
        cache: MonthCache,
        now: Callable[[], datetime],
    ) -> None:
        """Read nothing yet."""
        self.past = UsageHistory()
        self.progress = 0.0
        """0 to 1, how much of the log's bytes are in."""
        self._now = now
        self._cache = cache
        self._since = boundary.latest_weeks(now(), 2)[0].start
        self._reader = LogReader(folder, since=self._since, block_bytes=BLOCK_BYTES)
        self._places: dict[FileId, int] = {}
        """Of each file while they are read: its place in the log's order."""
        self._counting: dict[FileId, _Counting] = {}
        self._is_cached: set[FileId] = set()
        self._cached_skips = 0
        self._counted_earlier_bytes: int | None = None
        """What was passed over at first and counted then, once all of it is."""
        self._whole = 0

    @property
    def is_stale(self) -> bool:
        """Whether what was counted is no longer what the log holds."""
        is_more = self._counted_earlier_bytes not in (None, self._reader.passed_over_bytes)
        return self._reader.restarts > 0 or is_more

    @property
    def bytes_read(self) -> int:
        """How much of the log has been read, not counting what the cache spared."""
        return self._reader.bytes_read

    @property
    def skipped_lines(self) -> int:
        """Lines so far that held no record."""
        return self._reader.skipped_lines + self._cached_skips

    def load(self) -> Iterator[bool]:
        """Read all that is there, in steps; each says whether a good snapshot could be drawn now.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        files = self._reader.files()
        self._whole = sum(file.size for file in files)
        self._places = {file.identity: place for place, file in enumerate(files)}
        yield from self._take_cached(files)
        yield from self._read_latest()
        self.past.complete(self._since)
        yield True
        # A file without a month in its name may hold any time, and comes first in the order.
        is_named = all(_month_of(file) for file in files)
        for month, files_of_month in groupby(reversed(files), _month_of):
            for file in files_of_month:
                if file.identity in self._is_cached:
                    self._take_cached_sessions(file)
                else:
                    yield from self._read_earlier(file)
            if is_named and month:
                self.past.complete(min(self._since, month))
            yield True
        self.past.usage_table.settle()
        self.past.complete(None)
        self.progress = 1.0
        self._counting.clear()
        self._places.clear()
        self._cache.drop_others(files)
        self._counted_earlier_bytes = sum(map(self._reader.passed_over, files))
        yield True

    def follow(self) -> bool:
        """Read what is new; whether there was anything.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        before = self._reader.skipped_lines
        is_new = False
        for part in self._reader.read_parts():
            self.past.add(part.records, self._now())
            is_new = True
        return is_new or self._reader.skipped_lines != before or self.is_stale

    def _take_cached(self, files: tuple[FileStatus, ...]) -> Iterator[bool]:
        for file in files:
            if not _is_closed(file, self._now()):
                continue
            folded = self._cache.load(file)
            if folded is None:
                self._counting[file.identity] = _Counting()
                continue
            self.past.add_columns(folded.columns)
            self._is_cached.add(file.identity)
            self._cached_skips += folded.skipped_lines
            self._reader.take_as_read(file)
            self._advance(file.size)
            yield False

    def _read_latest(self) -> Iterator[bool]:
        before = self._reader.bytes_read
        skipped = self._reader.skipped_lines
        for part in self._reader.read_parts():
            self.past.add(part.records, self._now(), self._places.get(part.identity))
            if counting := self._counting.get(part.identity):
                counting.parts.append(session_columns.fold(part.records, GRID))
                counting.skipped_lines += self._reader.skipped_lines - skipped
            skipped = self._reader.skipped_lines
            self._advance(self._reader.bytes_read - before)
            before = self._reader.bytes_read
            yield False

    def _take_cached_sessions(self, file: FileStatus) -> None:
        """Take them up after all that came later: there may not be room for them."""
        folded = self._cache.load(file)
        if folded is None:  # it was there a moment ago
            self.past.session_table.leave_out_earlier()
        else:
            self.past.session_table.add_earlier(folded.sessions, self._places[file.identity])

    def _read_earlier(self, file: FileStatus) -> Iterator[bool]:
        """Count what `since` passed over in `file`, and keep the whole of a closed month."""
        parts: list[SessionColumns] = []
        skipped, before = self._reader.skipped_lines, self._reader.bytes_read
        for records in self._reader.read_passed_over(file):
            parts.append(session_columns.fold(records, GRID))
            self._advance(self._reader.bytes_read - before)
            before = self._reader.bytes_read
            yield False
        sessions = session_columns.join(*parts)
        self.past.add_columns(usage_of(sessions))
        self.past.session_table.add_earlier(sessions, self._places[file.identity])
        counting = self._counting.pop(file.identity, None)
        if counting is not None and not self.is_stale and _is_unchanged(file):
            skipped_lines = counting.skipped_lines + self._reader.skipped_lines - skipped
            sessions = session_columns.join(sessions, *counting.parts)
            self._cache.store(file, Folded(usage_of(sessions), sessions, skipped_lines))

    def _advance(self, count: int) -> None:
        self.progress = min(1.0, self.progress + count / max(1, self._whole))


def _month_of(file: FileStatus) -> datetime | None:
    """The beginning of the month that the file's name tells, UTC."""
    year, _, month = log_names.month_of(file.path).partition("-")
    if not month or not 1 <= int(month) <= 12 or not 1 < int(year) < 9998:
        return None
    return datetime(int(year), int(month), 1, tzinfo=UTC)


def _is_unchanged(file: FileStatus) -> bool:
    """Whether the file is still as it was when reading began: nothing came while it was counted."""
    try:
        found = file.path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (file.size, file.modified_ns)


def _is_closed(file: FileStatus, now: datetime) -> bool:
    """Whether nothing more is to be expected in `file`, and it can be counted by itself."""
    if file.has_copies:
        return False
    month = _month_of(file)
    if month is None:
        return file.modified_ns / 1e9 < (now - timedelta(days=31)).timestamp()
    end = (month + timedelta(days=32)).replace(day=1)
    return end < now - _CLOSED_AFTER
