"""Draws the icon: what is left of the plans, or how the week splits, and a sign. Pure.

Each state has a sign of its own. Colours are halfway between those for light ground and for dark,
so that one picture is legible on both: no desktop says which of the two its panel is. A template
image (macOS) is black on nothing, and the system colours it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from offramp_core.services import service_of
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Condition
from offramp_tray.view import icon_bars, icon_ring, icon_signs
from offramp_tray.view.icon_canvas import Canvas
from offramp_tray.view.view_model import IconImages

if TYPE_CHECKING:
    from offramp_tray.state.tray_state import TrayState
    from offramp_tray.view.icon_bars import Level
    from offramp_tray.view.icon_canvas import Layer

SIZES_PX = (16, 22, 24, 32, 44, 48, 66, 72)
"""16, 22 and 24, at once, twice and three times the resolution."""

_MOST_BARS = 2
_DIM = 0.6
_BLACK = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IconLook:
    """All that the picture depends on; equal looks are one picture."""

    condition: Condition
    parts: tuple[tuple[str, int], ...] | None = None
    """Each backend's part of the ring; empty for a week without any, None while unknown."""
    levels: tuple[Level, ...] | None = None
    """What is left of each plan; None for a ring."""
    backends: tuple[str, ...] = ()
    """All that the settings know, which gives each of them its colour."""
    is_stale: bool = False
    has_news: bool = False
    """The menu holds a message that nobody has seen."""
    is_template: bool = False


def look_of(state: TrayState, *, is_template: bool = False) -> IconLook:
    """What of `state` can be seen."""
    is_split = state.settings.picture == "split"
    parts = tray_state.shares(state) if is_split else None
    return IconLook(
        condition=tray_state.condition(state),
        parts=None if parts is None else icon_ring.steps_of(parts),
        levels=None if is_split else _levels(state),
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
    has_sign = look.condition is not Condition.RUNNING
    if look.levels is None:
        canvas = Canvas(size_px, has_sign=has_sign)
    else:
        at = 0.5 if look.condition is Condition.NOT_RUNNING else icon_bars.SIGN_AT
        canvas = Canvas(size_px, has_sign=has_sign, sign_at=at)
    layers = [*_numbers(canvas, look), *_sign(canvas, look)]
    if look.has_news:
        layers = icon_signs.with_dot(canvas, layers)
    picture = Image.new("RGBA", (size_px, size_px))
    for colour, mask in layers:
        ink = Image.new("RGBA", (size_px, size_px), (*(_BLACK if look.is_template else colour), 0))
        ink.putalpha(canvas.reduced(mask))
        picture.alpha_composite(ink)
    return picture


def _levels(state: TrayState) -> tuple[Level, ...]:
    """Of the plans that are known to say how much is used, in everybody's order."""
    low = {backend for backend, _window in tray_state.spent_windows(state)}
    names = [
        name
        for name in tray_state.shown_backends(state)
        if name in state.backends and service_of(name).tells_quota
    ]
    return tuple(
        icon_bars.level_of(name, tray_state.left(state, name), is_low=name in low)
        for name in names[:_MOST_BARS]
    )


def _numbers(canvas: Canvas, look: IconLook) -> list[Layer]:
    """Bars or ring; cut by the slash where nothing runs, dimmed where they are old."""
    is_off = look.condition is Condition.NOT_RUNNING
    if look.levels is None:
        layers = icon_ring.ring(
            canvas, look.parts, look.backends, is_off=is_off, is_stale=look.is_stale
        )
    else:
        has_sign = bool(_sign(canvas, look)) and not is_off
        layers = icon_bars.bars(
            canvas, look.levels, look.backends, is_off=is_off, has_sign=has_sign
        )
    if is_off:
        slash = icon_signs.slash(canvas, 3 * canvas.line_px)
        layers = [(colour, ImageChops.subtract(mask, slash)) for colour, mask in layers]
    if look.is_stale:
        dim = [round(level * _DIM) for level in range(256)]
        layers = [(colour, mask.point(dim)) for colour, mask in layers]
    return layers


def _sign(canvas: Canvas, look: IconLook) -> list[Layer]:
    """The sign of the state; a bar that is nearly empty needs none."""
    if look.levels is not None and look.condition is Condition.QUOTA:
        return []
    return icon_signs.sign(canvas, look.condition)
