"""The table of the latest requests: search, status, and whether it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.data.request_rows import RequestFilter
from offramp_dashboard.models.requests import BACKEND_ROLE, STATUS_ROLE, Column, RequestsModel
from offramp_dashboard.theme import GRID_PX, LIGHT
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.brushes import paint_fill
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from offramp_core.usage.records import Status
    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.theme import Theme

_ROW_PX = 30
_SWATCH_PX = 9
_STATUSES: tuple[tuple[str, frozenset[Status]], ...] = (
    ("Every status", frozenset()),
    ("Succeeded", frozenset({"success"})),
    ("Failed", frozenset({"error"})),
    ("Cancelled", frozenset({"cancelled"})),
)
_WIDTHS = {
    Column.TIME: "Wed 22:00:00",
    Column.MODEL: "claude-sonnet-4-5",
    Column.BACKEND: "     Claude API  ",
    Column.INPUT: "1,234,567",
    Column.OUTPUT: "123,456",
    Column.CACHE: "12,345,678",
    Column.STATUS: "error 429",
}


class RequestsView(QFrame):
    """Shows a `RequestsModel`; while it stands at the newest request, it stays there."""

    def __init__(self, model: RequestsModel, parent: QWidget | None = None) -> None:
        """Show `model`, which somebody else fills."""
        super().__init__(parent)
        self.setObjectName("card")
        self._model = model
        self._theme: Theme = LIGHT
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search model, backend, status, reason")
        self.search.setAccessibleName("Search requests")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._refilter)
        self.status = ChoiceBox()
        self.status.addItems([name for name, _ in _STATUSES])
        self.status.setAccessibleName("Status")
        self.status.currentIndexChanged.connect(self._refilter)
        self._count = QLabel()
        self._count.setProperty("rank", "muted")
        self.to_newest = QPushButton("Newest ↑")
        self.to_newest.setToolTip("Back to the newest request, and follow")
        self.to_newest.clicked.connect(self._go_to_newest)
        self.to_newest.hide()
        self.table = self._make_table()
        self._empty = QLabel("No request matches", self.table.viewport())
        self._empty.setProperty("rank", "muted")
        self._empty.hide()
        self._whole = 0
        """Requests in the range, or ever, whether they are in the table or not."""
        self._hidden: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._lay_out()
        model.counted.connect(self._show_count)
        self._show_count(model.rowCount(), model.rowCount())

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        delegate = self.table.itemDelegate()
        assert isinstance(delegate, _Cells)
        delegate.theme = theme
        self.table.viewport().update()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Hide what the filters hide."""
        self._hidden = (
            frozenset(choice.key for choice in snapshot.providers if not choice.is_on),
            frozenset(choice.key for choice in snapshot.models if not choice.is_on),
        )
        delegate = self.table.itemDelegate()
        assert isinstance(delegate, _Cells)
        delegate.backends = tuple(choice.key for choice in snapshot.providers)
        self._whole = snapshot.requests
        self._refilter()
        self._show_count(self._model.rowCount(), self._model.loaded)

    @property
    def count_text(self) -> str:
        """How many are shown, as it says."""
        return self._count.text()

    def focus_search(self) -> None:
        """Give the keyboard to the search."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setItemDelegate(_Cells(table))
        table.setAccessibleName("Latest requests")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setSortingEnabled(True)
        table.verticalHeader().hide()
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(48)
        header.setSortIndicator(Column.TIME, Qt.SortOrder.DescendingOrder)
        font = scaled(self.font(), 1.0)
        table.setFont(font)
        for column, text in _WIDTHS.items():
            table.setColumnWidth(column, table.fontMetrics().horizontalAdvance(text) + 30)
        table.verticalScrollBar().valueChanged.connect(self._scrolled)
        self._model.rowsAboutToBeInserted.connect(self._before_insert)
        self._model.rowsInserted.connect(self._after_insert)
        return table

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(GRID_PX)
        self.search.setMaximumWidth(360)
        bar.addWidget(self.search, 2)
        bar.addWidget(self.status)
        bar.addStretch(1)
        bar.addWidget(self.to_newest)
        bar.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX - 4, 2 * GRID_PX, GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)

    def _refilter(self) -> None:
        providers, models = self._hidden
        self._model.set_filter(
            RequestFilter(
                text=self.search.text(),
                statuses=_STATUSES[self.status.currentIndex()][1],
                hidden_providers=providers,
                hidden_models=models,
            )
        )

    def _words_for(self, shown: int, loaded: int) -> str:
        """How many rows there are, of how many requests; `loaded` are those that were searched."""
        rows, whole = number_text.exact(shown), number_text.exact(max(self._whole, shown))
        is_all = self._whole <= shown
        if self.search.text().strip() or self.status.currentIndex():
            searched = number_text.exact(loaded)
            return f"{rows} found in {'the' if loaded >= self._whole else 'the latest'} {searched}"
        if is_all:
            return f"{rows} request{'s' * (shown != 1)}"
        return f"latest {rows} of {whole} requests"

    def _show_count(self, shown: int, loaded: int) -> None:
        self._count.setText(self._words_for(shown, loaded))
        self._empty.setVisible(shown == 0)
        self._empty.setText("No request matches" if loaded else "No requests yet")
        self._empty.adjustSize()
        self._empty.move(GRID_PX, 2 * GRID_PX)

    def _follows(self) -> bool:
        return self.table.verticalScrollBar().value() == 0

    def _before_insert(self, parent: QModelIndex, first: int, last: int) -> None:
        """New rows above what is looked at must not move it."""
        del parent
        top = self.table.rowAt(0)
        self._shift_px = 0
        if not self._follows() and top >= 0 and first <= top:
            self._shift_px = (last - first + 1) * _ROW_PX

    def _after_insert(self, *_where: Any) -> None:
        if self._shift_px:
            bar = self.table.verticalScrollBar()
            self.table.updateGeometries()
            bar.setValue(bar.value() + self._shift_px)
        self._scrolled()

    def _scrolled(self, *_value: Any) -> None:
        self.to_newest.setVisible(not self._follows())

    def _go_to_newest(self) -> None:
        self.table.horizontalHeader().setSortIndicator(Column.TIME, Qt.SortOrder.DescendingOrder)
        self.table.scrollToTop()


class _Cells(QStyledItemDelegate):
    """Cells with a swatch before the backend, and failures in their own colour and words."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.backends: tuple[str, ...] = ()

    def initStyleOption(  # noqa: N802 - Qt's name
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        text = option.palette.text().color()
        if index.column() == Column.STATUS and index.data(STATUS_ROLE) == "error":
            text = QColor(self.theme.danger)
        elif index.column() in (Column.TIME, Column.REASON):
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
        super().paint(painter, option, index)
        if index.column() == Column.BACKEND:
            area = option.rect
            top = area.top() + (area.height() - _SWATCH_PX) / 2
            swatch = QRectF(area.left() + 10, round(top), _SWATCH_PX, _SWATCH_PX)
            paint_fill(painter, swatch, self.theme.fill(index.data(BACKEND_ROLE), 0, self.backends))
