"""Draws the icon: a ring split between the backends, and a sign in its middle. Pure.

The ring's parts differ in colour, in thickness and by the gap between them; each state has a sign
of its own. Colours are halfway between those for light ground and for dark, so that one picture
is legible on both: no desktop says which of the two its panel is. A template image (macOS) is
black on nothing, and the system colours it.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw

from offramp_core.settings import ANTHROPIC
from offramp_core.wording.colours import GREY, RED, Hue, hue_of
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Condition
from offramp_tray.view.view_model import IconImages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_tray.state.tray_state import TrayState

SIZES_PX = (16, 22, 24, 32, 44, 48, 66, 72)
"""16, 22 and 24, at once, twice and three times the resolution."""

_STEPS = 60
"""Into so many parts the ring is cut: less than one of them is no reason to draw again."""
_SMALLEST_STEPS = 3
"""What has any part at all is seen."""
_MOST_SAMPLES_PX = 512
_MOST_SAMPLES = 8
_DIM = 0.6
_DASHES = 8
"""Around the whole ring."""
_DASH_GAP = 0.42
_TOP_DEG = -90.0
_BLACK = (0, 0, 0)

_Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class IconLook:
    """All that the picture depends on; equal looks are one picture."""

    condition: Condition
    parts: tuple[tuple[str, int], ...] | None
    """Each backend's part in `_STEPS`; empty for a week without requests, None while unknown."""
    backends: tuple[str, ...] = ()
    """All that the settings know, which gives each of them its colour."""
    is_stale: bool = False
    has_news: bool = False
    """The menu holds a message that nobody has seen."""
    is_template: bool = False


def look_of(state: TrayState, *, is_template: bool = False) -> IconLook:
    """What of `state` can be seen."""
    parts = tray_state.shares(state)
    return IconLook(
        condition=tray_state.condition(state),
        parts=None if parts is None else _steps(parts),
        backends=state.backends,
        is_stale=tray_state.is_stale(state),
        has_news=bool(state.unseen),
        is_template=is_template,
    )


@functools.lru_cache(maxsize=4)
def images(look: IconLook) -> IconImages:
    """The picture in every size."""
    return IconImages(
        by_size_px=tuple((size, draw(look, size)) for size in SIZES_PX),
        is_template=look.is_template,
    )


def draw(look: IconLook, size_px: int) -> Image.Image:
    """The picture, `size_px` wide and high; lines are as wide as whole pixels allow."""
    canvas = _Canvas(size_px, has_sign=look.condition is not Condition.RUNNING)
    layers = [*_ring(canvas, look), *_sign(canvas, look)]
    if look.has_news:
        layers = _with_dot(canvas, layers)
    picture = Image.new("RGBA", (size_px, size_px))
    for colour, mask in layers:
        ink = Image.new("RGBA", (size_px, size_px), (*(_BLACK if look.is_template else colour), 0))
        ink.putalpha(canvas.reduced(mask))
        picture.alpha_composite(ink)
    return picture


