"""Finds the project that a session of Claude Code belongs to, by the names of files only.

Claude Code keeps `projects/<folder>/<session id>.jsonl` in its own folder, where `<folder>` is the
project's path with every character but ASCII letters and digits replaced by `-`. Files are never
opened. The replacement can't be undone, so the path is looked for on this disk; a folder whose path
is not there any more is called by its own name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FOLDER = "projects"
_SUFFIX = ".jsonl"
_REPLACED = re.compile(r"[^a-zA-Z0-9]")
_LONGEST = 200
"""Characters of a folder's name; of a longer path it has the first 200, `-` and a checksum."""
_BASIC_PLANE = 0xFFFF
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MOST_LOOKS = 2_000
"""Folders that are listed for one project at most."""


@dataclass(slots=True)
class ProjectFinder:
    """Which project each session belongs to. Use it from one thread; it looks again cheaply.

    `claude_folder` is Claude Code's own (`~/.claude`), `home` is shown as `~`, and paths are looked
    for below `root`.
    """

    claude_folder: Path
    home: Path
    root: str = "/"
    _sessions: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    """By folder: when it last changed, and the sessions in it."""
    _names: dict[str, str] = field(default_factory=dict)

    def find(self) -> Mapping[str, str]:
        """Return the project of every session that has a file: a path to show, or a folder's name.

        What can't be read counts as not there.
        """
        found: dict[str, str] = {}
        for folder in _entries(self.claude_folder / _FOLDER):
            if not _is_folder(folder):
                continue
            sessions = self._sessions_in(folder)
            if sessions:
                found |= dict.fromkeys(sessions, self._name(folder.name))
        return found

    def _sessions_in(self, folder: os.DirEntry[str]) -> tuple[str, ...]:
        try:
            changed_ns = folder.stat().st_mtime_ns
        except OSError:
            return ()
        known = self._sessions.get(folder.name)
        if known is None or known[0] != changed_ns:
            names = (entry.name for entry in _entries(folder))
            sessions = tuple(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX))
            self._sessions[folder.name] = known = changed_ns, sessions
        return known[1]

    def _name(self, folder: str) -> str:
        name = self._names.get(folder)
        if name is None:
            path = path_of(folder, self.root)
            name = folder if path is None else _shown(path, str(self.home))
            self._names[folder] = name
        return name


def folder_name(path: str) -> str:
    """Return the name of the folder that Claude Code makes for `path`.

    The rule was read in Claude Code 2.1.332. A long name is cut, and gets a checksum of the path.
    """
    name = _replaced(path)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{_base_36(abs(_checksum(path)))}"


def path_of(folder: str, root: str = "/") -> str | None:
    """Return the path below `root` that Claude Code calls `folder`; None if there is none.

    If several paths have the name, the one with the fewest folders wins: `my-app` before `my/app`.
    """
    found = _Search(folder).below(root)
    return min(found, key=lambda path: (path.count("/"), path), default=None)


class _Search:
    """Walks down the folders whose names fit, and counts how many it has listed."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._begin = wanted[:_LONGEST]
        self._looks = 0

    def below(self, path: str) -> Iterator[str]:
        """Yield the folders below `path` that have the wanted name."""
        if self._looks >= _MOST_LOOKS:
            return
        self._looks += 1
        for entry in _entries(path):
            found = f"{path.rstrip('/')}/{entry.name}"
            is_it = folder_name(found) == self._wanted
            is_on_way = self._begin.startswith(f"{_replaced(found)}-"[:_LONGEST])
            if (is_it or is_on_way) and _is_folder(entry):
                if is_it:
                    yield found
                if is_on_way:
                    yield from self.below(found)


def _replaced(path: str) -> str:
    # JavaScript counts a character beyond the basic plane as two.
    return _REPLACED.sub(lambda found: "--" if ord(found[0]) > _BASIC_PLANE else "-", path)


def _checksum(path: str) -> int:
    """The checksum of `path` as JavaScript code computes it: 32 bits, signed, of UTF-16 units."""
    units = path.encode("utf-16-le", "surrogatepass")
    total = 0
    for low, high in zip(units[::2], units[1::2], strict=True):
        total = (31 * total + (high << 8 | low)) & 0xFFFFFFFF
    return total - (1 << 32) if total >> 31 else total


def _base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _shown(path: str, home: str) -> str:
    if path == home or path.startswith(home.rstrip("/") + "/"):
        return "~" + path[len(home.rstrip("/")) :]
    return path
