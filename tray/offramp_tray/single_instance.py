"""Lets one tray run for each user: whoever holds the lock is the one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunningError(OfframpError):
    """Another tray has the lock."""


@contextlib.contextmanager
def only_one(file: Path) -> Iterator[None]:
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
            f"The file {file} can't be made: {error.strerror or error}.",
            hint="Make its folder writable for your user.",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError("The tray is running already.") from error
        yield
    finally:
        os.close(descriptor)
