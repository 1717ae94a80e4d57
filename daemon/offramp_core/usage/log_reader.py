"""Reads and follows the request log: every machine's files in a folder, the oldest month first.

It writes nothing and locks nothing. Only whole lines are consumed; a last line without its newline
waits for the rest. Lines that hold no record (torn, foreign) are skipped and counted. Memory is
bounded by the block size, whatever the log's, but for a file that has conflict copies: there
`copy_filter` remembers the lines in which they differ.

Records are written when a request ends but carry the time it arrived, so a file is in order of
`ts` but for the time that requests last: `SLACK` at most. Files of one month are merged in order of
time by those methods that say so.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from offramp_core import log_names
from offramp_core.usage import line_order, log_file, records
from offramp_core.usage.copy_filter import CopyFilter, with_copies
from offramp_core.usage.log_file import HEAD_BYTES, FileId, LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

T = TypeVar("T")

SLACK = timedelta(hours=1)
"""How far a record may stand behind one that is younger."""

_BLOCK_BYTES = 512 * 1024
_TAIL_BYTES = 96  # reaches into the counts of the last record


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
    has_copies: bool = False
    """Some of its lines may be in a conflict copy too: what it adds depends on that file."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Up to where a file was consumed (always a line's start), and what it held before that."""

    path: Path
    offset: int
    head: bytes
    tail: bytes
    begin: int = 0
    """Where reading began; what is before that was passed over."""


