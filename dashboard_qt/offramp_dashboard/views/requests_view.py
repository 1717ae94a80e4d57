"""The table of the latest requests: search, status, and whether it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from offramp_core.wording.formatting import printable
from offramp_dashboard.data.request_rows import RequestFilter
from offramp_dashboard.models import columns
from offramp_dashboard.models.columns import Column
from offramp_dashboard.models.requests import ROW_ROLE, RequestsModel
from offramp_dashboard.theme import GRID_PX, LIGHT
from offramp_dashboard.views.reason_box import ReasonBox
from offramp_dashboard.views.record_table import ROW_PX, FocusFrame
from offramp_dashboard.views.request_details import RequestDetails
from offramp_dashboard.views.requests_table import RequestCells, RequestsTable
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from offramp_core.usage.records import Status
    from offramp_dashboard.data.snapshot import SessionFocus, Snapshot
    from offramp_dashboard.theme import Theme

_STATUSES: tuple[tuple[str, frozenset[Status]], ...] = (
    ("Every status", frozenset()),
    ("Succeeded", frozenset({"success"})),
    ("Failed", frozenset({"error"})),
    ("Cancelled", frozenset({"cancelled"})),
)

_FAILED = 2
_SESSION_LETTERS = 8
_WIDEST_PROJECT_PX = 160


class RequestsView(QFrame):
    """Shows a `RequestsModel`; while it stands at the newest request, it stays there.

    Signals:
        focus_left(): show the requests of all sessions again.
    """

    focus_left = Signal()

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
        self.reason = ReasonBox(model.reasons)
        self.reason.currentIndexChanged.connect(self._refilter)
        self.focus = QPushButton()
        """Says which session is shown, where it is only one; a click leads back to all."""
        self.focus.setToolTip("Show the requests of all sessions again")
        self.focus.clicked.connect(self.focus_left)
        self.focus.hide()
        self._count = QLabel()
        self._count.setProperty("rank", "muted")
        self.to_newest = QPushButton("Newest ↑")
        self.to_newest.setToolTip("Back to the newest request, and follow")
        self.to_newest.clicked.connect(self._go_to_newest)
        self.to_newest.hide()
        self.table = RequestsTable(model)
        self.table.details_asked.connect(self._show_details)
        self.table.reason_asked.connect(self.reason.choose)
        self.table.verticalScrollBar().valueChanged.connect(self._scrolled)
        model.rowsAboutToBeInserted.connect(self._before_insert)
        model.rowsInserted.connect(self._after_insert)
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
        assert isinstance(delegate, RequestCells)
        delegate.set_theme(theme)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Hide what the filters hide."""
        self._hidden = (
            frozenset(choice.key for choice in snapshot.providers if not choice.is_on),
            frozenset(choice.key for choice in snapshot.models if not choice.is_on),
        )
        delegate = self.table.itemDelegate()
        assert isinstance(delegate, RequestCells)
        delegate.backends = tuple(choice.key for choice in snapshot.providers)
        self._whole = snapshot.requests
        self._show_focus(snapshot.focus)
        self._refilter()
        self._show_count(self._model.rowCount(), self._model.loaded)

    @property
    def count_text(self) -> str:
        """How many are shown, as it says."""
        return self._count.text()

    def show_all(self) -> None:
        """Show requests of every status and reason, whatever was searched for."""
        self.search.clear()
        self.reason.choose(None)
        self.status.setCurrentIndex(0)

    def show_reason_with(self, text: str) -> None:
        """Show requests of every status that have `text` in their reasons."""
        self.show_all()
        self.search.setText(text)

    def show_failed(self) -> None:
        """Show only the requests that failed, for whatever reason they went where they went."""
        self.search.clear()
        self.reason.choose(None)
        self.status.setCurrentIndex(_FAILED)

    def focus_search(self) -> None:
        """Give the keyboard to the search."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(GRID_PX)
        self.search.setMaximumWidth(360)
        bar.addWidget(self.search, 4)
        bar.addWidget(self.status)
        bar.addWidget(self.reason, 2)
        bar.addWidget(self.focus)
        bar.addStretch(1)
        bar.addWidget(self.to_newest)
        bar.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX - 4, 2 * GRID_PX, GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addLayout(bar)
        layout.addWidget(FocusFrame(self.table), 1)

    def _show_focus(self, focus: SessionFocus | None) -> None:
        self.focus.setVisible(focus is not None)
        if focus is not None:
            name = f"Session {printable(focus.id)[:_SESSION_LETTERS]}"
            if focus.project:
                metrics, mode = self.fontMetrics(), Qt.TextElideMode.ElideMiddle
                project = metrics.elidedText(printable(focus.project), mode, _WIDEST_PROJECT_PX)
                name = f"{name} \N{MIDDLE DOT} {project}"
            self.focus.setText(f"{name}  \N{MULTIPLICATION X}".replace("&", "&&"))
            self.focus.setAccessibleName(f"Only {name}: show all sessions again")

    def _refilter(self) -> None:
        providers, models = self._hidden
        self._model.set_filter(
            RequestFilter(
                text=self.search.text(),
                statuses=_STATUSES[self.status.currentIndex()][1],
                reason=self.reason.reason,
                hidden_providers=providers,
                hidden_models=models,
            )
        )

    def _words_for(self, shown: int, loaded: int) -> str:
        """How many rows there are, of how many requests; `loaded` are those that were searched."""
        rows, whole = number_text.exact(shown), number_text.exact(max(self._whole, shown))
        is_all = self._whole <= shown
        if self.search.text().strip() or self.status.currentIndex() or self.reason.currentIndex():
            latest = "" if loaded >= self._whole else "the latest "
            requests = f"{number_text.exact(loaded)} request{'s' * (loaded != 1)}"
            return f"{rows} of {latest}{requests}"
        if is_all:
            return f"{rows} request{'s' * (shown != 1)}"
        return f"latest {rows} of {whole} requests"

    def _show_count(self, shown: int, loaded: int) -> None:
        self._count.setText(self._words_for(shown, loaded))
        self._empty.setVisible(shown == 0)
        self._empty.setText("No request matches" if loaded else "No requests yet")
        self._empty.adjustSize()
        self._empty.move(GRID_PX, 2 * GRID_PX)

    def _show_details(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if row is not None:
            RequestDetails(columns.details(row, self._model.zone), self).open()

    def _follows(self) -> bool:
        return self.table.verticalScrollBar().value() == 0

    def _before_insert(self, parent: QModelIndex, first: int, last: int) -> None:
        """New rows above what is looked at must not move it."""
        del parent
        top = self.table.rowAt(0)
        self._shift_px = 0
        if not self._follows() and top >= 0 and first <= top:
            self._shift_px = (last - first + 1) * ROW_PX

    def _after_insert(self, *_where: Any) -> None:
        if self._shift_px:
            bar = self.table.verticalScrollBar()
            self.table.updateGeometries()
            bar.setValue(bar.value() + self._shift_px)
        self._scrolled()

    def _scrolled(self, *_value: Any) -> None:
        self.to_newest.setVisible(not self._follows())

    def _go_to_newest(self) -> None:
        self.table.sort_by(Column.TIME, Qt.SortOrder.DescendingOrder)
        self.table.scrollToTop()
