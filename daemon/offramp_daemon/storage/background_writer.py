"""Bounded queues with one thread behind them, so that whoever writes never waits for a disk.

What must not hold each other up has a thread each: a full disk may not hold up the terminal, nor a
stopped terminal the records. Small files that only the disk can hold up share one. It knows nothing
of what it carries; the function that a queue is given does the writing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_CLOSING_RETRY_S = 0.1
_LAST_WORD_S = 0.25
"""The end of a closing's time, left for a write that waits to notice that it is over."""

_log = logging.getLogger(__name__)


class WriteQueue(Generic[T]):
    """What waits to be written to one file.

    Its `write` gets batches in order, and returns the items that it could not write, in their
    order: they wait at the head of the queue and are tried again after a pause that doubles from
    `first_retry_s` to `last_retry_s`. The other queues of the thread go on meanwhile. An exception
    from it is a bug; its batch is lost and counted, the thread lives on.

    After each batch the queue rests for `nap_s`. Under load that makes batches, which cost a
    fraction of single writes; after a quiet moment an item is written at once.

    A full queue drops its **oldest** item. What is gone is then one stretch of the past, and what
    the user looks at and decides by, the current hours, stays whole.
    """

    def __init__(
        self,
        write: Callable[[list[T]], list[T]],
        writer: BackgroundWriter,
        *,
        capacity: int = 1000,
        batch: int = 1000,
        nap_s: float = 0.1,
        first_retry_s: float = 1.0,
        last_retry_s: float = 30.0,
        is_latest_only: bool = False,
        on_abandoned: Callable[[int], None] | None = None,
    ) -> None:
        """Have `writer`, which is not started yet, drain it by `write`.

        With `is_latest_only` an item replaces the one before it, which is then no loss.
        `on_abandoned` is given the number of items that were left when closing ran out of time.
        """
        self._write = write
        self._wake = writer.wake
        self._capacity = 1 if is_latest_only else capacity
        self._batch = batch
        self._nap_s = nap_s
        self._first_retry_s = first_retry_s
        self._last_retry_s = last_retry_s
        self._is_latest_only = is_latest_only
        self._on_abandoned = on_abandoned
        self._items: deque[T] = deque()
        self._in_flight = 0
        self._lost = 0
        self._lost_lock = threading.Lock()
        self._is_idle = False
        self._is_failing = False
        self._is_closing = False
        self._retry_s = first_retry_s
        self._pause_s = 0.0
        self._tried_s = 0.0
        writer.add(self)

    @property
    def waiting(self) -> int:
        """Items that are not written yet."""
        return len(self._items) + self._in_flight

    @property
    def lost(self) -> int:
        """Items that never will be written."""
        return self._lost

    def put(self, item: T) -> None:
        """Queue `item`; from any thread, never blocks, never raises. After `close` it is lost."""
        if self._is_closing:
            self._count_lost(1)
            return
        self._items.append(item)
        if len(self._items) > self._capacity:
            self._drop_oldest()
        if self._is_idle:
            self._is_idle = False
            self._wake.set()

    def wait_s(self) -> float | None:
        """Return for how long its next batch has to wait; None while there is none. On the thread.

        After None `put` wakes the thread.
        """
        pause_s = self._pause_s
        if self._is_closing:  # which has little time itself
            pause_s = min(pause_s, _CLOSING_RETRY_S if self._is_failing else 0.0)
        left_s = self._tried_s + pause_s - time.monotonic()
        if left_s > 0:
            return left_s
        # `put` appends first and looks at `_is_idle` second, this the other way round: whichever
        # thread is late sees what the other one did.
        self._is_idle = True
        if not self._items:
            return None
        self._is_idle = False
        return 0.0

    def write_next(self) -> None:
        """Write the next batch. On the thread."""
        self._is_failing = self._pass_on(self._next_batch())
        self._tried_s = time.monotonic()
        if self._is_failing:
            self._pause_s = self._retry_s
            self._retry_s = min(2 * self._retry_s, self._last_retry_s)
        else:
            self._pause_s = self._nap_s if len(self._items) < self._batch else 0.0
            self._retry_s = self._first_retry_s

    def close(self) -> None:
        """Take no more items, and do not rest before the next batch."""
        self._is_closing = True

    def abandon(self) -> None:
        """Count what is left as lost."""
        left = self.waiting
        self._items.clear()
        self._count_lost(left)
        if left and self._on_abandoned is not None:
            self._on_abandoned(left)

    def _next_batch(self) -> list[T]:
        self._in_flight = min(len(self._items), self._batch)
        batch: list[T] = []
        # A full queue may be dropping its oldest item at this moment.
        with contextlib.suppress(IndexError):
            while len(batch) < self._batch:
                batch.append(self._items.popleft())
        self._in_flight = len(batch)
        return batch

    def _pass_on(self, batch: list[T]) -> bool:
        """Write `batch`; return whether something of it has to be tried again."""
        if not batch:
            return False
        try:
            left = self._write(batch)
        except Exception:  # noqa: BLE001 - a bug in `write` must not end the thread
            self._count_lost(len(batch))
            self._in_flight = 0
            _log.exception("A batch could not be written and is lost", extra={"lost": len(batch)})
            return False
        self._items.extendleft(reversed(left))
        self._in_flight = 0
        while len(self._items) > self._capacity:
            self._drop_oldest()
        return bool(left)

    def _drop_oldest(self) -> None:
        with contextlib.suppress(IndexError):
            self._items.popleft()
            if not self._is_latest_only:
                self._count_lost(1)

    def _count_lost(self, count: int) -> None:
        with self._lost_lock:
            self._lost += count


class BackgroundWriter:
    """The thread that writes what is put into its queues."""

    def __init__(self, name: str) -> None:
        """Prepare a thread of that name; nothing runs before `start`."""
        self._queues: list[WriteQueue[Any]] = []
        self._is_closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.given_up = threading.Event()
        """Set when closing has run out of time: a `write` that waits for something returns."""

    @property
    def wake(self) -> threading.Event:
        """Wakes the thread."""
        return self._wake

    def add(self, queue: WriteQueue[Any]) -> None:
        """Drain `queue` too; to be called before `start`."""
        self._queues.append(queue)

    def start(self) -> None:
        """Start the thread; once only."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end the thread; what is left after `timeout_s` is lost.

        A thread that hangs in a system call is left behind: it does not keep the process alive.

        Returns:
            Whether the thread has ended.
        """
        if self._is_closing:
            return not self._thread.is_alive()
        self._is_closing = True
        for queue in self._queues:
            queue.close()
        self._wake.set()
        if self._thread.ident is not None:
            last_word_s = min(_LAST_WORD_S, timeout_s / 2)
            self._thread.join(timeout_s - last_word_s)
            self._give_up()
            self._thread.join(last_word_s)
        self._give_up()
        for queue in self._queues:
            queue.abandon()
        return not self._thread.is_alive()

    def _give_up(self) -> None:
        self.given_up.set()
        self._wake.set()

    def _run(self) -> None:
        while not self.given_up.is_set():
            self._wake.clear()
            waits = [(queue, queue.wait_s()) for queue in self._queues]
            due = [queue for queue, wait_s in waits if wait_s == 0]
            for queue in due:
                if not self.given_up.is_set():
                    queue.write_next()
            later = [wait_s for _, wait_s in waits if wait_s]
            if not due and not later and self._is_closing:
                return
            if not due and not self.given_up.is_set():
                self._wake.wait(min(later, default=None))
