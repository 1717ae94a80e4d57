"""Keeps folded usage of any length in little room: columns of numbers instead of objects. No Qt.

It counts nothing by itself: what goes in was folded by `offramp_core.usage.aggregation`, and what
comes out is `UsageCells` again, as `aggregation.series` would have made it from the same cells. A
cell takes 32 bytes here and about 450 as an object; three busy years have 300,000 to 600,000.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from offramp_core.usage.aggregation import Counts, EvenGrid, Key, UsageCells, merge, series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from offramp_core.usage.records import Status
    from offramp_core.usage.weeks import Span

SLOT = timedelta(minutes=15)
"""The finest period that is kept for good; see `EvenGrid` for why."""

GRID = EvenGrid(width=SLOT)

COUNT_FIELDS = (
    "requests",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
"""The columns of `Columns.counts`."""

SMALL_CELLS = 8_000
"""Blocks that are smaller are joined with the next; larger ones stay as they are, about a month
each, for joining copies them several times over."""
MOST_LIVE_CELLS = 1000
_NARROW = 2**32

Kind = tuple[str | None, str | None, "Status"]
"""Backend, model and status."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells as columns, in order of time; at most one for each start and kind. Never changed."""

    starts: NDArray[np.int64]
    """Seconds since 1970, UTC."""
    kinds: NDArray[np.int32]
    """Places in `names`."""
    counts: NDArray[np.int64] | NDArray[np.uint32]
    """One row per cell, one column per `COUNT_FIELDS`; narrow where all of them are small."""
    names: tuple[Kind, ...]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.starts)


def pack(usage: UsageCells) -> Columns:
    """`usage` as columns."""
    names = tuple(dict.fromkeys(key[1:] for key in usage.cells))
    places = {name: place for place, name in enumerate(names)}
    cells = sorted(usage.cells.items(), key=lambda cell: cell[0].start)
    return Columns(
        np.array([int(key.start.timestamp()) for key, _ in cells], np.int64),
        np.array([places[key[1:]] for key, _ in cells], np.int32),
        np.array(
            [[getattr(counts, field) for field in COUNT_FIELDS] for _, counts in cells], np.int64
        ).reshape(-1, len(COUNT_FIELDS)),
        names,
    )


def narrowed(columns: Columns) -> Columns:
    """The same in less room, if no count of a quarter of an hour is beyond all measure."""
    counts = columns.counts
    if counts.dtype == np.uint32 or (len(counts) and counts.max() >= _NARROW):
        return columns
    return replace(columns, counts=counts.astype(np.uint32))


