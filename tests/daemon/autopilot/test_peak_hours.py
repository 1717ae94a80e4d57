"""When requests cost double: by the schedule, and by what the plan's own figures show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from offramp_daemon.autopilot.costs.peak_hours import HOURS_A_DAY, PeakHours

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
SINGAPORE = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        (datetime(2026, 11, 23, 14, tzinfo=SINGAPORE), 2.0),
        (datetime(2026, 11, 27, 17, 59, tzinfo=SINGAPORE), 2.0),
        (datetime(2026, 11, 23, 13, 59, tzinfo=SINGAPORE), 1.0),
        (datetime(2026, 11, 23, 18, tzinfo=SINGAPORE), 1.0),
        (datetime(2026, 11, 28, 15, tzinfo=SINGAPORE), 1.0),
        (datetime(2026, 11, 22, 23, tzinfo=timezone(timedelta(hours=-8))), 2.0),
    ],
)
def test_working_days_in_singapore_cost_double(moment: datetime, times: float) -> None:
    assert PeakHours().times(moment) == times
    assert PeakHours().is_peak(moment) is (times > 1)


@pytest.mark.parametrize("start_h", [0, 5, 30, 100.25, 167])
def test_a_weeks_costs_are_those_of_its_hours(start_h: float) -> None:
    peak, start = PeakHours(), MONDAY + timedelta(hours=start_h)
    middles = (start + timedelta(hours=hour + 0.5) for hour in range(168))
    assert peak.of_week(start) == tuple(peak.times(middle) for middle in middles)


def test_peak_hours_that_are_no_longer_double_are_noticed() -> None:
    peak = PeakHours()
    for _ in range(40):
        peak.learn(0.01, {7: 0.02})
    assert peak.times(MONDAY + timedelta(hours=7)) < 1.4
    assert peak.times(MONDAY + timedelta(hours=8)) == 2.0
    assert peak.changed() == (7,)


def test_hours_that_cost_more_than_by_the_schedule_are_noticed() -> None:
    peak = PeakHours()
    for _ in range(40):
        peak.learn(0.03, {15: 0.01})
    assert peak.is_peak(MONDAY + timedelta(hours=15))
    assert not peak.is_peak(MONDAY + timedelta(days=5, hours=15))


def test_costs_that_stray_a_little_change_nothing() -> None:
    peak = PeakHours()
    for move in (0.012, 0.009, 0.011, 0.008) * 10:
        peak.learn(move, {7: 0.005, 12: 0.005})
    assert peak.changed() == ()


def test_a_change_back_is_noticed_too() -> None:
    peak = PeakHours()
    for _ in range(100):
        peak.learn(0.01, {7: 0.02})
    for _ in range(200):
        peak.learn(0.02, {7: 0.02})
    assert peak.changed() == ()


@pytest.mark.parametrize(
    ("expected", "moved"),
    [
        ([0.0] * 23, [0.0] * HOURS_A_DAY),
        ([0.0] * HOURS_A_DAY, [-1.0] * HOURS_A_DAY),
        ([float("nan")] * HOURS_A_DAY, [0.0] * HOURS_A_DAY),
    ],
)
def test_what_nobody_can_have_learnt_is_refused(expected: list[float], moved: list[float]) -> None:
    with pytest.raises(ValueError, match=r"hour|amount"):
        PeakHours.of(expected, moved)
