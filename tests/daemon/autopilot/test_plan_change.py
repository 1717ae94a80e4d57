"""A plan that is exchanged within its week: what shows it, and what does not."""

from __future__ import annotations

import pytest

from offramp_daemon.autopilot.plan_change import Shares, growth


def shares(week: float, window: float | None = None, cap: float | None = None) -> Shares:
    return Shares(week_used=week, window_used=window, week_cap=cap)


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        (shares(0.5, cap=10_000), shares(0.036, cap=140_000), 14.0),
        (shares(0.04, cap=140_000), shares(0.56, cap=10_000), 1 / 14),
        (shares(0.6), shares(0.3), 2.0),
        (shares(0.3, 0.5), shares(0.5, 0.84), 0.6),
    ],
)
def test_an_exchanged_plan_shows(before: Shares, after: Shares, times: float) -> None:
    assert growth(before, after) == pytest.approx(times, rel=0.03)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (shares(0.5, cap=10_000), shares(0.6, cap=10_000)),
        (shares(0.30, 0.5), shares(0.29, 0.5)),  # an answer that was overtaken
        (shares(0.30, 0.2), shares(0.31, 0.28)),  # work
        (shares(0.30, 0.2), shares(0.45, 0.9)),  # much work, on another device
        (shares(0.02, 0.2), shares(0.04, 0.3)),  # too little to say
        (shares(0.3, None), shares(0.6, 0.3)),  # the 5-hour window is another one
        (shares(0.3, 0.5), shares(0.6, None)),
        (shares(0.6), shares(0.0)),  # a new week that came early
        (shares(0.5, cap=10_000), shares(0.55)),
    ],
)
def test_work_and_odd_figures_are_no_exchange(before: Shares, after: Shares) -> None:
    assert growth(before, after) is None
