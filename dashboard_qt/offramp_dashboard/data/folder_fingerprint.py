"""How the log's folder looks from outside: enough to know whether anything in it is new. No Qt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.usage import log_file

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
    try:
        files = log_names.find(folder, *log_names.KINDS)
    except OSError as error:
        raise log_file.unreadable(folder, error) from error
    return tuple(_stat(path) for path in files)


def _stat(path: Path) -> tuple[str, int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - thrice as fast, five times a second
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
