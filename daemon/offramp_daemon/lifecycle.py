"""When the daemon starts, stops, and how: signals, readiness after listening, draining."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Shutdown:
    """The wish to end: once asked, in order; asked again, at once."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()

    def ask(self) -> None:
        """Ask to end; the second call ends the wait for requests in flight."""
        if self.asked.is_set():
            self.hurried.set()
        self.asked.set()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM ask, for as long as the context lasts."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
            if self.asked.is_set():
                # A late second Ctrl-C must not turn an orderly end into a traceback.
                signal.signal(signal.SIGINT, _ignore)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""


class InFlight:
    """Counts the requests under way, so that a drain knows when none is left."""

    def __init__(self, handler: Handler) -> None:
        """Count what goes through `handler`."""
        self._handler = handler
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Requests under way."""
        return self._count

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle `request`, counted."""
        self._count += 1
        self._idle.clear()
        try:
            return await self._handler(request)
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def drain(self, timeout_s: float, hurried: asyncio.Event) -> bool:
        """Wait until none is under way, for `timeout_s` at most or until `hurried`; True if so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                waits = [
                    group.create_task(self._idle.wait(), name="drained"),
                    group.create_task(hurried.wait(), name="hurried"),
                ]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
        return not self._count
