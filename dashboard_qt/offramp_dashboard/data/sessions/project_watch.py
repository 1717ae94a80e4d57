"""Looks now and then which project each session belongs to. No Qt, no threads.

It reads the names of Claude Code's own files, which are never opened, and keeps nothing on disk.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from offramp_core.usage.projects import ProjectFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EVERY_S: Final = 2.0
"""How often the names are looked at, at most; that costs a millisecond or so."""


class ProjectWatch:
    """Use it from one thread; the first look may take a while."""

    def __init__(
        self,
        claude_folder: Path | None,
        home: Path,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look into `claude_folder`; None finds nothing, for the user wants it so."""
        self._finder = ProjectFinder(claude_folder, home) if claude_folder else None
        self._clock_s = clock_s
        self._looked_s = float("-inf")
        self._known: Mapping[str, str] = {}

    def look(self) -> Mapping[str, str]:
        """Return the project of every session that has a file."""
        now_s = self._clock_s()
        if self._finder is not None and now_s - self._looked_s >= EVERY_S:
            self._looked_s = now_s
            found = self._finder.find()
            if found != self._known:
                self._known = found
        return self._known
