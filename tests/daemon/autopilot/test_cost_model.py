"""What requests take of the plan's windows, learnt from the moves of its figures."""

from __future__ import annotations

import dataclasses
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.work.history import TIERS


def learnt(scale: float = 1.0, part: float = 0.1) -> CostModel:
    """A model that saw a third of a week, in weights of that scale."""
    random, model, used = Random(4), CostModel(), 0.0
    factors = {"opus": 1.2, "sonnet": 0.8, "haiku": 1.0}
    model.observe(0.0, 0.0)
    for _ in range(600):
        tier = random.choice(TIERS)
        cost = random.uniform(0.0001, 0.001)
        used += cost
        model.add_pending(tier, cost / factors[tier] * scale)
        model.observe(math.floor(used * 100) / 100, math.floor(used / part * 100) / 100)
    return model


def test_factors_come_near_the_true_ones() -> None:
    model = learnt()
    assert model.is_known
    assert model.factor("opus") == pytest.approx(1.2, rel=0.2)
    assert model.factor("sonnet") == pytest.approx(0.8, rel=0.2)


@pytest.mark.parametrize("scale", [0.01, 150.0])
def test_the_unit_of_the_weights_does_not_matter(scale: float) -> None:
    for tier in TIERS:
        assert learnt(scale).factor(tier) * scale == pytest.approx(learnt().factor(tier))


def test_the_size_of_a_five_hour_window_is_learnt() -> None:
    assert learnt(part=0.2).five_hour_part == pytest.approx(0.2, rel=0.15)


def test_nothing_is_known_until_the_figures_moved() -> None:
    model = CostModel()
    model.add_pending("opus", 1.0)
    model.observe(0.5)
    model.observe(0.51)
    assert not model.is_known


def test_moves_that_no_request_here_caused_teach_nothing() -> None:
    model = CostModel()
    model.observe(0.1)
    model.observe(0.5)
    assert model.moved == 0


def test_a_new_week_is_no_move() -> None:
    model = CostModel()
    model.observe(0.9)
    model.add_pending("opus", 1.0)
    model.observe(0.0)
    model.add_pending("opus", 1.0)
    model.observe(0.03)
    assert model.moved == pytest.approx(0.03)
    assert model.factor("opus") == pytest.approx(0.03, rel=0.05)


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(TIERS), st.floats(0, 1e6), st.floats(0, 2), st.none() | FLOATS),
        max_size=20,
    ),
    odd=FLOATS,
)
def test_factors_are_always_positive_numbers(
    steps: list[tuple[str, float, float, float | None]], odd: float
) -> None:
    model = CostModel()
    model.add_pending("opus", odd)
    model.observe(odd)
    for tier, weight, used, window in steps:
        model.add_pending(tier, weight)  # type: ignore[arg-type] - drawn from the tiers themselves
        model.observe(used, window)
    assert 0.01 <= model.five_hour_part <= 1
    if model.is_known:
        assert all(math.isfinite(model.factor(tier)) and model.factor(tier) > 0 for tier in TIERS)


def test_figures_that_answers_overtake_teach_each_move_once() -> None:
    model = CostModel()
    model.observe(0.30, 0.50)
    for _ in range(100):
        for used, window in ((0.31, 0.58), (0.30, 0.57)):
            model.add_pending("opus", 0.01)
            model.observe(used, window)
    assert model.moved == pytest.approx(0.01)
    assert model.five_hour_part == pytest.approx((0.036 + 0.01) / (0.3 + 0.08))


@given(
    first=st.floats(0.1, 1),
    steps=st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=60),
)
def test_wavering_figures_move_no_further_than_they_rise(first: float, steps: list[float]) -> None:
    model = CostModel()
    model.observe(first)
    highest = first
    for step in steps:
        model.add_pending("opus", 0.01)
        used = max(highest - 0.019, highest + step)
        highest = max(highest, used)
        model.observe(used)
    assert model.moved == pytest.approx(highest - first)


def test_what_another_device_takes_at_once_says_nothing_of_requests_here() -> None:
    model = learnt()
    before = {tier: model.factor(tier) for tier in TIERS}
    model.add_pending("haiku", 0.000_1)
    model.observe(0.7, 0.9)
    model.add_pending("haiku", 0.000_1)
    model.observe(0.7, 0.9)
    assert {tier: model.factor(tier) for tier in TIERS} == before
    assert model.five_hour_part == pytest.approx(0.1, rel=0.15)


def test_after_breaking_off_the_next_figures_are_the_first() -> None:
    model = CostModel()
    model.observe(0.1)
    model.add_pending("opus", 1.0)
    model.break_off()
    model.observe(0.15)
    assert model.moved == 0
    model.add_pending("opus", 1.0)
    model.observe(0.18)
    assert model.moved == pytest.approx(0.03)


def test_what_was_kept_is_known_again() -> None:
    model = learnt()
    again = CostModel.of(model.learnt())
    assert again.learnt() == model.learnt()
    assert [again.factor(tier) for tier in TIERS] == [model.factor(tier) for tier in TIERS]


@given(scale=st.sampled_from([1e-300, 1e-30, 1.0, 1e30, 1e300]), field=st.integers(0, 3))
def test_figures_out_of_all_proportion_are_refused_or_harmless(scale: float, field: int) -> None:
    kept = learnt().learnt()
    names = ("moved", "weight", "products", "moves")
    value = getattr(kept, names[field])
    changed = tuple(each * scale for each in value) if field > 1 else value * scale
    try:
        model = CostModel.of(dataclasses.replace(kept, **{names[field]: changed}))
    except ValueError:
        return
    assert all(0 < model.factor(tier) < math.inf for tier in TIERS)
