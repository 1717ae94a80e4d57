"""The table of the latest requests: sorted, filtered and followed live, without losing its place.

It filters and sorts by itself, for a proxy model would ask Python twice for each comparison: with
20,000 rows that stops the window for a second, where one sort of the list takes 20 ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from offramp_core.wording.formatting import format_moment
from offramp_dashboard.data.request_rows import RequestFilter, RequestRow
from offramp_dashboard.models import columns
from offramp_dashboard.models.columns import Column
from offramp_dashboard.plain_tooltips import tip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime, tzinfo

MOST_ROWS = 20_000
"""Rows that are kept at most, about 20 MB; the oldest go first."""

_MANY = 500
"""Where more come at once, as after hours in which the window was hidden, they are put in order as
a whole: one notice per row that goes would stop the window for seconds."""

ROW_ROLE = Qt.ItemDataRole.UserRole + 1
"""The whole `RequestRow`."""
RAW_ROLE = Qt.ItemDataRole.UserRole + 2
"""The cell's value as it is sorted: a datetime, an int or a text."""
BACKEND_ROLE = Qt.ItemDataRole.UserRole + 3
"""The backend as the log names it, for its colour."""

FULL_ROLE = Qt.ItemDataRole.UserRole + 5
"""The cell as it is copied: names and numbers in full."""

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = tuple(Column)


