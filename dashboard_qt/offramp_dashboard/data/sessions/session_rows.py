"""The listed sessions as columns of numbers; a row becomes an object when somebody looks at it.

Ten thousand rows as objects would take 20 MB and most of a second; a window shows forty of them.
Pure: no Qt, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, overload

import numpy as np

from offramp_core.usage.aggregation import Counts, Totals
from offramp_core.usage.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from offramp_core.usage.sessions import Service

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Price = Callable[[Session], float | None]
"""What a session's delegated tokens would have cost, US dollars; None without a price list."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionRow:
    """One session as it is listed; each is equal only to itself."""

    session: Session
    total: Totals
    project: str
    """Empty where it has none."""
    usd: float | None
    """None while that is not known."""


_State = tuple[int, int, int, int]
"""First, last, requests, changes: a session that has no more requests has the same sums."""

MadeRows = dict[str, tuple[_State, SessionRow]]
"""Rows that were looked at, by session: one whose state is the same is the same row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumColumns:
    """What all sessions come to: one line for each session and service, sessions together."""

    keys: NDArray[np.int64]
    """Places in `services`."""
    counts: NDArray[np.int64]
    """The five counts, errors, and cancelled requests."""
    heads: NDArray[np.int64]
    """Where each session begins."""
    names: list[str]
    """Of each session, as all that follows: its id."""
    firsts: NDArray[np.int64]
    """Microseconds since 1970."""
    lasts: NDArray[np.int64]
    changes: NDArray[np.int64]
    services: list[Service]


class SessionRows(Sequence[SessionRow]):
    """Rows with the latest request first. Read it from any thread; it never changes.

    Threads that ask for one row at once may each make their own.
    """

    def __init__(
        self,
        sums: SumColumns,
        made: MadeRows,
        projects: Mapping[str, str],
        price: Price | None,
        most: int,
    ) -> None:
        """List the latest `most` sessions of `sums`; rows that still hold come from `made`."""
        self._sums = sums
        self._ends = np.append(sums.heads[1:], len(sums.keys))
        self._made = made
        self._projects = projects
        self._price = price
        self._totals = (
            np.add.reduceat(sums.counts, sums.heads) if len(sums.heads) else sums.counts[:0]
        )
        self._order = _latest_first(sums)[:most]
        self.names: list[str] = [sums.names[place] for place in self._order.tolist()]
        """Each row's session."""

    def __len__(self) -> int:
        """How many rows."""
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> SessionRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[SessionRow]: ...
    def __getitem__(self, place: int | slice) -> SessionRow | Sequence[SessionRow]:
        """Return a row, or some of them, as objects."""
        if isinstance(place, slice):
            return tuple(map(self._row, self._order[place].tolist()))
        return self._row(int(self._order[place]))

    @property
    def firsts(self) -> list[int]:
        """Each row's first request, microseconds since 1970."""
        return self._listed(self._sums.firsts)

    @property
    def lasts(self) -> list[int]:
        """Each row's latest request, microseconds since 1970."""
        return self._listed(self._sums.lasts)

    @property
    def changes(self) -> list[int]:
        """Each row's changes of the service."""
        return self._listed(self._sums.changes)

    @property
    def requests(self) -> list[int]:
        """Each row's requests."""
        return self._listed(self._totals[:, 0])

    @property
    def errors(self) -> list[int]:
        """Each row's failed requests."""
        return self._listed(self._totals[:, 5])

    @property
    def tokens(self) -> list[int]:
        """Each row's tokens of every kind."""
        return self._listed(self._totals[:, 1:5].sum(axis=1))

    def tokens_of(self, kind: int) -> list[int]:
        """Return each row's tokens of the kind at that place in `Counts`."""
        return self._listed(self._totals[:, kind])

    def _listed(self, values: NDArray[np.int64]) -> list[int]:
        found: list[int] = values[self._order].tolist()
        return found

    def _row(self, place: int) -> SessionRow:
        """Make a session's row, or return the one from before if nothing of it has changed."""
        sums, name = self._sums, self._sums.names[place]
        state = (
            int(sums.firsts[place]),
            int(sums.lasts[place]),
            int(self._totals[place, 0]),
            int(sums.changes[place]),
        )
        made = self._made.get(name)
        if made is not None and made[0] == state:
            return made[1]
        session = self._session(place, state)
        row = SessionRow(
            session=session,
            total=session.total(),
            project=self._projects.get(name, ""),
            usd=None if self._price is None else self._price(session),
        )
        self._made[name] = state, row
        return row

    def _session(self, place: int, state: _State) -> Session:
        sums, lines = self._sums, slice(self._sums.heads[place], self._ends[place])
        first, last, _, changes = state
        return Session(
            id=sums.names[place],
            start=_EPOCH + timedelta(microseconds=first),
            last=_EPOCH + timedelta(microseconds=last),
            services={
                sums.services[key]: Totals(Counts(*line[:5]), *line[5:])
                for key, line in zip(
                    sums.keys[lines].tolist(), sums.counts[lines].tolist(), strict=True
                )
            },
            changes=changes,
        )


def _latest_first(sums: SumColumns) -> NDArray[np.int64]:
    """Return the sessions' places in the order of the command line: by time, then by id."""
    order = np.argsort(sums.lasts, kind="stable")[::-1]
    if not (np.diff(sums.lasts[order]) == 0).any():
        return order
    by_name = sorted(range(len(sums.names)), key=sums.names.__getitem__)
    ranks = np.empty(len(by_name), np.int64)
    ranks[by_name] = np.arange(len(by_name))
    return np.lexsort((ranks, sums.lasts))[::-1]
