"""Draws a sheet with the icon in every state and size, on dark ground and on light.

For the README, and for whoever changes the icon: `offramp tray --icon-sheet FILE`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from offramp_core.services import anthropic, zai
from offramp_tray.state.tray_state import Condition
from offramp_tray.view import icon
from offramp_tray.view.icon import IconLook
from offramp_tray.view.icon_bars import level_of

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_tray.view.icon_bars import Level

_BACKENDS = (anthropic.NAME, zai.NAME)
_SPLIT = ((anthropic.NAME, 19), (zai.NAME, 41))


def _left(claude: float | None, delegate: float | None) -> tuple[Level, ...]:
    return tuple(
        level_of(name, left, is_low=left is not None and left < _LOW)
        for name, left in ((anthropic.NAME, claude), (zai.NAME, delegate))
    )


_LOW = 0.1
_LEVELS = _left(0.46, 0.88)
_RUNNING = Condition.RUNNING
_LOOKS: tuple[tuple[str, IconLook], ...] = (
    ("left: Claude 46%, Z.ai 88%", IconLook(condition=_RUNNING, levels=_LEVELS)),
    ("left: Claude 100%, Z.ai 12%", IconLook(condition=_RUNNING, levels=_left(1.0, 0.12))),
    ("left: Z.ai not known", IconLook(condition=_RUNNING, levels=_left(0.46, None))),
    ("quota nearly used up", IconLook(condition=Condition.QUOTA, levels=_left(0.07, 0.88))),
    ("quota used up", IconLook(condition=Condition.QUOTA, levels=_left(0.46, 0.0))),
    ("paused", IconLook(condition=Condition.PAUSED, levels=_LEVELS)),
    ("no key", IconLook(condition=Condition.NO_KEY, levels=_left(0.46, None))),
    ("trouble with a backend", IconLook(condition=Condition.TROUBLE, levels=_LEVELS)),
    ("daemon not running", IconLook(condition=Condition.NOT_RUNNING, levels=_LEVELS)),
    ("numbers out of date", IconLook(condition=_RUNNING, levels=_LEVELS, is_stale=True)),
    ("message not seen yet", IconLook(condition=_RUNNING, levels=_LEVELS, has_news=True)),
    ("not known yet", IconLook(condition=_RUNNING, levels=_left(None, None))),
    ("split: Claude 32%, Z.ai 68%", IconLook(condition=_RUNNING, parts=_SPLIT)),
    ("split: Claude only", IconLook(condition=_RUNNING, parts=((anthropic.NAME, 60),))),
    ("split: nothing yet", IconLook(condition=_RUNNING, parts=())),
    ("split: paused", IconLook(condition=Condition.PAUSED, parts=_SPLIT)),
    ("split: no key", IconLook(condition=Condition.NO_KEY, parts=_SPLIT)),
    ("split: trouble", IconLook(condition=Condition.TROUBLE, parts=_SPLIT)),
    ("split: quota nearly used up", IconLook(condition=Condition.QUOTA, parts=_SPLIT)),
    ("split: daemon not running", IconLook(condition=Condition.NOT_RUNNING, parts=_SPLIT)),
)
_GROUNDS = (((32, 33, 36), (236, 237, 239)), ((246, 247, 248), (32, 33, 36)))
"""Ground and ink, dark and light."""
_TEMPLATE_SIZES_PX = (22, 44)
_TEMPLATE_COLUMN_PX = 64
_LABEL_PX = 250
_ROW_PX = 84
_GAP_PX = 14
_HEAD_PX = 34
_FONT_PX = 15
_COLOURS = 128
"""More than the eye tells apart here, and a third of the file's size."""


def save(file: Path) -> None:
    """Draw the sheet as PNG.

    Raises:
        OSError: `file` can't be written.
    """
    sheet = draw().quantize(_COLOURS, dither=Image.Dither.NONE)
    sheet.save(file, format="PNG", optimize=True)


def draw() -> Image.Image:
    """The sheet: a row for each state, colour on both grounds and then the template image."""
    width_px = sum(icon.SIZES_PX) + _GAP_PX * (len(icon.SIZES_PX) + 1)
    panels = [(False, ground) for ground in _GROUNDS] + [(True, ground) for ground in _GROUNDS]
    template_px = _GAP_PX + (_TEMPLATE_COLUMN_PX + _GAP_PX) * len(_TEMPLATE_SIZES_PX)
    widths = [template_px if is_template else width_px for is_template, _ in panels]
    height = _HEAD_PX + _ROW_PX * len(_LOOKS)
    sheet = Image.new("RGB", (_LABEL_PX + sum(widths), height), (255, 255, 255))
    font = ImageFont.load_default(_FONT_PX)
    pen = ImageDraw.Draw(sheet)
    for number, (text, _) in enumerate(_LOOKS):
        middle = _HEAD_PX + _ROW_PX * number + _ROW_PX // 2
        pen.text((_GAP_PX, middle), text, fill=(20, 20, 20), font=font, anchor="lm")
    left = _LABEL_PX
    for (is_template, (ground, ink)), width in zip(panels, widths, strict=True):
        pen.rectangle((left, 0, left + width, height), fill=ground)
        _draw_panel(sheet, left, ink, is_template=is_template)
        left += width
    return sheet


def _draw_panel(
    sheet: Image.Image, left: int, ink: tuple[int, int, int], *, is_template: bool
) -> None:
    font = ImageFont.load_default(_FONT_PX - 2)
    pen = ImageDraw.Draw(sheet)
    x = left + _GAP_PX
    for size in _TEMPLATE_SIZES_PX if is_template else icon.SIZES_PX:
        label = f"macOS {size}" if is_template else f"{size}"
        pen.text((x, _HEAD_PX // 2), label, fill=ink, font=font, anchor="lm")
        for number, (_, look) in enumerate(_LOOKS):
            picture = _drawn(look, size, ink if is_template else None)
            y = _HEAD_PX + _ROW_PX * number + (_ROW_PX - size) // 2
            sheet.paste(picture, (x, y), picture)
        x += max(size, _TEMPLATE_COLUMN_PX if is_template else 0) + _GAP_PX


def _drawn(look: IconLook, size_px: int, ink: tuple[int, int, int] | None) -> Image.Image:
    """The picture; a template as the system would colour it."""
    shown = replace(look, backends=_BACKENDS, is_template=ink is not None)
    picture = icon.draw(shown, size_px)
    if ink is None:
        return picture
    coloured = Image.new("RGBA", picture.size, (*ink, 0))
    coloured.putalpha(picture.getchannel("A"))
    return coloured
