"""What the autopilot knows of the plans that work is delegated to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_daemon.autopilot.plans.delegate_plans import DelegatePlans

if TYPE_CHECKING:
    from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""A Tuesday, off-peak."""
PEAK = datetime(2026, 11, 25, 7, tzinfo=UTC)
RESET = datetime(2026, 11, 27, 3, tzinfo=UTC)
START = datetime(2026, 11, 22, 22, tzinfo=UTC)


def plan(
    used: float,
    at: datetime,
    *,
    cap: float | None = None,
    reset: datetime | None = RESET,
    account: str = "z1",
    five: float | None = 0.1,
) -> PlanQuota:
    week = QuotaWindow(name="7d", used=used, resets=reset, cap=cap, read_at=at)
    hours = QuotaWindow(name="5h", used=five, resets=None, read_at=at)
    return PlanQuota(backend="zai", account=account, windows=(week, hours), read_at=at)


def taught(
    start: datetime = NOON, *, cap: float | None = 10_000, each: float = 0.01
) -> DelegatePlans:
    """Ten requests of weight 1 that took so much of the week each."""
    plans = DelegatePlans()
    plans.observe(plan(0.2, start, cap=cap))
    for number in range(1, 11):
        at = start + number * timedelta(minutes=5)
        plans.add_answer("zai", "sonnet", 1.0, at)
        plans.observe(plan(0.2 + number * each, at, cap=cap))
    return plans


def budget(plans: DelegatePlans, now: datetime) -> DelegateBudget:
    found = plans.budget("zai", now, START)
    assert found is not None
    return found


def test_costs_are_learnt_from_the_plans_own_figures() -> None:
    known = budget(taught(), NOON + HOUR)
    assert known.cost.common == pytest.approx(0.01)
    assert known.reading.week_used == pytest.approx(0.3)
    assert known.reading.window_used == 0.0  # no window is open
    assert not known.is_peak


def test_what_costs_double_at_peak_is_learnt_as_its_usual_cost() -> None:
    known = budget(taught(PEAK, each=0.02), PEAK + HOUR)
    assert known.cost.common == pytest.approx(0.01)
    assert known.is_peak
    assert sum(known.times) == 168 + 20


def test_a_larger_plan_makes_requests_cheaper_at_once() -> None:
    plans = taught()
    plans.observe(plan(0.3 / 14, NOON + HOUR, cap=140_000))
    assert budget(plans, NOON + HOUR).cost.common == pytest.approx(0.01 / 14)


@pytest.mark.parametrize(
    "odd",
    [
        plan(0.3, NOON + HOUR, reset=None),
        plan(0.3, NOON + HOUR, reset=NOON),
        plan(float("nan"), NOON + HOUR),
        plan(0.3, NOON - 2 * timedelta(days=1)),
        plan(0.3, NOON + 9 * HOUR),  # a clock that was set back
        msgspec.structs.replace(plan(0.3, NOON), windows=()),
    ],
)
def test_figures_that_cannot_be_trusted_make_no_budget(odd: PlanQuota) -> None:
    plans = taught()
    plans.observe(odd)
    if odd.windows:
        assert plans.budget("zai", NOON + HOUR, START) is None
    assert plans.budget("another", NOON + HOUR, START) is None


def test_without_a_weekly_window_there_is_no_limit() -> None:
    plans = DelegatePlans()
    only_hours = msgspec.structs.replace(plan(0.3, NOON), windows=plan(0.3, NOON).windows[1:])
    assert not plans.observe(only_hours)
    plans.add_answer("zai", "haiku", 1.0, NOON)
    assert plans.budget("zai", NOON, START) is None
    assert plans.backends() == ()


def test_another_account_is_learnt_by_itself() -> None:
    plans = taught()
    plans.observe(plan(0.8, NOON + HOUR, account="z2"))
    assert not budget(plans, NOON + HOUR).cost.is_known
    plans.observe(plan(0.3, NOON + 2 * HOUR))
    assert budget(plans, NOON + 2 * HOUR).cost.common == pytest.approx(0.01)


