"""Finds the service manager of this session, if it really answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.login_item import launchd, systemd
from offramp_core.login_item.runner import SystemRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.login_item.runner import Run
    from offramp_core.login_item.service import LoginItemManager


def detect(
    environ: Mapping[str, str],
    *,
    run: Run | None = None,
    home: Path | None = None,
    platform: str = sys.platform,
) -> LoginItemManager:
    """The user's systemd or launchd; it is asked, so this blocks for a moment.

    Raises:
        NoServiceManagerError: there is none here, as in a container; the hint says what to do.
    """
    run = run or SystemRunner(environ)
    home = home or Path.home()
    if platform == "darwin":
        return launchd.detect(run, home, uid=os.getuid())
    return systemd.detect(run, environ, home)
