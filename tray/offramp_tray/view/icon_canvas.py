"""What every picture of the icon is drawn on, and its colours: masks, finer than the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from offramp_core.wording.colours import Hue

Rgb = tuple[int, int, int]

Layer = tuple[Rgb, Image.Image]
"""A colour, and the mask that says where it is."""

_MOST_SAMPLES_PX = 512
_MOST_SAMPLES = 8


class Canvas:
    """Masks in which one pixel is drawn as many, and how long things are in it."""

    def __init__(self, size_px: int, *, has_sign: bool, sign_at: float = 0.5) -> None:
        """Draw `size_px` wide and high; `sign_at` is the part of the width where a sign stands."""
        self.size_px = size_px
        self.sign_at = sign_at
        self.samples = min(_MOST_SAMPLES, max(1, _MOST_SAMPLES_PX // size_px))
        self.width = size_px * self.samples
        self.thick_px = round(size_px * (0.19 if has_sign else 0.22))
        self.thin_px = max(2, round(size_px * 0.1))
        self.line_px = 2 * max(1, round(size_px * 0.055))
        """A stroke of a sign; even as the sizes are, so that it stands on whole pixels."""

    def mask(self) -> Image.Image:
        """Nothing yet."""
        return Image.new("L", (self.width, self.width))

    def reduced(self, mask: Image.Image) -> Image.Image:
        """`mask` in whole pixels."""
        return mask.reduce(self.samples)

    def circle(self, inset_px: float) -> tuple[float, float, float, float]:
        """A circle's box, that far from the edges."""
        inset = inset_px * self.samples
        return inset, inset, self.width - 1 - inset, self.width - 1 - inset

    def box(
        self, left_px: float, top_px: float, right_px: float, bottom_px: float
    ) -> tuple[float, float, float, float]:
        """A box by its distances from the middle of a sign."""
        across, down = round(self.size_px * self.sign_at) * self.samples, self.width / 2
        return (
            across + left_px * self.samples,
            down + top_px * self.samples,
            across + right_px * self.samples - 1,
            down + bottom_px * self.samples - 1,
        )


def middle(hue: Hue) -> Rgb:
    """The colour that is legible on light and on dark ground."""
    light, dark = _rgb(hue.on_light), _rgb(hue.on_dark)
    red, green, blue = ((a + b) // 2 for a, b in zip(light, dark, strict=True))
    return red, green, blue


def _rgb(text: str) -> Rgb:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
