"""Reads `quota.jsonl`, the history of the plans' windows, which stands beside the request log.

Where several machines share that folder, each has a file of its own, and all are read together. A
file grows by a line of some 150 bytes for each percent that a window moves: a plan whose
5-hour windows are all used up, day and night, comes to half a megabyte a week, common use to a
tenth of that. It is read from its end backwards, so that a look at the last days costs what they
hold, whatever came before; and memory is bounded, whatever the file holds. Lines that hold no
point (torn, foreign) are passed over. It writes nothing and locks nothing.
"""

from __future__ import annotations

import math
import os
import stat
from array import array
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from offramp_core import log_names
from offramp_core.errors import OfframpError
from offramp_core.quota import windows
from offramp_core.usage import copy_filter
from offramp_core.usage.records import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from offramp_core.quota.windows import QuotaPoint

MOST_POINTS: Final = 100_000
"""A busy year of one plan; of more the youngest are returned."""

_SLACK = timedelta(hours=1)
"""How far a point may stand behind one that is younger: two daemons write, each in its order."""
_OLD_LINES = 200
"""So many older points in a row mean that all before are; a single one is a clock that was off."""
_BLOCK_BYTES = 64 * 1024
_MOST_BYTES = 64 * 1024 * 1024
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # never waits, even on a pipe


def read(folder: Path, since: datetime, *, most: int = MOST_POINTS) -> list[QuotaPoint]:
    """Return at most `most` points in `folder` from `since` (aware) on, the oldest first.

    Those of all machines are in it; what a conflict copy repeats is in it once. A folder without a
    history has none.

    Raises:
        OfframpError: a file or the folder is there but can't be read.
    """
    return list(read_each(folder, since, most=most))


def read_each(folder: Path, since: datetime, *, most: int = MOST_POINTS) -> Iterator[QuotaPoint]:
    """Read what `read` returns, and yield one point after the other.

    Weeks of points take megabytes as objects, which a process that runs for days does not get rid
    of. Here they wait as plain numbers.

    Raises:
        OfframpError: a file or the folder is there but can't be read.
    """
    try:
        files = log_names.find(folder, log_names.QUOTA)
    except OSError as error:
        raise _unreadable(folder, error) from error
    found = _PackedPoints()
    for copies in reversed(copy_filter.grouped(files)):
        if len(copies) == 1:
            found.add(_file_backwards(copies[0], since, most))
        else:
            held = [read_file(file, since, most=most) for file in copies]
            found.add(reversed(list(_once(held))))
    yield from found.oldest_first(most)


def _once(copies: Iterable[list[QuotaPoint]]) -> Iterator[QuotaPoint]:
    """Yield what a file and its conflict copies hold, each point as often as one of them does."""
    passed: Counter[QuotaPoint] = Counter()
    for points in copies:
        counts: Counter[QuotaPoint] = Counter()
        for point in points:
            counts[point] += 1
            if counts[point] > passed[point]:
                passed[point] = counts[point]
                yield point


def read_file(file: Path, since: datetime, *, most: int = MOST_POINTS) -> list[QuotaPoint]:
    """Return at most `most` points in `file` from `since` (aware) on, in the order of its lines.

    A file that is not there has none.

    Raises:
        OfframpError: the file is there but can't be read.
    """
    found = list(_file_backwards(file, since, most))
    found.reverse()
    return found


def _file_backwards(file: Path, since: datetime, most: int) -> Iterator[QuotaPoint]:
    try:
        descriptor = os.open(file, _OPEN_FLAGS)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        yield from _read_back(descriptor, since, most)
    except OSError as error:
        raise _unreadable(file, error) from error
    finally:
        os.close(descriptor)


def mark(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return what differs once a file of the history does; empty where none can be seen."""
    try:
        files = log_names.find(folder, log_names.QUOTA)
    except OSError:
        return ()
    return tuple(seen for file in files if (seen := _mark_of(file)))


def _mark_of(file: Path) -> tuple[str, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return file.name, found.st_ino, found.st_size, found.st_mtime_ns


class _PackedPoints:
    """Points as numbers, an eighth of their size as objects."""

    def __init__(self) -> None:
        self._seconds, self._resets, self._used = array("d"), array("d"), array("d")
        self._windows: dict[tuple[str, str, str], int] = {}
        self._window = array("L")

    def add(self, youngest_first: Iterable[QuotaPoint]) -> None:
        for point in youngest_first:
            name = point.backend, point.account, point.window
            self._window.append(self._windows.setdefault(name, len(self._windows)))
            self._seconds.append(point.ts.timestamp())
            self._resets.append(math.nan if point.resets is None else point.resets.timestamp())
            self._used.append(point.used)

    def oldest_first(self, most: int) -> Iterator[QuotaPoint]:
        """Yield the youngest `most`; of two of one moment first what was written first."""
        names = list(self._windows)
        backwards = range(len(self._seconds) - 1, -1, -1)
        for place in sorted(backwards, key=self._seconds.__getitem__)[-most:]:
            backend, account, window = names[self._window[place]]
            resets = self._resets[place]
            yield windows.QuotaPoint(
                ts=datetime.fromtimestamp(self._seconds[place], UTC),
                backend=backend,
                account=account,
                window=window,
                used=self._used[place],
                resets=None if math.isnan(resets) else datetime.fromtimestamp(resets, UTC),
            )


def _read_back(descriptor: int, since: datetime, most: int) -> Iterator[QuotaPoint]:
    """Yield the points since then, the youngest lines first."""
    count = old_lines = 0
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return
    for line in _lines_backwards(descriptor, status.st_size):
        try:
            point = windows.decode_point(line)
        except UNREADABLE:
            continue
        old_lines = old_lines + 1 if point.ts < since - _SLACK else 0
        if old_lines >= _OLD_LINES or count >= most:
            break
        if point.ts >= since:
            count += 1
            yield point


def _lines_backwards(descriptor: int, end: int) -> Iterator[bytes]:
    """Whole lines, the last one first; what stands behind the last newline is not whole yet."""
    is_tail, rest = True, b""
    first = max(0, end - _MOST_BYTES)
    while end > first:
        begin = max(first, end - _BLOCK_BYTES)
        head, *lines = (os.pread(descriptor, end - begin, begin) + rest).split(b"\n")
        if lines and is_tail:
            lines.pop()
            is_tail = False
        yield from filter(None, map(bytes.strip, reversed(lines)))
        # The first piece is whole only if the file begins with it; no point is long, though.
        rest = head if len(head) <= _BLOCK_BYTES else b""
        end = begin
    if first == 0 and not is_tail and rest.strip():
        yield rest


def _unreadable(file: Path, error: OSError) -> OfframpError:
    return OfframpError(
        f"The quota history {file} can't be read: {error.strerror or error}.",
        hint="Make it readable for your user, or move it away; then a new one is started.",
    )
