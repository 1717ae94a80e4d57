"""Sessions in the window: the same as the core counts from the same records, in any range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from usage_samples import record

from offramp_core.usage.aggregation import fold
from offramp_core.usage.sessions import Session
from offramp_core.usage.sessions import SessionTable as CoreSessions
from offramp_core.usage.weeks import Span
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.sessions import session_columns
from offramp_dashboard.data.sessions.session_list import SessionList, SessionSums
from offramp_dashboard.data.sessions.session_table import SessionTable
from offramp_dashboard.data.usage.usage_table import GRID, SLOT, Columns, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.usage.records import DetailRecord

NOW = datetime(2026, 3, 30, 9, 45, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

_records = st.builds(
    record,
    st.integers(0, 300).map(lambda ago: NOW - ago * timedelta(minutes=7, milliseconds=13)),
    model=st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-6", None]),
    backend=st.sampled_from(["zai", "anthropic", None]),
    status=st.sampled_from(["success", "error", "cancelled"]),
    tokens=st.tuples(*[st.integers(0, 2**40)] * 4),
    session=st.sampled_from(["one", "two", "", None]),
    served=st.sampled_from(["glm-4.7", None]),
)
logs = st.lists(_records, max_size=40)
"""In no order at all, as no real log is."""


def expected(log: Sequence[DetailRecord]) -> tuple[Session, ...]:
    table = CoreSessions()
    table.add(log)
    return table.sessions()


def sums_of(
    table: SessionTable, selection: Selection | None = None, span: Span | None = None
) -> SessionSums:
    return SessionList(table).sums(table.blocks(), selection or Selection(), span)


def table_of(*parts: Sequence[DetailRecord]) -> SessionTable:
    table = SessionTable()
    for part in parts:
        table.add(session_columns.fold(part, GRID))
    return table


def assert_same(found: SessionSums, log: Sequence[DetailRecord]) -> None:
    wanted = expected(log)
    assert tuple(row.session for row in found.rows) == wanted
    assert [list(row.session.services) for row in found.rows] == [
        list(session.services) for session in wanted
    ]
    assert found.count == len(wanted)
    assert found.without_session == sum(not one.session_id for one in log)
    assert all(row.total == row.session.total() for row in found.rows)


@settings(deadline=None)
@given(st.lists(logs, max_size=5))
def test_sessions_are_those_of_the_core_however_the_log_is_cut(
    parts: list[list[DetailRecord]],
) -> None:
    log = [one for part in parts for one in part]
    assert_same(sums_of(table_of(*parts)), log)
    joined = SessionTable()
    joined.add(session_columns.join(*(session_columns.fold(part, GRID) for part in parts)))
    assert_same(sums_of(joined), log)


@settings(deadline=None)
@given(logs, logs, st.integers(0, 150), st.integers(1, 150))
def test_range_of_whole_slots_counts_what_arrived_in_it(
    first: list[DetailRecord], second: list[DetailRecord], ago: int, length: int
) -> None:
    span = Span(NOW - ago * SLOT, NOW - ago * SLOT + length * SLOT)
    log = [one for one in (*first, *second) if span.start <= one.ts < span.end]
    assert_same(sums_of(table_of(first, second), span=span), log)


@settings(deadline=None)
@given(
    logs,
    st.sets(st.sampled_from(["zai", "anthropic", ""])),
    st.sets(st.sampled_from(["claude-opus-4-6", ""])),
)
def test_hidden_providers_and_models_are_not_counted(
    log: list[DetailRecord], providers: set[str], models: set[str]
) -> None:
    selection = Selection(hidden_providers=frozenset(providers), hidden_models=frozenset(models))
    shown = [one for one in log if selection.shows(one.backend, one.model)]
    assert_same(sums_of(table_of(log[:9], log[9:]), selection), shown)


@settings(deadline=None)
@given(st.lists(logs, min_size=2, max_size=4))
def test_earlier_blocks_may_come_later(parts: list[list[DetailRecord]]) -> None:
    """Month after month, the latest first, each before all that is known."""
    days = timedelta(days=30)
    months = [
        [record_at(one, one.ts - days * (len(parts) - place)) for one in part]
        for place, part in enumerate(parts)
    ]
    table = SessionTable()
    table.add(session_columns.fold(months[-1], GRID))
    for month in reversed(months[:-1]):
        table.add_earlier(session_columns.fold(month, GRID))
    assert_same(sums_of(table), [one for month in months for one in month])


def record_at(one: DetailRecord, moment: datetime) -> DetailRecord:
    return record(
        moment,
        model=one.model,
        backend=one.backend,
        status=one.status,
        tokens=(
            one.input_tokens,
            one.output_tokens,
            one.cache_creation_input_tokens,
            one.cache_read_input_tokens,
        ),
        session=one.session_id,
        served=one.served_model,
    )


@settings(deadline=None)
@given(logs, st.lists(logs, max_size=3))
def test_following_changes_only_what_is_new(
    log: list[DetailRecord], later: list[list[DetailRecord]]
) -> None:
    table = table_of(log)
    sessions = SessionList(table)
    before = {row.session.id: row for row in sessions.sums(table.blocks(), Selection()).rows}
    for part in later:
        table.add(session_columns.fold(part, GRID))
        log = [*log, *part]
        found = sessions.sums(table.blocks(), Selection())
        assert_same(found, log)
        touched = {one.session_id for one in part}
        assert all(
            row is before[row.session.id] for row in found.rows if row.session.id not in touched
        )
        before = {row.session.id: row for row in found.rows}


def test_many_small_parts_are_packed_together() -> None:
    table = SessionTable()
    log = [
        record(
            NOW + number * MINUTE / 10,
            session=f"{number % 7}",
            backend="zai" if number % 3 else None,
        )
        for number in range(3_000)
    ]
    for place in range(0, len(log), 10):
        table.add(session_columns.fold(log[place : place + 10], GRID))
    assert len(table.blocks()) <= 2
    assert_same(sums_of(table), log)


def test_projects_choose_sessions() -> None:
    log = [record(NOW + n * MINUTE, session=name) for n, name in enumerate(["a", "b", "c", None])]
    table = table_of(log)
    table.assign({"a": "~/x", "b": "~/y", "gone": "~/z"})

    def ids(*projects: str) -> set[str]:
        found = sums_of(table, Selection(projects=frozenset(projects)))
        return {row.session.id for row in found.rows}

    assert ids() == {"a", "b", "c"}
    assert ids("~/x") == {"a"}
    assert ids("~/x", "") == {"a", "c"}
    assert ids("") == {"c"}
    assert sums_of(table, Selection(projects=frozenset({""}))).without_session == 1
    assert sums_of(table, Selection(projects=frozenset({"~/x"}))).without_session == 0
    assert ids("~/z") == set()
    table.assign({"c": "~/x"})
    assert ids("~/x") == {"c"}
    assert ids("") == {"a", "b"}


def test_what_does_not_fit_is_left_out_with_the_sessions_that_reach_into_it() -> None:
    table = SessionTable(most_cells=5)
    days = timedelta(days=1)
    latest = [record(NOW, session="new"), record(NOW, session="long")]
    table.add(session_columns.fold(latest, GRID))
    middle = [record(NOW - 30 * days, session=name) for name in ("long", "middle")]
    table.add_earlier(session_columns.fold(middle, GRID))
    assert table.since is None
    oldest = [record(NOW - 60 * days, session=name) for name in ("long", "old")]
    table.add_earlier(session_columns.fold(oldest, GRID))
    table.add_earlier(session_columns.fold([record(NOW - 90 * days, session="tiny")], GRID))
    assert {row.session.id for row in sums_of(table).rows} == {"new", "middle"}
    assert table.since == NOW - 30 * days


def test_names_take_no_more_room_than_allowed() -> None:
    table = SessionTable(most_sessions=10)
    table.add(session_columns.fold([record(NOW, session="new")], GRID))
    many = [record(NOW - timedelta(days=40), session=f"{number}") for number in range(20)]
    table.add_earlier(session_columns.fold(many, GRID))
    assert len(table.names) == 1
    assert table.since == NOW


def test_only_the_latest_sessions_are_listed() -> None:
    log = [record(NOW + number * MINUTE, session=f"{number}") for number in range(9)]
    table = table_of(log)
    found = SessionList(table).sums(table.blocks(), Selection(), most=4)
    assert [row.session.id for row in found.rows] == ["8", "7", "6", "5"]
    assert found.count == 9


def test_an_ordinary_cell_takes_48_bytes() -> None:
    log = [record(NOW - number * SLOT, session=f"{number % 9}") for number in range(900)]
    columns = session_columns.narrowed(session_columns.fold(log, GRID))
    arrays = [
        *(columns.starts, columns.sessions, columns.kinds, columns.counts),
        *(columns.firsts, columns.lasts, columns.orders),
    ]
    assert sum(array.nbytes for array in arrays) == 48 * len(columns)


@settings(deadline=None)
@given(st.lists(logs, max_size=3))
def test_usage_without_sessions_is_what_the_core_folds(parts: list[list[DetailRecord]]) -> None:
    log = [one for part in parts for one in part]
    joined = session_columns.join(*(session_columns.fold(part, GRID) for part in parts))
    found, wanted = session_columns.usage_of(joined), pack(fold(log, GRID))

    def cells(columns: Columns) -> set[tuple[object, ...]]:
        names = [columns.names[place] for place in columns.kinds]
        rows = zip(columns.starts.tolist(), names, columns.counts.tolist(), strict=True)
        return {(start, name, *counts) for start, name, counts in rows}

    assert cells(found) == cells(wanted)
    assert len(found) == len(wanted)