class RequestsModel(QAbstractTableModel):
    """The latest requests, the newest first unless sorted otherwise.

    Signals:
        more_wanted(int): the view was scrolled to its end: so many earlier requests would be
            welcome, by `append`.
        counted(int, int): how many rows are shown, and how many there are.
    """

    more_wanted = Signal(int)
    counted = Signal(int, int)

    def __init__(
        self,
        zone: tzinfo,
        now: Callable[[], datetime],
        parent: QObject | None = None,
        *,
        page: int = 2_000,
        most_rows: int = MOST_ROWS,
    ) -> None:
        """An empty table; times are shown in `zone`, today's without a date."""
        super().__init__(parent)
        self._zone = zone
        self._now = now
        self._page = page
        self._most_rows = most_rows
        self._filter = RequestFilter()
        self._rows: list[RequestRow] = []
        self._shown: list[RequestRow] = []
        self._column = Column.TIME
        self._order = Qt.SortOrder.DescendingOrder
        self._has_more = False
        self._is_waiting = False

    # What the feed brings.

    def reset(self, rows: Iterable[RequestRow], has_more: bool = False) -> None:
        """Begin again with `rows`; `has_more` says that the log holds earlier ones."""
        self.beginResetModel()
        self._rows = list(rows)
        self._has_more = has_more
        self._is_waiting = False
        self._shown = self._sorted(filter(self._filter.passes, self._rows))
        self.endResetModel()
        self._report_count()

    def add(self, rows: Iterable[RequestRow]) -> None:
        """Take in new requests; what is selected stays so."""
        new = list(rows)
        self._rows += new
        if len(new) > _MANY:
            self._keep_newest()
            self._rearrange()
        else:
            self._insert([row for row in new if self._filter.passes(row)])
            self._trim()
        self._report_count()

    def append(self, rows: Iterable[RequestRow], has_more: bool) -> None:
        """Take in earlier requests, which `more_wanted` had asked for."""
        earlier = list(rows)
        room = self._most_rows - len(self._rows)
        self._has_more = has_more and len(earlier) < room
        self._is_waiting = False
        kept = earlier[: max(0, room)]
        self._rows += kept
        self._insert([row for row in kept if self._filter.passes(row)])
        self._report_count()

    # What the user asks for.

    @property
    def filter(self) -> RequestFilter:
        """What the table shows at present."""
        return self._filter

    def set_filter(self, wanted: RequestFilter) -> None:
        """Show only what `wanted` lets through; a selected row that passes stays selected."""
        if wanted != self._filter:
            self._filter = wanted
            self._rearrange()
            self._report_count()

    def reasons(self) -> list[tuple[str, int]]:
        """The reasons of the rows that pass the filter's other parts, each with its number of rows.

        The most frequent come first; "" is that of rows without one.
        """
        others = replace(self._filter, reason=None)
        counted = Counter(row.reason for row in self._rows if others.passes(row))
        return sorted(counted.items(), key=lambda one: (-one[1], one[0]))

    def refresh_times(self) -> None:
        """Word the times again, for `today` is another day by now."""
        if self._shown:
            last = self.index(len(self._shown) - 1, Column.TIME)
            self.dataChanged.emit(self.index(0, Column.TIME), last, [Qt.ItemDataRole.DisplayRole])

    @property
    def loaded(self) -> int:
        """How many rows there are, those included that the filter hides."""
        return len(self._rows)

    def rows(self) -> Sequence[RequestRow]:
        """What is shown, in its order: for export."""
        return tuple(self._shown)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by `column`; rows that are equal in it stay with the newest first."""
        if 0 <= column < len(Column):
            self._column, self._order = Column(column), order
            self._rearrange()
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(Column) - 1)

    @property
    def zone(self) -> tzinfo:
        """On whose clocks times are shown."""
        return self._zone

    @property
    def order(self) -> tuple[Column, Qt.SortOrder]:
        """What the rows are sorted by, and which way."""
        return self._column, self._order

    # What views ask for.

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        """Rows shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Always the same."""
        return 0 if parent.isValid() else len(Column)

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The columns' titles."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            title = columns.HEADERS[section]
            return f"{title} {columns.ARROWS[self._order]}" if section == self._column else title
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return columns.HINTS[section]
        return _alignment(Column(section)) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell as text, its raw value, or its whole row."""
        if not index.isValid() or not index.row() < len(self._shown):
            return None
        row, column = self._shown[index.row()], _COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(row, column)
            case Qt.ItemDataRole.ToolTipRole:
                return tip(self._tip(row, column) or "") or None
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{columns.HEADERS[column]}: {self._text(row, column)}"
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case _ if role == int(FULL_ROLE):
                return columns.full(row, column, self._zone)
            case _:
                return _custom(row, column, role)

    def record_at(self, row: int) -> RequestRow:
        """Return the request of that row."""
        return self._shown[row]

    def text_at(self, row: int, column: int) -> str:
        """Return a cell as it is shown."""
        return self._text(self._shown[row], _COLUMNS[column])

    def canFetchMore(self, parent: _Index) -> bool:  # noqa: N802 - Qt's name
        """Whether the log holds earlier requests and room is left for them."""
        return not parent.isValid() and self._has_more and not self._is_waiting

    def fetchMore(self, parent: _Index) -> None:  # noqa: N802 - Qt's name
        """Ask for earlier requests; they come later, by `append`."""
        if self.canFetchMore(parent):
            self._is_waiting = True
            self.more_wanted.emit(min(self._page, self._most_rows - len(self._rows)))

    def _text(self, row: RequestRow, column: Column) -> str:
        if column is Column.TIME:
            return self._time_text(row.moment)
        value = columns.VALUES[column](row)
        return QLocale().toString(value) if column in columns.NUMBERS else str(value)

    def _time_text(self, moment: datetime) -> str:
        now = self._now()
        local = moment.astimezone(self._zone)
        is_today = local.date() == now.astimezone(self._zone).date()
        return f"{local:%H:%M:%S}" if is_today else format_moment(moment, now, self._zone)

    def _tip(self, row: RequestRow, column: Column) -> str | None:
        record = row.record
        match column:
            case Column.TIME:
                return columns.full_time(row, self._zone)
            case Column.MODEL:
                served = record.served_model
                return f"{record.model}, served by {served}" if served else record.model
            case Column.CACHE:
                number = QLocale().toString
                return (
                    f"{number(record.cache_read_input_tokens)} read, "
                    f"{number(record.cache_creation_input_tokens)} written"
                )
            case Column.REASON:
                return row.reason or None
            case Column.SERVED | Column.SESSION:
                return columns.full(row, column, self._zone) or None
            case _:
                return None

    # How rows find their places.

    def _sorted(self, rows: Iterable[RequestRow]) -> list[RequestRow]:
        """In the chosen order; both sorts are stable, so that equal rows have the newest first."""
        newest_first = sorted(rows, key=columns.VALUES[Column.TIME], reverse=True)
        if self._column is Column.TIME and self._is_descending:
            return newest_first
        return sorted(newest_first, key=columns.VALUES[self._column], reverse=self._is_descending)

    @property
    def _is_descending(self) -> bool:
        return self._order == Qt.SortOrder.DescendingOrder

    def _rearrange(self) -> None:
        """Put rows in order again; whoever holds an index keeps his row."""
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        rows = [self._shown[index.row()] for index in held]
        self._shown = self._sorted(filter(self._filter.passes, self._rows))
        places = {id(row): place for place, row in enumerate(self._shown)}
        moved = [
            self.index(places[id(row)], index.column()) if id(row) in places else QModelIndex()
            for row, index in zip(rows, held, strict=True)
        ]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def _insert(self, rows: list[RequestRow]) -> None:
        """Put `rows` where they belong, with one notice per stretch of neighbours."""
        for place, stretch in self._stretches(self._sorted(rows)):
            self.beginInsertRows(QModelIndex(), place, place + len(stretch) - 1)
            self._shown[place:place] = stretch
            self.endInsertRows()

    def _stretches(self, rows: list[RequestRow]) -> list[tuple[int, list[RequestRow]]]:
        """Sorted `rows` parted by their place in what is shown, the last stretch first.

        Each place holds for what is shown now, and still does once later stretches are in.
        """
        found: list[tuple[int, list[RequestRow]]] = []
        for row in rows:
            place = bisect_right(self._shown, self._rank(row), key=self._rank)
            if found and found[-1][0] == place:
                found[-1][1].append(row)
            else:
                found.append((place, [row]))
        return found[::-1]

    def _rank(self, row: RequestRow) -> tuple[Any, float]:
        """What `_sorted` sorts by, as one value that grows from row to row."""
        age = -row.moment.timestamp()
        if self._column is Column.TIME:
            return (age if self._is_descending else -age, 0.0)
        value = columns.VALUES[self._column](row)
        return (_Reversed(value) if self._is_descending else value, age)

    def _trim(self) -> None:
        """Let the oldest rows go that are too many."""
        going = set(map(id, self._keep_newest()))
        if not going:
            return
        places = [place for place, row in enumerate(self._shown) if id(row) in going]
        for place in reversed(places):
            self.beginRemoveRows(QModelIndex(), place, place)
            del self._shown[place]
            self.endRemoveRows()

    def _keep_newest(self) -> list[RequestRow]:
        """Forget the oldest rows that are too many, and return them; what is shown stays."""
        if len(self._rows) <= self._most_rows:
            return []
        self._rows.sort(key=columns.VALUES[Column.TIME], reverse=True)
        going = self._rows[self._most_rows :]
        del self._rows[self._most_rows :]
        self._has_more = False
        return going

    def _report_count(self) -> None:
        self.counted.emit(len(self._shown), len(self._rows))


def _custom(row: RequestRow, column: Column, role: int) -> Any:
    """What the roles of our own give."""
    if role == int(RAW_ROLE):
        return columns.VALUES[column](row)
    if role == int(ROW_ROLE):
        return row
    return row.record.backend if role == int(BACKEND_ROLE) else None


class _Reversed:
    """Sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in columns.NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
