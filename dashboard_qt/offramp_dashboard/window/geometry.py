"""Where the window stood, how large it was and in which theme: a small file, rebuilt at will."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file, private_files
from offramp_dashboard.theme import ThemeChoice

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 64 * 1024


class WindowMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Places are pixels of the whole desktop."""

    x: int | None = None
    y: int | None = None
    width: int = 1280
    height: int = 800
    is_maximized: bool = False
    page: int = 0
    theme: ThemeChoice = ThemeChoice.SYSTEM
    sorted_by: str = "time"
    """The column of the requests."""
    is_descending: bool = True
    column_widths: dict[str, int] = {}
    """Pixels of each column that has a width of its own."""
    sessions_sorted_by: str = "last"
    """The column of the sessions."""
    sessions_descending: bool = True
    session_widths: dict[str, int] = {}


def load(file: Path) -> WindowMemory:
    """What is in `file`; the defaults where it is missing or makes no sense."""
    try:
        found = msgspec.json.decode(atomic_file.load(file, _MAX_BYTES) or b"", type=WindowMemory)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return WindowMemory()
    is_sane = 0 < found.width < 20_000 and 0 < found.height < 20_000
    return found if is_sane else WindowMemory(theme=found.theme)


def save(file: Path, memory: WindowMemory) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it can't be written; what was there stays.
    """
    private_files.make_folder(file.parent)
    atomic_file.replace(file, msgspec.json.encode(memory) + b"\n", waits_for_disk=False)
