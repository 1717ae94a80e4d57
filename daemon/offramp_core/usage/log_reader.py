"""Reads and follows the request log: every `requests*.jsonl` of a folder, oldest month first.

It writes nothing and locks nothing. Only whole lines are consumed; a last line without its newline
waits for the rest. Lines that hold no record (torn, foreign) are skipped and counted. Memory is
bounded by the block size, whatever the log's.

Records are written when a request ends but carry the time it arrived, so a file is in order of
`ts` but for the time that requests last: `SLACK` at most.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from offramp_core.errors import OfframpError
from offramp_core.usage import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

SLACK = timedelta(hours=1)
"""How far a record may stand behind one that is younger."""

_BLOCK_BYTES = 512 * 1024
_PROBE_BYTES = 8 * 1024
_BACKWARD_BYTES = 64 * 1024
_HEAD_BYTES = 48  # reaches past the first record's time stamp
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # never waits, even on a pipe
_MONTH = re.compile(r"\d{4}-\d{2}")

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """Records that were read together, and the file that held them."""

    path: Path
    identity: FileId
    records: list[records.DetailRecord]


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What tells a log file, as it is now, from another or from itself at another time."""

    path: Path
    identity: FileId
    size: int
    modified_ns: int
    head: bytes
    """How it begins; a few dozen bytes."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Up to where a file was consumed (always a line's start), and how the file began then."""

    offset: int
    head: bytes


@dataclass(frozen=True, slots=True)
class _LogFile:
    """An open log file; `size` is what it was on opening, and reads go no further."""

    path: Path
    descriptor: int
    identity: FileId
    size: int
    modified_ns: int


