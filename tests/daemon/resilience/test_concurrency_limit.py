"""What a backend serves at once is found soon, tried ever more seldom, and forgotten in the end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.resilience.concurrency_limit import (
    ANSWERS_BEFORE_GROWTH,
    FORGOTTEN_AFTER_S,
    LONGEST_PATIENCE_S,
    SECONDS_BEFORE_GROWTH,
    ConcurrencyLimit,
)


def limit_of(count: int) -> ConcurrencyLimit:
    limit = ConcurrencyLimit()
    limit.note_refused(count + 1, 0)
    assert limit.count == count
    return limit


@dataclass
class Service:
    """Serves `capacity` at once; those who ask for more than that are refused, one at a time."""

    capacity: int
    limit: ConcurrencyLimit = field(default_factory=ConcurrencyLimit)
    now_s: float = 0.0
    refused_at_s: list[float] = field(default_factory=list)

    def serve_for(self, seconds: float, answer_s: float, demand: int = 50) -> None:
        """Under a demand that never ends, one answer each `answer_s`."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += answer_s
            in_flight = min(demand, self.limit.count or demand)
            if in_flight > self.capacity:
                self.limit.note_refused(in_flight, self.now_s)
                self.refused_at_s.append(self.now_s)
            else:
                self.limit.note_served(in_flight, self.now_s)


def test_there_is_no_limit_until_the_first_refusal():
    limit = ConcurrencyLimit()
    for in_flight in range(1, 200):
        assert not limit.note_served(in_flight, in_flight)
    assert limit.count is None
    limit.note_refused(7, 500)
    assert limit.count == 6


@pytest.mark.parametrize("in_flight", [0, 1, 2])
def test_the_limit_is_never_below_one(in_flight):
    limit = limit_of(4)
    limit.note_refused(in_flight, 1)
    assert limit.count == 1


def test_a_refusal_of_what_was_sent_before_does_not_raise_the_limit():
    limit = limit_of(3)
    limit.note_refused(9, 1)
    assert limit.count == 3


def test_a_burst_that_was_refused_one_by_one_finds_the_number():
    limit = ConcurrencyLimit()
    for in_flight in range(10, 3, -1):
        limit.note_refused(in_flight, 0)
    assert limit.count == 3


def test_twenty_answers_at_the_limit_raise_it_by_one():
    limit = limit_of(2)
    grew = [limit.note_served(2, 1) for _ in range(ANSWERS_BEFORE_GROWTH)]
    assert grew == [False] * (ANSWERS_BEFORE_GROWTH - 1) + [True]
    assert limit.count == 3


def test_two_minutes_at_the_limit_raise_it_by_one():
    limit = limit_of(2)
    assert not limit.note_served(2, SECONDS_BEFORE_GROWTH - 1)
    assert limit.note_served(2, SECONDS_BEFORE_GROWTH)


def test_answers_below_the_limit_say_nothing():
    limit = limit_of(3)
    for number in range(1000):
        assert not limit.note_served(2, number)
    assert limit.count == 3


@pytest.mark.parametrize("answer_s", [0.1, 2.0, 30.0, 400.0])
def test_under_a_lasting_load_a_right_limit_is_tried_ever_more_seldom(answer_s):
    service = Service(3)
    service.serve_for(12 * 3600, answer_s)
    assert service.limit.count in {3, 4}
    late = [at_s for at_s in service.refused_at_s if at_s > 6 * 3600]
    # Once it has settled, half an hour or more lies between one refused request and the next.
    assert late
    gaps = [b - a for a, b in itertools.pairwise(late)]
    assert all(gap >= LONGEST_PATIENCE_S for gap in gaps)


def test_a_service_that_serves_more_from_now_on_is_found_out():
    service = Service(1)
    service.serve_for(600, 2.0)
    service.capacity = 8
    service.serve_for(2 * 3600, 2.0)
    assert service.limit.count in {8, 9}


def test_a_service_that_serves_less_from_now_on_costs_few_refusals():
    service = Service(8)
    service.serve_for(1200, 1.0)
    service.capacity, before = 2, len(service.refused_at_s)
    service.serve_for(60, 1.0)
    assert service.limit.count in {2, 3}
    assert len(service.refused_at_s) - before <= 8


def test_a_raise_that_proved_right_makes_the_next_one_as_soon_again():
    limit = limit_of(1)
    for count in (1, 2, 3, 4):
        assert limit.count == count
        for _ in range(ANSWERS_BEFORE_GROWTH):
            limit.note_served(count, 1)
    limit.note_refused(5, 2)
    assert limit.count == 4
    for _ in range(2 * ANSWERS_BEFORE_GROWTH - 1):
        assert not limit.note_served(4, 3)
    assert limit.note_served(4, 3)


def test_hours_without_a_refusal_forget_the_limit():
    limit = limit_of(2)
    assert not limit.forget_if_old(FORGOTTEN_AFTER_S - 1)
    assert limit.forget_if_old(FORGOTTEN_AFTER_S)
    assert limit.count is None
    assert not limit.forget_if_old(2 * FORGOTTEN_AFTER_S)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.floats(0, 2000)), max_size=300)
)
def test_whatever_happens_one_step_raises_by_one_and_no_refusal_raises(steps):
    limit, now_s = ConcurrencyLimit(), 0.0
    for is_refusal, in_flight, passed_s in steps:
        now_s += passed_s
        before = limit.count
        if is_refusal:
            limit.note_refused(in_flight, now_s)
            assert limit.count is not None
            assert 1 <= limit.count <= max(1, in_flight - 1)
            assert before is None or limit.count <= before
        else:
            grew = limit.note_served(in_flight, now_s)
            assert limit.count == (before + 1 if grew and before else before)
