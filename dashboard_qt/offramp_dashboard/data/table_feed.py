"""Feeds the table of requests: the latest of what is looked at, earlier ones, and what comes.

No Qt. Where few requests are wanted of many, they are searched in steps, so that nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Final, Protocol

from offramp_core.usage.weeks import Span
from offramp_dashboard.data.request_tail import LatestRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.request_rows import RequestRow
    from offramp_dashboard.data.sessions.session_table import SessionTable
    from offramp_dashboard.data.snapshot import Snapshot

_STEP_LINES: Final = 5_000
"""Looked at before anything else gets its turn: some 30 ms."""


class RowListener(Protocol):
    """Whoever shows the rows."""

    def on_rows_reset(self, rows: Sequence[RequestRow], *, has_more: bool) -> None:
        """The table begins again."""

    def on_rows_added(self, rows: Sequence[RequestRow]) -> None:
        """Requests came."""

    def on_rows_earlier(self, rows: Sequence[RequestRow], *, has_more: bool) -> None:
        """Earlier requests, as they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScope:
    """Which requests the table is to hold; the default is all of them."""

    span: Span | None = None
    session: str | None = None
    members: frozenset[str] | None = None
    """Sessions of the projects that are shown, or with `is_without` all others; None for all."""
    is_without: bool = False
    search: Span | None = field(default=None, compare=False)
    """When the session was active: where to look for its requests."""

    def test(self) -> Callable[[RequestRecord], bool] | None:
        """Return what says whether a record is wanted; None if all are."""
        if self.session is None and self.members is None:
            return None
        return self._holds

    def _holds(self, record: RequestRecord) -> bool:
        if self.session is not None and record.session_id != self.session:
            return False
        if self.members is None:
            return True
        return ((record.session_id or "") in self.members) is not self.is_without


class TableFeed:
    """Rows of one log folder. Use it from one thread."""

    def __init__(self, listener: RowListener) -> None:
        """Bring rows to `listener`."""
        self._listener = listener
        self._scope = TableScope()
        self._folder: Path | None = None
        self._latest: LatestRequests | None = None
        self._owed = 0

    @property
    def is_searching(self) -> bool:
        """Whether rows that were asked for may still be found."""
        return self._owed > 0 and self._latest is not None and self._latest.has_more

    def open(self, folder: Path, count: int) -> None:
        """Begin with the latest `count` rows in `folder`.

        Raises:
            OfframpError: a file or the folder is there but can't be read; the same for all methods.
        """
        self._folder = folder
        scope = self._scope
        self._latest = LatestRequests(
            folder, scope.span, is_wanted=scope.test(), search=scope.search
        )
        rows = self._latest.earlier(count, self._step)
        self._owed = count - len(rows)
        self._listener.on_rows_reset(rows, has_more=self._latest.has_more)

    def close(self) -> None:
        """Have no rows."""
        self._latest = None
        self._listener.on_rows_reset((), has_more=False)

    def forget(self) -> None:
        """Do nothing until it is opened again; what is shown stays."""
        self._latest = None

    def show(self, scope: TableScope, count: int) -> None:
        """Hold these rows from now on."""
        if scope == self._scope:
            return
        self._scope = scope
        if self._latest is not None and self._folder is not None:
            self.open(self._folder, count)

    def follow(self, most: int) -> None:
        """Bring what came: the last `most` of it."""
        if self._latest is not None and (rows := self._latest.new(most)):
            self._listener.on_rows_added(rows)

    def want(self, count: int) -> None:
        """Bring so many earlier rows."""
        if self._latest is not None:
            self._owed = max(self._owed, count)
            if not self._latest.has_more:
                self._owed = 0
                self._listener.on_rows_earlier((), has_more=False)

    def work(self) -> None:
        """Search on for a while."""
        latest = self._latest
        if latest is None or not self.is_searching:
            return
        rows = latest.earlier(self._owed, self._step)
        self._owed -= len(rows)
        if rows or not latest.has_more or not self._owed:
            self._listener.on_rows_earlier(rows, has_more=latest.has_more)

    @property
    def _step(self) -> int:
        return _STEP_LINES if self._scope.test() else 10**9


def scope_of(snapshot: Snapshot, selection: Selection, table: SessionTable) -> TableScope:
    """Return what the table holds: what the charts show, or one session of it."""
    members, is_without = table.members(selection.projects)
    return TableScope(
        span=_rows_span(snapshot, selection),
        session=selection.session,
        members=members,
        is_without=is_without,
        search=table.span_of(selection.session) if selection.session else None,
    )


def _rows_span(snapshot: Snapshot, selection: Selection) -> Span | None:
    """The range of the charts; one that ends in the future stays the same as time goes by."""
    if snapshot.chosen is None or selection.span is None:
        return None
    edges = [edge.astimezone(UTC) for edge in (snapshot.chosen.edges[0], snapshot.chosen.edges[-1])]
    return Span(edges[0], max(edges[1], selection.span.end.astimezone(UTC)))
