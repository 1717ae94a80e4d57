"""Notices that Claude Code's settings no longer hold the address that `connect` wrote there.

It claims only what it has read: a file that can't be read, or is not JSON, says nothing. Claude
Code may also have the address from its managed settings, or from the environment that it shares
with the daemon. Looking blocks for moments: call it in a thread.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_core import atomic_file
from offramp_core.addresses import base_url_problem, host_of, leads_here, normal_base_url
from offramp_core.claude_settings import editing, locations, undo_state
from offramp_core.claude_settings.editing import BASE_URL
from offramp_core.config.values import shown
from offramp_core.control.api import ClientProblem
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.claude_settings.undo_state import Connection
    from offramp_core.settings import Settings

_Mark = tuple[int, int, int] | None
"""Time of change (ns), size and inode of a file; None where there is none."""

_OF_MEMORY = 2
"""How many marks do not depend on what the memory holds."""


class ClientWatch:
    """Looks whether Claude Code, once connected, still is. Used from one thread at a time."""

    def __init__(
        self,
        memory_file: Path,
        settings: Callable[[], Settings],
        address: str,
        *,
        environ: Mapping[str, str] = os.environ,
        managed: Path | None = None,
    ) -> None:
        """Go by what `connect` has noted in `memory_file`, for a daemon at the URL `address`.

        `managed` is where an organisation puts Claude Code's settings, if not in the usual place.
        """
        self._memory_file = memory_file
        self._settings = settings
        self._port = urlsplit(address).port or 0
        self._environ = environ
        self._managed = managed or locations.managed_file(sys.platform)
        self._seen: tuple[object, ...] = ()
        self._connections: tuple[Connection, ...] = ()
        self._missing: frozenset[str] = frozenset()
        """Settings files that were gone at the last look: some editors replace a file so."""
        self.problem: ClientProblem | None = None
        """What was found by the last look; None while all is well, as far as is known."""

    def look(self) -> bool:
        """Look again, if a file or the address has changed; return whether the problem has."""
        # Before anything is read: what changes while it is read is looked at next time.
        marks = self._marks()
        if marks == self._seen and self.problem is None and not self._missing:
            return False
        before = self.problem
        try:
            connections = undo_state.recall_all(self._memory_file)
        except OfframpError:
            return False  # `connect` and `doctor` say so
        if connections != self._connections:
            self._connections = connections
            marks = (*marks[:_OF_MEMORY], *self._marks()[_OF_MEMORY:])
        self.problem = self._find()
        self._seen = marks
        return self.problem != before

    def _marks(self) -> tuple[object, ...]:
        """What differs once there is something to look at: address, memory, settings files."""
        settings = self._settings()
        return (
            (settings.host, settings.allowed_hosts),
            _mark(self._memory_file),
            *(_mark(Path(each.file)) for each in self._connections),
        )

    def _find(self) -> ClientProblem | None:
        """What is wrong with the first of the connections that is lost."""
        missing, self._missing = self._missing, frozenset()
        found = [self._problem_of(connection, missing) for connection in self._connections]
        problem = next((each for each in found if each is not None), None)
        return None if problem is None or self._is_said_elsewhere() else problem

    def _problem_of(self, connection: Connection, missing: frozenset[str]) -> ClientProblem | None:
        """What is wrong with one connection; a file that was just now removed may come back."""
        file = Path(connection.file)
        is_there, url = _base_url(file)
        if not is_there:
            self._missing |= {connection.file}
            if connection.file not in missing or self._is_abandoned(file):
                return None
        elif url is None or self._is_own(url):
            return None
        return ClientProblem(settings_file=connection.file, found=shown(url)[1:-1] if url else None)

    def _is_abandoned(self, file: Path) -> bool:
        """Whether a settings file went with its folder, while another one is connected."""
        return len(self._connections) > 1 and _mark(file.parent) is None

    def _is_said_elsewhere(self) -> bool:
        if self._is_own(self._environ.get(BASE_URL, "")):
            return True
        files = locations.managed_files(self._managed)
        return any(self._is_own(_base_url(file)[1] or "") for file in files)

    def _is_own(self, url: str) -> bool:
        settings = self._settings()
        if leads_here(url, host=settings.host, port=self._port):
            return True
        names = {name.lower() for name in settings.allowed_hosts}
        return base_url_problem(url) is None and host_of(normal_base_url(url)) in names


def _base_url(file: Path) -> tuple[bool, str | None]:
    """Whether `file` is there, and the address in it: empty for none, None if it says nothing."""
    try:
        data = atomic_file.read(file)
        if data is None:
            return False, ""
        part = editing.find(data.decode())
    except (OfframpError, ValueError, RecursionError):
        return True, None
    return True, part.value if part is not None and isinstance(part.value, str) else ""


def _mark(file: Path) -> _Mark:
    try:
        found = os.stat(file)  # noqa: PTH116 - a link's target counts
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
