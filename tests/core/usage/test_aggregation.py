"""Folding records into totals: nothing lost, nothing twice, however the records are parted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usage_samples import NOW, record

from offramp_core.usage.aggregation import (
    Counts,
    EvenGrid,
    TimeGrid,
    UsageCells,
    by_backend,
    by_model,
    by_route,
    fold,
    merge,
    select,
    series,
    without,
)
from offramp_core.usage.weeks import WeekBoundary

if TYPE_CHECKING:
    from offramp_core.usage.records import UsageRecord

BERLIN = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))
KATHMANDU = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Asia/Kathmandu"))
GRID = TimeGrid.at(NOW, BERLIN)


counts = st.integers(0, 10**9)
times = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=4)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
).map(lambda age: NOW - age)
records = st.builds(
    record,
    times,
    model=st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-6", None]),
    backend=st.sampled_from(["zai", "anthropic", None]),
    status=st.sampled_from(["success", "error", "cancelled"]),
    tokens=st.tuples(counts, counts, counts, counts),
)
logs = st.lists(records, max_size=40)
grids = st.builds(
    TimeGrid.at,
    st.just(NOW),
    st.sampled_from([BERLIN, KATHMANDU]),
    st.none() | times,
)


@settings(deadline=None)
@given(logs, logs, grids)
def test_usage_of_two_logs_is_their_merge(
    one: list[UsageRecord], other: list[UsageRecord], grid: TimeGrid
) -> None:
    assert fold(one + other, grid) == merge(fold(one, grid), fold(other, grid))


@settings(deadline=None)
@given(logs, grids, st.randoms())
def test_order_of_records_changes_nothing(
    log: list[UsageRecord], grid: TimeGrid, random: object
) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(log, grid) == fold(shuffled, grid)


@settings(deadline=None)
@given(logs, grids)
def test_every_record_since_is_counted_once(log: list[UsageRecord], grid: TimeGrid) -> None:
    counted = [one for one in log if grid.since is None or one.ts >= grid.since]
    total = fold(log, grid).total()
    ways = Counter(one.status for one in counted)
    assert (total.success, total.errors, total.cancelled) == (
        ways["success"],
        ways["error"],
        ways["cancelled"],
    )
    assert total.counts.input_tokens == sum(one.input_tokens for one in counted)
    assert total.counts.cache_read_input_tokens == sum(
        one.cache_read_input_tokens for one in counted
    )


@settings(deadline=None)
@given(times, grids)
def test_slot_holds_its_instant_and_lies_in_one_bucket_of_each_view(
    instant: datetime, grid: TimeGrid
) -> None:
    slot = grid.slot(instant)
    if grid.since is not None and instant < grid.since:
        assert slot is None
        return
    assert slot is not None
    assert slot.start <= instant < slot.end
    assert grid.slot(slot.start) == slot
    week = grid.boundary.week_of(instant)
    assert week.start <= slot.start
    assert slot.end <= week.end
    for spans in (grid.hours, grid.recent):
        for span in spans:
            assert (
                span.end <= slot.start
                or slot.end <= span.start
                or (span.start <= slot.start and slot.end <= span.end)
            )


@settings(deadline=None)
@given(logs, grids)
def test_weeks_and_their_series_account_for_everything(
    log: list[UsageRecord], grid: TimeGrid
) -> None:
    usage = fold(log, grid)
    weeks = grid.boundary.latest_weeks(NOW, 60)
    assert merge(*series(usage, weeks)).total() == usage.total()


@settings(deadline=None)
@given(logs)
def test_series_counts_what_arrived_in_each_bucket(log: list[UsageRecord]) -> None:
    usage = fold(log, GRID)
    for spans in (GRID.hours, GRID.recent):
        requests = [part.total().requests for part in series(usage, spans)]
        assert requests == [sum(span.start <= one.ts < span.end for one in log) for span in spans]


def test_grid_ends_with_the_bucket_of_now() -> None:
    assert len(GRID.hours) == 24
    assert GRID.hours[-1].start == datetime(2026, 3, 30, 9, tzinfo=UTC)
    assert len(GRID.recent) == 60
    assert GRID.recent[-1].start == datetime(2026, 3, 30, 9, 39, tzinfo=UTC)
    assert GRID.recent[0].start == datetime(2026, 3, 30, 6, 42, tzinfo=UTC)


def test_hours_follow_the_local_clock_on_a_quarter_hour() -> None:
    grid = TimeGrid.at(NOW, KATHMANDU)
    assert grid.hours[-1].start == datetime(2026, 3, 30, 9, 15, tzinfo=UTC)


def test_cut_and_cancelled_requests_are_apart_but_their_tokens_count() -> None:
    total = fold([record(status="error"), record(status="cancelled"), record()], GRID).total()
    assert (total.requests, total.success, total.errors, total.cancelled) == (3, 1, 1, 1)
    assert total.tokens == 3 * 433


def test_missing_backend_and_model_stay_missing() -> None:
    usage = fold([record(model=None, backend=None)], GRID)
    assert list(by_route(usage)) == [(None, None)]


def test_groups_come_with_the_most_tokens_first() -> None:
    few = record(backend="zai", model="a", tokens=(1, 0, 0, 0))
    many = record(backend="anthropic", model="b", tokens=(5, 0, 0, 0))
    usage = fold([few, few, many], GRID)
    assert list(by_backend(usage)) == ["anthropic", "zai"]
    assert list(by_model(usage)) == ["b", "a"]
    assert by_backend(usage)["zai"].requests == 2


@pytest.mark.parametrize(
    ("backends", "models", "left"),
    [
        ((), (), 3),
        (("ZAI",), (), 1),
        (("zai", "anthr"), (), 2),
        ((), ("OPUS",), 1),
        (("zai",), ("opus",), 0),
        (("none",), (), 0),
    ],
)
def test_filter_lets_through_what_contains_a_text(
    backends: tuple[str, ...], models: tuple[str, ...], left: int
) -> None:
    log = [
        record(),
        record(backend="anthropic", model="claude-opus-4-6"),
        record(backend=None, model=None),
    ]
    usage = select(fold(log, GRID), backends=backends, models=models)
    assert usage.total().requests == left


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_record_beyond_any_calendar_is_in_no_slot(year: int) -> None:
    log = [record(datetime(year, 6, 1, tzinfo=UTC)), record()]
    assert fold(log, GRID).total().requests == 1


def test_record_from_the_near_future_is_counted_in_its_week() -> None:
    usage = fold([record(NOW + timedelta(hours=2))], GRID)
    assert series(usage, (BERLIN.week_of(NOW),))[0].total().requests == 1


def test_empty_usage_has_empty_totals() -> None:
    assert fold([], GRID) == UsageCells({}) == merge()
    assert UsageCells({}).total().counts == Counts()


QUARTERS = EvenGrid(width=timedelta(minutes=15))


@settings(deadline=None)
@given(times)
def test_even_slots_hold_their_instant_and_stay_what_they_are(instant: datetime) -> None:
    slot = QUARTERS.slot(instant)
    assert slot is not None
    assert slot.start <= instant < slot.end == slot.start + QUARTERS.width
    assert slot.start.minute % 15 == slot.start.second == 0
    assert QUARTERS.slot(slot.start) == slot


@settings(deadline=None)
@given(logs, st.sampled_from([BERLIN, KATHMANDU]))
def test_quarters_make_the_same_hours_and_weeks_as_the_grid_itself(
    log: list[UsageRecord], boundary: WeekBoundary
) -> None:
    grid = TimeGrid.at(NOW, boundary)
    for spans in (grid.hours, boundary.latest_weeks(NOW, 60)):
        assert series(fold(log, QUARTERS), spans) == series(fold(log, grid), spans)


@settings(deadline=None)
@given(logs, times, st.randoms())
def test_even_grid_leaves_out_whole_slots_in_whatever_order(
    log: list[UsageRecord], since: datetime, random: object
) -> None:
    grid = EvenGrid(width=timedelta(minutes=15), since=since)
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    usage = fold(shuffled, grid)
    kept = {key: one for key, one in fold(log, QUARTERS).cells.items() if key.start >= since}
    assert usage == UsageCells(kept)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_even_grid_has_no_slot_beyond_any_calendar(year: int) -> None:
    assert QUARTERS.slot(datetime(year, 6, 1, tzinfo=UTC)) is None


def test_without_leaves_out_exact_names_alone() -> None:
    usage = fold(
        [record(), record(backend="zai-2"), record(backend=None, model=None), record(model="m")],
        GRID,
    )
    assert without(usage) == usage
    assert set(by_backend(without(usage, backends={"zai"}))) == {"zai-2", None}
    assert set(by_backend(without(usage, backends={None}))) == {"zai", "zai-2"}
    assert set(by_model(without(usage, models={"m", None}))) == {"claude-sonnet-4-5"}
