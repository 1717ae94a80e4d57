"""The latest requests as rows for the table: backwards from the log's end, then as they come.

No Qt and no threads.
"""

from __future__ import annotations

import sys
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from offramp_core.usage import records
from offramp_core.usage.log_reader import SLACK, LogReader
from offramp_dashboard.data.request_rows import RequestRow, row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord
    from offramp_core.usage.weeks import Span

_OLDER_ROWS = 50
"""So many older rows in a row mean that all before are; a single one is a clock that was off."""


class LatestRequests:
    """Reads one log folder's end. Use it from one thread."""

    def __init__(
        self,
        folder: Path,
        span: Span | None = None,
        *,
        is_wanted: Callable[[RequestRecord], bool] | None = None,
        search: Span | None = None,
    ) -> None:
        """Stand at the log's end as it is now; with `span`, give only what arrived in it.

        `is_wanted` chooses among the records; what came before now is looked for in `search` only.

        Raises:
            OfframpError: a file or the folder is there but can't be read; the same for all methods.
        """
        # What another machine's file held long before it arrived is not news.
        self._reader = LogReader(folder, since=datetime.now(UTC))
        self._reader.skip_to_end()
        self._span = span
        self._is_wanted = is_wanted
        searched = search or span
        before = searched.end if searched else None
        lines = self._reader.consumed_lines_backwards(before)
        self._earlier = self._within(searched, lines)
        self.has_more = True
        """Whether the log may hold requests before those that `earlier` has given so far."""

    def earlier(self, count: int, most_lines: int = sys.maxsize) -> list[RequestRow]:
        """The next `count` rows back in time, the latest first; fewer after `most_lines` lines."""
        found: list[RequestRow] = []
        for row in islice(self._earlier, most_lines):
            if row is not None:
                found.append(row)
            if len(found) == count:
                return found
            most_lines -= 1
        self.has_more = most_lines == 0
        return found

    def new(self, most: int) -> list[RequestRow]:
        """What came since the last call, in the order of the log: the last `most` of it."""
        rows = (self._row(line) for line in self._reader.read_lines())
        return list(deque((row for row in rows if row and self._holds(row)), maxlen=most))

    def _within(self, span: Span | None, lines: Iterable[bytes]) -> Iterator[RequestRow | None]:
        """Yield a row or None for each line, the latest first, to the beginning of `span`."""
        older = 0
        for line in lines:
            row = self._row(line)
            if row is not None and span is not None and row.moment < span.start - SLACK:
                older += 1
                if older >= _OLDER_ROWS:
                    return
            elif row is not None:
                older = 0
            yield row if row is not None and self._holds(row) else None

    def _row(self, line: bytes) -> RequestRow | None:
        try:
            record = records.decode(line)
        except records.UNREADABLE:
            return None  # counted where usage is read
        return row_of(record)

    def _holds(self, row: RequestRow) -> bool:
        span = self._span
        if span is not None and not span.start <= row.moment < span.end:
            return False
        return self._is_wanted is None or self._is_wanted(row.record)
