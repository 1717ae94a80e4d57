"""Quantiles of work to come: never negative, in order, and where samples put them."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.autopilot.work.distribution import NINE_TENTHS, TENTH, quantile


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 0.3), (0.2, 0.1), (0.05, 0.05)])
def test_a_quantile_is_where_samples_put_it(mean: float, deviation: float) -> None:
    shape = (mean / deviation) ** 2
    random = Random(7)
    samples = sorted(random.gammavariate(shape, mean / shape) for _ in range(20_000))
    for deviations, part in ((TENTH, 0.1), (0.0, 0.5), (NINE_TENTHS, 0.9)):
        found = quantile(mean, deviation**2, deviations)
        assert found == pytest.approx(samples[int(part * len(samples))], rel=0.06, abs=0.002)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(-3, 3), st.floats(0, 3))
def test_a_higher_quantile_is_never_less(
    mean: float, variance: float, deviations: float, more: float
) -> None:
    low, high = (quantile(mean, variance, each) for each in (deviations, deviations + more))
    assert 0 <= low <= high < math.inf


def test_nothing_to_come_and_no_doubt_are_taken_as_they_are() -> None:
    assert quantile(0.0, 1.0, 3.0) == 0.0
    assert quantile(0.4, 0.0, 3.0) == 0.4