def test_the_next_week_goes_on_with_half_of_what_was_learnt() -> None:
    plans = taught()
    before = budget(plans, NOON + HOUR).cost
    later = RESET + HOUR
    plans.observe(plan(0.0, later, reset=RESET + timedelta(days=7)))
    after = budget(plans, later).cost
    assert after.moved == pytest.approx(before.moved / 2)
    assert after.common == pytest.approx(before.common)


def test_what_is_kept_is_taken_up_again() -> None:
    kept = taught(PEAK, each=0.02).learnt()
    plans = DelegatePlans()
    plans.take_up(kept)
    assert plans.learnt() == kept
    plans.observe(plan(0.5, NOON + HOUR))
    assert budget(plans, NOON + HOUR).cost.common == pytest.approx(0.01)


def test_accounts_without_end_are_not_kept() -> None:
    plans = DelegatePlans()
    for number in range(40):
        plans.observe(plan(0.2, NOON + number * HOUR / 60, account=f"z{number}"))
    assert len(plans.learnt()) <= 16


@pytest.mark.parametrize("moved", [None, HOUR, 30 * HOUR, -2 * HOUR])
def test_resets_that_move_or_are_not_told_age_nothing(moved: timedelta | None) -> None:
    plans = taught()
    before = budget(plans, NOON + HOUR).cost.moved
    for number in range(21):
        at = NOON + HOUR + number * timedelta(minutes=5)
        odd = None if moved is None else RESET + moved
        plans.observe(plan(0.3, at, reset=odd if number % 2 else RESET, cap=10_000))
    after = budget(plans, NOON + 3 * HOUR).cost
    assert after.moved == pytest.approx(before)
    assert after.common == pytest.approx(0.01)


def test_weeks_without_figures_age_each_by_itself() -> None:
    plans = taught()
    before = budget(plans, NOON + HOUR).cost.moved
    later = RESET + timedelta(days=15)
    plans.observe(plan(0.0, later, reset=RESET + timedelta(days=21), cap=10_000))
    assert budget(plans, later).cost.moved == pytest.approx(before / 8)


def test_a_larger_plan_whose_week_begins_with_it_makes_requests_cheaper() -> None:
    plans = taught()
    later = NOON + 2 * HOUR
    plans.observe(plan(0.0, later, reset=later + timedelta(days=7), cap=140_000))
    assert budget(plans, later).cost.common == pytest.approx(0.01 / 14)


@pytest.mark.parametrize("cap", [1e-300, 1e300, 28_000_000_000.0])
def test_a_cap_that_counts_something_else_changes_no_cost(cap: float) -> None:
    plans = taught()
    plans.observe(plan(0.3, NOON + HOUR, cap=cap))
    assert budget(plans, NOON + HOUR).cost.common == pytest.approx(0.01)
    again = DelegatePlans()
    again.take_up(plans.learnt())
    assert again.learnt() == plans.learnt()


def test_what_another_device_moved_is_not_taken_for_a_change_of_prices() -> None:
    plans = taught()
    at = NOON + HOUR
    for number in range(21):
        plans.add_answer("zai", "sonnet", 3.0, at + number * timedelta(minutes=1))
    plans.observe(plan(0.95, at + HOUR / 2, cap=10_000))
    plans.observe(plan(0.0, RESET + HOUR, reset=RESET + timedelta(days=7), cap=10_000))
    for number in range(1, 9):
        at = RESET + HOUR + number * timedelta(minutes=5)
        plans.add_answer("zai", "sonnet", 1.0, at)
        plans.observe(plan(number * 0.01, at, reset=RESET + timedelta(days=7), cap=10_000))
    assert set(budget(plans, RESET + 2 * HOUR).times) == {1.0, 2.0}
