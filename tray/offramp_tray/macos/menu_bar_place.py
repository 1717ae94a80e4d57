"""Judges whether the menu bar shows the icon, from where its window is. Pure.

macOS gives every icon a window, also one that nobody can see: one without a place (macOS 26 asks
the user which programs may have one) stays where it was made, at the bottom of the screen; one too
many goes below the notch or is not drawn. No single sign has all of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

_BAR_PT = 60.0
"""More than the highest menu bar, which is that beside a notch."""


class Placement(Enum):
    """What the menu bar does with the icon."""

    SHOWN = "shown"
    NOT_PLACED = "it has no place in the menu bar"
    UNDER_NOTCH = "the notch covers it"
    NOT_DRAWN = "the menu bar does not draw it"
    UNKNOWN = "the menu bar itself is out of sight"


class Rect(NamedTuple):
    """A rectangle in points; `bottom` counts upwards, as on the screen."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.bottom + self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuBarScreen:
    """One screen."""

    frame: Rect
    notch: tuple[float, float] | None = None
    """From where to where it goes; None for a screen without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IconWindow:
    """What AppKit says of the icon's window."""

    frame: Rect
    is_visible: bool
    is_drawn: bool
    """Not covered as a whole."""


def judge(
    window: IconWindow | None,
    screens: tuple[MenuBarScreen, ...],
    *,
    is_bar_covered: bool,
    hides_bar: bool,
) -> Placement:
    """Return what the menu bar does with the icon.

    `is_bar_covered`: the screen is locked, or a program fills it. `hides_bar`: the user has the
    menu bar come only when the pointer is there.
    """
    if is_bar_covered or not screens:
        return Placement.UNKNOWN
    if window is None or not window.is_visible:
        return Placement.NOT_PLACED
    placement = _place_of(window.frame, screens)
    if placement is Placement.SHOWN and not window.is_drawn:
        return Placement.UNKNOWN if hides_bar else Placement.NOT_DRAWN
    return placement


def _place_of(frame: Rect, screens: tuple[MenuBarScreen, ...]) -> Placement:
    x, y = frame.left + frame.width / 2, frame.bottom + frame.height / 2
    beside = [screen for screen in screens if screen.frame.left <= x <= screen.frame.right]
    for screen in beside:
        if screen.frame.bottom <= y <= screen.frame.top:
            if y < screen.frame.top - _BAR_PT:
                return Placement.NOT_PLACED
            is_covered = screen.notch is not None and screen.notch[0] < x < screen.notch[1]
            return Placement.UNDER_NOTCH if is_covered else Placement.SHOWN
    # A menu bar that comes only for the pointer waits above the screen.
    is_above = any(0 < y - screen.frame.top <= _BAR_PT for screen in beside)
    return Placement.UNKNOWN if is_above else Placement.NOT_PLACED
