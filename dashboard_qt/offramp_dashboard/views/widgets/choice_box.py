"""A combo box with its arrow: style sheets take it away and can't draw another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QComboBox, QStyledItemDelegate

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent, QWheelEvent
    from PySide6.QtWidgets import QWidget

_ARROW_PX = 4.0
_FROM_EDGE_PX = 13.0
_MOST_VISIBLE = 20
"""A list of so many models has no need to scroll."""


class ChoiceBox(QComboBox):
    """The combo box of this window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Offer nothing yet."""
        super().__init__(parent)
        self.setMaxVisibleItems(_MOST_VISIBLE)
        self.setItemDelegate(QStyledItemDelegate(self))  # its own takes no style sheet

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """As ever, and the arrow upon it."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().placeholderText().color(), 1.5))
        middle = QPointF(self.width() - _FROM_EDGE_PX, self.height() / 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(
            QPolygonF(
                [
                    middle + QPointF(-_ARROW_PX, -_ARROW_PX / 2),
                    middle + QPointF(0, _ARROW_PX / 2),
                    middle + QPointF(_ARROW_PX, -_ARROW_PX / 2),
                ]
            )
        )
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to the page: a choice must not change because somebody scrolls past."""
        event.ignore()
