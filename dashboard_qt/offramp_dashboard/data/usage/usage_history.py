"""All usage that the log has, folded, as it grows and as time goes by. No Qt, no files.

Quarters of an hour are kept for good (`usage_table`); every hour, day, week and range is made of
them. The last hours are kept in 3 minutes as well, only for the chart of recent usage. The same
usage by session is in `session_table`, as far as there is room: where projects were chosen, every
number comes from there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.usage.aggregation import (
    RECENT_BUCKET,
    RECENT_BUCKETS,
    EvenGrid,
    UsageCells,
    fold,
    without,
)
from offramp_dashboard.data.sessions import session_columns
from offramp_dashboard.data.sessions.session_columns import NOTHING
from offramp_dashboard.data.sessions.session_list import SessionList
from offramp_dashboard.data.sessions.session_table import SessionTable, series_of
from offramp_dashboard.data.usage.usage_table import GRID, Columns, UsageTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.usage.records import DetailRecord
    from offramp_core.usage.weeks import Span
    from offramp_dashboard.data.display_names import Route
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.sessions.session_list import SessionSums
    from offramp_dashboard.data.sessions.session_rows import Price

RECENT_KEPT = RECENT_BUCKETS * RECENT_BUCKET + timedelta(hours=1)
"""How far back 3-minute slots reach; longer than they are shown, for clocks are set back too."""

_EVER = datetime(1, 1, 1, tzinfo=UTC)


class UsageHistory:
    """Grows by `add` and `add_columns`, and tells what was used when. Use it from one thread."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.usage_table = UsageTable()
        self.session_table = SessionTable()
        self._session_list = SessionList(self.session_table)
        self._recent = NOTHING
        self._complete_from: datetime | None = None

    def add(self, records: Sequence[DetailRecord], now: datetime, file: int | None = None) -> None:
        """Take in records that no other call brings; in the log's order, but for the last hours.

        `file` is for the end of a file whose beginning is to come: its place in the log's order.
        """
        self.usage_table.add(fold(records, GRID))
        self.session_table.add(session_columns.fold(records, GRID), file)
        grid = EvenGrid(width=RECENT_BUCKET, since=now - RECENT_KEPT)
        new = session_columns.fold(records, grid)
        kept = self._recent.part(self._recent.starts >= (now - RECENT_KEPT).timestamp())
        if len(new):
            parts = [part for part in (kept, self.session_table.renumbered(new)) if len(part)]
            kept = session_columns.joined(parts, self.session_table.kinds)
        self._recent = kept

    def add_columns(self, columns: Columns) -> None:
        """Take in what was folded elsewhere, of a time before the last hours."""
        self.usage_table.add_columns(columns)

    def complete(self, since: datetime | None) -> None:
        """Note that all records `since` then are in; None: all that there are."""
        self._complete_from = since or _EVER

    def is_complete(self, since: datetime) -> bool:
        """Whether all records `since` then are in."""
        return self._complete_from is not None and self._complete_from <= since

    def is_empty(self) -> bool:
        """Whether there is no record so far."""
        return not len(self.usage_table)

    def series(self, spans: Sequence[Span], selection: Selection) -> tuple[UsageCells, ...]:
        """What was used in each of `spans`, of what is selected."""
        table = self.session_table
        if selection.projects:
            found = table.series(spans, table.of_projects(selection.projects))
        else:
            found = self.usage_table.series(spans)
        return tuple(_shown(usage, selection) for usage in found)

    def recent_series(self, spans: Sequence[Span], selection: Selection) -> tuple[UsageCells, ...]:
        """As `series`, for spans of whole 3 minutes within the last hours."""
        table = self.session_table
        is_wanted = table.of_projects(selection.projects)
        found = series_of((self._recent,), table.kinds, spans, is_wanted)
        return tuple(_shown(usage, selection) for usage in found)

    def sessions(
        self,
        selection: Selection,
        span: Span | None,
        *,
        is_recent: bool = False,
        price: Price | None = None,
    ) -> SessionSums:
        """The sessions of what is selected, in `span` or of all time."""
        blocks = (self._recent,) if is_recent else self.session_table.blocks()
        return self._session_list.sums(blocks, selection, span, price=price)

    def requests_of(
        self,
        session: str,
        spans: Sequence[Span] | None,
        selection: Selection,
        *,
        is_recent: bool = False,
    ) -> int:
        """How many requests of a session are selected, in `spans` or ever."""
        table = self.session_table
        is_wanted = table.only(session) & table.of_projects(selection.projects)
        if spans is None:
            routes = table.routes(is_wanted)
            return sum(count for route, count in routes.items() if selection.shows(*route))
        blocks = (self._recent,) if is_recent else table.blocks()
        found = series_of(blocks, table.kinds, spans, is_wanted)
        return sum(_shown(usage, selection).total().requests for usage in found)

    @property
    def recent_cells(self) -> int:
        """How many cells the last hours take."""
        return len(self._recent)

    def routes(self, projects: frozenset[str] = frozenset()) -> dict[Route, int]:
        """Every pair of backend and model that was seen, ever or by projects, with its requests."""
        if projects:
            return self.session_table.routes(self.session_table.of_projects(projects))
        return self.usage_table.routes()

    def first(self) -> datetime | None:
        """When the first record arrived, to the slot, UTC."""
        return self.usage_table.first()


def _shown(usage: UsageCells, selection: Selection) -> UsageCells:
    return without(
        usage,
        backends={key or None for key in selection.hidden_providers},
        models={key or None for key in selection.hidden_models},
    )
