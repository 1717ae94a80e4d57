"""Reads `quota.jsonl`, the history of the plans' windows, which stands beside the request log.

The file grows by a line of some 150 bytes for each percent that a window moves: a plan whose
5-hour windows are all used up, day and night, comes to half a megabyte a week, common use to a
tenth of that. It is read from its end backwards, so that a look at the last days costs what they
hold, whatever came before; and memory is bounded, whatever the file holds. Lines that hold no
point (torn, foreign) are passed over. It writes nothing and locks nothing.
"""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.errors import OfframpError
from offramp_core.quota import windows
from offramp_core.usage.records import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
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

    A folder without a history has none.

    Raises:
        OfframpError: the file is there but can't be read.
    """
    file = folder / windows.HISTORY_NAME
    try:
        descriptor = os.open(file, _OPEN_FLAGS)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        found = _read_back(descriptor, since, most)
    except OSError as error:
        raise _unreadable(file, error) from error
    finally:
        os.close(descriptor)
    found.sort(key=lambda point: point.ts)
    return found


def _read_back(descriptor: int, since: datetime, most: int) -> list[QuotaPoint]:
    """Return the points since then, the youngest lines first."""
    found: list[QuotaPoint] = []
    old_lines = 0
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return found
    for line in _lines_backwards(descriptor, status.st_size):
        try:
            point = windows.decode_point(line)
        except UNREADABLE:
            continue
        old_lines = old_lines + 1 if point.ts < since - _SLACK else 0
        if old_lines >= _OLD_LINES or len(found) >= most:
            break
        if point.ts >= since:
            found.append(point)
    found.reverse()
    return found


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
