"""A chart's item that is drawn in pixels, so that its lines are as wide as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg  # type: ignore[import-untyped]  # it has no types
from PySide6.QtCore import QRectF

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter, QTransform


class PixelItem(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """Fills all of its chart that can be seen; a subclass says what to draw there."""

    def paint_pixels(self, painter: QPainter, to_pixels: QTransform, area: QRectF) -> None:
        """Draw in the pixels of `area`; `to_pixels` takes the chart's places there."""
        raise NotImplementedError

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """All that can be seen."""
        return QRectF(self.viewRect())

    def paint(self, painter: QPainter, *_args: Any) -> None:
        """Have it drawn, and leave the painter as it was."""
        to_pixels = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        self.paint_pixels(painter, to_pixels, to_pixels.mapRect(QRectF(self.viewRect())))
        painter.restore()
