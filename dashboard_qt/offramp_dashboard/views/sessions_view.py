"""The page of sessions: one row per conversation, which opens into its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.models.requests import ROW_ROLE
from offramp_dashboard.models.session_columns import HEADERS, SessionColumn
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.record_cells import RecordCells
from offramp_dashboard.views.record_table import FocusFrame, RecordTable
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.widgets.card import ElidedLabel

if TYPE_CHECKING:
    from PySide6.QtGui import QColor

    from offramp_dashboard.data.sessions.session_rows import SessionRow
    from offramp_dashboard.data.snapshot import Sessions, Snapshot
    from offramp_dashboard.models.sessions import SessionsModel
    from offramp_dashboard.theme import Theme

_WIDTHS = {
    SessionColumn.LAST: "2026-11-26 22:00",
    SessionColumn.PROJECT: "~/projects/some-project-name",
    SessionColumn.REQUESTS: "12,345",
    SessionColumn.TOKENS: "123,456,789",
    SessionColumn.ERRORS: "123",
    SessionColumn.CHANGES: "123",
    SessionColumn.PRICE: "$12,345",
    SessionColumn.SERVED: "sonnet-4-5 \N{RIGHTWARDS ARROW} glm-4.7 123, opus-4-6 123",
    SessionColumn.INPUT: "12,345,678",
    SessionColumn.OUTPUT: "1,234,567",
    SessionColumn.CACHE_READ: "123,456,789",
    SessionColumn.CACHE_WRITTEN: "12,345,678",
    SessionColumn.START: "2026-11-26 22:00",
}
_MUTED = (SessionColumn.LAST, SessionColumn.START, SessionColumn.SESSION)


class SessionsTable(RecordTable):
    """Shows a `SessionsModel`.

    Signals:
        project_asked(str): show only that project; empty text is for none.
    """

    project_asked = Signal(str)
    details_title = "Show Its Requests"

    def __init__(self, model: SessionsModel) -> None:
        """Show `model`."""
        super().__init__(model, SessionColumn, HEADERS, _WIDTHS)
        self.setItemDelegate(SessionCells(self, model))
        self.setAccessibleName("Sessions")

    def fill_menu(self, menu: QMenu, index: QModelIndex) -> None:
        """Offer its project too."""
        super().fill_menu(menu, index)
        row: SessionRow = index.data(ROW_ROLE)
        menu.addSeparator()
        menu.addAction("Show Only This Project", lambda: self.project_asked.emit(row.project))


class SessionCells(RecordCells):
    """Cells whose failures have a colour of their own, and whose lesser columns are muted."""

    def colour(self, record: SessionRow, column: int) -> QColor:
        """Return the colour of the text."""
        if column in _MUTED or (column == SessionColumn.PROJECT and not record.project):
            return self._muted
        is_bad = column == SessionColumn.ERRORS and record.total.errors
        return self._danger if is_bad else self._text

    def elision(self, column: int) -> Qt.TextElideMode:
        """Return where a text is cut: a path's end says more than its middle."""
        is_path = column == SessionColumn.PROJECT
        return Qt.TextElideMode.ElideMiddle if is_path else Qt.TextElideMode.ElideRight


class SessionsView(QFrame):
    """Shows a `SessionsModel`, which it keeps filled from snapshots.

    Signals:
        session_asked(str): show that session's requests.
        project_asked(str): show only that project; empty text is for none.
    """

    session_asked = Signal(str)
    project_asked = Signal(str)

    def __init__(self, model: SessionsModel, parent: QWidget | None = None) -> None:
        """Show `model`."""
        super().__init__(parent)
        self.setObjectName("card")
        self._model = model
        self._snapshot: Snapshot | None = None
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search project, model, session")
        self.search.setAccessibleName("Search sessions")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(model.search)
        self._count = ElidedLabel()
        self._count.setProperty("rank", "muted")
        self._count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.table = SessionsTable(model)
        self.table.details_asked.connect(self._open)
        self.table.project_asked.connect(self.project_asked)
        self._empty = QLabel("Reading the log", self.table.viewport())
        self._empty.setProperty("rank", "muted")
        self._lay_out()
        model.counted.connect(self._show_count)
        self._show_count(model.rowCount())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """List its sessions; one that has none was made for another page."""
        if snapshot.sessions is not None:
            self._snapshot = snapshot
            self._model.show_rows(snapshot.sessions.rows)
            self._show_count(self._model.rowCount())

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        delegate = self.table.itemDelegate()
        assert isinstance(delegate, SessionCells)
        delegate.set_theme(theme)

    @property
    def count_text(self) -> str:
        """How many are shown, as it says."""
        return self._count.full_text

    def focus_search(self) -> None:
        """Give the keyboard to the search."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(GRID_PX)
        self.search.setMaximumWidth(360)
        bar.addWidget(self.search, 2)
        bar.addWidget(self._count, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX - 4, 2 * GRID_PX, GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addLayout(bar)
        layout.addWidget(FocusFrame(self.table), 1)

    def _open(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if row is not None:
            self.session_asked.emit(row.session.id)

    def _show_count(self, shown: int) -> None:
        sessions = self._snapshot.sessions if self._snapshot else None
        self._count.set_full_text(self._words_for(sessions, shown) if sessions else "")
        self._empty.setVisible(shown == 0)
        if sessions is not None:
            is_none = not sessions.count and sessions.is_complete
            self._empty.setText("No sessions" if is_none else "No session matches")
            if not sessions.count and not sessions.is_complete:
                self._empty.setText("Reading the log")
        self._empty.adjustSize()
        self._empty.move(GRID_PX, 2 * GRID_PX)

    def _words_for(self, sessions: Sessions, shown: int) -> str:
        count, listed = sessions.count, len(sessions.rows)
        words = f"{number_text.exact(count)} session{'s' * (count != 1)}"
        if self._model.is_searched:
            words = f"{number_text.exact(shown)} of {words}"
        elif listed < count:
            words = f"latest {number_text.exact(listed)} of {words}"
        notes = [words]
        if without := sessions.without_session:
            requests = "request" if without == 1 else "requests"
            notes.append(f"{number_text.exact(without)} {requests} without a session")
        assert self._snapshot is not None
        if (since := self._snapshot.sessions_since) is not None:
            notes.append(f"only those that began after {number_text.full_date(since)}")
        if not sessions.is_complete:
            notes.append("older history is still being read")
        return "  \N{MIDDLE DOT}  ".join(notes)
