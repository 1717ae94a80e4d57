"""Any order of requests, outcomes and time: one probe at a time, and always a way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from offramp_core.control.api import ACCOUNT, FAILING, KEY_REFUSED, LIMIT, OVERLOADED, UNREACHABLE
from offramp_core.settings import default_backends
from offramp_daemon.resilience.circuit_breaker import PROBE_LOST_S, CircuitBreaker

if TYPE_CHECKING:
    from offramp_daemon.exchange import Permit

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
_, ZAI = default_backends()
MODELS = ["claude-sonnet-4-5", "Claude-Sonnet-4-5", "GLM-4.5-Air"]
KINDS = [ACCOUNT, FAILING, KEY_REFUSED, LIMIT, OVERLOADED, UNREACHABLE]


class AvailabilityMachine(RuleBasedStateMachine):
    """One backend, whose requests are sent only where they are admitted."""

    def __init__(self) -> None:
        super().__init__()
        self.clock_s, self.wall = 0.0, NOW
        self.sent: list[tuple[Permit, float]] = []
        self.told: str | None = None
        self.breaker = CircuitBreaker(
            clock=lambda: self.clock_s, now=lambda: self.wall, chance=lambda: 0.9
        )
        self.breaker.follow(self._hear)

    def _hear(self, change) -> None:
        cause = change.standing.cause if change.standing else None
        assert cause != self.told, "told of nothing new"
        self.told = cause

    @rule(model=st.sampled_from(MODELS))
    def send(self, model):
        permit = self.breaker.ask(ZAI, model)
        family = model.lower()
        probes = [
            sent
            for sent, at_s in self.sent
            if sent.is_probe and sent.family == family and self.clock_s - at_s < PROBE_LOST_S
        ]
        if probes:
            assert not permit.is_open, "a second request while a probe is out"
        if permit.is_open:
            self.sent.append((permit, self.clock_s))
        else:
            assert permit.cause in KINDS

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), is_whole=st.booleans())
    def answer(self, data, is_whole):
        permit, sent_s = self._take(data)
        self.breaker.note_begun(permit)
        if permit.is_probe and self.clock_s - sent_s >= PROBE_LOST_S:
            # It was given up, and another went out in its place, whose outcome is no news now.
            self.sent = [(replace(each, is_probe=False), at_s) for each, at_s in self.sent]
        if is_whole:
            self.breaker.note_success(permit)

    @precondition(lambda self: self.sent)
    @rule(
        data=st.data(),
        kind=st.sampled_from(KINDS),
        until_s=st.none() | st.integers(-1000, 10_000_000),
        retry_after_s=st.none() | st.floats(0, 1e9),
        scope=st.sampled_from([None, "backend", "family"]),
    )
    def fail(self, data, kind, until_s, retry_after_s, scope):
        until = None if until_s is None else self.wall + timedelta(seconds=until_s)
        self.breaker.note_failure(
            self._take(data)[0], kind, until=until, retry_after_s=retry_after_s, scope=scope
        )

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def abandon(self, data):
        self.breaker.note_abandoned(self._take(data)[0])

    @rule(seconds=st.sampled_from([0.5, 4, 6, 61, 301, 901, 3601]))
    def pass_time(self, seconds):
        self.clock_s += seconds
        self.wall += timedelta(seconds=seconds)

    @rule(seconds=st.integers(-100_000, 100_000))
    def set_wall_clock(self, seconds):
        self.wall += timedelta(seconds=seconds)

    @invariant()
    def what_was_told_is_what_stands(self):
        self.breaker.settle()
        standing = self.breaker.standing(ZAI)
        assert (standing.cause if standing else None) == self.told

    def teardown(self):
        """Once the backend is well, an hour later each model is served again, and nothing stands.

        A request whose outcome was never noted does not change that.
        """
        self.clock_s += 3601
        for model in MODELS:
            permit = self.breaker.ask(ZAI, model)
            assert permit.is_open
            self.breaker.note_begun(permit)
            self.breaker.note_success(permit)
        for model in MODELS:
            permit = self.breaker.ask(ZAI, model)
            assert (permit.is_open, permit.is_probe) == (True, False)
        assert self.breaker.standing(ZAI) is None
        assert self.told is None

    def _take(self, data) -> tuple[Permit, float]:
        index = data.draw(st.integers(0, len(self.sent) - 1))
        return self.sent.pop(index)


TestAvailabilityMachine = AvailabilityMachine.TestCase
TestAvailabilityMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


def test_answer_of_a_probe_that_was_given_up_lifts_what_barred_the_backend():
    clock_s = 0.0
    breaker = CircuitBreaker(clock=lambda: clock_s, now=lambda: NOW, chance=lambda: 0.9)
    breaker.note_failure(breaker.ask(ZAI, MODELS[0]), ACCOUNT)
    clock_s += 3601
    late = breaker.ask(ZAI, MODELS[0])
    clock_s += PROBE_LOST_S
    assert [late.is_probe, breaker.ask(ZAI, MODELS[0]).is_probe] == [True, True]
    assert not breaker.ask(ZAI, MODELS[0]).is_open
    breaker.note_begun(late)
    assert breaker.ask(ZAI, MODELS[0]).is_open
