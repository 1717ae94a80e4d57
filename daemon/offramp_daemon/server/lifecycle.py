"""When the daemon starts, stops, and how: signals, readiness after listening, draining."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from types import FrameType

_DESCRIPTORS = (16_384, 10_240, 4_096)
_GC_THRESHOLDS = (5_000, 20, 50)
_SWITCH_INTERVAL_S = 0.001

_LARGE_BODY_BYTES = 8 * 1024 * 1024
_MOST_ARENAS = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
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


def _share_one_heap() -> None:
    """Have all threads take memory from one heap, where the system's C library is glibc.

    Otherwise each thread that works on large bodies has a heap of its own, and each heap keeps as
    much as its largest body took. Python's threads run one at a time, so they rarely wait there.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        mallopt(_MOST_ARENAS, 1)


def tune_interpreter() -> None:
    """Set the interpreter up for a long life on the event loop, once everything is imported.

    What is there by now stays, so the garbage collector need not look at it again and again; and a
    thread that reads a large body gives way to the streams beside it after a millisecond, not five.
    """
    _share_one_heap()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # glibc takes the largest block that was ever freed for usual, and keeps twice as much at hand.
    # Before it has seen a large body, it returns the memory of each one to the system, which takes
    # a quarter of the time that the body costs. These bytes are never touched, so they cost none.
    bytes(_LARGE_BODY_BYTES)


def show_hangs() -> None:
    """Have a process that is ended because it hangs say where, and leave no image of its memory.

    Such an image would hold keys and conversations.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no standard error to say it on
        faulthandler.enable()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


class Shutdown:
    """The wish to end: once asked, in order; asked again, at once.

    Or to leave, since another process serves: then streams in flight have all the time they need.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self.leaving = asyncio.Event()
        self.told = asyncio.Event()
        """Set with either wish."""

    def ask(self) -> None:
        """Ask to end; the second call ends the wait for requests in flight."""
        if self.asked.is_set():
            self.hurried.set()
        self.asked.set()
        self.told.set()

    def leave(self) -> None:
        """Ask to leave; `ask` may follow."""
        self.leaving.set()
        self.told.set()

    @contextlib.contextmanager
    def on_signals(self, *, is_supervised: bool = False) -> Iterator[None]:
        """Let SIGINT and SIGTERM ask, for as long as the context lasts.

        A supervisor passes on what is meant for its workers: of the signals that a terminal sends
        to all of them, they take none themselves.
        """
        loop = asyncio.get_running_loop()
        numbers = [signal.SIGTERM] if is_supervised else [signal.SIGINT, signal.SIGTERM]
        for number in numbers:
            loop.add_signal_handler(number, self.ask)
        if is_supervised:
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
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


async def stop_accepting(listeners: Iterable[socket.socket], sites: Iterable[web.BaseSite]) -> None:
    """Close `listeners`, on which the `sites` serve, for this process only.

    asyncio breaks off connections that it has accepted and not yet set up when a server is closed
    (and complains); so first it accepts none any more, and those that it has are set up.
    """
    loop = asyncio.get_running_loop()
    for listener in listeners:
        if listener.fileno() >= 0:
            loop.remove_reader(listener)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for site in sites:
        await site.stop()


async def until_left(
    server: web.Server,
    in_flight: InFlight,
    asked: asyncio.Event,
    *,
    idle_s: float = 10.0,
    poll_s: float = 0.25,
) -> None:
    """Wait until every connection has ended, or until `asked`; close those that idle for `idle_s`.

    Clients drop an idle connection after 4 or 5 s themselves: by then none sends on it any more.
    """
    loop = asyncio.get_running_loop()
    idle_since_s: dict[web.RequestHandler, float] = {}
    while server.connections and not asked.is_set():
        now_s = loop.time()
        busy = {request.protocol for request in in_flight.requests}
        idle_since_s = {
            connection: idle_since_s.get(connection, now_s)
            for connection in server.connections
            if connection not in busy and not _has_unsent(connection)
        }
        for connection, since_s in idle_since_s.items():
            if now_s - since_s >= idle_s:
                connection.force_close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll_s):
                await asked.wait()


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
