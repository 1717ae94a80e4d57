"""Lets one tray run for each user: whoever holds the lock is the one."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

from offramp_core import __version__, private_files, running_tray
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_ATTEMPTS = 4
_GAP_S = 0.05
"""Somebody who looks whether a tray runs holds the lock for a moment too."""

_LOG = logging.getLogger(__name__)


class AlreadyRunningError(OfframpError):
    """Another tray has the lock."""


class TrayLock:
    """The lock, as long as it is held."""

    def __init__(self, descriptor: int) -> None:
        """Write into `descriptor`, which is the locked file."""
        self._descriptor = descriptor

    def write_record(self, *, is_icon_shown: bool | None = None) -> None:
        """Tell the command line of this tray."""
        try:
            running_tray.write(self._descriptor, version=__version__, is_icon_shown=is_icon_shown)
        except OSError as error:
            _LOG.warning("The tray's record can't be written", extra={"why": str(error)})


@contextlib.contextmanager
def only_one(file: Path) -> Iterator[TrayLock]:
    """Hold the lock on `file` meanwhile; the system lets go of it however this process ends.

    Raises:
        AlreadyRunningError: another process holds it.
        OfframpError: the file can't be made.
    """
    try:
        private_files.make_folder(file.parent)
        descriptor = private_files.open_file(file, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise OfframpError(
            f"The file {file} can't be created: {error.strerror or error}.",
            hint="Make its folder writable for your user.",
        ) from error
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)  # what one before has left is about another process
        try:
            yield TrayLock(descriptor)
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_GAP_S)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
    raise AlreadyRunningError("The tray is already running.")
