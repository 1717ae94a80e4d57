"""Draws the cells of a table of records.

Qt's own way asks the model seven things about each cell and lays the cell out by the style sheet.
That takes a tenth of a second for a large window. These cells look the same, and cost half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QTableView

from offramp_dashboard.theme import LIGHT

if TYPE_CHECKING:
    from offramp_dashboard.theme import Theme

_MARGIN_PX = 11
"""Beside the text: as much as the header has."""
_LINE_PX = 1
_ONE_LINE = Qt.TextFlag.TextSingleLine.value
_ALIGNMENT = Qt.ItemDataRole.TextAlignmentRole


class CellSource(Protocol):
    """A model that says what a cell holds, without Qt's detour by roles."""

    def text_at(self, row: int, column: int) -> str:
        """Return the cell's text."""

    def record_at(self, row: int) -> Any:
        """Return what the row is of."""


class RecordCells(QStyledItemDelegate):
    """Cells of one line of text, above a line in the grid's colour."""

    def __init__(self, view: QTableView, source: CellSource) -> None:
        """Draw for `view`, whose model is `source`; in the light theme, until told otherwise."""
        super().__init__(view)
        self._view = view
        self._source = source
        self._flags: dict[int, int] = {}
        self.set_theme(LIGHT)

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self.theme = theme
        self._text, self._muted = QColor(theme.text), QColor(theme.muted)
        self._danger = QColor(theme.danger)
        self._grid, self._selected = QColor(theme.grid), QColor(theme.selected)
        self._view.viewport().update()

    def colour(self, record: Any, column: int) -> QColor:
        """Return the colour of the text."""
        del record, column
        return self._text

    def indent_px(self, column: int) -> int:
        """Return how much room is kept before the text."""
        del column
        return 0

    def elision(self, column: int) -> Qt.TextElideMode:
        """Return where a text that is too long is cut."""
        del column
        return Qt.TextElideMode.ElideRight

    def sizeHint(  # noqa: N802 - Qt's name
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """Return the room for the whole text: what a double click on a header's edge gives it."""
        return super().sizeHint(option, index) + QSize(self.indent_px(index.column()), 0)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Draw the cell."""
        area: QRect = option.rect
        row, column = index.row(), index.column()
        if self._view.selectionModel().isSelected(index):
            painter.fillRect(area, self._selected)
        painter.fillRect(area.x(), area.bottom(), area.width(), _LINE_PX, self._grid)
        if not (text := self._source.text_at(row, column)):
            return
        before_px = _MARGIN_PX + self.indent_px(column)
        room = area.adjusted(before_px, 0, -_MARGIN_PX, -_LINE_PX)
        painter.setPen(self.colour(self._source.record_at(row), column))
        shown = option.fontMetrics.elidedText(text, self.elision(column), room.width())
        painter.drawText(room, self._flags_of(index, column), shown)

    def _flags_of(self, index: QModelIndex | QPersistentModelIndex, column: int) -> int:
        """Return how the column is aligned, which is the same for all its cells."""
        flags = self._flags.get(column)
        if flags is None:
            flags = self._flags[column] = int(index.data(_ALIGNMENT)) | _ONE_LINE
        return flags
