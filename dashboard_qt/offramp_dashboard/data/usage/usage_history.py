"""All usage that the log tells of, folded, as it grows and as time goes by. No Qt, no files.

Quarters of an hour are kept for good (`usage_table`); every hour, day, week and range is made of
them. The last hours are kept in 3 minutes as well, only for the chart of recent usage.
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
    merge,
    series,
    without,
)
from offramp_dashboard.data.usage.usage_table import GRID, Columns, UsageTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.usage.records import UsageRecord
    from offramp_core.usage.weeks import Span
    from offramp_dashboard.data.display_names import Route
    from offramp_dashboard.data.filters import Selection

RECENT_KEPT = RECENT_BUCKETS * RECENT_BUCKET + timedelta(hours=1)
"""How far back 3-minute slots reach; longer than they are shown, for clocks are set back too."""

_EVER = datetime(1, 1, 1, tzinfo=UTC)


class UsageHistory:
    """Grows by `add` and `add_columns`, and tells what was used when. Use it from one thread."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.usage_table = UsageTable()
        self._recent = UsageCells({})
        self._complete_from: datetime | None = None

    def add(self, records: Sequence[UsageRecord], now: datetime) -> None:
        """Take in records that no other call brings, in any order."""
        self.usage_table.add(fold(records, GRID))
        recent = EvenGrid(width=RECENT_BUCKET, since=now - RECENT_KEPT)
        self._recent = merge(self._cells_within(recent), fold(records, recent))

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
        return tuple(_shown(usage, selection) for usage in self.usage_table.series(spans))

    def recent_series(self, spans: Sequence[Span], selection: Selection) -> tuple[UsageCells, ...]:
        """As `series`, for spans of whole 3 minutes within the last hours."""
        return tuple(_shown(usage, selection) for usage in series(self._recent, spans))

    @property
    def recent_cells(self) -> int:
        """How many cells the last hours take."""
        return len(self._recent.cells)

    def routes(self) -> dict[Route, int]:
        """Every pair of backend and model that was ever seen, with its requests."""
        return self.usage_table.routes()

    def first(self) -> datetime | None:
        """When the first record arrived, to the slot, UTC."""
        return self.usage_table.first()

    def _cells_within(self, grid: EvenGrid) -> UsageCells:
        since = grid.since or _EVER
        return UsageCells(
            {key: one for key, one in self._recent.cells.items() if key.start >= since}
        )


def _shown(usage: UsageCells, selection: Selection) -> UsageCells:
    return without(
        usage,
        backends={key or None for key in selection.hidden_providers},
        models={key or None for key in selection.hidden_models},
    )
