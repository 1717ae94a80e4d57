"""Waiting for a slot: who gets it next, for how long one waits, and that none is ever lost."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest
from manual_loop import ManualLoop

from offramp_core.settings import default_backends
from offramp_daemon.resilience import request_queue
from offramp_daemon.resilience.concurrency_limit import FORGOTTEN_AFTER_S
from offramp_daemon.resilience.request_queue import (
    MOST_WAITING,
    REST_FIRST_S,
    RequestQueue,
    Slot,
    SlotTimeoutError,
)

ANTHROPIC, ZAI = default_backends()


class Request:
    """One request: enters, does what it is told, leaves; `log` says who got a slot, in order."""

    def __init__(self, bench: Bench, name: str, session: str | None, wait_s: float) -> None:
        self.bench, self.name = bench, name
        self.session, self.wait_s = session, wait_s
        self.slot: Slot | None = None
        self.is_holding = False
        self.orders: asyncio.Queue[str] = asyncio.Queue()
        self.task = bench.loop.create_task(self._run())

    async def _run(self) -> None:
        slot = self.bench.queue.slot(self.bench.backend, self.session, self.wait_s)
        try:
            async with slot:
                self.slot = slot
                self._hold()
                while (order := await self.orders.get()) != "end":
                    if order == "refused":
                        self.is_holding = False
                        await slot.refused()
                        self._hold()
                    elif order == "note_refused":
                        slot.note_refused()
                        self.is_holding = False
        finally:
            self.is_holding = False

    def _hold(self) -> None:
        self.is_holding = True
        self.bench.log.append(self.name)

    def order(self, what: str) -> None:
        self.orders.put_nowait(what)
        self.bench.loop.settle()

    def end(self) -> None:
        self.order("end")
        self.task.result()

    def error(self) -> BaseException | None:
        return self.task.exception() if self.task.done() else None


class Bench:
    """RequestQueue on a loop whose time a test moves."""

    def __init__(self, loop: ManualLoop) -> None:
        self.loop = loop
        self.backend = ZAI
        self.queue = RequestQueue(clock=loop.time)
        self.log: list[str] = []
        self.requests: list[Request] = []
        """A loop does not hold its tasks, so somebody has to."""

    def come(self, name: str, session: str | None = None, wait_s: float = 30.0) -> Request:
        request = Request(self, name, session, wait_s)
        self.requests.append(request)
        self.loop.settle()
        return request

    def limit_to(self, count: int) -> list[Request]:
        """As many requests as the limit then is; they hold all queue."""
        held = [self.come(f"held {number}", "held") for number in range(count + 1)]
        refused = held.pop()
        refused.order("note_refused")
        refused.end()
        self.log.clear()
        assert self.queue.at_once("zai") == count
        return held


@pytest.fixture
def bench():
    loop = ManualLoop()
    yield Bench(loop)
    loop.end()


def test_without_a_refusal_nobody_waits(bench):
    requests = [bench.come(str(number)) for number in range(100)]
    assert all(request.is_holding for request in requests)
    assert (bench.queue.at_once("zai"), bench.queue.waiting("zai")) == (None, 0)
    assert (bench.queue.at_once("never seen"), bench.queue.waiting("never seen")) == (None, 0)


def test_above_the_limit_requests_wait_until_an_answer_ends(bench):
    held = bench.limit_to(2)
    late = bench.come("late")
    assert not late.is_holding
    assert bench.queue.waiting("zai") == 1
    assert not bench.queue.has_room(ZAI)
    held[0].end()
    assert late.is_holding
    assert bench.queue.waiting("zai") == 0
    assert not bench.queue.has_room(ZAI)
    held[1].end()
    assert bench.queue.has_room(ZAI)


def test_a_backend_does_not_wait_for_another(bench):
    bench.limit_to(1)
    bench.backend = ANTHROPIC
    assert bench.come("other").is_holding


def test_a_session_with_thirty_requests_does_not_keep_another_waiting(bench):
    current = bench.limit_to(1)[0]
    many = [bench.come(f"a{number}", "a") for number in range(30)]
    few = bench.come("b", "b")
    current.end()
    assert bench.log == ["a0"]
    many[0].end()
    assert few.is_holding
    few.end()
    for request in many[1:]:
        request.end()
    assert bench.log == ["a0", "b", *(f"a{number}" for number in range(1, 30))]


def test_sessions_take_turns_and_each_keeps_its_order(bench):
    current = bench.limit_to(1)[0]
    names = ["a1", "a2", "a3", "b1", "b2", "c1"]
    requests = {name: bench.come(name, name[0]) for name in names}
    current.end()
    while len(bench.log) < len(names):
        requests[bench.log[-1]].end()
    assert bench.log == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_requests_without_a_session_wait_in_one_line(bench):
    current = bench.limit_to(1)[0]
    requests = [
        bench.come(name, session) for name, session in [("1", None), ("2", None), ("3", "s")]
    ]
    current.end()
    requests[0].end()
    assert bench.log == ["1", "3"]


def test_a_turn_that_does_not_come_in_time_is_an_error_and_leaves_no_hole(bench):
    current = bench.limit_to(1)[0]
    impatient, patient = bench.come("impatient", wait_s=5), bench.come("patient", wait_s=60)
    bench.loop.advance(4.9)
    assert not impatient.task.done()
    bench.loop.advance(0.2)
    error = impatient.error()
    assert isinstance(error, SlotTimeoutError)
    assert (error.backend, error.wait_s) == ("zai", 5)
    assert bench.queue.waiting("zai") == 1
    current.end()
    assert patient.is_holding


@pytest.mark.parametrize("wait_s", [0, -1])
def test_without_time_to_wait_a_turn_is_had_at_once_or_not_at_all(bench, wait_s):
    current = bench.limit_to(1)[0]
    assert isinstance(bench.come("late", wait_s=wait_s).error(), SlotTimeoutError)
    current.end()
    assert bench.come("in time", wait_s=wait_s).is_holding


def test_too_long_a_queue_turns_away_at_once(bench, monkeypatch):
    monkeypatch.setattr(request_queue, "MOST_WAITING", 3)
    bench.limit_to(1)
    for number in range(3):
        assert not bench.come(str(number)).task.done()
    assert isinstance(bench.come("one too many").error(), SlotTimeoutError)
    assert MOST_WAITING >= 100


def test_a_waiter_that_is_cancelled_leaves_no_hole(bench):
    current = bench.limit_to(1)[0]
    first, second = bench.come("first"), bench.come("second")
    first.task.cancel()
    bench.loop.settle()
    assert first.task.cancelled()
    assert bench.queue.waiting("zai") == 1
    current.end()
    assert second.is_holding


def test_a_holder_that_is_cancelled_frees_its_turn(bench):
    current = bench.limit_to(1)[0]
    waiting = bench.come("waiting")
    current.task.cancel()
    bench.loop.settle()
    assert waiting.is_holding


@pytest.mark.parametrize("is_cancelled_first", [True, False])
def test_a_turn_given_to_one_who_is_cancelled_at_that_moment_goes_to_the_next(
    bench, is_cancelled_first
):
    current = bench.limit_to(1)[0]
    first, second = bench.come("first"), bench.come("second")
    steps = [first.task.cancel, lambda: current.orders.put_nowait("end")]
    for step in steps if is_cancelled_first else reversed(steps):
        step()
    if not is_cancelled_first:  # the slot has been given, and its owner not run yet
        bench.loop.call_soon(first.task.cancel)
    bench.loop.settle()
    assert first.task.cancelled()
    assert second.is_holding
    assert bench.queue.waiting("zai") == 0


def test_a_turn_that_comes_as_the_time_is_over_is_taken_or_passed_on(bench):
    current = bench.limit_to(1)[0]
    first, second = bench.come("first", wait_s=5), bench.come("second", wait_s=60)
    bench.loop.now_s += 5
    current.orders.put_nowait("end")
    bench.loop.settle()
    assert first.is_holding != second.is_holding


def test_a_refused_request_is_the_next_of_its_session_for_the_time_left(bench):
    held = bench.limit_to(2)
    bench.come("other", "held")
    bench.loop.advance(20)
    held[0].order("refused")
    assert bench.queue.at_once("zai") == 1
    assert bench.queue.waiting("zai") == 2
    bench.loop.advance(9)
    held[1].end()
    assert held[0].is_holding
    assert bench.log == ["held 0"]


def test_a_refused_request_whose_time_is_over_holds_nothing(bench):
    held = bench.limit_to(2)
    held[0].order("refused")
    bench.loop.advance(31)
    assert isinstance(held[0].error(), SlotTimeoutError)
    late = bench.come("late")
    held[1].end()
    assert late.is_holding


def test_alone_and_refused_it_rests_a_second_then_twice_as_long(bench):
    current = bench.limit_to(1)[0]
    waiting = bench.come("waiting", "w")
    for rest_s in (REST_FIRST_S, 2 * REST_FIRST_S, 4 * REST_FIRST_S, 8.0, 8.0):
        current.order("refused")
        bench.loop.advance(rest_s - 0.01)
        assert not current.is_holding
        bench.loop.advance(0.02)
        assert current.is_holding
    assert bench.log == ["held 0"] * 5
    assert not waiting.is_holding


def test_an_answer_makes_the_rest_short_again(bench):
    current = bench.limit_to(1)[0]
    current.order("refused")
    bench.loop.advance(1.01)
    current.order("refused")
    bench.loop.advance(2.01)
    current.slot.served()
    current.order("refused")
    bench.loop.advance(1.01)
    assert current.is_holding


def test_who_waits_is_woken_after_a_rest_though_the_refused_one_has_gone(bench):
    current = bench.limit_to(1)[0]
    first, second = bench.come("first", "1"), bench.come("second", "2")
    current.order("note_refused")
    current.end()
    first.task.cancel()
    bench.loop.settle()
    assert not second.is_holding
    bench.loop.advance(REST_FIRST_S + 0.01)
    assert second.is_holding


def test_who_comes_during_a_rest_waits_for_its_end(bench):
    current = bench.limit_to(1)[0]
    current.order("note_refused")
    current.end()
    late = bench.come("late")
    assert not late.is_holding
    assert not bench.queue.has_room(ZAI)
    bench.loop.advance(REST_FIRST_S + 0.01)
    assert late.is_holding


def test_answers_at_the_limit_let_one_more_in(bench):
    held = bench.limit_to(1)
    late = bench.come("late")
    for _ in range(20):
        held[0].slot.served()
    bench.loop.settle()
    assert late.is_holding
    assert bench.queue.at_once("zai") == 2


def test_a_limit_of_hours_ago_is_forgotten_and_lets_all_in(bench):
    bench.limit_to(1)
    patient = [bench.come(str(number), wait_s=10 * FORGOTTEN_AFTER_S) for number in range(3)]
    bench.loop.advance(FORGOTTEN_AFTER_S + 1)
    assert bench.come("late").is_holding
    assert all(request.is_holding for request in patient)
    assert bench.queue.at_once("zai") is None


def test_another_key_begins_without_a_limit_and_old_turns_go_on(bench):
    current = bench.limit_to(1)[0]
    waiting = bench.come("waiting")
    bench.backend = msgspec.structs.replace(ZAI, base_url="http://127.0.0.1:9")
    assert bench.come("new").is_holding
    assert bench.queue.at_once("zai") is None
    current.end()
    assert waiting.is_holding


def test_settings_read_again_without_a_change_keep_the_limit(bench):
    bench.limit_to(1)
    bench.backend = msgspec.structs.replace(ZAI)
    assert not bench.come("late").is_holding


def test_marks_on_a_turn_that_is_not_held_change_nothing(bench):
    current = bench.limit_to(1)[0]
    slot = current.slot
    current.end()
    slot.served()
    slot.note_refused()
    assert bench.queue.at_once("zai") == 1
    assert bench.queue.has_room(ZAI)


def test_under_load_all_are_served_and_the_capacity_is_kept(bench):
    """A service that serves three at once, and 60 requests in 6 sessions that come together."""
    capacity, chance, serving, served = 3, random.Random(7), set(), []

    async def request(number: int) -> None:
        async with bench.queue.slot(ZAI, f"session {number % 6}", 600) as slot:
            while len(serving) >= capacity:
                await slot.refused()
            serving.add(number)
            slot.served()
            await asyncio.sleep(chance.uniform(1, 9))
            serving.remove(number)
            served.append(number)

    tasks = [bench.loop.create_task(request(number)) for number in range(60)]
    for _ in range(2000):
        bench.loop.advance(0.5)
        assert len(serving) <= capacity
        if all(task.done() for task in tasks):
            break
    assert sorted(served) == list(range(60))
    assert bench.queue.at_once("zai") in {3, 4}
