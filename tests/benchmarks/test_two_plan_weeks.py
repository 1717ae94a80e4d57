"""Weeks of users with two plans: the same from one seed, of every kind, and with every plan."""

from __future__ import annotations

import hashlib
from statistics import median

import pytest

from offramp_cli.whatif.second_plan import LITE, MAX, PRO, ZAI_PLANS, is_peak
from synthetic_weeks import HOURS_A_WEEK, Shape, make_week
from two_plan_weeks import (
    TWO_PLAN_REPORT_SEEDS,
    TWO_PLAN_TUNING_SEEDS,
    Kind,
    make_old_week,
    make_two_plan_week,
)

SEEDS = range(90)


def test_one_seed_makes_one_week_and_another_one_another() -> None:
    assert make_two_plan_week(7) == make_two_plan_week(7)
    assert make_two_plan_week(7).week.requests != make_two_plan_week(97).week.requests


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (0, "82d4d51102de1875"),
        (1, "cb2e8818bca84060"),
        (2, "6d487fb06560c572"),
        (3, "ba03639d49b48c83"),
        (4, "05efa3699ad12d34"),
        (3141592, "01168d24c041dc5a"),
    ],
)
def test_a_seed_makes_the_same_week_in_every_version(seed: int, digest: str) -> None:
    week = make_two_plan_week(seed).week
    lines = [
        f"{each.conversation} {each.tier} "
        f"{each.at_h:.9g} {each.weight:.9g} {each.cost:.9g} {each.credits:.9g}"
        for each in week.requests
    ]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest


def test_weeks_for_tuning_and_for_the_report_are_a_thousand_each_and_share_none() -> None:
    assert len(TWO_PLAN_TUNING_SEEDS) == len(TWO_PLAN_REPORT_SEEDS) == 1_000
    assert not set(TWO_PLAN_TUNING_SEEDS) & set(TWO_PLAN_REPORT_SEEDS)


def test_every_kind_of_user_meets_every_shape_and_every_plan() -> None:
    made = [make_two_plan_week(seed) for seed in SEEDS]
    found = {(each.kind, each.made.shape, each.plan and each.plan.level) for each in made}
    assert len(found) == len(Kind) * len(Shape) * len(ZAI_PLANS)


@pytest.mark.parametrize("seed", SEEDS[::7])
def test_requests_are_in_order_and_only_execution_work_costs_credits(seed: int) -> None:
    week = make_two_plan_week(seed).week
    moments = [request.at_h for request in week.requests]
    assert moments == sorted(moments)
    assert all(0 <= moment < HOURS_A_WEEK for moment in moments)
    assert all((each.credits > 0) is (each.tier != "opus") for each in week.requests)
    assert week.second is not None
    assert 0 <= week.second.used <= week.second.plan.week_credits


def test_who_uses_no_opus_has_none_in_any_week() -> None:
    made = next(make_two_plan_week(seed) for seed in SEEDS if seed % len(Kind) == 1)
    assert made.kind is Kind.NO_OPUS
    assert made.made.opus == 0
    assert not any(any(past.opus) for past in made.week.history)


def test_subagents_begin_many_conversations_at_once() -> None:
    def most_at_once(kind: Kind) -> float:
        found = []
        for seed in SEEDS[:60]:
            made = make_two_plan_week(seed)
            if made.kind is kind:
                starts: dict[int, int] = {}
                seen: set[int] = set()
                for request in made.week.requests:
                    if request.conversation not in seen:
                        seen.add(request.conversation)
                        moment = int(request.at_h * 20)
                        starts[moment] = starts.get(moment, 0) + 1
                found.append(max(starts.values()))
        return median(found)

    assert most_at_once(Kind.SUBAGENTS) > 2 * most_at_once(Kind.USUAL)


def test_about_every_fifth_week_changes_a_plan_and_both_plans_are_among_them() -> None:
    changes = [make_two_plan_week(seed).week.change for seed in range(200)]
    found = [change for change in changes if change is not None]
    assert 30 <= len(found) <= 50
    assert any(change.zai is not None and change.is_fresh for change in found)
    assert any(change.zai is not None and not change.is_fresh for change in found)
    assert {change.claude_size for change in found} == {0.6, 1.0, 2.0}
    assert all(0 < change.at_h < HOURS_A_WEEK for change in found)


def test_an_old_week_with_a_plan_holds_the_work_of_the_week_without() -> None:
    old, without = make_week(5), make_old_week(5, None)
    assert without.week == old.simulated()
    with_lite = make_old_week(5, LITE)
    assert with_lite == make_old_week(5, LITE)
    assert [(each.at_h, each.tier, each.weight, each.cost) for each in with_lite.week.requests] == [
        (each.at_h, each.tier, each.weight, each.cost) for each in old.requests
    ]
    assert with_lite.week.second is not None
    assert with_lite.week.second.plan is LITE


@pytest.mark.parametrize(
    ("monday_h", "is_double"),
    [
        (5.9, False),
        (6.0, True),
        (9.9, True),
        (10.0, False),
        (4 * 24 + 7, True),
        (5 * 24 + 7, False),
        (7 * 24 + 7, True),
        (-24 + 7, False),
    ],
)
def test_peak_is_four_hours_on_working_days(monday_h: float, is_double: bool) -> None:
    assert is_peak(monday_h) is is_double


def test_a_larger_plan_holds_more() -> None:
    assert LITE.week_credits < PRO.week_credits < MAX.week_credits
    assert LITE.window_credits < PRO.window_credits < MAX.window_credits
