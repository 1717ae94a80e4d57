"""Asks another program for one line, within a time limit."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from offramp_core.child_environment import without_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def first_line(command: Sequence[str], environ: Mapping[str, str], *, limit_s: float) -> str | None:
    """Return the first line that `command` prints; None if it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            env={**without_keys(environ), "DISABLE_AUTOUPDATER": "1"},  # Claude Code's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else ""
