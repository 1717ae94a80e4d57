"""Draws the signs of the icon: what state things are in, and that there is a message."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import ImageChops, ImageDraw

from offramp_core.wording.colours import GREY, RED
from offramp_tray.state.tray_state import Condition
from offramp_tray.view.icon_canvas import middle

if TYPE_CHECKING:
    from PIL import Image

    from offramp_tray.view.icon_canvas import Canvas, Layer


def sign(canvas: Canvas, condition: Condition) -> list[Layer]:
    """What the state is, unless all is well."""
    match condition:
        case Condition.RUNNING:
            return []
        case Condition.NOT_RUNNING:
            return [(middle(GREY), slash(canvas, canvas.line_px))]
        case Condition.PAUSED:
            return [(middle(GREY), _bars(canvas))]
        case Condition.NO_KEY:
            return [(middle(GREY), _keyhole(canvas))]
        case Condition.TROUBLE:
            return [(middle(RED), _exclamation(canvas))]
        case Condition.QUOTA:
            return [(middle(GREY), _vessel(canvas)), (middle(RED), _dregs(canvas))]


def with_dot(canvas: Canvas, layers: list[Layer]) -> list[Layer]:
    """A dot in the upper right corner, and room around it."""
    around = _corner(canvas, canvas.size_px * 0.42)
    cut = [(colour, ImageChops.subtract(mask, around)) for colour, mask in layers]
    return [*cut, (middle(RED), _corner(canvas, canvas.size_px * 0.32))]


def _corner(canvas: Canvas, width_px: float) -> Image.Image:
    mask = canvas.mask()
    width, far = width_px * canvas.samples, canvas.width - 1
    inset = (canvas.size_px * 0.42 - width_px) / 2 * canvas.samples
    box = (far - inset - width, inset, far - inset, inset + width)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def slash(canvas: Canvas, width_px: float) -> Image.Image:
    """A line from the lower left to the upper right."""
    mask = canvas.mask()
    reach = (canvas.size_px / 2 - canvas.line_px / 2) * math.sqrt(0.5)
    ends = canvas.box(-reach, reach, reach, -reach)
    ImageDraw.Draw(mask).line(ends, fill=255, width=round(width_px * canvas.samples))
    return mask


def _bars(canvas: Canvas) -> Image.Image:
    """Two upright bars."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    half_gap = canvas.line_px / 2
    height = round(canvas.size_px * 0.19)
    for side in (-1, 1):
        near, far = side * half_gap, side * (half_gap + canvas.line_px)
        pen.rectangle(canvas.box(min(near, far), -height, max(near, far), height), fill=255)
    return mask


def _exclamation(canvas: Canvas) -> Image.Image:
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    half, line = canvas.line_px / 2, canvas.line_px
    height = round(canvas.size_px * 0.23)
    pen.rectangle(canvas.box(-half, -height, half, height - 2 * line + half), fill=255)
    pen.rectangle(canvas.box(-half, height - line, half, height), fill=255)
    return mask


def _keyhole(canvas: Canvas) -> Image.Image:
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


def _vessel(canvas: Canvas) -> Image.Image:
    """An upright vessel, empty but for its ground."""
    mask = canvas.mask()
    pen = ImageDraw.Draw(mask)
    wall = max(1, canvas.line_px // 2)
    half, height = _vessel_halves(canvas)
    pen.rectangle(canvas.box(-half, -height, half, height), fill=255)
    pen.rectangle(canvas.box(-half + wall, -height, half - wall, height - wall), fill=0)
    return mask


def _dregs(canvas: Canvas) -> Image.Image:
    """What is left in the vessel."""
    mask = canvas.mask()
    wall = max(1, canvas.line_px // 2)
    half, height = _vessel_halves(canvas)
    floor = height - wall
    inner = canvas.box(-half + wall, floor - max(1, round(height * 0.5)), half - wall, floor)
    ImageDraw.Draw(mask).rectangle(inner, fill=255)
    return mask


def _vessel_halves(canvas: Canvas) -> tuple[float, float]:
    return round(canvas.size_px * 0.17), round(canvas.size_px * 0.22)
