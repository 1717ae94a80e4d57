"""Weeks that are made up: always the same from one seed, and as different as users are."""

from __future__ import annotations

import hashlib

import pytest

from synthetic_weeks import (
    HISTORY_WEEKS,
    HOURS_A_WEEK,
    REPORT_SEEDS,
    TUNING_SEEDS,
    Shape,
    make_week,
)


def test_one_seed_makes_one_week() -> None:
    assert make_week(7) == make_week(7)


def test_seeds_make_different_weeks() -> None:
    assert make_week(7).requests != make_week(7 + len(Shape)).requests


def test_weeks_for_tuning_and_for_the_report_are_a_thousand_each_and_share_none() -> None:
    assert len(TUNING_SEEDS) == len(REPORT_SEEDS) == 1_000
    assert not set(TUNING_SEEDS) & set(REPORT_SEEDS)


@pytest.mark.parametrize("seed", range(12))
def test_requests_are_in_order_within_the_week_and_cost_something(seed: int) -> None:
    week = make_week(seed)
    moments = [request.at_h for request in week.requests]
    assert moments == sorted(moments)
    assert all(0 <= moment < HOURS_A_WEEK for moment in moments)
    assert all(request.cost > 0 and request.weight > 0 for request in week.requests)


@pytest.mark.parametrize("seed", range(12))
def test_history_holds_every_hour_of_the_weeks_before(seed: int) -> None:
    history = make_week(seed).history
    assert len(history) == HISTORY_WEEKS
    assert {len(hours) for week in history for hours in (week.opus, week.execution)} == {
        HOURS_A_WEEK
    }


def test_a_conversation_keeps_its_tier() -> None:
    tiers: dict[int, set[str]] = {}
    for request in make_week(3).requests:
        tiers.setdefault(request.conversation, set()).add(request.tier)
    assert {len(found) for found in tiers.values()} == {1}


def test_doubled_weeks_hold_about_twice_the_work() -> None:
    def load(shape: Shape) -> float:
        weeks = [make_week(seed) for seed in range(300) if list(Shape)[seed % 6] is shape]
        usual = sum(week.user.opus + week.user.execution for week in weeks)
        return sum(week.work for week in weeks) / usual

    assert 1.6 < load(Shape.DOUBLE) / load(Shape.EVEN) < 2.4


def figures(numbers: list[float]) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (0, "32d154792e5e89ff"),
        (7, "c7e5de2958269463"),
        (899, "684de3d6832a55ee"),
        (900000, "d0fc83ed0bb29b4f"),
        (900999, "a15eaa603d75e553"),
        (123456, "e89a2801540e1765"),
    ],
)
def test_a_seed_makes_the_same_week_in_every_version(seed: int, digest: str) -> None:
    week = make_week(seed)
    lines = [
        f"{each.conversation} {each.tier} " + figures([each.at_h, each.weight, each.cost])
        for each in week.requests
    ]
    lines += [figures([*past.opus, *past.execution]) for past in week.history]
    lines.append(figures([week.user.five_hour_part, week.user.reset_h]))
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest
