"""The table widget of the latest requests: sorting by headers, copying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QColor, QGuiApplication, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.models.columns import HEADERS, Column
from offramp_dashboard.models.requests import (
    BACKEND_ROLE,
    FULL_ROLE,
    ROW_ROLE,
    STATUS_ROLE,
    RequestsModel,
)
from offramp_dashboard.theme import LIGHT
from offramp_dashboard.views.style.brushes import paint_fill
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QKeyEvent

    from offramp_dashboard.theme import Theme

ROW_PX = 30
_SWATCH_PX = 9
_PADDING_PX = 24
_WIDEST_PX = 2_000
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


class RequestsTable(QTableView):
    """Shows a `RequestsModel`; a click on a header sorts, numbers and times the largest first.

    Signals:
        details_asked(QModelIndex): a row was double-clicked, or Enter pressed on it.
        reason_asked(str): only the requests with that reason are wanted.
    """

    details_asked = Signal(QModelIndex)
    reason_asked = Signal(str)

    def __init__(self, model: RequestsModel) -> None:
        """Show `model`."""
        super().__init__()
        self._requests = model
        self.setModel(model)
        self.setItemDelegate(RequestCells(self))
        self.setAccessibleName("Latest requests")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.doubleClicked.connect(self.details_asked)
        self._copy = QAction("Copy Row", self)
        self._copy.setShortcut(QKeySequence.StandardKey.Copy)
        self._copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._copy.triggered.connect(self.copy_rows)
        self.addAction(self._copy)
        self._set_up_headers()

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard, their cells in full and parted by tabs."""
        columns = range(len(Column))
        rows = sorted({index.row() for index in self.selectedIndexes()})
        lines = [
            "\t".join(str(self._requests.index(row, column).data(FULL_ROLE)) for column in columns)
            for row in rows
        ]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def sort_by(self, column: Column, order: Qt.SortOrder) -> None:
        """Put the rows in that order."""
        self._requests.sort(column, order)

    def widths(self) -> dict[str, int]:
        """Each column's width in pixels; the last one takes what is left."""
        return {column.name.lower(): self.columnWidth(column) for column in _WIDTHS}

    def set_widths(self, widths: Mapping[str, int]) -> None:
        """Take up widths from `widths`; a column that has none there keeps its own."""
        for column in _WIDTHS:
            width = widths.get(column.name.lower(), 0)
            if 0 < width <= _WIDEST_PX:
                self.setColumnWidth(column, width)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter opens the row; Escape is left to the window."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.details_asked.emit(self.currentIndex())
        elif event.key() == Qt.Key.Key_Escape:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _set_up_headers(self) -> None:
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(48)
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self._sort_by_click)
        self.setFont(scaled(self.font(), 1.0))
        for column, text in _WIDTHS.items():
            title = f"{HEADERS[column]} \N{BLACK DOWN-POINTING TRIANGLE}"
            metrics = self.fontMetrics()
            widest = max(metrics.horizontalAdvance(text), metrics.horizontalAdvance(title))
            self.setColumnWidth(column, widest + _PADDING_PX)

    def _sort_by_click(self, section: int) -> None:
        column, (now, order) = Column(section), self._requests.order
        is_falling = column.falls_first
        if column is now:
            is_falling = order is Qt.SortOrder.AscendingOrder
        up, down = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
        self.sort_by(column, down if is_falling else up)

    def _open_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        if index.isValid():
            self.menu_of(index).popup(self.viewport().mapToGlobal(place))

    def menu_of(self, index: QModelIndex) -> QMenu:
        """Return what a right click on that cell offers."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Show Details", lambda: self.details_asked.emit(index))
        reason = index.data(ROW_ROLE).reason
        menu.addAction("Only This Reason", lambda: self.reason_asked.emit(reason))
        menu.addAction(self._copy)
        text = str(index.data(FULL_ROLE))
        menu.addAction("Copy Cell", lambda: QGuiApplication.clipboard().setText(text))
        return menu


class FocusFrame(QFrame):
    """Draws the keyboard's ring around a view that can't draw a whole one around its parts."""

    def __init__(self, view: QWidget, parent: QWidget | None = None) -> None:
        """`view` becomes a part of it."""
        super().__init__(parent)
        self.setObjectName("ring")
        self._view = view
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(view)
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """See where the keyboard goes."""
        if watched is self._view and event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.setProperty("is_focused", event.type() is QEvent.Type.FocusIn)
            self.style().unpolish(self)
            self.style().polish(self)
        return False


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
