"""What is forecast of both weeks: bands in order, and when a plan runs out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.outlook import Situation, claude_week, delegate_week
from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, PastWeek

if TYPE_CHECKING:
    from offramp_daemon.autopilot.outlook import Mode

FLAT = tuple([1.0] * HOURS_A_WEEK)
EVEN = PastWeek(opus=(0.002,) * HOURS_A_WEEK, execution=(0.004,) * HOURS_A_WEEK)
"""A third of Claude's week for Opus, two thirds for the rest."""
MODES = st.sampled_from(("always", "auto", "never"))


@cache
def rhythm() -> Rhythm:
    return Rhythm([EVEN] * 5)


def cost(each: float) -> CostModel:
    found = CostModel(guess=each)
    found.observe(0.0)
    found.add_pending("sonnet", 0.05 / each)
    found.observe(0.05)
    return found


def situation(used: float, left_h: float, mode: Mode) -> Situation:
    passed = int(HOURS_A_WEEK - left_h)
    work = [0.006] * passed + [0.0] * (HOURS_A_WEEK - passed)
    reading = PlanSnapshot(week_used=used, window_used=0.0, week_left_h=left_h)
    return Situation(reading=reading, cost=cost(1.0), rhythm=rhythm(), work=work, mode=mode)


def delegate(used: float, left_h: float, each: float) -> DelegateBudget:
    reading = PlanSnapshot(week_used=used, window_used=0.0, week_left_h=left_h)
    return DelegateBudget(reading=reading, cost=cost(each), times=FLAT)


@given(st.floats(0, 1.2), st.floats(0.01, 168), MODES, st.floats(0, 1.2), st.floats(0.01, 168))
def test_bands_are_in_order_and_no_less_than_what_is_used(
    used: float, left_h: float, mode: Mode, z_used: float, z_left_h: float
) -> None:
    known = situation(used, left_h, mode)
    for found, now in (
        (claude_week(known), used),
        (delegate_week(known, delegate(z_used, z_left_h, 1.0)), z_used),
    ):
        assert min(now, 1.0) - 1e-9 <= found.low <= found.likely <= found.high <= 1
        assert found.runs_out_h is None or found.runs_out_h >= 0


def test_a_band_narrows_as_the_week_goes_on() -> None:
    widths = [
        found.high - found.low
        for left_h in (150.0, 100.0, 50.0, 5.0)
        for found in (claude_week(situation(0.3, left_h, "always")),)
    ]
    assert widths == sorted(widths, reverse=True)


def test_each_mode_gives_claude_its_share() -> None:
    always, auto, never = (
        claude_week(situation(0.1, 100.0, mode)).likely for mode in ("always", "auto", "never")
    )
    assert always < auto <= never
    assert always == pytest.approx(0.1 + 0.2, abs=0.06)


def test_a_delegate_that_gets_everything_runs_out_when_its_share_is_used() -> None:
    # 0.4 a week of work in parts of a plan that each takes 2.5 of: an hour takes one percent.
    found = delegate_week(situation(0.1, 100.0, "always"), delegate(0.5, 100.0, 2.5))
    assert found.runs_out_h == pytest.approx(50, abs=5)
    assert found.high == 1.0


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_what_claude_takes_makes_the_delegate_last(mode: Mode) -> None:
    found = delegate_week(situation(0.1, 100.0, mode), delegate(0.5, 100.0, 2.5))
    assert found.runs_out_h is None


def test_a_delegates_week_may_end_after_claudes() -> None:
    before = delegate_week(situation(0.1, 10.0, "always"), delegate(0.1, 10.0, 1.0))
    beyond = delegate_week(situation(0.1, 10.0, "always"), delegate(0.1, 110.0, 1.0))
    assert beyond.likely == pytest.approx(before.likely + 0.4, abs=0.06)


def test_claude_runs_out_where_all_work_is_its_own() -> None:
    found = claude_week(situation(0.7, 100.0, "never"))
    assert found.runs_out_h == pytest.approx(50, abs=5)
    assert claude_week(situation(0.7, 20.0, "never")).runs_out_h is None


@pytest.mark.parametrize("used", [1.0, 1.3])
def test_what_is_used_up_already_runs_out_no_more(used: float) -> None:
    assert claude_week(situation(used, 50.0, "never")).runs_out_h is None
    full = delegate_week(situation(0.1, 50.0, "always"), delegate(used, 50.0, 2.5))
    assert full.runs_out_h is None
    assert full.low == full.high == 1.0
