"""Keeps the file small in which launchd collects standard error, for launchd never does.

What is worth keeping is in the diagnostics, which are rotated; systemd's journal bounds itself.
Standard library only: the supervisor uses it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 4 * 1024 * 1024

_STARTED_BY_LAUNCHD = "XPC_SERVICE_NAME"
_LABELS = "local.offramp."
_STANDARD_ERROR = 2


def is_launchds(environ: Mapping[str, str]) -> bool:
    """Whether this process runs as one of our LaunchAgents."""
    return environ.get(_STARTED_BY_LAUNCHD, "").startswith(_LABELS)


def bound(environ: Mapping[str, str], *, descriptor: int = _STANDARD_ERROR) -> None:
    """Empty the file that standard error goes to, once it is larger than `MOST_BYTES`.

    Only under a LaunchAgent of ours: any other file is one that the user chose. And only where
    all that writes appends, or the next line would come to stand behind a hole.
    """
    if not is_launchds(environ):
        return
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        is_appended = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
        if is_appended and stat.S_ISREG(status.st_mode) and status.st_size > MOST_BYTES:
            os.ftruncate(descriptor, 0)
