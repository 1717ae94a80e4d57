"""What the tray shows at one moment, as plain data: the border between what is and how it is drawn.

`render` makes a `ViewModel` from the state; `host` shows it by whatever the system has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from PIL.Image import Image


class RowKind(Enum):
    """How a row of the menu behaves."""

    TEXT = "text"
    """Says something; where it can be chosen, that shows more about it."""
    ACTION = "action"
    CHECK = "check"
    SUBMENU = "submenu"
    SEPARATOR = "separator"


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuRow:
    """One row of the menu.

    `key` names it for good: a row keeps its key, and with it its place, whatever its text says.
    """

    key: str
    kind: RowKind
    text: str = ""
    is_enabled: bool = True
    is_checked: bool = False
    is_visible: bool = True
    rows: tuple[MenuRow, ...] = ()
    """Of a submenu."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IconImages:
    """One icon, drawn once for each size: RGBA images, square, by their width in pixels.

    A template image is black and transparent; the system colours it (only on macOS).
    """

    by_size_px: tuple[tuple[int, Image], ...]
    is_template: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewModel:
    """All that the tray shows."""

    icon: IconImages
    title: str
    """The split in words, for people who don't see the icon, and where there is no tooltip."""
    tooltip: str
    label: str = ""
    """Text beside the icon, where the system can show it; empty for none."""
    rows: tuple[MenuRow, ...]
    needs_attention: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to the user. A later one with the same `key` replaces it."""

    key: str
    title: str
    body: str
    lasts: str = ""
    """What it is known by after a restart of the tray too; empty where it may be said again."""
    week: datetime | None = None
    """The beginning of a week in which it is said only once, though its cause comes and goes."""
