"""How the window looks, as plain data: colours on light ground and on dark, sizes and fills.

No toolkit here: `styling` turns it into palettes and style sheets, the views into brushes. The
system's colour scheme is not always known, so both themes are complete in themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from offramp_core.wording import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.wording.colours import Hue

GRID_PX = 8
"""Every distance is a multiple of it, or half of it."""

CAPTION = 0.85
HEADING = 1.08
FIGURE = 1.7
HERO = 2.6
"""The one typeface scale, as multiples of the system's own text size."""


class Hatch(Enum):
    """The pattern that tells models of one backend apart where their shades don't."""

    NONE = "none"
    RISING = "rising"
    DOTS = "dots"
    FALLING = "falling"
    LEVEL = "level"


class ThemeChoice(Enum):
    """What the user chose; `SYSTEM` follows the desktop's colour scheme."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How one part of a bar is filled."""

    colour: str
    hatch: Hatch = Hatch.NONE
    hatch_colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours, `#rrggbb`."""

    is_dark: bool
    window: str
    card: str
    raised: str
    """Buttons, chips and fields."""
    hovered: str
    border: str
    outline: str
    """Around fields: 3 to 1 or better on a card."""
    grid: str
    text: str
    muted: str
    """Second-rank text, still readable: 4.5 to 1 or better on card and window."""
    selected: str
    """The ground of what is chosen, under `text`."""
    focus: str
    """The ring around what has the keyboard."""
    danger: str
    warning: str
    good: str

    @property
    def faint(self) -> str:
        """Lines that step back: 3 to 1 or better on a card."""
        return mixed(self.card, self.muted, _FAINT)

    def hue(self, hue: Hue) -> str:
        """`hue` as it is on this ground."""
        return hue.on_dark if self.is_dark else hue.on_light

    def of_backend(self, backend: str | None, known: Sequence[str] = ()) -> str:
        """The colour that stands for `backend`, the same as in the tray."""
        return self.hue(colours.hue_of(backend, known))

    def fill(self, backend: str | None, shade: int = 0, known: Sequence[str] = ()) -> Fill:
        """The fill of a backend's part (`shade` 0), or of its models, each its own shade."""
        colour = self.of_backend(backend, known)
        strength, hatch = _SHADES[shade % len(_SHADES)]
        shaded = mixed(self.card, colour, strength)
        line = colour if strength < _TINTED else mixed(self.card, colour, 0.35)
        return Fill(colour=shaded, hatch=hatch, hatch_colour=line)


_FAINT = 0.75
_TINTED = 0.6
_SHADES = (
    (1.0, Hatch.NONE),
    (0.56, Hatch.NONE),
    (0.28, Hatch.RISING),
    (0.75, Hatch.DOTS),
    (0.4, Hatch.FALLING),
    (0.9, Hatch.LEVEL),
    (0.56, Hatch.FALLING),
    (0.75, Hatch.RISING),
    (0.28, Hatch.LEVEL),
    (0.9, Hatch.DOTS),
    (0.4, Hatch.DOTS),
    (0.75, Hatch.LEVEL),
)
"""How much of a backend's colour its first, second, ... model has, and the pattern upon it."""

LIGHT = Theme(
    is_dark=False,
    window="#f4f5f7",
    card="#ffffff",
    raised="#ffffff",
    hovered="#eef0f3",
    border="#dfe2e8",
    outline="#858c9a",
    grid="#eceef2",
    text="#171a21",
    muted="#5a6170",
    selected="#e4e7ed",
    focus="#1a63d8",
    danger=colours.RED.on_light,
    warning="#8a5a00",
    good=colours.GREEN.on_light,
)

DARK = Theme(
    is_dark=True,
    window="#121418",
    card="#1a1d22",
    raised="#22262d",
    hovered="#2a2f37",
    border="#2e333b",
    outline="#6f7888",
    grid="#272b32",
    text="#eceff4",
    muted="#a3abb8",
    selected="#343a44",
    focus="#79b0ff",
    danger=colours.RED.on_dark,
    warning="#f0b94d",
    good=colours.GREEN.on_dark,
)


def mixed(ground: str, colour: str, part: float) -> str:
    """`colour` laid over `ground` with `part` (0 to 1) of its strength."""
    pairs = zip(_channels(ground), _channels(colour), strict=True)
    return "#" + "".join(f"{round(low + (high - low) * part):02x}" for low, high in pairs)


def contrast(one: str, other: str) -> float:
    """How far two colours are apart, by WCAG's measure: 1 (the same) to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
