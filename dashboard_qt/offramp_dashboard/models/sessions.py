"""The table of sessions: sorted and searched, without losing its place as numbers grow."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from offramp_core.usage.weeks import Span, days
from offramp_dashboard.models import session_columns
from offramp_dashboard.models.columns import ARROWS
from offramp_dashboard.models.requests import FULL_ROLE, RAW_ROLE, ROW_ROLE
from offramp_dashboard.models.session_columns import SessionColumn
from offramp_dashboard.plain_tooltips import tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from offramp_dashboard.data.sessions.session_rows import SessionRow

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = tuple(SessionColumn)
_MOMENT = timedelta.resolution
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXTS = 1_000
"""Rows whose cells are kept as texts: some screens full."""


class SessionsModel(QAbstractTableModel):
    """Sessions, the one with the latest request first unless sorted otherwise.

    Signals:
        counted(int): how many rows are shown.
    """

    counted = Signal(int)

    def __init__(
        self, zone: tzinfo, now: Callable[[], datetime], parent: QObject | None = None
    ) -> None:
        """An empty table; times are shown in `zone`, today's without a date."""
        super().__init__(parent)
        self._zone = zone
        self._now = now
        self._text = ""
        self._rows: Sequence[SessionRow] = ()
        self._shown: Sequence[int] = ()
        """Places in `_rows`, in the order of the table."""
        self._seen: dict[int, SessionRow] = {}
        """The sessions of the rows that were looked at."""
        self._texts: dict[SessionRow, tuple[str, ...]] = {}
        """The cells of rows that were drawn, as they are shown on one day."""
        self._day = Span(_NEVER, _NEVER)
        self._column = SessionColumn.LAST
        self._order = Qt.SortOrder.DescendingOrder

    def show_rows(self, rows: Sequence[SessionRow]) -> None:
        """Show these, which come with the latest first; what is selected stays so."""
        if rows is not self._rows:
            self._rearrange(rows)

    def search(self, text: str) -> None:
        """Show only sessions whose project, id or services hold `text`, case ignored."""
        self._text = text.strip().casefold()
        self._rearrange(self._rows)

    def rows(self) -> Sequence[SessionRow]:
        """What is shown, in its order: for export."""
        return [self._rows[place] for place in self._shown]

    @property
    def is_searched(self) -> bool:
        """Whether a search leaves rows out."""
        return bool(self._text)

    @property
    def order(self) -> tuple[SessionColumn, Qt.SortOrder]:
        """What the rows are sorted by, and which way."""
        return self._column, self._order

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by `column`; rows that are equal in it stay with the latest first."""
        if 0 <= column < len(SessionColumn):
            self._column, self._order = SessionColumn(column), order
            self._rearrange(self._rows)
            last = len(SessionColumn) - 1
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, last)

    def record_at(self, row: int) -> SessionRow:
        """Return the session of that row."""
        found = self._seen.get(row)
        if found is None:
            found = self._seen[row] = self._rows[self._shown[row]]
        return found

    def text_at(self, row: int, column: int) -> str:
        """Return a cell as it is shown."""
        now = self._now()
        if not self._day.start <= now < self._day.end or len(self._texts) > _MOST_TEXTS:
            self._texts.clear()
            self._day = days(now, now + _MOMENT, self._zone)[0]
        record = self.record_at(row)
        texts = self._texts.get(record)
        if texts is None:
            texts = tuple(session_columns.text(record, each, now, self._zone) for each in _COLUMNS)
            self._texts[record] = texts
        return texts[column]

    # What views ask for.

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        """Rows shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Always the same."""
        return 0 if parent.isValid() else len(SessionColumn)

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The columns' titles."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(SessionColumn):
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                title = session_columns.HEADERS[section]
                return f"{title} {ARROWS[self._order]}" if section == self._column else title
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleDescriptionRole:
                return session_columns.HINTS[section]
            case Qt.ItemDataRole.TextAlignmentRole:
                return _ALIGNMENTS[section]
            case _:
                return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell as text, its raw value, or its whole row."""
        if not index.isValid() or not index.row() < len(self._shown):
            return None
        row, column = self.record_at(index.row()), _COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self.text_at(index.row(), column)
            case Qt.ItemDataRole.AccessibleTextRole:
                shown = self.text_at(index.row(), column)
                return f"{session_columns.HEADERS[column]}: {shown}"
            case Qt.ItemDataRole.ToolTipRole:
                return None if column.is_number else tip(self._full(row, column))
            case Qt.ItemDataRole.TextAlignmentRole:
                return _ALIGNMENTS[column]
            case _:
                return self._custom(row, column, role)

    def _custom(self, row: SessionRow, column: SessionColumn, role: int) -> Any:
        if role == int(FULL_ROLE):
            return self._full(row, column)
        if role == int(RAW_ROLE):
            return session_columns.VALUES[column](row)
        return row if role == int(ROW_ROLE) else None

    def _full(self, row: SessionRow, column: SessionColumn) -> str:
        return session_columns.full(row, column, self._zone)

    # How rows find their places.

    def _rearrange(self, rows: Sequence[SessionRow]) -> None:
        """Show `rows` in order; whoever holds an index keeps his session."""
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        known = session_columns.names(self._rows)
        sessions = [known[self._shown[index.row()]] for index in held]
        self._rows = rows
        self._seen.clear()
        self._shown = self._sorted()
        if held:
            places = self._places(set(sessions))
            moved = [
                self.index(places[name], index.column()) if name in places else QModelIndex()
                for name, index in zip(sessions, held, strict=True)
            ]
            self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()
        self.counted.emit(len(self._shown))

    def _places(self, sessions: set[str]) -> dict[str, int]:
        """Say in which row each of `sessions` is shown, if it is."""
        names = session_columns.names(self._rows)
        found: dict[str, int] = {}
        for name in sessions:
            with contextlib.suppress(ValueError):
                found[name] = self._shown.index(names.index(name))
        return found

    def _sorted(self) -> Sequence[int]:
        """Return the places of the rows that pass the search; equal ones stay as they came."""
        shown: Sequence[int] = range(len(self._rows))
        if self._text:
            shown = [place for place in shown if self._passes(self._rows[place])]
        is_falling = self._order == Qt.SortOrder.DescendingOrder
        if self._column is SessionColumn.LAST and is_falling:
            return shown
        values = session_columns.values(self._rows, self._column)
        return sorted(shown, key=values.__getitem__, reverse=is_falling)

    def _passes(self, row: SessionRow) -> bool:
        if not self._text:
            return True
        searched = (SessionColumn.PROJECT, SessionColumn.SESSION, SessionColumn.SERVED)
        values = (str(session_columns.VALUES[column](row)) for column in searched)
        return any(self._text in value.casefold() for value in values)


def _alignment(column: SessionColumn) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


_ALIGNMENTS = tuple(map(_alignment, SessionColumn))
