"""Sums a `SessionTable` into sessions, the latest first. Pure: no Qt, no files, no clock.

What a block of the table comes to is kept, so that following the log costs what is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offramp_dashboard.data.sessions.session_columns import places, starts_of
from offramp_dashboard.data.sessions.session_rows import SessionRows, SumColumns
from offramp_dashboard.data.sessions.session_table import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from offramp_core.usage.weeks import Span
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.sessions.session_columns import SessionColumns
    from offramp_dashboard.data.sessions.session_rows import MadeRows, Price, SessionRow
    from offramp_dashboard.data.sessions.session_table import SessionTable

MOST_SESSIONS = 10_000
"""Sessions that are listed at most, the latest of them: some 15 MB if all are looked at."""

_SECOND = 1_000_000
_SHIFT = 1 << 24
"""There are fewer services and models than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSums:
    """The sessions of a selection."""

    rows: Sequence[SessionRow] = ()
    """The one with the latest request first; at most `MOST_SESSIONS`."""
    count: int = 0
    """How many there are."""
    without_session: int = 0
    """Requests that name no session."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """What some cells come to: a row for each session and service, and one for each run."""

    keys: NDArray[np.int64]
    """Session and service in one number."""
    counts: NDArray[np.int64]
    """The five counts, errors, and cancelled requests."""
    firsts: NDArray[np.int64]
    """Microseconds since 1970."""
    lasts: NDArray[np.int64]
    orders: NDArray[np.int64]
    threads: NDArray[np.int64]
    """Session and model of each run in one number, each thread's in the log's order."""
    backends: NDArray[np.int32]


class SessionList:
    """Lists the sessions of a table. Use it from one thread."""

    def __init__(self, table: SessionTable) -> None:
        """List those of `table`."""
        self._table = table
        self._known: dict[int, tuple[SessionColumns, object, _Sums]] = {}
        self._made: MadeRows = {}
        self._shown: object = None

    def sums(
        self,
        blocks: Sequence[SessionColumns],
        selection: Selection,
        span: Span | None = None,
        *,
        price: Price | None = None,
        most: int = MOST_SESSIONS,
    ) -> SessionSums:
        """Return what is selected of the time in `span`, or of all time, of some of the cells."""
        found = self._collected(blocks, selection, span)
        sessions = found.keys // _SHIFT
        is_kept = self._is_listed(selection)[sessions]
        nameless = self._table.nameless
        is_named = sessions != (-1 if nameless is None else nameless)
        without = int(found.counts[is_kept & ~is_named, 0].sum())
        rows = np.flatnonzero(is_kept & is_named)
        rows = rows[np.lexsort((found.orders[rows], sessions[rows]))]
        heads = np.flatnonzero(np.diff(sessions[rows], prepend=-1))
        if not len(heads):
            return SessionSums(without_session=without)
        hidden = selection.hidden_providers, selection.hidden_models
        self._forget_others((hidden, span, price is not None, self._table.projects))
        listed = SessionRows(
            self._columns(found, rows, heads), self._made, self._table.projects, price, most
        )
        return SessionSums(rows=listed, count=len(heads), without_session=without)

    def _columns(
        self, found: _Sums, rows: NDArray[np.int64], heads: NDArray[np.int64]
    ) -> SumColumns:
        """Return what sessions come to; `rows` of the sums are theirs, each from its head on."""
        names, numbers = self._table.names, found.keys[rows][heads] // _SHIFT
        return SumColumns(
            keys=found.keys[rows] % _SHIFT,
            counts=found.counts[rows],
            heads=heads,
            names=[names[number] for number in numbers.tolist()],
            firsts=np.minimum.reduceat(found.firsts[rows], heads),
            lasts=np.maximum.reduceat(found.lasts[rows], heads),
            changes=_changes(found, len(names))[numbers],
            services=self._table.services,
        )

    def _forget_others(self, shown: object) -> None:
        """Keep rows only while the same is listed: then an unchanged sum is an unchanged row."""
        if shown != self._shown:
            self._shown = shown
            self._made = {}  # not cleared: what is on the screen still uses it

    def _is_listed(self, selection: Selection) -> NDArray[np.bool_]:
        table = self._table
        is_kept = table.of_projects(selection.projects).copy()
        is_kept[list(table.left_out)] = False
        return is_kept

    def _collected(
        self, blocks: Sequence[SessionColumns], selection: Selection, span: Span | None
    ) -> _Sums:
        wanted = selection.hidden_providers, selection.hidden_models, span
        parts: list[_Sums] = []
        known: dict[int, tuple[SessionColumns, object, _Sums]] = {}
        for block in blocks:
            kept = self._known.get(id(block))
            if kept is None or kept[0] is not block or kept[1] != wanted:
                kept = block, wanted, self._sums(block, selection, span)
            known[id(block)] = kept
            parts.append(kept[2])
        self._known = known
        return _added(parts)

    def _sums(self, block: SessionColumns, selection: Selection, span: Span | None) -> _Sums:
        kinds = self._table.kinds
        shown = np.array([selection.shows(*kind[:2]) for kind in kinds], np.bool_)
        is_chosen = shown[block.kinds] if kinds else np.zeros(0, np.bool_)
        if span is not None:
            start, end = whole_seconds([span.start, span.end])
            is_chosen = is_chosen & (block.starts >= start) & (block.starts < end)
        return _summed(block.part(is_chosen), self._table)


def _summed(cells: SessionColumns, table: SessionTable) -> _Sums:
    """Sum the cells of one block."""
    kinds = table.kinds
    errors = np.array([kind[3] == "error" for kind in kinds], np.int64)[cells.kinds]
    cancelled = np.array([kind[3] == "cancelled" for kind in kinds], np.int64)[cells.kinds]
    requests = cells.counts[:, :1].astype(np.int64)
    counts = np.hstack((cells.counts, requests * errors[:, None], requests * cancelled[:, None]))
    base = cells.starts * _SECOND
    sessions = cells.sessions.astype(np.int64) * _SHIFT
    models = places([kind[1] for kind in kinds])[cells.kinds]
    backends = places([kind[0] for kind in kinds])[cells.kinds]
    threads = sessions + models
    order = np.lexsort((cells.orders, threads))
    order = order[starts_of((threads, backends), order)]
    return _grouped(
        sessions + table.service_numbers()[cells.kinds],
        counts.astype(np.int64),
        base + cells.firsts,
        base + cells.lasts,
        cells.orders.astype(np.int64),
        threads[order],
        backends[order],
    )


def _added(parts: Sequence[_Sums]) -> _Sums:
    """Add what blocks come to, which are in the log's order."""
    threads = np.concatenate([_NO_NUMBERS, *(part.threads for part in parts)])
    backends = np.concatenate([_NO_PLACES, *(part.backends for part in parts)])
    order = np.argsort(threads, kind="stable")
    return _grouped(
        np.concatenate([_NO_NUMBERS, *(part.keys for part in parts)]),
        np.concatenate([_NO_COUNTS, *(part.counts for part in parts)]),
        np.concatenate([_NO_NUMBERS, *(part.firsts for part in parts)]),
        np.concatenate([_NO_NUMBERS, *(part.lasts for part in parts)]),
        np.concatenate(
            [_NO_NUMBERS, *(part.orders + (place << 32) for place, part in enumerate(parts))]
        ),
        threads[order],
        backends[order],
    )


def _grouped(
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    orders: NDArray[np.int64],
    threads: NDArray[np.int64],
    backends: NDArray[np.int32],
) -> _Sums:
    order = np.argsort(keys, kind="stable")
    heads = starts_of((keys,), order)
    if not len(heads):
        return _Sums(keys, counts, firsts, lasts, orders, threads, backends)
    return _Sums(
        keys[order[heads]],
        np.add.reduceat(counts[order], heads),
        np.minimum.reduceat(firsts[order], heads),
        np.maximum.reduceat(lasts[order], heads),
        np.minimum.reduceat(orders[order], heads),
        threads,
        backends,
    )


def _changes(found: _Sums, count: int) -> NDArray[np.int64]:
    """Count for each session how often one of its models went to another backend."""
    is_change = (np.diff(found.threads) == 0) & (np.diff(found.backends) != 0)
    return np.bincount(found.threads[1:][is_change] // _SHIFT, minlength=count)


_NO_NUMBERS = np.zeros(0, np.int64)
_NO_PLACES = np.zeros(0, np.int32)
_NO_COUNTS = np.zeros((0, 7), np.int64)
