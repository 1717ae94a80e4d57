"""Draws the bars: what is left of each plan, one above the other, in everybody's order.

A bar is a frame, filled with what is left: it reads without colours, and at 16 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import ImageDraw

from offramp_core.wording.colours import GREY, RED, hue_of
from offramp_tray.view.icon_canvas import middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from offramp_tray.view.icon_canvas import Canvas, Layer

STEPS = 40
"""Into so many parts a bar is cut: less than one of them is no reason to draw again."""
SIGN_AT = 0.81
"""Where beside the bars a sign has its middle, as a part of the width."""
_WIDTH_WITH_SIGN = 0.58
_HEIGHT = 0.36
_GAP = 0.12
_DASHES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What is left of one plan."""

    backend: str
    steps: int | None
    """Of `STEPS`; None while it is unknown."""
    is_low: bool = False
    """It is nearly spent, or quite."""


def level_of(backend: str, left: float | None, *, is_low: bool) -> Level:
    """A plan of which the part `left` is left: what is not quite nothing or all is seen so."""
    steps = None if left is None else round(left * STEPS)
    if left is not None and steps is not None and 0 < left < 1:
        steps = min(max(steps, 1), STEPS - 1)
    return Level(backend=backend, steps=steps, is_low=is_low)


def bars(
    canvas: Canvas,
    levels: Sequence[Level],
    backends: Sequence[str],
    *,
    is_off: bool,
    has_sign: bool,
) -> list[Layer]:
    """A bar for each of `levels`, of which there are two at most; empty where nothing runs."""
    size = canvas.size_px
    width = round(size * _WIDTH_WITH_SIGN) if has_sign else size
    height, gap = round(size * _HEIGHT), max(2, round(size * _GAP))
    top = (size - len(levels) * (height + gap) + gap) // 2
    layers = []
    for level in levels:
        hue = hue_of(level.backend, backends)
        if is_off or level.steps is None:
            hue = GREY
        elif level.is_low:
            hue = RED
        steps = 0 if is_off else level.steps
        layers.append((middle(hue), _bar(canvas, (0, top, width, top + height), steps)))
        top += height + gap
    return layers


def _bar(canvas: Canvas, box_px: tuple[int, int, int, int], steps: int | None) -> Image.Image:
    """A frame, filled as far as there is something left; in dashes while that is unknown."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    wall = max(1, canvas.line_px // 2)
    left, top, right, bottom = box_px
    _fill(pen, canvas, box_px, 255)
    _fill(pen, canvas, (left + wall, top + wall, right - wall, bottom - wall), 0)
    if steps is None:
        _cut(pen, canvas, box_px)
    else:
        inner = right - left - 2 * wall
        filled = inner * steps / STEPS
        filled = max(1, round(filled)) if steps else 0
        if steps < STEPS:
            filled = min(filled, inner - 1)
        _fill(pen, canvas, (left + wall, top + wall, left + wall + filled, bottom - wall), 255)
    return mask


def _cut(pen: ImageDraw.ImageDraw, canvas: Canvas, box_px: tuple[int, int, int, int]) -> None:
    """Make dashes of a frame's long sides."""
    left, top, right, bottom = box_px
    step = (right - left) / _DASHES
    for number in range(_DASHES):
        middle_px = left + step * (number + 0.5)
        begin, end = round(middle_px - step / 4), round(middle_px + step / 4)
        _fill(pen, canvas, (begin, top, max(end, begin + 1), bottom), 0)


def _fill(
    pen: ImageDraw.ImageDraw, canvas: Canvas, box_px: tuple[int, int, int, int], level: int
) -> None:
    left, top, right, bottom = (edge * canvas.samples for edge in box_px)
    if right > left and bottom > top:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=level)
