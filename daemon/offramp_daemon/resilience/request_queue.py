"""Lets a backend have as many requests at once as it serves; the others wait for their slot here.

How many that is, `concurrency` learns. Those above it wait in a short queue, which is fair: it goes
round the conversations, so that one with thirty subagents does not keep another waiting, and within
a conversation the first to come is the first to go. Waiting is bounded by the time that each
request gives it.

A slot is held until its answer has ended, and is free however the request ends. Nothing here is a
task: whoever gives a slot back, or whose wait is over, hands out what has become free.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from offramp_daemon.resilience.concurrency_limit import ConcurrencyLimit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from offramp_core.settings import Backend

MOST_WAITING: Final = 500
"""At one backend: more would not have their slot in time."""
REST_FIRST_S: Final = 1.0
REST_LONGEST_S: Final = 8.0
"""After a refusal with nothing else in flight, no answer's end says when to try again: a while
later, and twice that after each such refusal in a row."""
_ID_CHARACTERS = 200


class SlotTimeoutError(Exception):
    """A request has not had its slot in the time that it could wait, or too many wait already."""

    def __init__(self, backend: str, wait_s: float) -> None:
        """Keep whose slot it waited for, and how long it could wait."""
        super().__init__(f"no slot at {backend} within {wait_s:g} s")
        self.backend = backend
        self.wait_s = wait_s


@dataclass(slots=True, eq=False)
class _Waiter:
    """One request in the queue."""

    session: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """It has the slot, or must look again for how long to wait."""
    has_slot: bool = False
    """Whoever sets it has counted the slot as taken."""


class _BackendQueue:
    """The slots and the queue of one backend, as it is set up at present."""

    def __init__(self, backend: Backend, clock: Callable[[], float]) -> None:
        self.backend = backend
        self.clock = clock
        self.limit = ConcurrencyLimit()
        self.in_flight = 0
        self.waiting = 0
        self._sessions: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        """The next session to have a slot stands first; none is empty."""
        self._rests = 0
        self._rest_until_s = 0.0

    def has_room(self) -> bool:
        """Whether a request that comes now has its slot at once."""
        return not self._sessions and (self.limit.count is None or self._is_free())

    def rest_left_s(self) -> float | None:
        """For how long nobody gets a slot; None if that is not what they wait for."""
        left_s = self._rest_until_s - self.clock()
        return left_s if left_s > 0 else None

    def give_back(self) -> None:
        """A slot is free."""
        self.in_flight -= 1
        if self._sessions:
            self.hand_out()

    def refuse(self) -> None:
        """The backend refused a request: its slot is free, and the limit lower."""
        now_s = self.clock()
        self.limit.note_refused(self.in_flight, now_s)
        self.in_flight -= 1
        if self.in_flight == 0:
            rest_s = min(REST_FIRST_S * 2 ** min(self._rests, 8), REST_LONGEST_S)
            self._rest_until_s = now_s + rest_s
            self._rests += 1
            for waiter in itertools.chain.from_iterable(self._sessions.values()):
                waiter.news.set()  # each of them waits for the rest's end, lest nobody does

    def serve(self) -> None:
        """The backend took a request."""
        self._rests = 0
        self._rest_until_s = 0.0
        if self.limit.count is not None:
            self.limit.note_served(self.in_flight, self.clock())
        if self._sessions:
            self.hand_out()

    def join(self, waiter: _Waiter, *, at_front: bool) -> None:
        """Stand in the queue; at the front for one that had its slot and lost it."""
        queue = self._sessions.setdefault(waiter.session, deque())
        if at_front:
            queue.appendleft(waiter)
            self._sessions.move_to_end(waiter.session, last=False)
        else:
            queue.append(waiter)
        self.waiting += 1

    def leave(self, waiter: _Waiter) -> None:
        """Stand in the queue no longer, without having had a slot."""
        queue = self._sessions[waiter.session]
        queue.remove(waiter)
        self.waiting -= 1
        if not queue:
            del self._sessions[waiter.session]

    def hand_out(self) -> None:
        """Give free slots to those who wait, one to each session in turn."""
        while self._sessions and self._is_free():
            session, queue = self._sessions.popitem(last=False)
            waiter = queue.popleft()
            if queue:
                self._sessions[session] = queue
            self.waiting -= 1
            self.in_flight += 1
            waiter.has_slot = True
            waiter.news.set()

    def _is_free(self) -> bool:
        self.limit.forget_if_old(self.clock())
        count = self.limit.count
        return count is None or (self.in_flight < count and self.rest_left_s() is None)


class Slot:
    """One request's slot at a backend; `RequestQueue.slot` makes it. Enter it once.

    Entering waits for the slot, and leaving gives it back if it is still held.

    Raises:
        SlotTimeoutError: there was no slot in time.
    """

    __slots__ = ("_deadline_s", "_is_held", "_line", "_session", "_wait_s", "has_waited")

    def __init__(self, line: _BackendQueue, session: str, wait_s: float) -> None:
        """Wait in `line` for `wait_s` seconds at most, from entering on, refusals included."""
        self._line = line
        self._session = session
        self._wait_s = wait_s
        self._deadline_s = 0.0
        self._is_held = False
        self.has_waited = False
        """Whether it was not free at once, so that time has passed since it was asked for."""

    async def __aenter__(self) -> Self:
        """Wait for the slot."""
        self._deadline_s = self._line.clock() + self._wait_s
        await self._have(at_front=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the slot back, however the request ended."""
        if self._is_held:
            self._is_held = False
            self._line.give_back()

    def served(self) -> None:
        """The backend has begun to answer, so that so many at once are not too many for it."""
        if self._is_held:
            self._line.serve()

    def note_refused(self) -> None:
        """The backend serves no more at once: learn from it, and hold the slot no longer."""
        if self._is_held:
            self._is_held = False
            self._line.refuse()

    async def refused(self) -> None:
        """As `note_refused`; then wait for another slot, first of the session, for the time left.

        Raises:
            SlotTimeoutError: there was none in time; the slot is not held any more.
        """
        self.note_refused()
        await self._have(at_front=True)

    async def _have(self, *, at_front: bool) -> None:
        line = self._line
        if line.has_room():
            line.in_flight += 1
        else:
            if self._deadline_s <= line.clock() or line.waiting >= MOST_WAITING:
                line.hand_out()
                raise SlotTimeoutError(line.backend.name, self._wait_s)
            await self._wait(at_front=at_front)
        self._is_held = True

    async def _wait(self, *, at_front: bool) -> None:
        line, waiter = self._line, _Waiter(self._session)
        self.has_waited = True
        line.join(waiter, at_front=at_front)
        line.hand_out()
        try:
            while not waiter.has_slot:
                await self._wait_once(waiter)
        except BaseException:
            # A slot that came at the very moment of the cancellation goes to the next.
            if waiter.has_slot:
                line.give_back()
            else:
                line.leave(waiter)
                line.hand_out()
            raise

    async def _wait_once(self, waiter: _Waiter) -> None:
        """Until the slot is there, a rest begins or is over, or the time is (which raises)."""
        line = self._line
        left_s = self._deadline_s - line.clock()
        rest_s = line.rest_left_s()
        waiter.news.clear()
        try:
            async with asyncio.timeout(left_s if rest_s is None else min(left_s, rest_s)):
                await waiter.news.wait()
        except TimeoutError:
            line.hand_out()  # a rest is over, for whoever is first
            if not waiter.has_slot and self._deadline_s <= line.clock():
                raise SlotTimeoutError(line.backend.name, self._wait_s) from None


