"""The table widget of the latest requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QMenu, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from offramp_dashboard.models.columns import HEADERS, Column
from offramp_dashboard.models.requests import BACKEND_ROLE, ROW_ROLE, STATUS_ROLE, RequestsModel
from offramp_dashboard.theme import LIGHT
from offramp_dashboard.views.record_table import RecordTable
from offramp_dashboard.views.style.brushes import paint_fill

if TYPE_CHECKING:
    from offramp_dashboard.theme import Theme

_SWATCH_PX = 9
_WIDTHS = {
    Column.TIME: "2026-11-26 22:00",
    Column.MODEL: "claude-sonnet-4-5",
    Column.BACKEND: "     Claude API  ",
    Column.SERVED: "claude-sonnet-4-5",
    Column.INPUT: "1,234,567",
    Column.OUTPUT: "123,456",
    Column.CACHE: "12,345,678",
    Column.STATUS: "error 429",
    Column.SESSION: "0123abcd",
}


class RequestsTable(RecordTable):
    """Shows a `RequestsModel`.

    Signals:
        reason_asked(str): only the requests with that reason are wanted.
    """

    reason_asked = Signal(str)

    def __init__(self, model: RequestsModel) -> None:
        """Show `model`."""
        super().__init__(model, Column, HEADERS, _WIDTHS)
        self.setItemDelegate(RequestCells(self))
        self.setAccessibleName("Latest requests")

    def fill_menu(self, menu: QMenu, index: QModelIndex) -> None:
        """Offer what can be done with a row, and to show only those with its reason."""
        super().fill_menu(menu, index)
        reason = index.data(ROW_ROLE).reason
        menu.addAction("Only This Reason", lambda: self.reason_asked.emit(reason))


class RequestCells(QStyledItemDelegate):
    """Cells with a swatch before the backend, and failures in their own colour and words."""

    def __init__(self, parent: QWidget) -> None:
        """In the light theme, until told otherwise."""
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.backends: tuple[str, ...] = ()

    def initStyleOption(  # noqa: N802 - Qt's name
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Choose the text's colour."""
        super().initStyleOption(option, index)
        text = option.palette.text().color()
        if index.column() == Column.STATUS and index.data(STATUS_ROLE) == "error":
            text = QColor(self.theme.danger)
        elif index.column() in (Column.TIME, Column.REASON, Column.SESSION):
            text = QColor(self.theme.muted)
        for role in (option.palette.ColorRole.Text, option.palette.ColorRole.HighlightedText):
            option.palette.setColor(role, text)
        if index.column() == Column.BACKEND:
            option.text = f"     {option.text}"

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Draw the cell, and the backend's swatch in its own."""
        super().paint(painter, option, index)
        if index.column() == Column.BACKEND:
            area: Any = option.rect
            top = area.top() + (area.height() - _SWATCH_PX) / 2
            swatch = QRectF(area.left() + 10, round(top), _SWATCH_PX, _SWATCH_PX)
            paint_fill(painter, swatch, self.theme.fill(index.data(BACKEND_ROLE), 0, self.backends))