def join(*parts: Columns) -> Columns:
    """The columns of all `parts` together; they count different records."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    places = {name: place for place, name in enumerate(names)}
    starts = np.concatenate([_NO_STARTS, *(part.starts for part in parts)])
    kinds = np.concatenate([_NO_KINDS, *(_renamed(part, places) for part in parts)])
    counts: NDArray[np.int64] = np.concatenate([_NO_COUNTS, *(part.counts for part in parts)])
    order = np.lexsort((kinds, starts))
    starts, kinds, counts = starts[order], kinds[order], counts[order]
    is_new = np.ones(len(starts), np.bool_)
    is_new[1:] = (np.diff(starts) != 0) | (np.diff(kinds) != 0)
    first = np.flatnonzero(is_new)
    if len(first) < len(starts):
        counts = np.add.reduceat(counts, first)
        starts, kinds = starts[first], kinds[first]
    return Columns(starts, kinds, counts, names)


class UsageTable:
    """All usage that is known, in slots of `SLOT`. Use it from one thread."""

    def __init__(
        self, *, most_live_cells: int = MOST_LIVE_CELLS, small_cells: int = SMALL_CELLS
    ) -> None:
        """Nothing is known yet."""
        self.blocks: list[Columns] = []
        """What is packed, in the order in which it came."""
        self.live = UsageCells({})
        """What came last."""
        self._most_live_cells = most_live_cells
        self._small_cells = small_cells

    def __len__(self) -> int:
        """How many cells it takes."""
        return sum(map(len, self.blocks)) + len(self.live.cells)

    def add(self, usage: UsageCells) -> None:
        """Add what was folded on `GRID` from records that came just now."""
        self.live = merge(self.live, usage)
        if len(self.live.cells) > self._most_live_cells:
            self.add_columns(pack(self.live))
            self.live = UsageCells({})

    def add_columns(self, columns: Columns) -> None:
        """Add what was folded on `GRID` and packed."""
        if not len(columns):
            return
        if self.blocks and len(self.blocks[-1]) < self._small_cells:
            columns = join(self.blocks.pop(), columns)
        self.blocks.append(narrowed(columns))

    def settle(self) -> None:
        """Pack what came last, once much has been added."""
        self.add_columns(pack(self.live))
        self.live = UsageCells({})

    def series(self, spans: Sequence[Span]) -> tuple[UsageCells, ...]:
        """The usage in each of `spans`, which are in order and do not overlap.

        A slot counts where it begins. Cells of one span are summed; their `start` is the span's.
        """
        if not spans:
            return ()
        begin, end = _seconds([spans[0].start, spans[-1].end])
        parts = [
            _series(block, spans)
            for block in self.blocks
            if block.starts[0] < end and block.starts[-1] >= begin
        ]
        parts.append(series(self.live, spans))
        return tuple(merge(*usages) for usages in zip(*parts, strict=True))

    def routes(self) -> dict[tuple[str | None, str | None], int]:
        """Every pair of backend and model, with its requests of all time."""
        requests: dict[tuple[str | None, str | None], int] = {}
        for block in self.blocks:
            sums = np.bincount(block.kinds, block.counts[:, 0], len(block.names))
            for name, count in zip(block.names, sums.tolist(), strict=True):
                requests[name[:2]] = requests.get(name[:2], 0) + int(count)
        for key, counts in self.live.cells.items():
            route = key.backend, key.model
            requests[route] = requests.get(route, 0) + counts.requests
        return requests

    def first(self) -> datetime | None:
        """When the earliest slot begins, UTC; None while there is none."""
        starts = [
            datetime.fromtimestamp(int(block.starts[0]), UTC) for block in self.blocks if len(block)
        ]
        starts += [key.start for key in self.live.cells]
        return min(starts, default=None)


def _series(block: Columns, spans: Sequence[Span]) -> tuple[UsageCells, ...]:
    begins = _seconds([span.start for span in spans])
    ends = _seconds([span.end for span in spans])
    low, high = np.searchsorted(block.starts, (begins[0], ends[-1]))
    starts = block.starts[low:high]
    places = np.searchsorted(begins, starts, side="right") - 1
    is_inside = starts < ends[places]
    width = len(block.names)
    bins = (places * width + block.kinds[low:high])[is_inside]
    counts = block.counts[low:high][is_inside]
    used, inverse = np.unique(bins, return_inverse=True)
    sums = np.zeros((len(used), len(COUNT_FIELDS)), np.int64)
    for column in range(len(COUNT_FIELDS)):
        np.add.at(sums[:, column], inverse, counts[:, column])
    found: list[dict[Key, Counts]] = [{} for _ in spans]
    for place, row in zip(used.tolist(), sums.tolist(), strict=True):
        span, kind = divmod(place, width)
        found[span][Key(spans[span].start, *block.names[kind])] = Counts(*row)
    return tuple(map(UsageCells, found))


def _seconds(moments: Sequence[datetime]) -> NDArray[np.int64]:
    """Rounded up: a slot that begins before a moment is not after it."""
    return np.array([-int(-moment.timestamp() // 1) for moment in moments], np.int64)


def _renamed(part: Columns, places: dict[Kind, int]) -> NDArray[np.int32]:
    return np.array([places[name] for name in part.names], np.int32)[part.kinds]


_NO_STARTS = np.zeros(0, np.int64)
_NO_KINDS = np.zeros(0, np.int32)
_NO_COUNTS = np.zeros((0, len(COUNT_FIELDS)), np.int64)
