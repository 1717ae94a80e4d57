"""How long each cause bars, for any input; and a trip's two clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.control import api
from offramp_daemon.resilience import breaker_state
from offramp_daemon.resilience.breaker_state import Moment, Trip

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KINDS = [
    api.LIMIT,
    api.UNREACHABLE,
    api.OVERLOADED,
    api.FAILING,
    api.KEY_REFUSED,
    api.ACCOUNT,
    "a kind of a later day",
]


def length(kind, strikes=0, until=None, retry_after_s=None, chance=0.5):
    return breaker_state.length_of(
        kind,
        strikes=strikes,
        until=until,
        retry_after_s=retry_after_s,
        now=NOW,
        chance=lambda: chance,
    )


@given(
    kind=st.sampled_from(KINDS),
    strikes=st.integers(0, 100_000),
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
    retry_after_s=st.none() | st.floats(),
    chance=st.floats(0, 1),
)
def test_whatever_a_service_says_no_bar_is_longer_than_an_hour(
    kind, strikes, until, retry_after_s, chance
):
    found = length(kind, strikes, until, retry_after_s, chance)
    assert 0 < found.delay_s <= breaker_state.LIMIT_LOOK_S
    assert found.until is None or NOW < found.until <= NOW + timedelta(days=40)


@pytest.mark.parametrize(
    ("kind", "delays"),
    [
        (api.OVERLOADED, [5, 10, 20, 40, 80, 160, 300, 300]),
        (api.FAILING, [5, 10, 20, 40, 80, 160, 300, 300]),
        (api.UNREACHABLE, [5, 10, 20, 40, 60, 60]),
        (api.KEY_REFUSED, [300, 300]),
        (api.ACCOUNT, [300, 300]),
        (api.LIMIT, [900, 900]),
    ],
)
def test_each_kind_lasts_longer_as_it_is_meant_to(kind, delays):
    assert [length(kind, strikes).delay_s for strikes in range(len(delays))] == delays


@pytest.mark.parametrize(("chance", "delay_s"), [(0, 4), (0.5, 5), (1, 6)])
def test_back_offs_are_spread_by_a_fifth(chance, delay_s):
    assert length(api.OVERLOADED, chance=chance).delay_s == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("asked_s", "delay_s"), [(1, 5), (30, 30), (86_400, 900), (-5, 5), (float("nan"), 5)]
)
def test_what_a_service_asks_for_bounds_a_back_off_from_below(asked_s, delay_s):
    assert length(api.OVERLOADED, retry_after_s=asked_s).delay_s == delay_s


def test_a_quota_is_said_to_hold_until_its_reset_and_tried_each_hour():
    reset = NOW + timedelta(days=3)
    assert length(api.LIMIT, until=reset) == breaker_state.TripLength(3600, reset)
    soon = NOW + timedelta(minutes=7)
    assert length(api.LIMIT, until=soon) == breaker_state.TripLength(420, soon)


@pytest.mark.parametrize("reset", [NOW, NOW - timedelta(days=1), NOW + timedelta(days=4000)])
def test_a_reset_that_can_not_be_is_none(reset):
    found = length(api.LIMIT, until=reset)
    assert found == breaker_state.TripLength(900, NOW + timedelta(seconds=900))


def bar(due_s=100.0):
    return Trip(
        cause=api.OVERLOADED,
        since=NOW,
        until=NOW + timedelta(seconds=due_s),
        due_s=due_s,
        due=NOW + timedelta(seconds=due_s),
        number=1,
    )


@pytest.mark.parametrize(
    ("clock_s", "wall_s", "is_due"),
    [
        (99, 99, False),
        (100, -50_000, True),  # the wall clock was set back
        (5, 100, True),  # the machine slept
        (99, -50_000, False),
    ],
)
def test_a_bar_is_over_when_either_clock_says_so(clock_s, wall_s, is_due):
    assert bar().is_due(Moment(clock_s, NOW + timedelta(seconds=wall_s))) is is_due


def test_a_bar_with_a_probe_is_not_idle():
    late = Moment(1000, NOW)
    found = bar()
    assert found.is_idle(late, 60)
    found.probe = 7
    assert not found.is_idle(late, 60)
