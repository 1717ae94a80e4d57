"""Draws the ring: how the week splits between the backends.

Its parts differ in colour, in thickness and by the gap between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import ImageDraw

from offramp_core.settings import ANTHROPIC
from offramp_core.wording.colours import GREY, hue_of
from offramp_tray.view.icon_canvas import middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from offramp_tray.view.icon_canvas import Canvas, Layer

STEPS = 60
"""Into so many parts the ring is cut: less than one of them is no reason to draw again."""
_SMALLEST_STEPS = 3
"""What has any part at all is seen."""
_DASHES = 8
"""Around the whole ring."""
_DASH_GAP = 0.42
_TOP_DEG = -90.0


def steps_of(parts: Sequence[tuple[str, float]]) -> tuple[tuple[str, int], ...]:
    """Shares as whole steps that fill the ring, none of them too small to be seen."""
    steps = {name: max(round(part * STEPS), _SMALLEST_STEPS) for name, part in parts}
    if steps:
        largest = max(steps, key=lambda name: steps[name])
        steps[largest] += STEPS - sum(steps.values())
    return tuple(steps.items())


def ring(
    canvas: Canvas,
    parts: Sequence[tuple[str, int]] | None,
    backends: Sequence[str],
    *,
    is_off: bool,
    is_stale: bool,
) -> list[Layer]:
    """The ring of `parts`, in steps; grey while it is unknown, or nothing runs."""
    if not parts:
        mask = _arc(canvas, (0.0, 360.0), canvas.thin_px, is_dashed=parts is None or is_stale)
        return [(middle(GREY), mask)]
    layers = []
    gap_px = canvas.thin_px + canvas.size_px * 0.035 if len(parts) > 1 else 0.0
    gap_deg = math.degrees(gap_px / (canvas.size_px / 2 - canvas.thick_px / 2))
    begin = 0.0
    for name, steps in parts:
        end = begin + 360.0 * steps / STEPS
        thickness = canvas.thick_px if name == ANTHROPIC else canvas.thin_px
        span = begin + gap_deg / 2, end - gap_deg / 2
        hue = GREY if is_off else hue_of(name, backends)
        layers.append((middle(hue), _arc(canvas, span, thickness, is_dashed=is_stale)))
        begin = end
    return layers


def _arc(
    canvas: Canvas, span_deg: tuple[float, float], thickness_px: int, *, is_dashed: bool
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
