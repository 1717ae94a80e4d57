"""Months that were counted before, in small files: so that a year of history opens at once. No Qt.

Never the source of truth: an entry holds for exactly one state of one log file, and whatever is
wrong with it, the month is counted again. A file holds numbers, sessions' ids, and the names of
backends and models, as the log does, and only its user can read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from offramp_core import atomic_file, private_files
from offramp_core.usage.records import Status
from offramp_dashboard.data.sessions.session_columns import SessionColumns
from offramp_dashboard.data.usage.usage_table import COUNT_FIELDS, SLOT, Columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from offramp_core.usage.log_reader import FileStatus

FORMAT = 2
"""To be counted up whenever an older entry would be misread."""

_SUFFIX = ".folded"
_DIGEST_BYTES = 32
_MOST_BYTES = 64 * 1024 * 1024
_CELL_BYTES = 8 + 4 + 8 * len(COUNT_FIELDS)
_NARROW_COLUMNS = ("sessions", "kinds", "firsts", "lasts", "orders")
_SESSION_CELL_BYTES = 8 + 8 * len(COUNT_FIELDS) + 4 * len(_NARROW_COLUMNS)


class _CacheHeader(msgspec.Struct, frozen=True, kw_only=True):
    """An entry's first line: what it is of, and how to read the rest."""

    format: int
    slot_s: int
    inode: int
    size: int
    modified_ns: int
    beginning: str
    cells: int
    names: tuple[tuple[str | None, str | None, Status], ...]
    skipped_lines: int
    session_cells: int
    session_names: tuple[str, ...]
    session_kinds: tuple[tuple[str | None, str | None, str | None, Status], ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """One log file, counted."""

    columns: Columns
    sessions: SessionColumns
    """The same by session."""
    skipped_lines: int
    """Lines of it that held no record."""


class MonthCache:
    """Entries in `folder`, which is made when needed. It raises nothing."""

    def __init__(self, folder: Path) -> None:
        """Use `folder` for nothing else."""
        self._folder = folder

    def load(self, file: FileStatus) -> Folded | None:
        """What `file` holds, if it was counted just as it is now."""
        try:
            with self._entry(file).open("rb") as opened:
                data = opened.read(_MOST_BYTES)
            return _decode(data, file)
        except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return None

    def store(self, file: FileStatus, folded: Folded) -> None:
        """Keep what was counted of `file`, if that is possible."""
        with contextlib.suppress(OSError):
            private_files.make_folder(self._folder)
            data = _encode(file, folded)
            atomic_file.replace(self._entry(file), data, waits_for_disk=False)

    def drop_others(self, files: Iterable[FileStatus]) -> None:
        """Remove what is of none of `files`, and what was left half written."""
        wanted = {self._entry(file).name for file in files}
        with contextlib.suppress(OSError):
            for entry in self._folder.iterdir():
                if _SUFFIX in entry.name and entry.name not in wanted:
                    entry.unlink(missing_ok=True)

    def _entry(self, file: FileStatus) -> Path:
        name = hashlib.sha256(os.fsencode(file.path.absolute())).hexdigest()[:32]
        return self._folder / f"{name}{_SUFFIX}"


def _encode(file: FileStatus, folded: Folded) -> bytes:
    columns, sessions = folded.columns, folded.sessions
    head = _CacheHeader(
        format=FORMAT,
        slot_s=int(SLOT.total_seconds()),
        inode=file.identity[1],
        size=file.size,
        modified_ns=file.modified_ns,
        beginning=file.head.hex(),
        cells=len(columns),
        names=columns.names,
        skipped_lines=folded.skipped_lines,
        session_cells=len(sessions),
        session_names=sessions.session_names,
        session_kinds=sessions.kind_names,
    )
    arrays = (
        *(columns.starts.astype("<i8"), columns.kinds.astype("<i4"), columns.counts.astype("<i8")),
        *(sessions.starts.astype("<i8"), sessions.counts.astype("<i8")),
        *(getattr(sessions, name).astype("<i4") for name in _NARROW_COLUMNS),
    )
    body = msgspec.json.encode(head) + b"\n" + b"".join(array.tobytes() for array in arrays)
    return hashlib.sha256(body).digest() + body


def _decode(data: bytes, file: FileStatus) -> Folded | None:
    """None where it is of another state of the file, or of another version.

    Raises:
        ValueError: it is not an entry.
    """
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    line, _, rest = body.partition(b"\n")
    head = msgspec.json.decode(line, type=_CacheHeader)
    is_of_it = (
        head.format == FORMAT
        and head.slot_s == SLOT.total_seconds()
        and head.inode == file.identity[1]
        and head.size == file.size
        and head.modified_ns == file.modified_ns
        and head.beginning == file.head.hex()
        and len(rest) == head.cells * _CELL_BYTES + head.session_cells * _SESSION_CELL_BYTES
    )
    if not is_of_it:
        return None
    arrays = _Arrays(rest)
    columns = Columns(
        arrays.take("<i8", head.cells),
        arrays.take("<i4", head.cells),
        arrays.take("<i8", head.cells * len(COUNT_FIELDS)).reshape(-1, len(COUNT_FIELDS)),
        head.names,
    )
    count = head.session_cells
    sessions = SessionColumns(
        starts=arrays.take("<i8", count),
        counts=arrays.take("<i8", count * len(COUNT_FIELDS)).reshape(-1, len(COUNT_FIELDS)),
        **{name: arrays.take("<i4", count) for name in _NARROW_COLUMNS},
        session_names=head.session_names,
        kind_names=head.session_kinds,
    )
    return Folded(columns, sessions, head.skipped_lines)


class _Arrays:
    """Hands out one array of numbers after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, kind: str, count: int) -> NDArray[Any]:
        """Return the next `count` numbers: a copy, or the whole entry would stay in memory."""
        found = np.frombuffer(self._data, kind, count, self._place)
        self._place += found.nbytes
        return found.astype(found.dtype.newbyteorder("="))
