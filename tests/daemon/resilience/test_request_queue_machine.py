"""Any order of arrivals, ends, refusals, cancellations and time: no slot too many, none lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from manual_loop import ManualLoop

from offramp_core.settings import default_backends
from offramp_daemon.resilience.request_queue import REST_LONGEST_S, RequestQueue, SlotTimeoutError

_, ZAI = default_backends()
WAITS_S = [0.0, 1.0, 5.0, 30.0]


@dataclass(eq=False)
class Request:
    session: str
    order: asyncio.Future[str]
    deadline_s: float
    task: asyncio.Task[None] | None = None
    slot: object = None
    is_holding: bool = False


class TurnsMachine(RuleBasedStateMachine):
    """Requests of a few sessions at one backend."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.queue = RequestQueue(clock=self.loop.time)
        self.requests: list[Request] = []
        self.refused_s = float("-inf")
        self.was_holding = 0

    async def _run(self, request: Request, wait_s: float) -> None:
        try:
            async with self.queue.slot(ZAI, request.session, wait_s) as slot:
                request.slot = slot
                self._hold(request)
                while await request.order == "refused":
                    request.is_holding = False
                    request.order = self.loop.create_future()
                    await slot.refused()
                    self._hold(request)
        finally:
            request.is_holding = False

    def _hold(self, request: Request) -> None:
        request.is_holding = True
        limit = self.queue.at_once("zai")
        assert limit is None or len(self._holding()) <= limit, "more in flight than the limit"

    def _holding(self) -> list[Request]:
        return [request for request in self.requests if request.is_holding]

    def _waiting(self) -> list[Request]:
        return [
            request
            for request in self.requests
            if not request.is_holding and request.task and not request.task.done()
        ]

    @rule(session=st.sampled_from("abc"), wait_s=st.sampled_from(WAITS_S))
    def come(self, session, wait_s):
        deadline_s = self.loop.time() + wait_s
        request = Request(session, self.loop.create_future(), deadline_s)
        self.requests.append(request)
        request.task = self.loop.create_task(self._run(request, wait_s))
        self.loop.settle()

    @precondition(lambda self: self._holding())
    @rule(data=st.data(), cancels=st.lists(st.integers(0, 9), max_size=2), is_first=st.booleans())
    def end(self, data, cancels, is_first):
        """An answer ends, and at the same moment clients leave that wait."""
        request = data.draw(st.sampled_from(self._holding()))
        waiting = self._waiting()
        leaving = {waiting[index].task for index in cancels if index < len(waiting)}
        if is_first:
            request.order.set_result("end")
            for task in leaving:
                self.loop.call_soon(task.cancel)
        else:
            for task in leaving:
                task.cancel()
            request.order.set_result("end")
        self.loop.settle()

    @precondition(lambda self: self._holding())
    @rule(data=st.data())
    def refuse(self, data):
        request = data.draw(st.sampled_from(self._holding()))
        self.refused_s = self.loop.time()
        request.order.set_result("refused")
        self.loop.settle()

    @precondition(lambda self: self._holding())
    @rule(data=st.data(), times=st.sampled_from([1, 25]))
    def serve(self, data, times):
        request = data.draw(st.sampled_from(self._holding()))
        for _ in range(times):
            request.slot.served()
        self.loop.settle()

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def cancel(self, data):
        data.draw(st.sampled_from(self.requests)).task.cancel()
        self.loop.settle()

    @rule(seconds=st.sampled_from([0.3, 1.1, 5.0, 31.0, 8000.0]))
    def pass_time(self, seconds):
        self.loop.advance(seconds)

    @invariant()
    def those_who_wait_are_counted_and_still_have_time(self):
        waiting = self._waiting()
        assert self.queue.waiting("zai") == len(waiting)
        assert all(request.deadline_s > self.loop.time() for request in waiting)

    @invariant()
    def nobody_waits_while_there_is_room(self):
        limit, holding = self.queue.at_once("zai"), len(self._holding())
        if not self._waiting() or limit is None:
            return
        is_resting = holding == 0 and self.loop.time() - self.refused_s <= REST_LONGEST_S
        assert holding >= limit or is_resting, "a wake-up was lost"

    @invariant()
    def requests_end_by_their_answer_their_time_or_their_client(self):
        for request in self.requests:
            if request.task.done() and not request.task.cancelled():
                assert isinstance(request.task.exception(), SlotTimeoutError | None)
        self.requests = [request for request in self.requests if not request.task.done()]

    def teardown(self):
        """When all who hold a slot end, all others have theirs, or their time is over."""
        try:
            self._end_all()
        finally:
            self.loop.end()

    def _end_all(self):
        for _ in range(200):
            for request in self._holding():
                request.order.set_result("end")
            self.loop.advance(REST_LONGEST_S + 0.1)
            if all(request.task.done() for request in self.requests):
                break
        self.loop.advance(REST_LONGEST_S + 0.1)
        self.requests_end_by_their_answer_their_time_or_their_client()
        assert self.requests == []
        assert self.queue.waiting("zai") == 0
        assert self.queue.has_room(ZAI)


TestTurnsMachine = TurnsMachine.TestCase
TestTurnsMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def round_robin(sessions: list[str]) -> list[int]:
    """In which order those who came so are served one after the other: by their numbers."""
    queues: dict[str, list[int]] = {}
    for number, session in enumerate(sessions):
        queues.setdefault(session, []).append(number)
    order: list[int] = []
    while queues:
        for session in list(queues):
            order.append(queues[session].pop(0))
            if not queues[session]:
                del queues[session]
    return order


@settings(deadline=None)
@given(sessions=st.lists(st.sampled_from("abcd"), max_size=40))
def test_each_session_has_its_share_whatever_the_others_ask_for(sessions):
    loop = ManualLoop()
    queue, order = RequestQueue(clock=loop.time), []

    async def request(number: int, session: str) -> None:
        async with queue.slot(ZAI, session, 1e6):
            order.append(number)
            await asyncio.sleep(1)

    async def learn() -> None:
        async with queue.slot(ZAI, "first", 1) as slot:
            slot.note_refused()
            await asyncio.sleep(0.5)

    tasks = [loop.create_task(learn())]
    loop.settle()
    for number, session in enumerate(sessions):
        tasks.append(loop.create_task(request(number, session)))
        loop.settle()
    for _ in range(len(sessions) + 2):
        loop.advance(1.01)
    is_over = all(task.done() for task in tasks)
    loop.end()
    assert is_over
    assert order == round_robin(sessions)
