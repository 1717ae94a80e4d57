"""A check box whose frame can be seen on dark ground, and whose focus shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QCheckBox

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QPaintEvent

_BOX_PX = 16
_GAP_PX = 8
_EDGE_PX = 3


class TickBox(QCheckBox):
    """The check box of this window."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Box, text, and room for the ring."""
        metrics = self.fontMetrics()
        width = _BOX_PX + _GAP_PX + metrics.horizontalAdvance(self.text()) + 2 * _EDGE_PX
        return QSize(width + 2, max(_BOX_PX, metrics.height()) + 2 * _EDGE_PX)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """No less."""
        return self.sizeHint()

    def hitButton(self, pos: QPoint) -> bool:  # noqa: N802 - Qt's name
        """A click anywhere on it counts."""
        return self.rect().contains(pos)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it from the palette."""
        del event
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top = (self.height() - _BOX_PX) / 2
        box = QRectF(_EDGE_PX + 0.5, top + 0.5, _BOX_PX - 1, _BOX_PX - 1)
        ink = palette.color(QPalette.ColorRole.WindowText)
        muted = palette.color(QPalette.ColorRole.PlaceholderText)
        painter.setPen(QPen(ink if self.isChecked() and self.isEnabled() else muted, 1.2))
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(box, 3, 3)
        if self.isChecked():
            painter.setPen(QPen(ink if self.isEnabled() else muted, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            corner = box.topLeft()
            marks = [QPointF(3.5, 8), QPointF(6.5, 11), QPointF(12, 4.5)]
            painter.drawPolyline(QPolygonF([corner + mark for mark in marks]))
        if self.hasFocus():
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Link), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.setPen(ink if self.isEnabled() else muted)
        left = _EDGE_PX + _BOX_PX + _GAP_PX
        area = QRectF(left, 0, self.width() - left, self.height())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, self.text())
        painter.end()
