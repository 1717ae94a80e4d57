"""Columns instead of objects: the same cells, whatever is packed, joined and cut."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from usage_samples import logs_before, record

from offramp_core.usage.aggregation import UsageCells, fold, merge, series
from offramp_core.usage.weeks import Span
from offramp_dashboard.data.usage.usage_table import GRID, SLOT, Columns, UsageTable, join, pack

if TYPE_CHECKING:
    from offramp_core.usage.records import UsageRecord

NOW = datetime(2026, 3, 30, 9, 41, 17, tzinfo=UTC)

logs = logs_before(NOW)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """Spans in order that do not overlap, with gaps between some of them."""
    edges = draw(
        st.lists(
            st.integers(0, 400).map(lambda back: NOW - back * timedelta(hours=6, minutes=15)),
            min_size=2,
            max_size=12,
            unique=True,
        ).map(sorted)
    )
    found = [Span(start, end) for start, end in itertools.pairwise(edges)]
    return tuple(draw(st.lists(st.sampled_from(found), unique=True, min_size=1).map(_in_order)))


def _in_order(found: list[Span]) -> list[Span]:
    return sorted(found, key=lambda span: span.start)


def unpacked(columns: Columns) -> UsageCells:
    """What the ledger says of all time, slot by slot."""
    kept = UsageTable()
    kept.add_columns(columns)
    starts = sorted({int(start) for start in columns.starts})
    slots = [Span(moment, moment + SLOT) for moment in map(_moment, starts)]
    return merge(*kept.series(slots))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@settings(deadline=None)
@given(logs)
def test_packed_usage_is_the_same_usage(log: list[UsageRecord]) -> None:
    usage = fold(log, GRID)
    assert unpacked(pack(usage)) == usage


@settings(deadline=None)
@given(logs, logs)
def test_joined_columns_are_the_merged_usage(
    one: list[UsageRecord], other: list[UsageRecord]
) -> None:
    joined = join(pack(fold(one, GRID)), pack(fold(other, GRID)))
    assert unpacked(joined) == merge(fold(one, GRID), fold(other, GRID))
    cells = list(zip(joined.starts.tolist(), joined.kinds.tolist(), strict=True))
    assert len(set(cells)) == len(cells)
    assert cells == sorted(cells)


@settings(deadline=None)
@given(st.lists(logs, max_size=4), logs, spans())
def test_series_is_that_of_the_core(
    packed: list[list[UsageRecord]], live: list[UsageRecord], wanted: tuple[Span, ...]
) -> None:
    kept = UsageTable()
    for log in packed:
        kept.add_columns(pack(fold(log, GRID)))
    kept.add(fold(live, GRID))
    everything = fold([*live, *(one for log in packed for one in log)], GRID)
    assert kept.series(wanted) == series(everything, wanted)
    kept.settle()
    assert kept.series(wanted) == series(everything, wanted)


@settings(deadline=None)
@given(logs)
def test_routes_and_first_slot_are_those_of_the_records(log: list[UsageRecord]) -> None:
    kept = UsageTable()
    middle = len(log) // 2
    kept.add_columns(pack(fold(log[:middle], GRID)))
    kept.add(fold(log[middle:], GRID))
    counted: dict[tuple[str | None, str | None], int] = {}
    for one in log:
        counted[one.backend, one.model] = counted.get((one.backend, one.model), 0) + 1
    assert kept.routes() == counted
    first = kept.first()
    assert first == (
        fold(log, GRID) and min((key.start for key in fold(log, GRID).cells), default=None)
    )


def test_live_cells_and_small_blocks_are_packed_together() -> None:
    kept = UsageTable(most_live_cells=10, small_cells=50)
    for number in range(200):
        kept.add(fold([record(NOW - number * SLOT)], GRID))
    assert len(kept.live.cells) <= 11
    assert 3 <= len(kept.blocks) <= 4
    assert len(kept) == 200
    whole = (Span(NOW - timedelta(days=9), NOW + SLOT),)
    assert kept.series(whole)[0].total().requests == 200


def test_ordinary_cells_take_little_room() -> None:
    log = [record(NOW - number * SLOT, tokens=(2**31, 1, 1, 1)) for number in range(9000)]
    kept = UsageTable()
    kept.add_columns(pack(fold(log, GRID)))
    (block,) = kept.blocks
    assert block.starts.nbytes + block.kinds.nbytes + block.counts.nbytes == 32 * len(kept)


def test_narrow_and_wide_cells_add_up_exactly() -> None:
    kept = UsageTable()
    for tokens in (2**32 - 1, 2**32, 2**32 - 1, 2**40):
        kept.add_columns(pack(fold([record(NOW, tokens=(tokens, 0, 0, 0))], GRID)))
    found = kept.series((Span(NOW - SLOT, NOW + SLOT),))[0].total().counts
    assert found.input_tokens == 3 * 2**32 - 2 + 2**40
    assert found.requests == 4


def test_large_counts_are_exact() -> None:
    kept = UsageTable()
    most = 2**53 + 1
    kept.add_columns(pack(fold([record(NOW, tokens=(most, 0, 0, 0))], GRID)))
    found = kept.series((Span(NOW - SLOT, NOW + SLOT),))[0]
    assert found.total().counts.input_tokens == most


def test_empty_ledger_has_nothing_in_any_span() -> None:
    kept = UsageTable()
    assert kept.series(()) == ()
    assert kept.series((Span(NOW, NOW + SLOT),)) == (UsageCells({}),)
    kept.settle()
    assert (kept.first(), kept.routes(), len(kept)) == (None, {}, 0)
