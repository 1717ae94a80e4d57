"""A plan that is exchanged within its week: what shows it, and what does not."""

from __future__ import annotations

import pytest

from offramp_daemon.autopilot.costs.plan_change import Shares, growth


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (shares(0.5, cap=800_000_000), shares(0.5, cap=28_000)),  # tokens, then credits
        (shares(0.5, cap=1e-300), shares(0.5, cap=10_000)),
        (shares(0.5, cap=10_000), shares(0.5, cap=1e300)),
        (shares(0.05), shares(9.0)),
        (shares(0.6, 0.5), shares(0.02, 0.5)),  # the service began everybody's week again
        (shares(0.6, 0.9), shares(0.03, 0.3)),
        (shares(0.6, 0.5), shares(0.2, 0.0)),
    ],
)
def test_what_no_exchange_can_do_is_none(before: Shares, after: Shares) -> None:
    assert growth(before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        (shares(0.4, 0.5), shares(0.08, 0.13), 5.0),
        (shares(0.5, 0.1), shares(0.036, 0.03), 14.0),
        (shares(0.6, 0.02), shares(0.3, 0.03), 2.0),
    ],
)
def test_windows_that_fall_alike_show_an_exchange(
    before: Shares, after: Shares, times: float
) -> None:
    assert growth(before, after) == pytest.approx(times, rel=0.05)
