"""Draws a sheet with the icon in every state and size, on dark ground and on light.

For the README, and for whoever changes the icon: `offramp tray --icon-sheet FILE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from offramp_core.services import anthropic, zai
from offramp_tray.state.tray_state import Condition
from offramp_tray.view import icon
from offramp_tray.view.icon import IconLook

if TYPE_CHECKING:
    from pathlib import Path

_BACKENDS = (anthropic.NAME, zai.NAME)
_SPLIT = ((zai.NAME, 41), (anthropic.NAME, 19))
_LOOKS: tuple[tuple[str, IconLook], ...] = (
    ("running: Z.ai 68%, Claude 32%", IconLook(condition=Condition.RUNNING, parts=_SPLIT)),
    (
        "running: Z.ai 20%, Claude 80%",
        IconLook(condition=Condition.RUNNING, parts=((zai.NAME, 12), (anthropic.NAME, 48))),
    ),
    ("running: Claude alone", IconLook(condition=Condition.RUNNING, parts=((anthropic.NAME, 60),))),
    ("running: Z.ai alone", IconLook(condition=Condition.RUNNING, parts=((zai.NAME, 60),))),
    ("running: no requests yet", IconLook(condition=Condition.RUNNING, parts=())),
    ("paused", IconLook(condition=Condition.PAUSED, parts=_SPLIT)),
    ("no key", IconLook(condition=Condition.NO_KEY, parts=_SPLIT)),
    ("trouble with a backend", IconLook(condition=Condition.TROUBLE, parts=_SPLIT)),
    ("quota nearly spent", IconLook(condition=Condition.QUOTA, parts=_SPLIT)),
    ("daemon not running", IconLook(condition=Condition.NOT_RUNNING, parts=_SPLIT)),
    ("numbers out of date", IconLook(condition=Condition.RUNNING, parts=_SPLIT, is_stale=True)),
    ("message not seen yet", IconLook(condition=Condition.RUNNING, parts=_SPLIT, has_news=True)),
    ("numbers not known yet", IconLook(condition=Condition.RUNNING, parts=None)),
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
    shown = IconLook(
        condition=look.condition,
        parts=look.parts,
        backends=_BACKENDS,
        is_stale=look.is_stale,
        has_news=look.has_news,
        is_template=ink is not None,
    )
    picture = icon.draw(shown, size_px)
    if ink is None:
        return picture
    coloured = Image.new("RGBA", picture.size, (*ink, 0))
    coloured.putalpha(picture.getchannel("A"))
    return coloured