class RequestQueue:
    """The slots at all backends. Only used from the event loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """No limit is known of any backend. `clock` must run as the event loop's does."""
        self._clock = clock
        self._lines: dict[str, _BackendQueue] = {}

    def slot(self, backend: Backend, session_id: str | None, wait_s: float) -> Slot:
        """A slot at `backend`: `async with` waits for it, for `wait_s` seconds at most.

        Requests without a session share one. A backend whose settings have changed begins without a
        limit; who waits or is served by the settings before goes on by those.
        """
        line = self._lines.get(backend.name)
        if line is None or not (line.backend is backend or line.backend == backend):
            line = self._lines[backend.name] = _BackendQueue(backend, self._clock)
        return Slot(line, (session_id or "")[:_ID_CHARACTERS], wait_s)

    def has_room(self, backend: Backend) -> bool:
        """Whether a slot at `backend` would be had without waiting."""
        line = self._lines.get(backend.name)
        return line is None or line.backend != backend or line.has_room()

    def at_once(self, name: str) -> int | None:
        """How many requests the backend of that name serves at once; None while no limit is known.

        One that was learnt long ago is not known any more.
        """
        line = self._lines.get(name)
        if line is None:
            return None
        line.limit.forget_if_old(self._clock())
        return line.limit.count

    def waiting(self, name: str) -> int:
        """How many requests wait for their slot at the backend of that name."""
        line = self._lines.get(name)
        return line.waiting if line else 0
