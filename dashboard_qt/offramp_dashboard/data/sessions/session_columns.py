"""Folds records by session into columns of numbers: 48 bytes for a cell. No Qt, no files.

A cell counts what one session sent within one slot of time, for one model, to one backend, until
the model's requests go to another. So columns know how often a session changed the service, in any
part of the log that is made of whole slots, just as `offramp_core.usage.sessions` counts it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from offramp_dashboard.data.usage import usage_table
from offramp_dashboard.data.usage.usage_table import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from offramp_core.usage.aggregation import Grid
    from offramp_core.usage.records import DetailRecord, Status

_NARROW = 2**32
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Kind = tuple[str | None, str | None, str | None, "Status"]
"""Backend, model, served model and status."""

_Cell = tuple[datetime, str, Kind, list[int], list[datetime]]
"""Slot, session, kind, five counts, and when the first and the last request arrived."""


@dataclass(frozen=True, slots=True)
class SessionColumns:
    """Cells as columns, in order of their slots. Never changed."""

    starts: NDArray[np.int64]
    """Of the slot: seconds since 1970, UTC."""
    sessions: NDArray[np.int32]
    """Places in `session_names`."""
    kinds: NDArray[np.int32]
    """Places in `kind_names`."""
    counts: NDArray[np.int64] | NDArray[np.uint32]
    """One row per cell: requests, then tokens in the order of `Counts`."""
    firsts: NDArray[np.int32]
    """When the cell's first request arrived: microseconds after the slot's start."""
    lasts: NDArray[np.int32]
    """The same of its last request."""
    orders: NDArray[np.int32]
    """Which of two cells begins earlier in the log, whatever their times say."""
    session_names: tuple[str, ...]
    """Empty text for requests that name no session."""
    kind_names: tuple[Kind, ...]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.starts)

    def part(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> SessionColumns:
        """Return some of the cells, with all names."""
        return replace(
            self,
            starts=self.starts[rows],
            sessions=self.sessions[rows],
            kinds=self.kinds[rows],
            counts=self.counts[rows],
            firsts=self.firsts[rows],
            lasts=self.lasts[rows],
            orders=self.orders[rows],
        )


def fold(records: Iterable[DetailRecord], grid: Grid) -> SessionColumns:
    """Count `records`, which come in the log's order, per slot of `grid`."""
    found: list[_Cell] = []
    runs: dict[tuple[str, str | None], tuple[str | None, dict[object, _Cell]]] = {}
    start = end = _NEVER
    # A million times round: no calls, and the slot is looked up only when a record leaves it.
    for record in records:
        moment = record.ts
        if not start <= moment < end:
            slot = grid.slot(moment)
            if slot is None:
                continue
            start, end = slot.start, slot.end
        thread = record.session_id or "", record.model
        run = runs.get(thread)
        if run is None or run[0] != record.backend:
            run = runs[thread] = record.backend, {}
        key = start, record.served_model, record.status
        cell = run[1].get(key)
        if cell is None:
            kind = record.backend, record.model, record.served_model, record.status
            cell = run[1][key] = (start, thread[0], kind, [0, 0, 0, 0, 0], [moment, moment])
            found.append(cell)
        counts, ends = cell[3], cell[4]
        counts[0] += 1
        counts[1] += record.input_tokens
        counts[2] += record.output_tokens
        counts[3] += record.cache_creation_input_tokens
        counts[4] += record.cache_read_input_tokens
        if moment > ends[1]:
            ends[1] = moment
        elif moment < ends[0]:
            ends[0] = moment
    return _packed(found)


def join(*parts: SessionColumns) -> SessionColumns:
    """Return the columns of all `parts` together, which come in the log's order."""
    sessions = tuple(dict.fromkeys(name for part in parts for name in part.session_names))
    kinds = tuple(dict.fromkeys(name for part in parts for name in part.kind_names))
    session_places = {name: place for place, name in enumerate(sessions)}
    kind_places = {name: place for place, name in enumerate(kinds)}
    renumbered = [
        replace(
            part,
            sessions=np.array([session_places[name] for name in part.session_names], np.int32)[
                part.sessions
            ],
            kinds=np.array([kind_places[name] for name in part.kind_names], np.int32)[part.kinds],
        )
        for part in parts
        if len(part)
    ]
    return replace(joined(renumbered, kinds), session_names=sessions, kind_names=kinds)