def middle(hue: Hue) -> _Rgb:
    """The colour that is legible on light and on dark ground."""
    light, dark = _rgb(hue.on_light), _rgb(hue.on_dark)
    red, green, blue = ((a + b) // 2 for a, b in zip(light, dark, strict=True))
    return red, green, blue


def _steps(parts: Sequence[tuple[str, float]]) -> tuple[tuple[str, int], ...]:
    """Shares as whole steps that fill the ring, none of them too small to be seen."""
    steps = {name: max(round(part * _STEPS), _SMALLEST_STEPS) for name, part in parts}
    if steps:
        largest = max(steps, key=lambda name: steps[name])
        steps[largest] += _STEPS - sum(steps.values())
    return tuple(steps.items())


class _Canvas:
    """Masks in which one pixel is drawn as many, and how long things are in it."""

    def __init__(self, size_px: int, *, has_sign: bool) -> None:
        self.size_px = size_px
        self.samples = min(_MOST_SAMPLES, max(1, _MOST_SAMPLES_PX // size_px))
        self.width = size_px * self.samples
        self.thick_px = round(size_px * (0.19 if has_sign else 0.22))
        self.thin_px = max(2, round(size_px * 0.1))
        self.line_px = 2 * max(1, round(size_px * 0.055))
        """A stroke of a sign; even as the sizes are, so that it stands on whole pixels."""

    def mask(self) -> Image.Image:
        return Image.new("L", (self.width, self.width))

    def reduced(self, mask: Image.Image) -> Image.Image:
        return mask.reduce(self.samples)

    def circle(self, inset_px: float) -> tuple[float, float, float, float]:
        """A circle's box, that far from the edges."""
        inset = inset_px * self.samples
        return inset, inset, self.width - 1 - inset, self.width - 1 - inset

    def box(
        self, left_px: float, top_px: float, right_px: float, bottom_px: float
    ) -> tuple[float, float, float, float]:
        """A box by its distances from the middle."""
        middle = self.width / 2
        return (
            middle + left_px * self.samples,
            middle + top_px * self.samples,
            middle + right_px * self.samples - 1,
            middle + bottom_px * self.samples - 1,
        )


def _ring(canvas: _Canvas, look: IconLook) -> list[tuple[_Rgb, Image.Image]]:
    is_off = look.condition is Condition.NOT_RUNNING
    if not look.parts:
        is_dashed = look.parts is None or look.is_stale
        mask = _arc(canvas, (0.0, 360.0), canvas.thin_px, is_dashed=is_dashed)
        return [(middle(GREY), _finished(canvas, mask, look))]
    layers = []
    is_shared = len(look.parts) > 1
    gap_px = canvas.thin_px + canvas.size_px * 0.035
    gap_deg = math.degrees(gap_px / (canvas.size_px / 2 - canvas.thick_px / 2)) if is_shared else 0
    begin = 0.0
    for name, steps in look.parts:
        end = begin + 360.0 * steps / _STEPS
        thickness = canvas.thick_px if name == ANTHROPIC else canvas.thin_px
        span = begin + gap_deg / 2, end - gap_deg / 2
        mask = _arc(canvas, span, thickness, is_dashed=look.is_stale)
        hue = GREY if is_off else hue_of(name, look.backends)
        layers.append((middle(hue), _finished(canvas, mask, look)))
        begin = end
    return layers


def _arc(
    canvas: _Canvas, span_deg: tuple[float, float], thickness_px: int, *, is_dashed: bool
) -> Image.Image:
    """A part of the ring, clockwise from the top; whole, or in dashes that fill it evenly."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    begin, end = span_deg
    count = max(1, round((end - begin) * _DASHES / 360.0)) if is_dashed else 1
    step = (end - begin) / count
    gap = step * _DASH_GAP if is_dashed else 0.0
    for number in range(count):
        left = _TOP_DEG + begin + step * number
        pen.pieslice(canvas.circle(0), left + gap / 2, left + step - gap / 2, fill=255)
    pen.ellipse(canvas.circle(thickness_px), fill=0)
    return mask


def _finished(canvas: _Canvas, mask: Image.Image, look: IconLook) -> Image.Image:
    """Cut by the slash where nothing runs, dimmed where numbers are old."""
    if look.condition is Condition.NOT_RUNNING:
        mask = ImageChops.subtract(mask, _slash(canvas, 3 * canvas.line_px))
    if look.is_stale:
        return mask.point([round(level * _DIM) for level in range(256)])
    return mask


def _sign(canvas: _Canvas, look: IconLook) -> list[tuple[_Rgb, Image.Image]]:
    match look.condition:
        case Condition.RUNNING:
            return []
        case Condition.NOT_RUNNING:
            return [(middle(GREY), _slash(canvas, canvas.line_px))]
        case Condition.PAUSED:
            return [(middle(GREY), _bars(canvas))]
        case Condition.NO_KEY:
            return [(middle(GREY), _keyhole(canvas))]
        case Condition.TROUBLE:
            return [(middle(RED), _exclamation(canvas))]
        case Condition.QUOTA:
            return [(middle(GREY), _vessel(canvas)), (middle(RED), _dregs(canvas))]


def _with_dot(
    canvas: _Canvas, layers: list[tuple[_Rgb, Image.Image]]
) -> list[tuple[_Rgb, Image.Image]]:
    """A dot in the upper right corner, and room around it."""
    around = _corner(canvas, canvas.size_px * 0.42)
    cut = [(colour, ImageChops.subtract(mask, around)) for colour, mask in layers]
    return [*cut, (middle(RED), _corner(canvas, canvas.size_px * 0.32))]


def _corner(canvas: _Canvas, width_px: float) -> Image.Image:
    mask = canvas.mask()
    width, far = width_px * canvas.samples, canvas.width - 1
    inset = (canvas.size_px * 0.42 - width_px) / 2 * canvas.samples
    box = (far - inset - width, inset, far - inset, inset + width)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def _slash(canvas: _Canvas, width_px: float) -> Image.Image:
    mask = canvas.mask()
    reach = (canvas.size_px / 2 - canvas.line_px / 2) * math.sqrt(0.5)
    ends = canvas.box(-reach, reach, reach, -reach)
    ImageDraw.Draw(mask).line(ends, fill=255, width=round(width_px * canvas.samples))
    return mask


def _bars(canvas: _Canvas) -> Image.Image:
    """Two upright bars."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    half_gap = canvas.line_px / 2
    height = round(canvas.size_px * 0.19)
    for side in (-1, 1):
        near, far = side * half_gap, side * (half_gap + canvas.line_px)
        pen.rectangle(canvas.box(min(near, far), -height, max(near, far), height), fill=255)
    return mask


def _exclamation(canvas: _Canvas) -> Image.Image:
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    half, line = canvas.line_px / 2, canvas.line_px
    height = round(canvas.size_px * 0.23)
    pen.rectangle(canvas.box(-half, -height, half, height - 2 * line + half), fill=255)
    pen.rectangle(canvas.box(-half, height - line, half, height), fill=255)
    return mask


def _keyhole(canvas: _Canvas) -> Image.Image:
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    radius = canvas.size_px * 0.125
    top = -canvas.size_px * 0.23
    bottom = canvas.size_px * 0.23
    pen.ellipse(canvas.box(-radius, top, radius, top + 2 * radius), fill=255)
    left, low, right, _ = canvas.box(-radius, bottom, radius, 0)
    neck_left, high, neck_right, _ = canvas.box(-radius * 0.4, top + radius, radius * 0.4, 0)
    pen.polygon([(neck_left, high), (neck_right, high), (right, low), (left, low)], fill=255)
    return mask


def _vessel(canvas: _Canvas) -> Image.Image:
    """An upright vessel, empty but for its ground."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    wall = max(1, canvas.line_px // 2)
    half, height = _vessel_halves(canvas)
    pen.rectangle(canvas.box(-half, -height, half, height), fill=255)
    pen.rectangle(canvas.box(-half + wall, -height, half - wall, height - wall), fill=0)
    return mask


def _dregs(canvas: _Canvas) -> Image.Image:
    """What is left in the vessel."""
    mask = canvas.mask()
    wall = max(1, canvas.line_px // 2)
    half, height = _vessel_halves(canvas)
    floor = height - wall
    inner = canvas.box(-half + wall, floor - max(1, round(height * 0.5)), half - wall, floor)
    ImageDraw.Draw(mask).rectangle(inner, fill=255)
    return mask


def _vessel_halves(canvas: _Canvas) -> tuple[float, float]:
    return round(canvas.size_px * 0.17), round(canvas.size_px * 0.22)


def _rgb(text: str) -> _Rgb:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
