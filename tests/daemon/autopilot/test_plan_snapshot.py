"""What of the plan's figures the autopilot trusts."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from offramp_daemon.autopilot.plans.plan_snapshot import WINDOW_H, PlanSnapshot, WindowReading, read

NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)


def window(used: float = 0.4, *, left_h: float = 40, age_h: float = 0.0) -> WindowReading:
    return WindowReading(
        used=used,
        resets_at=NOW + timedelta(hours=left_h),
        read_at=NOW - timedelta(hours=age_h),
    )


def test_fresh_figures_are_read() -> None:
    assert read(window(), window(0.2, left_h=2), now=NOW) == PlanSnapshot(
        week_used=0.4, window_used=0.2, week_left_h=40, window_left_h=2
    )


def test_a_five_hour_window_past_its_reset_is_empty() -> None:
    found = read(window(), window(0.9, left_h=-1), now=NOW)
    assert found is not None
    assert (found.window_used, found.window_left_h) == (0.0, WINDOW_H)


@pytest.mark.parametrize("five_hour", [None, window(math.nan, left_h=2)])
def test_an_unknown_five_hour_window_stays_unknown(five_hour: WindowReading | None) -> None:
    found = read(window(), five_hour, now=NOW)
    assert found is not None
    assert found.window_used is None


@pytest.mark.parametrize(
    "week",
    [
        None,
        window(math.nan),
        window(math.inf),
        window(-0.01),
        window(age_h=-1),
        window(left_h=-0.1),
        window(left_h=0),
        window(left_h=500),
        window(age_h=25),
    ],
)
def test_a_week_that_cannot_be_trusted_gives_no_reading(week: WindowReading | None) -> None:
    assert read(week, None, now=NOW) is None


def test_answers_that_overtook_the_figures_make_them_stale() -> None:
    week = window(age_h=1)
    assert read(week, None, now=NOW, answered_at=NOW - timedelta(minutes=55)) is not None
    assert read(week, None, now=NOW, answered_at=NOW - timedelta(minutes=45)) is None


def test_a_quiet_hour_leaves_the_figures_fresh() -> None:
    week = window(age_h=8)
    assert read(week, None, now=NOW, answered_at=week.read_at) is not None


def test_an_overrun_week_keeps_its_figure_and_minus_nothing_is_nothing() -> None:
    over, under = read(window(1.07), None, now=NOW), read(window(-0.0), None, now=NOW)
    assert over is not None
    assert under is not None
    assert (over.week_used, str(under.week_used)) == (1.07, "0.0")