def joined(parts: Sequence[SessionColumns], kinds: Sequence[Kind]) -> SessionColumns:
    """As `join`, of parts whose sessions and kinds are numbered in one way; `kinds` names these."""
    if not parts:
        return NOTHING
    passed = np.cumsum([0, *(int(part.orders.max(initial=-1)) + 1 for part in parts)])
    orders = [part.orders + int(add) for part, add in zip(parts, passed, strict=False)]
    whole = SessionColumns(
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.sessions for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.counts.astype(np.int64) for part in parts]),
        np.concatenate([part.firsts for part in parts]),
        np.concatenate([part.lasts for part in parts]),
        np.concatenate(orders).astype(np.int32),
        (),
        (),
    )
    return _merged(whole, kinds) if len(whole) else NOTHING


def usage_of(columns: SessionColumns) -> Columns:
    """Return the same usage without its sessions."""
    names = tuple(dict.fromkeys((kind[0], kind[1], kind[3]) for kind in columns.kind_names))
    numbers = {name: place for place, name in enumerate(names)}
    kinds = [numbers[kind[0], kind[1], kind[3]] for kind in columns.kind_names]
    if not len(columns):
        return usage_table.join()
    usage = Columns(columns.starts, np.array(kinds, np.int32)[columns.kinds], columns.counts, names)
    return usage_table.join(usage)


def narrowed(columns: SessionColumns) -> SessionColumns:
    """Return the same in less room, where no count is beyond all measure."""
    counts = columns.counts
    if counts.dtype == np.uint32 or (len(counts) and counts.max() >= _NARROW):
        return columns
    return replace(columns, counts=counts.astype(np.uint32))


def _merged(columns: SessionColumns, kinds: Sequence[Kind]) -> SessionColumns:
    """Sort the cells, and make one of those that are of one slot, kind and run."""
    runs = _runs(columns, kinds)
    order = np.lexsort((columns.orders, runs, columns.kinds, columns.sessions, columns.starts))
    first = starts_of((columns.starts, columns.sessions, columns.kinds, runs), order)
    kept = order[first]
    return replace(
        columns,
        starts=columns.starts[kept],
        sessions=columns.sessions[kept],
        kinds=columns.kinds[kept],
        counts=np.add.reduceat(columns.counts[order], first),
        firsts=np.minimum.reduceat(columns.firsts[order], first),
        lasts=np.maximum.reduceat(columns.lasts[order], first),
        orders=columns.orders[kept],
    )


def _runs(columns: SessionColumns, kinds: Sequence[Kind]) -> NDArray[np.int64]:
    """Number each cell's run: a model's requests of one session, until the backend changes."""
    models = places([kind[1] for kind in kinds])[columns.kinds]
    backends = places([kind[0] for kind in kinds])[columns.kinds]
    order = np.lexsort((columns.orders, models, columns.sessions))
    runs = np.zeros(len(order), np.int64)
    runs[starts_of((columns.sessions, models, backends), order)] = 1
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(runs)
    return numbers


def starts_of(columns: Sequence[NDArray[Any]], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where another group begins: of rows in `order` that are equal in all `columns`."""
    is_new = np.zeros(len(order), np.bool_)
    is_new[:1] = True
    for values in columns:
        is_new[1:] |= np.diff(values[order]) != 0
    return np.flatnonzero(is_new)


def places(names: Sequence[object]) -> NDArray[np.int32]:
    """Number equal names equally."""
    numbers = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int32)


def _packed(cells: Sequence[_Cell]) -> SessionColumns:
    if not cells:
        return NOTHING
    sessions = tuple(dict.fromkeys(cell[1] for cell in cells))
    kinds = tuple(dict.fromkeys(cell[2] for cell in cells))
    columns = SessionColumns(
        np.array([int(cell[0].timestamp()) for cell in cells], np.int64),
        places([cell[1] for cell in cells]),
        places([cell[2] for cell in cells]),
        np.array([cell[3] for cell in cells], np.int64),
        np.array([(cell[4][0] - cell[0]) // _MICROSECOND for cell in cells], np.int32),
        np.array([(cell[4][1] - cell[0]) // _MICROSECOND for cell in cells], np.int32),
        np.arange(len(cells), dtype=np.int32),
        sessions,
        kinds,
    )
    return columns.part(np.argsort(columns.starts, kind="stable"))


NOTHING = SessionColumns(
    np.zeros(0, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros((0, 5), np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    (),
    (),
)
