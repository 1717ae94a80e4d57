"""Draws stacked bars on the pixel grid, so that every edge is sharp at every scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from offramp_dashboard.views.charts.pixel_item import PixelItem
from offramp_dashboard.views.style.brushes import paint_fill, paint_outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QTransform

    from offramp_dashboard.theme import Fill

_LARGEST_GAP_PX = 14.0
_WIDEST_PX = 72.0
_BETWEEN_LABELS_PX = 8.0
_SEAM_FROM_PX = 2.0
"""A block that is no higher would be all seam."""


@dataclass(frozen=True, slots=True)
class BarBlock:
    """One part of a bar, from `low` to `high`; one that is only expected is drawn as an outline."""

    low: float
    high: float
    fill: Fill
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class StackedBar:
    """One bar: its blocks from below, and the number on top, where it has room."""

    blocks: tuple[BarBlock, ...]
    label: str = ""
    short_label: str = ""
    """What stands there instead where a bar's `label` would touch the next one's."""


class BarsItem(PixelItem):
    """The bars of one chart."""

    def __init__(self, *, gap: float) -> None:
        """`gap` is the part of a bar's place that stays free, 0 to 1."""
        super().__init__()
        self._gap = gap
        self._bars: tuple[StackedBar, ...] = ()
        self._font = QFont()
        self._label_colour = QColor()
        self._seam: QColor | None = None

    def set_bars(self, bars: Sequence[StackedBar]) -> None:
        """Draw these from now on."""
        self._bars = tuple(bars)
        self.prepareGeometryChange()
        self.update()

    def set_look(self, font: QFont, colour: str) -> None:
        """Font and colour of the numbers on top."""
        self._font, self._label_colour = font, QColor(colour)

    def set_seam(self, colour: str) -> None:
        """Draw a line of that colour between blocks, which look alike in greyscale."""
        self._seam = QColor(colour)
        self.update()

    def paint_pixels(self, painter: QPainter, to_pixels: QTransform, area: QRectF) -> None:
        """Draw block by block, each edge on a pixel's."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        labels = self._labels(to_pixels)
        for index, (bar, label) in enumerate(zip(self._bars, labels, strict=True)):
            left, right = self._sides(to_pixels, index)
            top = to_pixels.map(QPointF(0, 0)).y()
            for block in bar.blocks:
                rect = _crisp(to_pixels, left, right, block)
                top = min(top, rect.top())
                if block.is_expected:
                    paint_outline(painter, rect, block.fill.colour)
                else:
                    paint_fill(painter, rect, block.fill)
                    self._paint_seam(painter, rect, block)
            self._paint_label(painter, label, (left + right) / 2, top, area)

    def _sides(self, to_pixels: QTransform, index: int) -> tuple[float, float]:
        start = to_pixels.map(QPointF(index, 0)).x()
        end = to_pixels.map(QPointF(index + 1, 0)).x()
        width = end - start
        gap = min(width * self._gap, _LARGEST_GAP_PX)
        if self._gap and width - gap > _WIDEST_PX:
            gap = width - _WIDEST_PX
        if width < 3:
            gap = 0.0
        return round(start + gap / 2), round(end - gap / 2)

    def _paint_seam(self, painter: QPainter, rect: QRectF, block: BarBlock) -> None:
        if self._seam is not None and block.low > 0 and rect.height() > _SEAM_FROM_PX:
            painter.fillRect(QRectF(rect.left(), rect.bottom() - 1, rect.width(), 1), self._seam)

    def _labels(self, to_pixels: QTransform) -> list[str]:
        """The numbers on top, all in the same form: in full, short, or only the last one."""
        metrics = QFontMetricsF(self._font)
        place = to_pixels.map(QPointF(1, 0)).x() - to_pixels.map(QPointF(0, 0)).x()
        full = [bar.label for bar in self._bars]
        short = [bar.short_label for bar in self._bars]
        for labels, between in ((full, _BETWEEN_LABELS_PX), (short, _BETWEEN_LABELS_PX / 2)):
            widest = max(map(metrics.horizontalAdvance, labels), default=0.0)
            if widest <= place - between:
                return labels
        return [*[""] * (len(short) - 1), *short[-1:]]

    def _paint_label(
        self, painter: QPainter, label: str, middle: float, top: float, area: QRectF
    ) -> None:
        if not label:
            return
        metrics = QFontMetricsF(self._font)
        width, height = metrics.horizontalAdvance(label), metrics.height()
        middle = min(middle, area.right() - width / 2)
        painter.setFont(self._font)
        painter.setPen(self._label_colour)
        rect = QRectF(middle - width / 2 - 2, top - height - 1, width + 4, height)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, label)


def _crisp(to_pixels: QTransform, left: float, right: float, block: BarBlock) -> QRectF:
    low = round(to_pixels.map(QPointF(0, block.low)).y())
    high = round(to_pixels.map(QPointF(0, block.high)).y())
    if block.high > block.low and low == high:
        high -= 1  # something is never drawn as nothing
    return QRectF(left, high, max(1.0, right - left), low - high)