class LogReader:
    """Reads a log folder from a cursor of its own: each call returns only what is new since.

    The cursor holds one offset per file, known by device and inode, so a renamed file is not read
    twice. Use it from one thread. `skipped_lines`, `bytes_read` and `restarts` only grow.
    """

    def __init__(
        self, folder: Path, *, since: datetime | None = None, block_bytes: int = _BLOCK_BYTES
    ) -> None:
        """Stand at the log's beginning or, with `since`, before the first record of that time.

        With `since` some earlier records may come along: they were not worth searching out.
        """
        self.folder = folder
        self.skipped_lines = 0
        """Lines so far that held no record."""
        self.bytes_read = 0
        """Bytes taken from the disk so far, searches included."""
        self.restarts = 0
        """How often a file turned out truncated, replaced or gone: totals so far are stale then."""
        self._since = since
        self._block_bytes = block_bytes
        self._positions: dict[FileId, _Position] = {}
        self._begins: dict[FileId, int] = {}

    def files(self) -> tuple[FileStatus, ...]:
        """Return the log's files as they are now, the oldest month first.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        found: list[FileStatus] = []
        for path in log_files(self.folder):
            with self._opened(path) as file:
                if file is not None:
                    head = self._head(file)
                    found.append(FileStatus(path, file.identity, file.size, file.modified_ns, head))
        return tuple(found)

    def take_as_read(self, file: FileStatus) -> None:
        """Stand at the end of what `file` held, for what it holds is known from elsewhere."""
        self._positions[file.identity] = _Position(file.size, file.head)

    def passed_over(self, file: FileStatus) -> int:
        """Return how many bytes at the beginning of `file` were passed over because of `since`."""
        return self._begins.get(file.identity, 0)

    def read_passed_over(self, file: FileStatus) -> Iterator[list[records.DetailRecord]]:
        """Yield the records that `since` had passed over in `file`, in lists of bounded size.

        They end early, without an error, where the file is gone or another has its place.

        Raises:
            OfframpError: the file is there but can't be read.
        """
        offset, end = 0, self.passed_over(file)
        while offset < end:
            with self._opened(file.path) as opened:
                if opened is None or opened.identity != file.identity:
                    return
                block = self._pread(opened, min(self._block_bytes, end - offset), offset)
            whole = block.rfind(b"\n") + 1
            if not block:
                return
            offset += whole or len(block)
            if whole:
                yield self._decoded(block[:whole], records.decode_details)

    def read_parts(self) -> Iterator[LogPart]:
        """Yield what `read_details` does, with the file that each list came from.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for file, block in self._read_blocks():
            found = self._decoded(block, records.decode_details)
            yield LogPart(file.path, file.identity, found)

    def read_usage(self) -> Iterator[list[records.UsageRecord]]:
        """Yield what is new, in lists of bounded size.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for _, block in self._read_blocks():
            yield self._decode(block)

    def read_details(self) -> Iterator[list[records.DetailRecord]]:
        """Yield what is new with its sessions and reasons, in lists of bounded size.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for _, block in self._read_blocks():
            yield self._decoded(block, records.decode_details)

    def read_lines(self) -> Iterator[bytes]:
        """Yield what is new as it stands in the files, without newlines; blank lines are left out.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for _, block in self._read_blocks():
            yield from filter(None, map(bytes.strip, block.split(b"\n")))

    def skip_to_end(self) -> None:
        """Take all whole lines that are there now as consumed.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for path in log_files(self.folder):
            with self._opened(path) as file:
                if file is not None:
                    self._advance(file, self._end_of_lines(file))

    def consumed_lines_backwards(self, before: datetime | None = None) -> Iterator[bytes]:
        """Yield the lines before the cursor, latest first, whether this reader read them or not.

        With `before`, hardly any that hold only younger records: those are skipped unread.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for path in reversed(log_files(self.folder)):
            with self._opened(path) as file:
                if file is not None and file.identity in self._positions:
                    end = self._positions[file.identity].offset
                    if before is not None:
                        found = self._find_end(file, before + SLACK)
                        end = self._end_of_lines(file, min(end, found))
                    yield from self._lines_backwards(file, end)

    def _read_blocks(self) -> Iterator[tuple[_LogFile, bytes]]:
        seen: set[FileId] = set()
        for path in log_files(self.folder):
            with self._opened(path) as file:
                if file is None:
                    continue
                seen.add(file.identity)
                for block in self._file_blocks(file):
                    yield file, block
        gone = self._positions.keys() - seen
        for identity in gone:
            del self._positions[identity]
        self.restarts += len(gone)

    def _file_blocks(self, file: _LogFile) -> Iterator[bytes]:
        """Blocks of whole lines from the cursor on; it is moved before each block is handed out."""
        offset = self._resume(file)
        while offset < file.size:
            block = self._pread(file, min(self._block_bytes, file.size - offset), offset)
            end = block.rfind(b"\n") + 1
            if end:
                offset += end
                self._advance(file, offset)
                yield block[:end]
            elif len(block) == self._block_bytes:
                # No record is that long: pass over it, and let its last piece count as torn.
                offset += len(block)
                self._advance(file, offset)
            else:
                break

    def _resume(self, file: _LogFile) -> int:
        """Return where to go on in `file`: at its cursor, if it is that file and has not shrunk."""
        position = self._positions.get(file.identity)
        if position is None:
            offset = 0 if self._since is None else self._find_start(file, self._since - SLACK)
            self._advance(file, offset)
            self._begins[file.identity] = offset
            return offset
        if position.offset == file.size:
            return file.size
        if position.offset < file.size and self._head(file).startswith(position.head):
            return position.offset
        self.restarts += 1
        self._positions[file.identity] = _Position(0, b"")
        return 0

    def _advance(self, file: _LogFile, offset: int) -> None:
        position = self._positions.get(file.identity)
        head = position.head if position else b""
        if len(head) < _HEAD_BYTES:
            head = self._head(file)
        self._positions[file.identity] = _Position(offset, head)

    def _head(self, file: _LogFile) -> bytes:
        return self._pread(file, min(_HEAD_BYTES, file.size), 0)

    def _find_start(self, file: _LogFile, moment: datetime) -> int:
        """Return the start of a line before which every record is older than `moment` plus `SLACK`.

        Whatever stands before a record that is older than `moment` ended before `moment` plus
        `SLACK`, so the start of such a record will do, and any probe's answer is safe to use.
        """
        start, end = 0, file.size
        middle = max(0, end - _PROBE_BYTES)  # most files are older as a whole: ask there first
        while end - start > _PROBE_BYTES:
            found = self._first_record(file, middle)
            if found is not None and found[1] < moment:
                start = found[0]
            else:
                end = middle
            middle = (start + end) // 2
        return start

    def _find_end(self, file: _LogFile, moment: datetime) -> int:
        """Return an offset behind which every record is as young as `moment` minus `SLACK`."""
        start, end = 0, file.size
        while end - start > _PROBE_BYTES:
            middle = (start + end) // 2
            found = self._first_record(file, middle)
            if found is None or found[1] >= moment:
                end = middle
            else:
                start = middle
        # Whatever begins before `end` is whole by then: no record is longer.
        return min(file.size, end + 2 * _PROBE_BYTES)

    def _first_record(self, file: _LogFile, offset: int) -> tuple[int, datetime] | None:
        """Offset and time of the first record that begins after `offset`, if one is near."""
        probe = self._pread(file, 2 * _PROBE_BYTES, offset)
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

    def _end_of_lines(self, file: _LogFile, end: int | None = None) -> int:
        """Return the offset after the last newline, or after the last one before `end`."""
        end = file.size if end is None else end
        while end:
            begin = max(0, end - _PROBE_BYTES)
            newline = self._pread(file, end - begin, begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            end = begin
        return 0

    def _lines_backwards(self, file: _LogFile, end: int) -> Iterator[bytes]:
        rest = b""
        while end:
            begin = max(0, end - _BACKWARD_BYTES)
            block = self._pread(file, end - begin, begin) + rest
            first, *lines = block.split(b"\n")
            yield from filter(None, map(bytes.strip, reversed(lines)))
            # The first piece is whole only if the file begins with it; no record is long, though.
            rest = first if len(first) <= _BACKWARD_BYTES else b""
            end = begin
        if rest.strip():
            yield rest.strip()

    def _decode(self, block: bytes) -> list[records.UsageRecord]:
        return self._decoded(block, records.decode_usage)

    def _decoded(self, block: bytes, decode: Callable[[bytes], list[T]]) -> list[T]:
        try:
            return decode(block)
        except records.UNREADABLE:
            found: list[T] = []
            for line in block.split(b"\n"):
                try:
                    found += decode(line)
                except records.UNREADABLE:
                    self.skipped_lines += 1
            return found

    @contextmanager
    def _opened(self, path: Path) -> Iterator[_LogFile | None]:
        """Yield the file, or None if it has just gone or is no regular file."""
        try:
            descriptor = os.open(path, _OPEN_FLAGS)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                identity = status.st_dev, status.st_ino
                yield _LogFile(path, descriptor, identity, status.st_size, status.st_mtime_ns)
            else:
                yield None
        finally:
            os.close(descriptor)

    def _pread(self, file: _LogFile, length: int, offset: int) -> bytes:
        try:
            found = os.pread(file.descriptor, length, offset)
        except OSError as error:
            raise _unreadable(file.path, error) from error
        self.bytes_read += len(found)
        return found


def log_files(folder: Path) -> tuple[Path, ...]:
    """Return the log files in `folder`, those without a month first, then the oldest month.

    A folder that is not there has none.

    Raises:
        OfframpError: the folder is there but can't be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unreadable(folder, error) from error
    found = fnmatch.filter(names, records.FILE_PATTERN)
    return tuple(folder / name for name in sorted(found, key=lambda name: (_month(name), name)))


def _month(name: str) -> str:
    match = _MONTH.search(name)
    return match.group() if match else ""


def _unreadable(path: Path, error: OSError) -> OfframpError:
    return OfframpError(
        f"The request log {path} can't be read: {error.strerror or error}.",
        hint="Make it readable for your user, or set log_dir to another folder.",
    )
