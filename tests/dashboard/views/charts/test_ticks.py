"""Marks of axes: round, few, and in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_dashboard.views.charts.ticks import count_label, count_ticks, time_ticks

BERLIN = ZoneInfo("Europe/Berlin")


def _edges(start: datetime, step: timedelta, bars: int) -> tuple[datetime, ...]:
    first = start.astimezone(UTC)
    zone = start.tzinfo
    return tuple((first + step * i).astimezone(zone) for i in range(bars + 1))


@pytest.mark.parametrize(
    ("highest", "most", "expected"),
    [
        (0, 4, (0, 1)),
        (1, 4, (0, 1)),
        (3, 4, (0, 1, 2, 3)),
        (7, 4, (0, 2, 4, 6, 8)),
        (1_234_567, 4, (0, 500_000, 1_000_000, 1_500_000)),
    ],
)
def test_counts_are_whole_and_round(highest: int, most: int, expected: tuple[int, ...]) -> None:
    assert count_ticks(highest, most) == expected


@given(st.integers(1, 10**13), st.integers(1, 12))
def test_counts_reach_the_highest_in_as_few_steps_as_asked(highest: int, most: int) -> None:
    ticks = count_ticks(highest, most)

    assert ticks[0] == 0
    assert ticks[-2] < highest <= ticks[-1]
    assert len(ticks) - 1 <= most
    assert len({second - first for first, second in pairwise(ticks)}) == 1


@pytest.mark.parametrize(
    ("count", "label"), [(0, "0"), (250, "250"), (2000, "2k"), (1_500_000, "1.5M")]
)
def test_count_labels_have_no_idle_decimals(count: int, label: str) -> None:
    assert count_label(count) == label


def test_three_hours_are_marked_by_the_half_hour_and_name_the_day_once() -> None:
    edges = _edges(datetime(2026, 2, 10, 12, 30, tzinfo=BERLIN), timedelta(minutes=3), 60)

    labels = [tick.label for tick in time_ticks(edges, 8)]

    assert labels == ["Tue 12:30", "13:00", "13:30", "14:00", "14:30", "15:00", "15:30"]


def test_a_day_names_the_new_day_at_midnight() -> None:
    edges = _edges(datetime(2026, 2, 9, 16, 0, tzinfo=BERLIN), timedelta(hours=1), 24)

    labels = [tick.label for tick in time_ticks(edges, 4)]

    assert labels == ["Mon 18:00", "Tue 00:00", "06:00", "12:00"]


def test_weeks_of_days_are_marked_by_date() -> None:
    edges = _edges(datetime(2026, 1, 14, tzinfo=BERLIN), timedelta(days=1), 28)

    labels = [tick.label for tick in time_ticks(edges, 5)]

    assert len(labels) in (4, 5)
    assert all(label.split()[1] in ("Jan", "Feb") for label in labels)


def test_years_are_marked_by_month_with_the_year_where_it_changes() -> None:
    edges = _edges(datetime(2025, 3, 1, tzinfo=UTC), timedelta(days=7), 70)

    labels = [tick.label for tick in time_ticks(edges, 6)]

    assert "Jan 2026" in labels or any("2026" in label for label in labels)
    assert len(labels) <= 6


def test_day_on_which_clocks_change_has_marks_at_true_hours() -> None:
    edges = _edges(datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), timedelta(hours=1), 24)

    for tick in time_ticks(edges, 8):
        edge = edges[int(tick.position)]
        assert f"{edge:%H:%M}" in tick.label


@given(
    st.integers(0, 10 * 365 * 24 * 60),
    st.sampled_from([3, 15, 60, 120, 1440, 10080]),
    st.integers(1, 200),
    st.integers(1, 12),
)
def test_never_more_marks_than_asked_and_always_one(
    begin: int, minutes: int, bars: int, most: int
) -> None:
    start = datetime(2020, 1, 1, tzinfo=BERLIN) + timedelta(minutes=begin)
    edges = _edges(start, timedelta(minutes=minutes), bars)

    ticks = time_ticks(edges, most)

    assert 1 <= len(ticks) <= most
    assert [tick.position for tick in ticks] == sorted({tick.position for tick in ticks})
    assert all(0 <= tick.position <= bars for tick in ticks)
