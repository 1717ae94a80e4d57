"""The table widget of the latest requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Signal

from offramp_dashboard.models.columns import HEADERS, Column
from offramp_dashboard.models.requests import BACKEND_ROLE, ROW_ROLE, RequestsModel
from offramp_dashboard.views.record_cells import RecordCells
from offramp_dashboard.views.record_table import RecordTable
from offramp_dashboard.views.style.brushes import paint_fill

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPainter
    from PySide6.QtWidgets import QMenu, QStyleOptionViewItem, QTableView

    from offramp_dashboard.data.request_rows import RequestRow
    from offramp_dashboard.views.record_cells import CellSource

_SWATCH_PX = 9
_SWATCH_ROOM_PX = 17
_MUTED = (Column.TIME, Column.REASON, Column.SESSION)
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
        self.setItemDelegate(RequestCells(self, model))
        self.setAccessibleName("Latest requests")

    def fill_menu(self, menu: QMenu, index: QModelIndex) -> None:
        """Offer what can be done with a row, and to show only those with its reason."""
        super().fill_menu(menu, index)
        reason = index.data(ROW_ROLE).reason
        menu.addAction("Only This Reason", lambda: self.reason_asked.emit(reason))


class RequestCells(RecordCells):
    """Cells with a swatch before the backend, and failures in their own colour and words."""

    def __init__(self, view: QTableView, source: CellSource) -> None:
        """Draw for `view`, whose model is `source`."""
        super().__init__(view, source)
        self.backends: tuple[str, ...] = ()

    def colour(self, record: RequestRow, column: int) -> QColor:
        """Return the colour of the text."""
        if column in _MUTED:
            return self._muted
        is_error = column == Column.STATUS and record.record.status == "error"
        return self._danger if is_error else self._text

    def indent_px(self, column: int) -> int:
        """Return the room that the swatch takes."""
        return _SWATCH_ROOM_PX if column == Column.BACKEND else 0

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
