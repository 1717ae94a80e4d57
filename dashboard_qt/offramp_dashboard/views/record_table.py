"""A table of records: sorting by headers, widths that are remembered, copying, details by Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QMenu,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.models.requests import FULL_ROLE
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import IntEnum

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QKeyEvent

    from offramp_dashboard.models.requests import RequestsModel
    from offramp_dashboard.models.sessions import SessionsModel

ROW_PX = 30
_PADDING_PX = 24
_WIDEST_PX = 2_000


class RecordTable(QTableView):
    """Shows records; a click on a header sorts, numbers and times the largest first.

    Signals:
        details_asked(QModelIndex): a row was double-clicked, or Enter pressed on it.
    """

    details_asked = Signal(QModelIndex)
    details_title = "Show Details"
    """What the menu of a row calls that."""

    def __init__(
        self,
        model: RequestsModel | SessionsModel,
        columns: type[IntEnum],
        headers: Sequence[str],
        widths: Mapping[Any, str],
    ) -> None:
        """Show `model`; each column in `widths` is as wide as its text there, the last fills up."""
        super().__init__()
        self._records = model
        self._columns = columns
        self._widths = widths
        self.setModel(model)
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
        self._set_up_headers(headers)

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard, their cells in full and parted by tabs."""
        model = self._records
        rows = sorted({index.row() for index in self.selectedIndexes()})
        lines = [
            "\t".join(str(model.index(row, column).data(FULL_ROLE)) for column in self._columns)
            for row in rows
        ]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def sort_by(self, column: IntEnum, order: Qt.SortOrder) -> None:
        """Put the rows in that order."""
        self._records.sort(column, order)

    def widths(self) -> dict[str, int]:
        """Each column's width in pixels; the last one takes what is left."""
        return {column.name.lower(): self.columnWidth(column) for column in self._widths}

    def set_widths(self, widths: Mapping[str, int]) -> None:
        """Take up widths from `widths`; a column that has none there keeps its own."""
        for column in self._widths:
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

    def menu_of(self, index: QModelIndex) -> QMenu:
        """Return what a right click on that cell offers."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fill_menu(menu, index)
        return menu

    def fill_menu(self, menu: QMenu, index: QModelIndex) -> None:
        """Offer what can be done with a row."""
        menu.addAction(self.details_title, lambda: self.details_asked.emit(index))
        menu.addAction(self._copy)
        text = str(index.data(FULL_ROLE))
        menu.addAction("Copy Cell", lambda: QGuiApplication.clipboard().setText(text))

    def _set_up_headers(self, headers: Sequence[str]) -> None:
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
        for column, text in self._widths.items():
            title = f"{headers[column]} \N{BLACK DOWN-POINTING TRIANGLE}"
            metrics = self.fontMetrics()
            widest = max(metrics.horizontalAdvance(text), metrics.horizontalAdvance(title))
            self.setColumnWidth(column, widest + _PADDING_PX)

    def _sort_by_click(self, section: int) -> None:
        column: Any = self._columns(section)
        now, order = self._records.order
        is_falling = column.falls_first
        if column == now:
            is_falling = order is Qt.SortOrder.AscendingOrder
        up, down = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
        self.sort_by(column, down if is_falling else up)

    def _open_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        if index.isValid():
            self.menu_of(index).popup(self.viewport().mapToGlobal(place))


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
