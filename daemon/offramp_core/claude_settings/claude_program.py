"""Finds Claude Code's program, which a session's PATH may lack; it is not started here."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACES = (".local/bin/claude", ".claude/local/claude")
"""Where its own installers put it, below the home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudePath:
    """Where it is, and whether the PATH leads there."""

    path: Path
    is_on_path: bool


def find(environ: Mapping[str, str], home: Path) -> ClaudePath | None:
    """Find `claude` on the PATH of `environ`, else where its installers put it; None if nowhere."""
    on_path = shutil.which("claude", path=environ.get("PATH", ""))
    if on_path is not None:
        return ClaudePath(path=Path(on_path), is_on_path=True)
    candidates = (home / place for place in _PLACES)
    elsewhere = next((path for path in candidates if os.access(path, os.X_OK)), None)
    return None if elsewhere is None else ClaudePath(path=elsewhere, is_on_path=False)
