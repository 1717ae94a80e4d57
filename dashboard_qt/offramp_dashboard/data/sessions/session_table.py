"""Keeps the usage of all sessions in memory, up to a limit, and sums it. Pure: no Qt, no files.

What is older than the limit allows is left out, together with the sessions that reach into it: a
session is counted as a whole or not at all.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from offramp_core.usage.aggregation import Counts, Key, UsageCells
from offramp_core.usage.sessions import Service
from offramp_core.usage.weeks import Span
from offramp_dashboard.data.sessions.session_columns import (
    Kind,
    SessionColumns,
    joined,
    narrowed,
    places,
)
from offramp_dashboard.data.usage.usage_table import SLOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


T = TypeVar("T")

MOST_CELLS = 400_000
"""About 20 MB; a year of a million requests has half as many."""
MOST_SESSIONS = 100_000
"""About 20 MB of names, if each of them is used only once or twice."""
_MOST_LIVE = 1000
_SMALL = 8_000
_LATEST = (2**63, 0)
"""The rank of what comes while the log is followed: after every file."""


class SessionTable:
    """All sessions that are known. Use it from one thread."""

    def __init__(self, *, most_cells: int = MOST_CELLS, most_sessions: int = MOST_SESSIONS) -> None:
        """Nothing is known yet."""
        self.names: list[str] = []
        """The sessions' ids by number; empty text for what names none."""
        self.kinds: list[Kind] = []
        """What cells are of, by number."""
        self.left_out: set[int] = set()
        """Sessions that are known only in part."""
        self._is_cut = False
        self._most_cells = most_cells
        self._most_sessions = most_sessions
        self._places: dict[str, int] = {}
        self._kind_places: dict[Kind, int] = {}
        self._blocks: list[SessionColumns] = []
        self._ranks: list[tuple[int, int]] = []
        """Of each block: the place of its file in the log, and whether it is its end."""
        self._live: list[SessionColumns] = []
        self._live_rank = _LATEST
        self._projects: Mapping[str, str] = {}
        self._used: tuple[int, frozenset[str]] | None = None
        self._is_of: dict[frozenset[str], NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        """How many cells it takes."""
        return sum(map(len, self._blocks)) + sum(map(len, self._live))

    def add(self, columns: SessionColumns, file: int | None = None) -> None:
        """Add what came last, or the end of a file by its place in the log's order."""
        if not len(columns):
            return
        rank = _LATEST if file is None else (file, 1)
        if rank != self._live_rank:
            self._settle()
            self._live_rank = rank
        self._live.append(self.renumbered(columns))
        if sum(map(len, self._live)) > _MOST_LIVE:
            self._settle()

    def add_earlier(self, columns: SessionColumns, file: int = -1) -> None:
        """Add what came before the end of a file, as far as there is room for it.

        Without `file`, it came before all that is known.
        """
        if not len(columns):
            return
        self._settle()
        is_full = (
            len(self) + len(columns) > self._most_cells
            or len(self.names) + len(columns.session_names) > self._most_sessions
        )
        if not (self._is_cut or is_full):
            rank = (file, 0)
            place = bisect_left(self._ranks, rank)
            self._blocks.insert(place, narrowed(self.renumbered(columns)))
            self._ranks.insert(place, rank)
            return
        known = (self._places.get(name) for name in columns.session_names)
        self.left_out |= {place for place in known if place is not None and self.names[place]}
        self.leave_out_earlier()

    def leave_out_earlier(self) -> None:
        """Take nothing more of what came before."""
        self._is_cut = True

    @property
    def since(self) -> datetime | None:
        """From when on sessions are known; None for all that there are."""
        if not self._is_cut:
            return None
        first = min((int(block.starts.min()) for block in self.blocks()), default=0)
        return datetime.fromtimestamp(first, UTC)

    def blocks(self) -> tuple[SessionColumns, ...]:
        """Return all cells, in the log's order; numbered by `names` and `kinds`."""
        if len(self._live) > 1:
            self._live = [joined(self._live, self.kinds)]
        return (*self._blocks, *self._live)

    def assign(self, projects: Mapping[str, str]) -> None:
        """Take up which project each session belongs to."""
        if projects != self._projects:
            self._projects = dict(projects)
            self._is_of.clear()
            self._used = None

    @property
    def projects(self) -> Mapping[str, str]:
        """The project of every session that has one."""
        return self._projects

    @property
    def used_projects(self) -> frozenset[str]:
        """Return the projects of all sessions in the table; empty text for those without one."""
        if self._used is None or self._used[0] != len(self.names):
            find = self._projects.get
            used = frozenset(find(name, "") for name in self.names)
            self._used = len(self.names), used
        return self._used[1]

    def members(self, wanted: frozenset[str]) -> tuple[frozenset[str] | None, bool]:
        """Return the sessions of the `wanted` projects, or all that are of none of them, and True.

        The second where those without a project are wanted; None for all sessions.
        """
        if not wanted:
            return None, False
        is_without = "" in wanted
        items = self._projects.items()
        found = frozenset(name for name, one in items if (one in wanted) is not is_without)
        return found, is_without

    def of_projects(self, wanted: frozenset[str]) -> NDArray[np.bool_]:
        """Say of each session whether it is of one of `wanted`.

        Empty text is for sessions without a project; `wanted` without any project is for all.
        """
        if not wanted:
            return np.ones(len(self.names), np.bool_)
        known = self._is_of.get(wanted)
        if known is None or len(known) < len(self.names):
            find = self._projects.get
            known = np.array([find(name, "") in wanted for name in self.names], np.bool_)
            self._is_of = {wanted: known}
        return known

    @property
    def services(self) -> list[Service]:
        """Return who served what; `service_numbers` gives each kind's place in it."""
        return list(dict.fromkeys(Service(*kind[:3]) for kind in self.kinds))

    @property
    def nameless(self) -> int | None:
        """Return the number of what names no session; None if there is nothing of that."""
        return self._places.get("")

    def service_numbers(self) -> NDArray[np.int64]:
        """Return each kind's service; kinds that come later change no number."""
        return places([kind[:3] for kind in self.kinds]).astype(np.int64)

    def only(self, session: str) -> NDArray[np.bool_]:
        """Say of each session whether it is this one."""
        found = np.zeros(len(self.names), np.bool_)
        if session in self._places:
            found[self._places[session]] = True
        return found

    def span_of(self, session: str) -> Span | None:
        """Return the time of a session in whole slots; None if it is not known as a whole."""
        place = self._places.get(session)
        if place is None or place in self.left_out:
            return None
        starts = [block.starts[block.sessions == place] for block in self.blocks()]
        found = np.concatenate([*starts, _NO_PLACES])
        if not len(found):
            return None
        first, last = (datetime.fromtimestamp(int(one), UTC) for one in (found.min(), found.max()))
        return Span(first, last + SLOT)

    def series(self, spans: Sequence[Span], is_wanted: NDArray[np.bool_]) -> tuple[UsageCells, ...]:
        """Return what the wanted sessions used in each of `spans`, as `UsageTable.series` does."""
        return series_of(self.blocks(), self.kinds, spans, is_wanted)

    def routes(self, is_wanted: NDArray[np.bool_]) -> dict[tuple[str | None, str | None], int]:
        """Return the pairs of backend and model of the wanted sessions, with their requests."""
        requests: dict[tuple[str | None, str | None], int] = {}
        for block in self.blocks():
            rows = is_wanted[block.sessions]
            sums = np.bincount(block.kinds[rows], block.counts[rows, 0], len(self.kinds))
            for place in np.flatnonzero(sums).tolist():
                route = self.kinds[place][:2]
                requests[route] = requests.get(route, 0) + int(sums[place])
        return requests

    def renumbered(self, columns: SessionColumns) -> SessionColumns:
        """Number sessions and kinds as this table does."""
        sessions = _numbers(columns.session_names, self._places, self.names)
        kinds = _numbers(columns.kind_names, self._kind_places, self.kinds)
        return replace(
            columns,
            sessions=sessions[columns.sessions],
            kinds=kinds[columns.kinds],
            session_names=(),
            kind_names=(),
        )

    def _settle(self) -> None:
        if not self._live:
            return
        parts = self._live
        if self._blocks and self._ranks[-1] == self._live_rank and len(self._blocks[-1]) < _SMALL:
            self._ranks.pop()
            parts = [self._blocks.pop(), *parts]
        self._live = []
        self._blocks.append(narrowed(joined(parts, self.kinds)))
        self._ranks.append(self._live_rank)


def series_of(
    blocks: Iterable[SessionColumns],
    kinds: Sequence[Kind],
    spans: Sequence[Span],
    is_wanted: NDArray[np.bool_],
) -> tuple[UsageCells, ...]:
    """Return what the wanted sessions used in each of `spans`, which are in order.

    A slot counts where it begins. Cells of one span are summed; their `start` is the span's.
    """
    if not spans:
        return ()
    begins = whole_seconds([span.start for span in spans])
    ends = whole_seconds([span.end for span in spans])
    cells, counts = [_NO_PLACES], [_NO_COUNTS]
    for block in blocks:
        low, high = np.searchsorted(block.starts, (begins[0], ends[-1]))
        rows = slice(low, high)
        spot = np.searchsorted(begins, block.starts[rows], side="right") - 1
        is_inside = (block.starts[rows] < ends[spot]) & is_wanted[block.sessions[rows]]
        cells.append((spot * len(kinds) + block.kinds[rows])[is_inside])
        counts.append(block.counts[rows][is_inside].astype(np.int64))
    used, inverse = np.unique(np.concatenate(cells), return_inverse=True)
    sums = np.zeros((len(used), 5), np.int64)
    np.add.at(sums, inverse, np.concatenate(counts))
    found: list[dict[Key, Counts]] = [{} for _ in spans]
    for place, row in zip(used.tolist(), sums.tolist(), strict=True):
        span, kind = divmod(place, len(kinds))
        backend, model, _, status = kinds[kind]
        key = Key(spans[span].start, backend, model, status)
        found[span][key] = found[span].get(key, Counts()) + Counts(*row)
    return tuple(map(UsageCells, found))


def whole_seconds(moments: Sequence[datetime]) -> NDArray[np.int64]:
    """Rounded up: a slot that begins before a moment is not after it."""
    return np.array([-int(-moment.timestamp() // 1) for moment in moments], np.int64)


def _numbers(names: Iterable[T], places: dict[T, int], known: list[T]) -> NDArray[np.int32]:
    """Give each name its number; new ones get the next."""
    found = []
    for name in names:
        place = places.get(name)
        if place is None:
            place = places[name] = len(known)
            known.append(name)
        found.append(place)
    return np.array(found, np.int32)


_NO_PLACES = np.zeros(0, np.int64)
_NO_COUNTS = np.zeros((0, 5), np.int64)
