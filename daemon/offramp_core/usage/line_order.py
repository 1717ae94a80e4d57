"""Puts what several files of one month hold in order of time, without reading them as a whole.

Each file is nearly in order by itself, and so is what comes of them. Pure: no files.
"""

from __future__ import annotations

import heapq
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

from offramp_core import log_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from offramp_core.usage.records import DetailRecord

_MERGED_RECORDS: Final = 1000
_TS = b'"ts":"'
_TS_LENGTH = len("2026-02-07T10:30:00.000Z")


def by_month(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield the files of each month; `paths` are in order of their months."""
    for _, month in groupby(paths, key=log_names.month_of):
        yield list(month)


def merged_lines(streams: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the lines of all `streams`, the oldest record first."""
    timed = [_timed(lines) for lines in streams]
    yield from map(itemgetter(1), heapq.merge(*timed, key=itemgetter(0)))


def merged_backwards(streams: Mapping[Path, Iterable[bytes]]) -> Iterator[tuple[Path, bytes]]:
    """Yield the lines of all `streams`, which come latest first, with where each is from."""
    tagged = [_tagged(path, lines) for path, lines in streams.items()]
    for _, path, line in heapq.merge(*tagged, key=itemgetter(0), reverse=True):
        yield path, line


def merged_records(streams: Iterable[Iterable[DetailRecord]]) -> Iterator[list[DetailRecord]]:
    """Yield the records of all `streams`, the oldest first, in lists of bounded size."""
    batch: list[DetailRecord] = []
    for record in heapq.merge(*streams, key=attrgetter("ts")):
        batch.append(record)
        if len(batch) == _MERGED_RECORDS:
            yield batch
            batch = []
    if batch:
        yield batch


def _timed(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each line with its time stamp, as text that sorts by time; a foreign line has that before."""
    ts = b""
    for line in lines:
        begin = line.find(_TS) + len(_TS)
        if begin >= len(_TS):
            ts = line[begin : begin + _TS_LENGTH]
        yield ts, line


def _tagged(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[bytes, Path, bytes]]:
    for ts, line in _timed(lines):
        yield ts, path, line
