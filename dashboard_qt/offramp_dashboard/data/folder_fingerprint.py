"""How the log's folder looks from outside: enough to know whether anything in it is new. No Qt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_core.usage import state_events
from offramp_core.usage.log_reader import log_files

if TYPE_CHECKING:
    from pathlib import Path


def looks(folder: Path) -> object:
    """What changes whenever something in the log does; None where there is no such folder.

    Raises:
        OfframpError: the folder is there but can't be listed.
    """
    try:
        os.stat(folder)  # noqa: PTH116 - as below
    except FileNotFoundError:
        return None
    except OSError:
        pass  # listing it will say why
    beside = (folder / state_events.FILE_NAME, folder / windows.HISTORY_NAME)
    return tuple(_stat(path) for path in (*log_files(folder), *beside))


def _stat(path: Path) -> tuple[str, int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - thrice as fast, five times a second
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
