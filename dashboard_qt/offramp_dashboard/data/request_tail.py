"""The latest requests as rows for the table: backwards from the log's end, then as they come.

No Qt and no threads.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from offramp_core.usage import records
from offramp_core.usage.log_reader import SLACK, LogReader
from offramp_dashboard.data.request_rows import RequestRow, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from offramp_core.usage.weeks import Span

_OLDER_ROWS = 50
"""So many older rows in a row mean that all before are; a single one is a clock that was off."""


class LatestRequests:
    """Reads one log folder's end. Use it from one thread."""

    def __init__(self, folder: Path, span: Span | None = None) -> None:
        """Stand at the log's end as it is now; with `span`, give only what arrived in it.

        Raises:
            OfframpError: a file or the folder is there but can't be read; the same for all methods.
        """
        # What another machine's file held long before it arrived is no news.
        self._reader = LogReader(folder, since=datetime.now(UTC))
        self._reader.skip_to_end()
        self._span = span
        before = span.end if span else None
        self._earlier = self._within(_rows(self._reader.consumed_lines_backwards(before)))
        self.has_more = True
        """Whether the log may hold requests before those that `earlier` has given so far."""

    def earlier(self, count: int) -> list[RequestRow]:
        """The next `count` rows back in time, the latest first."""
        found = list(islice(self._earlier, count))
        self.has_more = len(found) == count
        return found

    def new(self, most: int) -> list[RequestRow]:
        """What came since the last call, in the order of the log: the last `most` of it."""
        rows = _rows(self._reader.read_lines())
        return list(deque((row for row in rows if self._holds(row)), maxlen=most))

    def _within(self, rows: Iterator[RequestRow]) -> Iterator[RequestRow]:
        """What of `rows`, the latest first, is in the span, until nothing of it is to come."""
        span, older = self._span, 0
        for row in rows:
            if span is not None and row.moment < span.start - SLACK:
                older += 1
                if older >= _OLDER_ROWS:
                    return
            else:
                older = 0
            if self._holds(row):
                yield row

    def _holds(self, row: RequestRow) -> bool:
        span = self._span
        return span is None or span.start <= row.moment < span.end


def _rows(lines: Iterable[bytes]) -> Iterator[RequestRow]:
    for line in lines:
        try:
            record = records.decode(line)
        except records.UNREADABLE:
            continue  # counted where usage is read
        row = row_of(record)
        if row is not None:
            yield row
