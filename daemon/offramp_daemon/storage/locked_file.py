"""Files that several processes append to at once: whole writes only, for their owner's eyes.

A file is opened for each batch, so that one that was deleted or rotated in between is noticed.
Blocks (briefly, as long as another process writes): never call it from the event loop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

from offramp_core import private_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_LOCK_PATIENCE_S = 2.0
_LOCK_POLL_S = 0.001
_NO_LOCKS_HERE = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""A file system without locks: better to write without than not at all."""


class LockedFile:
    """A file at whose end nobody else writes for now."""

    def __init__(self, descriptor: int) -> None:
        """Take stock of the open and locked `descriptor`."""
        self._descriptor = descriptor
        self._size_bytes = os.fstat(descriptor).st_size
        self._mend = b"\n" if self._is_torn() else b""

    @property
    def end_bytes(self) -> int:
        """The offset at which appended data will start: always the start of a line."""
        return self._size_bytes + len(self._mend)

    def append(self, data: bytes) -> None:
        """Append all of `data`, in one write; where that fails, nothing of it stays.

        Raises:
            OSError: the disk is full, read-only or broken.
        """
        data = self._mend + data
        done = os.write(self._descriptor, data)
        try:
            while done < len(data):  # the disk is all but full: let it say so, or take the rest
                done += os.write(self._descriptor, data[done:])
        except OSError:
            os.ftruncate(self._descriptor, self._size_bytes)
            raise
        self._size_bytes += len(data)
        self._mend = b""

    def _is_torn(self) -> bool:
        """Return whether the last line lacks its end: a power cut, or an editor, left it so."""
        if self._size_bytes == 0:
            return False
        return os.pread(self._descriptor, 1, self._size_bytes - 1) != b"\n"


@contextlib.contextmanager
def open_locked(path: Path) -> Iterator[LockedFile]:
    """Open (or create, 0600) the file that `path` names now, and keep others from appending.

    Raises:
        OSError: it cannot be opened, is not the user's own, or another process kept its lock for
            seconds.
    """
    descriptor = _open_current(path)
    try:
        yield LockedFile(descriptor)
    finally:
        os.close(descriptor)


def _open_current(path: Path) -> int:
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        descriptor = _open(path)
        try:
            _lock(descriptor, deadline)
            is_current = _names(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if is_current:
            return descriptor
        os.close(descriptor)  # rotated or deleted between opening and locking


def _open(path: Path) -> int:
    try:
        return private_files.open_file(path, _FLAGS)
    except FileNotFoundError:
        private_files.make_folder(path.parent)
        return private_files.open_file(path, _FLAGS)


def try_lock(descriptor: int) -> bool:
    """Lock it until it is closed; False if another process, or another descriptor, has the lock.

    True also where the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
    return True


def _lock(descriptor: int, deadline: float) -> None:
    """Lock, without waiting for good for a process that was stopped while it held the lock."""
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process keeps the file locked")
        time.sleep(_LOCK_POLL_S)


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
