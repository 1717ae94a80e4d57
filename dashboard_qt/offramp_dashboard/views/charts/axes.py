"""The two axes of a chart: labels in words at places that the chart has chosen, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg  # type: ignore[import-untyped]  # it has no types
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPainter

    from offramp_dashboard.views.charts.ticks import Tick

_GAP_PX = 6.0
_BETWEEN_LABELS_PX = 10.0


class WordAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """An axis without line and marks. Labels never overlap and never leave the chart."""

    def __init__(self, orientation: str) -> None:
        """`orientation` is `left` or `bottom`."""
        super().__init__(orientation)
        self._ticks: tuple[Tick, ...] = ()
        self._font = QFont()
        self._colour = QColor()

    def set_look(self, font: QFont, colour: str) -> None:
        """Take up a theme; the axis is as high or wide as its labels in `font` need."""
        self._font, self._colour = font, QColor(colour)
        metrics = QFontMetricsF(font)
        if self.orientation == "bottom":
            self.setHeight(metrics.height() + _GAP_PX)
        else:
            self.setWidth(metrics.horizontalAdvance("1.25M") + _GAP_PX)
        self.update()

    def set_ticks(self, ticks: Sequence[Tick]) -> None:
        """Show these from now on."""
        self._ticks = tuple(ticks)
        self.update()

    def label_width(self, text: str) -> float:
        """Pixels that `text` and its distance to the next one take."""
        return QFontMetricsF(self._font).horizontalAdvance(text) + _BETWEEN_LABELS_PX

    def shown_labels(self) -> list[tuple[QRectF, str]]:
        """The labels that have room, each with its place in this item."""
        metrics = QFontMetricsF(self._font)
        low, high = self.range
        extent = (high - low) or 1.0
        size = self.size()
        placed: list[tuple[QRectF, str]] = []
        for tick in self._ticks:
            part = (tick.position - low) / extent
            if not -0.001 <= part <= 1.001:
                continue
            width = metrics.horizontalAdvance(tick.label)
            if self.orientation == "bottom":
                left = part * size.width() - width / 2
                # Left axis labels have room of their own; a label may reach half below it.
                left = min(left, size.width() - width)
                rect = QRectF(left, _GAP_PX, width, metrics.height())
                if placed and rect.left() < placed[-1][0].right() + _BETWEEN_LABELS_PX / 2:
                    continue
            else:
                top = (1 - part) * size.height() - metrics.height() / 2
                rect = QRectF(0, top, size.width() - _GAP_PX, metrics.height())
            placed.append((rect, tick.label))
        return placed

    def paint(self, painter: QPainter, *_args: Any) -> None:
        """Draw the labels."""
        painter.setFont(self._font)
        painter.setPen(self._colour)
        align = Qt.AlignmentFlag.AlignVCenter | (
            Qt.AlignmentFlag.AlignHCenter
            if self.orientation == "bottom"
            else Qt.AlignmentFlag.AlignRight
        )
        for rect, label in self.shown_labels():
            painter.drawText(
                rect.adjusted(-2, 0, 2, 0) if self.orientation == "bottom" else rect, align, label
            )

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Half a label more than the axis itself: the outermost ones stand beyond its ends."""
        return QRectF(self.rect()).adjusted(-60, -12, 60, 12)
