"""What a running tray says of itself, for the commands that restart it, end it or look at it.

The tray writes it into the file whose lock it holds, so it counts only while that is held: a file
that a crash left behind names no process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING

import msgspec

from offramp_core import private_files

if TYPE_CHECKING:
    from pathlib import Path

RESTART_SIGNAL = signal.SIGUSR1
"""Has the tray start again, in the same process, as the program that is installed by then."""

_MOST_BYTES = 4096
_ENDING_S = 10.0
_POLL_S = 0.05


class TrayRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One running tray. It takes `RESTART_SIGNAL` from when this was first written."""

    pid: int
    host: str
    """Where the process is: a home folder may be shared with other machines."""
    version: str
    is_icon_shown: bool | None = None
    """None until that is known."""


def write(descriptor: int, *, version: str, is_icon_shown: bool | None) -> None:
    """Write this process's record into its locked file.

    Raises:
        OSError: it can't be written.
    """
    record = TrayRecord(
        pid=os.getpid(), host=os.uname().nodename, version=version, is_icon_shown=is_icon_shown
    )
    os.pwrite(descriptor, msgspec.json.encode(record) + b"\n", 0)


def find(lock_file: Path) -> TrayRecord | None:
    """Return what runs; None where no tray does, or none that can be told of."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        descriptor = private_files.open_file(lock_file, os.O_RDONLY)
        try:
            if _is_locked(descriptor):
                # A shorter record leaves the end of a longer one behind it.
                line = os.pread(descriptor, _MOST_BYTES, 0).partition(b"\n")[0]
                record = msgspec.json.decode(line, type=TrayRecord)
                return record if record.host == os.uname().nodename and record.pid > 1 else None
        finally:
            os.close(descriptor)
    return None


def restart(record: TrayRecord) -> bool:
    """Ask the tray to start again; whether there is somebody to ask."""
    return _signal(record, RESTART_SIGNAL)


def end(lock_file: Path, record: TrayRecord) -> bool:
    """End the tray as a user would, and wait; whether it is gone."""
    if not _signal(record, signal.SIGTERM):
        return True
    deadline_s = time.monotonic() + _ENDING_S
    while time.monotonic() < deadline_s:
        if find(lock_file) != record:
            return True
        time.sleep(_POLL_S)
    return False


def _is_locked(descriptor: int) -> bool:
    """Whether another process holds the lock; closing the descriptor lets go of ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _signal(record: TrayRecord, number: signal.Signals) -> bool:
    try:
        os.kill(record.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
