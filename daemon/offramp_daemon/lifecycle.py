"""When the daemon starts, stops, and how: signals, readiness after listening, draining."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from types import FrameType

_DESCRIPTORS = (16_384, 10_240, 4_096)
_GC_THRESHOLDS = (5_000, 20, 50)
_SWITCH_INTERVAL_S = 0.001

_FLUSH_POLL_S = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets this user have: each stream needs two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in _DESCRIPTORS:
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # macOS refuses more than the kernel's own limit, whatever the hard limit says.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return


def tune_interpreter() -> None:
    """Set the interpreter up for a long life on the event loop, once everything is imported.

    What is there by now stays, so the garbage collector need not look at it again and again; and a
    thread that reads a large body gives way to the streams beside it after a millisecond, not five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


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
    """Knows the requests under way, so that a drain can tell when none is left."""

    def __init__(self, handler: Handler) -> None:
        """Know of what goes through `handler`."""
        self._handler = handler
        self._requests: dict[int, web.BaseRequest] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """How many requests are under way."""
        return len(self._requests)

    @property
    def requests(self) -> tuple[web.BaseRequest, ...]:
        """The requests under way."""
        return tuple(self._requests.values())

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle `request`, known as under way meanwhile."""
        self._requests[id(request)] = request
        self._idle.clear()
        try:
            return await self._handler(request)
        finally:
            del self._requests[id(request)]
            if not self._requests:
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
        return not self._requests


async def flush(server: web.Server, timeout_s: float, hurried: asyncio.Event) -> None:
    """Wait until all that was written to clients is on its way, so that none loses its end.

    For `timeout_s` at most or until `hurried`.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while (  # noqa: ASYNC110 - a transport tells nobody that its buffer is empty
                not hurried.is_set() and any(map(_has_unsent, server.connections))
            ):
                await asyncio.sleep(_FLUSH_POLL_S)


def _has_unsent(connection: web.RequestHandler) -> bool:
    transport = connection.transport
    return isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size() > 0