class LogReader:
    """Reads a log folder from a cursor of its own: each call returns only what is new since.

    The cursor holds one offset per file, known by device and inode, so a renamed file is not read
    twice; nor is one that a synchroniser replaced by itself with more lines at its end. Use it from
    one thread. `skipped_lines`, `bytes_read` and `restarts` only grow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        since: datetime | None = None,
        machine: str | None = None,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        """Stand at the log's beginning or, with `since`, before the first record of that time.

        With `since` some earlier records may come along: they were not worth searching out. With
        `machine` only that machine's files are read; it is empty for those without a name.
        """
        self.folder = folder
        self._machine = machine
        self.skipped_lines = 0
        """Lines so far that held no record."""
        self.bytes_read = 0
        """Bytes taken from the disk so far, searches included."""
        self.restarts = 0
        """How often a file turned out truncated, replaced or gone: totals so far are stale then."""
        self._since = since
        self._block_bytes = block_bytes
        self._positions: dict[FileId, _Position] = {}
        self._filters: dict[str, CopyFilter] = {}

    def files(self) -> tuple[FileStatus, ...]:
        """Return the log's files as they are now, the oldest month first.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        found: list[FileStatus] = []
        paths = self._files()
        copies = with_copies(paths)
        for path in paths:
            with self._opened(path) as file:
                if file is not None:
                    found.append(
                        FileStatus(
                            path,
                            file.identity,
                            file.size,
                            file.modified_ns,
                            file.head(),
                            path in copies,
                        )
                    )
        return tuple(found)

    def take_as_read(self, file: FileStatus) -> None:
        """Stand after the last line that `file` held, for what it holds is known from elsewhere."""
        with self._opened(file.path) as opened:
            if opened is not None and opened.identity == file.identity:
                self._advance(opened, opened.end_of_lines(file.size))

    @property
    def passed_over_bytes(self) -> int:
        """How many bytes of all files were passed over because of `since`."""
        return sum(position.begin for position in self._positions.values())

    def passed_over(self, file: FileStatus) -> int:
        """Return how many bytes at the beginning of `file` were passed over because of `since`."""
        position = self._positions.get(file.identity)
        return 0 if position is None else position.begin

    def read_passed_over(self, file: FileStatus) -> Iterator[list[records.DetailRecord]]:
        """Yield the records that `since` had passed over in `file`, in lists of bounded size.

        They end early, without an error but as a restart, where the file is gone or another has
        its place.

        Raises:
            OfframpError: the file is there but can't be read.
        """
        offset, end = 0, self.passed_over(file)
        while offset < end:
            with self._opened(file.path) as opened:
                if opened is None or opened.identity != file.identity:
                    self.restarts += 1
                    return
                block = opened.read(min(self._block_bytes, end - offset), offset)
            whole = block.rfind(b"\n") + 1
            if not block:
                return
            offset += whole or len(block)
            if whole:
                yield self._details(block[:whole])

    def read_parts(self) -> Iterator[LogPart]:
        """Yield what `read_details` does, with the file that each list came from.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for path in self._paths():
            for identity, block in self._blocks_of(path):
                yield LogPart(path, identity, self._details(block))

    def read_usage(self) -> Iterator[list[records.UsageRecord]]:
        """Yield what is new, in lists of bounded size; one file after the other.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for path in self._paths():
            for _, block in self._blocks_of(path):
                yield self._decode(block)

    def read_details(self) -> Iterator[list[records.DetailRecord]]:
        """Yield what is new with its sessions and reasons, in lists of bounded size.

        Files of one month are merged in order of time.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for paths in line_order.by_month(self._paths()):
            if len(paths) == 1:
                yield from map(self._details, map(itemgetter(1), self._blocks_of(paths[0])))
                continue
            yield from line_order.merged_records([self._details_of(path) for path in paths])

    def read_lines(self) -> Iterator[bytes]:
        """Yield what is new as it stands in the files, without newlines; blank lines are left out.

        Files of one month are merged in order of time.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for paths in line_order.by_month(self._paths()):
            if len(paths) == 1:
                yield from self._lines_of(paths[0])
                continue
            yield from line_order.merged_lines([self._lines_of(path) for path in paths])

    def skip_to_end(self) -> None:
        """Take all whole lines that are there now as consumed.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        for path in self._files():
            with self._opened(path) as file:
                if file is not None:
                    self._advance(file, file.end_of_lines())

    def consumed_lines_backwards(self, before: datetime | None = None) -> Iterator[bytes]:
        """Yield the lines before the cursor, latest first, whether this reader read them or not.

        Files of one month are merged in order of time. With `before`, hardly any lines that hold
        only younger records: those are skipped unread.

        Raises:
            OfframpError: a file or the folder is there but can't be read.
        """
        paths = self._files()
        copies = with_copies(paths)
        filters = {members: CopyFilter(members) for members in copies.values()}
        for month in reversed(list(line_order.by_month(paths))):
            if len(month) == 1:
                yield from self._lines_back(month[0], before)
                continue
            streams = {path: self._lines_back(path, before) for path in reversed(month)}
            for path, line in line_order.merged_backwards(streams):
                if path not in copies or filters[copies[path]].passes(path, line):
                    yield line

    def _lines_back(self, path: Path, before: datetime | None) -> Iterator[bytes]:
        with self._opened(path) as file:
            if file is not None and file.identity in self._positions:
                end = self._positions[file.identity].offset
                if before is not None:
                    end = file.end_of_lines(min(end, file.find_end(before + SLACK)))
                yield from file.lines_backwards(end)

    def _files(self) -> tuple[Path, ...]:
        paths = log_files(self.folder)
        if self._machine is None:
            return paths
        return tuple(path for path in paths if log_names.machine_of(path) == self._machine)

    def _paths(self) -> tuple[Path, ...]:
        """The log's files; the cursor follows those that were renamed or replaced since."""
        paths = self._files()
        identities = {path: found for path in paths if (found := log_file.identity_of(path))}
        known = {identity: position.path for identity, position in self._positions.items()}
        if known != {identity: path for path, identity in identities.items()}:
            self._follow(identities)
        self._see_copies(paths)
        return paths

    def _follow(self, identities: Mapping[Path, FileId]) -> None:
        """Find each file's position again by its inode, else by its name and what it held."""
        by_path = {position.path: identity for identity, position in self._positions.items()}
        left, kept = dict(self._positions), {}
        for path, identity in identities.items():
            for candidate in dict.fromkeys((identity, by_path.get(path, identity))):
                position = left.get(candidate)
                is_same = candidate == identity and position is not None and position.path == path
                if position and (is_same or self._goes_on(path, position)):
                    kept[identity] = replace(position, path=path)
                    del left[candidate]
                    break
        self._positions = kept
        self.restarts += len(left)

    def _goes_on(self, path: Path, position: _Position) -> bool:
        """Whether the file at `path` holds all that was consumed, as far as that can be seen."""
        with self._opened(path) as file:
            if file is None or file.size < position.offset:
                return False
            tail = file.read(len(position.tail), position.offset - len(position.tail))
            return tail == position.tail and file.head().startswith(position.head)

    def _see_copies(self, paths: tuple[Path, ...]) -> None:
        """Prepare a filter for each file that has conflict copies, or has others than before."""
        copies = dict.fromkeys(with_copies(paths).values())
        wanted = {str(members[0]): members for members in copies}
        for name in self._filters.keys() - wanted.keys():
            del self._filters[name]
        for name, members in wanted.items():
            if name not in self._filters or self._filters[name].members != members:
                self._filters[name] = self._new_filter(members)

    def _new_filter(self, members: tuple[Path, ...]) -> CopyFilter:
        """Return a filter that has seen all of `members` that is consumed already.

        What all of them hold at their beginning is taken from the one that was read first.
        """
        with ExitStack() as stack:
            entered = (stack.enter_context(self._opened(path)) for path in members)
            files = [file for file in entered if file is not None]
            if len(files) < 2:
                return CopyFilter(members)
            made = CopyFilter(members, log_file.shared_lines(files))
            leader = max(files, key=self._offset)
            for file in files:
                if file.identity not in self._positions:
                    if file is leader:
                        self._begin(file)
                    else:
                        self._advance(file, made.shared_bytes)
                self._note_consumed(made, file)
            return made

    def _note_consumed(self, made: CopyFilter, file: LogFile) -> None:
        offset, end = made.shared_bytes, self._offset(file)
        while offset < end:
            block = file.read(min(self._block_bytes, end - offset), offset)
            whole = block.rfind(b"\n") + 1
            made.filtered(file.path, offset, block[:whole])
            offset += whole or len(block)
            if not block:
                return

    def _blocks_of(self, path: Path) -> Iterator[tuple[FileId, bytes]]:
        """Blocks of whole lines that are new in the file, without what a copy of it held."""
        copies = next((each for each in self._filters.values() if path in each.members), None)
        with self._opened(path) as file:
            if file is None:
                return
            for offset, block in self._file_blocks(file):
                if copies is not None:
                    block = copies.filtered(path, offset, block)  # noqa: PLW2901 - what passes
                if block:
                    yield file.identity, block

    def _file_blocks(self, file: LogFile) -> Iterator[tuple[int, bytes]]:
        """Blocks of whole lines from the cursor on; it is moved before each block is handed out."""
        offset = self._resume(file)
        while offset < file.size:
            begin = offset
            block = file.read(min(self._block_bytes, file.size - offset), offset)
            end = block.rfind(b"\n") + 1
            if end:
                offset += end
                self._advance(file, offset, block[:end])
                yield begin, block[:end]
            elif len(block) == self._block_bytes:
                # No record is that long: pass over it, and let its last piece count as torn.
                offset += len(block)
                self._advance(file, offset, block)
            else:
                break

    def _resume(self, file: LogFile) -> int:
        """Return where to go on in `file`: at its cursor, if it is that file and has not shrunk."""
        position = self._positions.get(file.identity)
        if position is None:
            return self._begin(file)
        if position.offset == file.size:
            return file.size
        if position.offset < file.size and file.head().startswith(position.head):
            return position.offset
        self.restarts += 1
        del self._positions[file.identity]
        return self._begin(file)

    def _begin(self, file: LogFile) -> int:
        """Stand where reading of a file begins that is new."""
        offset = 0 if self._since is None else file.find_start(self._since - SLACK)
        self._advance(file, offset)
        self._positions[file.identity] = replace(self._positions[file.identity], begin=offset)
        return offset

    def _offset(self, file: LogFile) -> int:
        position = self._positions.get(file.identity)
        return 0 if position is None else position.offset

    def _advance(self, file: LogFile, offset: int, consumed: bytes | None = None) -> None:
        """Move the cursor; `consumed` are the bytes before it, where they are at hand."""
        position = self._positions.get(file.identity)
        head = position.head if position else b""
        if len(head) < HEAD_BYTES:
            head = file.head()
        begin = max(0, offset - _TAIL_BYTES)
        tail = file.read(offset - begin, begin) if consumed is None else consumed[-_TAIL_BYTES:]
        begin_offset = position.begin if position else 0
        self._positions[file.identity] = _Position(file.path, offset, head, tail, begin_offset)

    def _lines_of(self, path: Path) -> Iterator[bytes]:
        for _, block in self._blocks_of(path):
            yield from filter(None, map(bytes.strip, block.split(b"\n")))

    def _details_of(self, path: Path) -> Iterator[records.DetailRecord]:
        for _, block in self._blocks_of(path):
            yield from self._details(block)

    def _details(self, block: bytes) -> list[records.DetailRecord]:
        return self._decoded(block, records.decode_details)

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
    def _opened(self, path: Path) -> Iterator[LogFile | None]:
        with log_file.opened(path) as file:
            try:
                yield file
            finally:
                if file is not None:
                    self.bytes_read += file.bytes_read


def log_files(folder: Path) -> tuple[Path, ...]:
    """Return the log files in `folder`, those without a month first, then the oldest month.

    A folder that is not there has none.

    Raises:
        OfframpError: the folder is there but can't be listed.
    """
    try:
        return log_names.find(folder, log_names.REQUESTS)
    except OSError as error:
        raise log_file.unreadable(folder, error) from error
