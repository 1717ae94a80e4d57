"""One file of the request log, open: its lines, and where in it a time begins or ends.

Records are written when a request ends but carry the time it arrived, so a file is in order of
`ts` but for the time that requests last. It writes nothing and locks nothing.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from offramp_core.errors import OfframpError
from offramp_core.usage import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

HEAD_BYTES: Final = 48
"""Reaches past the first record's time stamp."""

_PROBE_BYTES = 8 * 1024
_BACKWARD_BYTES = 64 * 1024
_COMPARED_BYTES = 256 * 1024
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # never waits, even on a pipe

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class LogFile:
    """An open log file; `size` is what it was on opening, and reads go no further."""

    path: Path
    descriptor: int
    identity: FileId
    size: int
    modified_ns: int
    bytes_read: int = 0
    """Bytes taken from the disk so far."""

    def read(self, length: int, offset: int) -> bytes:
        """Return at most `length` bytes from `offset` on.

        Raises:
            OfframpError: it can't be read.
        """
        try:
            found = os.pread(self.descriptor, length, offset)
        except OSError as error:
            raise unreadable(self.path, error) from error
        self.bytes_read += len(found)
        return found

    def head(self) -> bytes:
        """Return how the file begins; a few dozen bytes."""
        return self.read(min(HEAD_BYTES, self.size), 0)

    def find_start(self, moment: datetime) -> int:
        """Return the start of a line before which every record is older than `moment` plus slack.

        Whatever stands before a record that is older than `moment` ended before `moment` plus
        the slack, so the start of such a record will do, and any probe's answer is safe to use.
        """
        start, end = 0, self.size
        middle = max(0, end - _PROBE_BYTES)  # most files are older as a whole: ask there first
        while end - start > _PROBE_BYTES:
            found = self._first_record(middle)
            if found is not None and found[1] < moment:
                start = found[0]
            else:
                end = middle
            middle = (start + end) // 2
        return start

    def find_end(self, moment: datetime) -> int:
        """Return an offset behind which every record is as young as `moment` minus the slack."""
        start, end = 0, self.size
        while end - start > _PROBE_BYTES:
            middle = (start + end) // 2
            found = self._first_record(middle)
            if found is None or found[1] >= moment:
                end = middle
            else:
                start = middle
        # Whatever begins before `end` is whole by then: no record is longer.
        return min(self.size, end + 2 * _PROBE_BYTES)

    def end_of_lines(self, end: int | None = None) -> int:
        """Return the offset after the last newline, or after the last one before `end`."""
        end = self.size if end is None else end
        if end and self.read(1, end - 1) == b"\n":
            return end
        while end:
            begin = max(0, end - _PROBE_BYTES)
            newline = self.read(end - begin, begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            end = begin
        return 0

    def lines_backwards(self, end: int) -> Iterator[bytes]:
        """Yield the lines before the offset `end`, the last one first, without their newlines."""
        rest = b""
        while end:
            begin = max(0, end - _BACKWARD_BYTES)
            block = self.read(end - begin, begin) + rest
            first, *lines = block.split(b"\n")
            yield from filter(None, map(bytes.strip, reversed(lines)))
            # The first piece is whole only if the file begins with it; no record is long, though.
            rest = first if len(first) <= _BACKWARD_BYTES else b""
            end = begin
        if rest.strip():
            yield rest.strip()

    def _first_record(self, offset: int) -> tuple[int, datetime] | None:
        """Offset and time of the first record that begins after `offset`, if one is near."""
        probe = self.read(2 * _PROBE_BYTES, offset)
        begin = probe.find(b"\n") + 1
        while begin:
            end = probe.find(b"\n", begin) + 1
            if not end:
                return None
            try:
                found = records.decode_usage(probe[begin:end])
            except records.UNREADABLE:
                found = []
            if found:
                return offset + begin, found[0].ts
            begin = end
        return None


@contextmanager
def opened(path: Path) -> Iterator[LogFile | None]:
    """Yield the file, or None if it has just gone or is not a regular file.

    Raises:
        OfframpError: it is there but can't be read.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            identity = status.st_dev, status.st_ino
            yield LogFile(path, descriptor, identity, status.st_size, status.st_mtime_ns)
        else:
            yield None
    finally:
        os.close(descriptor)


def identity_of(path: Path) -> FileId | None:
    """Return which file `path` names now; None where that can't be found out."""
    try:
        status = os.stat(path)  # noqa: PTH116 - thrice as fast, for each file at each look
    except OSError:
        return None
    return status.st_dev, status.st_ino


def shared_lines(files: Sequence[LogFile]) -> int:
    """Return the offset up to which `files` hold the same whole lines.

    Raises:
        OfframpError: one can't be read.
    """
    first, *others = files
    end = min(file.size for file in files)
    offset = 0
    while offset < end:
        block = first.read(min(_COMPARED_BYTES, end - offset), offset)
        same = min((_same(block, other.read(len(block), offset)) for other in others), default=0)
        offset += same
        if not block or same < len(block):
            break
    return first.end_of_lines(offset)


def unreadable(path: Path, error: OSError) -> OfframpError:
    """Return the error that says so of `path`, for the caller to raise."""
    return OfframpError(
        f"The request log {path} can't be read: {error.strerror or error}.",
        hint="Make it readable for your user, or set log_dir to another folder.",
    )


def _same(block: bytes, other: bytes) -> int:
    """Return how many bytes at the beginning of both are the same."""
    if block == other:
        return len(block)
    # os.path.commonprefix compares in Python; halving lets memcmp do it.
    start, end = 0, min(len(block), len(other))
    while start < end:
        middle = (start + end + 1) // 2
        if block[start:middle] == other[start:middle]:
            start = middle
        else:
            end = middle - 1
    return start
