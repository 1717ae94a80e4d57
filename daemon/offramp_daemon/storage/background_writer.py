"""A bounded queue with one thread behind it, so that whoever writes never waits for a disk.

Whoever needs one has one of its own: a full disk must not hold up the terminal, nor the other way
round. It knows nothing of what it carries; the function it is given does the writing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_CLOSING_RETRY_S = 0.1
_LAST_WORD_S = 0.25
"""The end of a closing's time, left for a write that waits to notice that it is over."""

_log = logging.getLogger(__name__)


class BackgroundWriter(Generic[T]):
    """Hands what is put into it to `write`, in batches and in order, on a thread of its own.

    `write` returns the items that it could not write, in their order: they wait at the head of the
    queue and are tried again after a pause that doubles from `first_retry_s` to `last_retry_s`. An
    exception from it is a bug; its batch is lost and counted, the thread lives on.

    After each batch the thread naps for `nap_s`. Under load that makes batches, which cost a
    fraction of single writes; after a quiet moment an item is written at once.

    A full queue drops its **oldest** item. What is gone is then one stretch of the past, and what
    the user looks at and decides by, the current hours, stays whole.
    """

    def __init__(
        self,
        write: Callable[[list[T]], list[T]],
        *,
        name: str,
        capacity: int,
        batch: int = 1000,
        nap_s: float = 0.05,
        first_retry_s: float = 1.0,
        last_retry_s: float = 30.0,
    ) -> None:
        """Prepare; nothing runs before `start`."""
        self._write = write
        self._capacity = capacity
        self._batch = batch
        self._nap_s = nap_s
        self._first_retry_s = first_retry_s
        self._last_retry_s = last_retry_s
        self._items: deque[T] = deque()
        self._in_flight = 0
        self._lost = 0
        self._lost_lock = threading.Lock()
        self._is_idle = False
        self._is_closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.given_up = threading.Event()
        """Set when closing has run out of time: a `write` that waits for something returns."""

    @property
    def waiting(self) -> int:
        """Items that are not written yet."""
        return len(self._items) + self._in_flight

    @property
    def lost(self) -> int:
        """Items that never will be written."""
        return self._lost

    def start(self) -> None:
        """Start the thread; once only."""
        self._thread.start()

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

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end the thread; what is left after `timeout_s` is lost.

        A thread that hangs in a system call is left behind: it does not keep the process alive.

        Returns:
            Whether the thread has ended.
        """
        if self._is_closing:
            return not self._thread.is_alive()
        self._is_closing = True
        self._wake.set()
        if self._thread.ident is not None:
            last_word_s = min(_LAST_WORD_S, timeout_s / 2)
            self._thread.join(timeout_s - last_word_s)
            self.given_up.set()
            self._thread.join(last_word_s)
        self.given_up.set()
        self._count_lost(self.waiting)
        self._items.clear()
        return not self._thread.is_alive()

    def _run(self) -> None:
        retry_s = self._first_retry_s
        while batch := self._next_batch():
            if self._pass_on(batch):
                self._pause(retry_s)
                retry_s = min(2 * retry_s, self._last_retry_s)
            else:
                retry_s = self._first_retry_s
                if len(self._items) < self._batch and not self._is_closing:
                    self._pause(self._nap_s)

    def _next_batch(self) -> list[T]:
        """The next items, as soon as there are any; none when the thread is to end."""
        while not self._items:
            if self._is_closing:
                return []
            self._wait_for_items()
        if self.given_up.is_set():
            return []
        self._in_flight = min(len(self._items), self._batch)
        batch: list[T] = []
        # A full queue may be dropping its oldest item at this moment.
        with contextlib.suppress(IndexError):
            while len(batch) < self._batch:
                batch.append(self._items.popleft())
        self._in_flight = len(batch)
        return batch or self._next_batch()

    def _wait_for_items(self) -> None:
        self._wake.clear()
        self._is_idle = True
        # `put` appends first and looks at `_is_idle` second, this the other way round: whichever
        # thread is late sees what the other one did.
        if not self._items and not self._is_closing:
            self._wake.wait()
        self._is_idle = False

    def _pass_on(self, batch: list[T]) -> bool:
        """Write `batch`; whether something of it has to be tried again."""
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

    def _pause(self, seconds: float) -> None:
        """Let `seconds` pass; closing cuts that short, for it has little time itself."""
        if self._is_closing:
            self.given_up.wait(_CLOSING_RETRY_S)
            return
        self._wake.clear()
        if not self._is_closing:
            self._wake.wait(seconds)

    def _drop_oldest(self) -> None:
        with contextlib.suppress(IndexError):
            self._items.popleft()
            self._count_lost(1)

    def _count_lost(self, count: int) -> None:
        with self._lost_lock:
            self._lost += count
