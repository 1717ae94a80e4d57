"""Ends a supervisor that can't start, without haste.

The manager that started it starts it again at once, whatever was wrong: without a pause that would
be a program that runs all the time, and messages without end. Standard library only, as the
supervisor is to stay small.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from offramp_daemon.supervisor import stderr_file

if TYPE_CHECKING:
    from collections.abc import Mapping

PAUSE_S = 10.0
_STARTED_BY_SYSTEMD = "SYSTEMD_EXEC_PID"
"""Holds the pid of the process that systemd started; children inherit it."""


def end(text: str, hint: str = "", *, pause_s: float = PAUSE_S) -> NoReturn:
    """Say `text` and `hint` on standard error, and exit with 1: after `pause_s` under a manager."""
    sys.stderr.write(f"offramp-daemon: {text}\n")
    if hint:
        sys.stderr.write(f"  {hint}\n")
    sys.stderr.flush()
    if _is_managed(os.environ):
        time.sleep(pause_s)
    sys.exit(1)


def _is_managed(environ: Mapping[str, str]) -> bool:
    is_systemds = environ.get(_STARTED_BY_SYSTEMD) == str(os.getpid())
    return is_systemds or stderr_file.is_launchds(environ)
