"""Asking the daemon to end, and waiting for what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from daemon_process import SOURCES
from patience import PATIENCE_S
from raw_client import address_of, connected, get

from offramp_daemon.server.lifecycle import InFlight, Shutdown, flush, stop_accepting, until_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Handler:
    """Holds every request until the test lets them go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.in_flight = InFlight(self.handle)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.entered.set()
        await self.go_on.wait()
        return web.Response()

    async def take_one(self) -> web.StreamResponse:
        return await self.in_flight.handle(make_mocked_request("GET", "/"))


async def test_first_ask_is_in_order_and_second_is_in_a_hurry():
    shutdown = Shutdown()
    shutdown.ask()
    assert shutdown.asked.is_set()
    assert not shutdown.hurried.is_set()
    shutdown.ask()
    assert shutdown.hurried.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_ask_and_a_late_one_is_harmless(number):
    before = signal.getsignal(signal.SIGINT)
    shutdown = Shutdown()
    try:
        with shutdown.on_signals():
            os.kill(os.getpid(), number)
            async with asyncio.timeout(PATIENCE_S):
                await shutdown.asked.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert not shutdown.hurried.is_set()
    finally:
        signal.signal(signal.SIGINT, before)


async def test_signals_are_given_back_when_nothing_was_asked():
    before = signal.getsignal(signal.SIGTERM)
    with Shutdown().on_signals():
        pass
    assert signal.getsignal(signal.SIGTERM) is before


async def test_drain_with_nothing_under_way_is_over_at_once():
    assert await Handler().in_flight.drain(0, asyncio.Event())


async def test_drain_waits_for_every_request_under_way():
    handler = Handler()
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(handler.take_one()) for _ in range(3)]
        await handler.entered.wait()
        assert handler.in_flight.count == len(handler.in_flight.requests) == 3
        drained = group.create_task(handler.in_flight.drain(30, asyncio.Event()))
        await asyncio.sleep(0)
        assert not drained.done()
        handler.go_on.set()
        assert await drained
        assert all(answer.done() for answer in answers)
    assert not handler.in_flight.requests


async def test_drain_ends_with_its_time():
    handler = Handler()
    async with asyncio.TaskGroup() as group:
        group.create_task(handler.take_one())
        await handler.entered.wait()
        assert not await handler.in_flight.drain(0.01, asyncio.Event())
        handler.go_on.set()


async def test_drain_ends_when_it_is_hurried():
    handler, hurried = Handler(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(handler.take_one())
        await handler.entered.wait()
        drained = group.create_task(handler.in_flight.drain(300, hurried))
        hurried.set()
        assert not await drained
        handler.go_on.set()


async def test_cancelled_request_is_no_longer_under_way():
    handler = Handler()
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(handler.take_one())
        await handler.entered.wait()
        answer.cancel()
    assert await handler.in_flight.drain(0, asyncio.Event())


@contextlib.asynccontextmanager
async def server_with_an_unsent_end() -> AsyncIterator[tuple[web.Server, asyncio.StreamReader]]:
    """A server whose handler is through while its answer's end waits for a client that stopped."""
    written = asyncio.Event()

    async def fill(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        transport = request.transport
        assert transport is not None
        while not transport.get_write_buffer_size():
            await response.write(b"x" * 16384)
        written.set()
        return response

    server = web.Server(fill)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with connected(f"http://{host}:{port}", receive_buffer_bytes=16384) as (reader, writer):
        writer.write(get(b"/"))
        await written.wait()
        yield server, reader
    await runner.cleanup()


async def test_flush_waits_for_a_client_that_has_its_end_to_read():
    async with server_with_an_unsent_end() as (server, reader), asyncio.TaskGroup() as group:
        flushed = group.create_task(flush(server, 30, asyncio.Event()))
        done, _ = await asyncio.wait([flushed], timeout=0.1)
        assert not done
        assert (await reader.read(-1)).endswith(b"0\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await flushed


async def test_flush_ends_with_its_time_and_when_it_is_hurried():
    hurried = asyncio.Event()
    async with server_with_an_unsent_end() as (server, _), asyncio.timeout(PATIENCE_S):
        await flush(server, 0.05, hurried)
        hurried.set()
        await flush(server, 300, hurried)


@dataclass
class Listening:
    """A server that holds every request until the test lets them go."""

    handler: Handler
    server: web.Server
    listener: socket.socket
    site: web.SockSite
    url: str


@contextlib.asynccontextmanager
async def listening_server() -> AsyncIterator[Listening]:
    handler = Handler()
    server = web.Server(handler.in_flight.handle)
    runner = web.ServerRunner(server)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    site = web.SockSite(runner, listener)
    await site.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield Listening(handler, server, listener, site, url)
    finally:
        await runner.cleanup()


async def test_connections_accepted_in_the_last_moment_are_served():
    """Closing a server drops what it has accepted and not yet set up, unless it is given time."""
    async with listening_server() as at, contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(at.listener.getsockname())
        for _ in range(2):  # by then the loop has accepted all of them, and set none up
            await asyncio.sleep(0)
        await stop_accepting([at.listener], [at.site])
        assert at.listener.fileno() < 0
        assert len(at.server.connections) == 20
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address_of(at.url))


def kept(request: bytes) -> bytes:
    return request.replace(b"Connection: close\r\n", b"")


async def test_leaving_closes_connections_once_they_have_idled():
    async with (
        listening_server() as at,
        connected(at.url) as (idle, _),
        connected(at.url) as (reader, writer),
    ):
        writer.write(kept(get(b"/")))
        await at.handler.entered.wait()
        await stop_accepting([at.listener], [at.site])
        async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
            left = group.create_task(
                until_left(
                    at.server, at.handler.in_flight, asyncio.Event(), idle_s=0.2, poll_s=0.01
                )
            )
            assert await idle.read() == b""  # closed, while the busy one goes on
            assert not left.done()
            at.handler.go_on.set()
            assert b"200 OK" in await reader.read()
        assert not at.server.connections


async def test_leaving_is_over_at_once_when_it_is_asked_to_end():
    asked = asyncio.Event()
    async with listening_server() as at, connected(at.url) as (_, writer):
        writer.write(kept(get(b"/")))
        await at.handler.entered.wait()
        async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
            left = group.create_task(until_left(at.server, at.handler.in_flight, asked))
            await asyncio.sleep(0)
            assert not left.done()
            asked.set()
        at.handler.go_on.set()


async def test_leave_and_ask_are_both_told():
    shutdown = Shutdown()
    shutdown.leave()
    assert shutdown.told.is_set()
    assert not shutdown.asked.is_set()
    shutdown.ask()
    assert shutdown.asked.is_set()
    assert not shutdown.hurried.is_set()


def test_process_that_is_ended_for_hanging_says_where_and_leaves_no_image(tmp_path):
    code = (
        "import os, resource, signal\n"
        "from offramp_daemon.server import lifecycle\n"
        "def hang_here():\n"
        "    os.kill(os.getpid(), signal.SIGABRT)\n"
        "lifecycle.show_hangs()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0\n"
        "hang_here()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCES},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == -signal.SIGABRT
    assert "hang_here" in done.stderr
    assert not list(tmp_path.iterdir())


_PAGE_FAULTS = """
import resource
from offramp_daemon.server import lifecycle

def take_some_bodies():
    return len([b"x" * 2**20 for _ in range(6)])

lifecycle.tune_interpreter()
take_some_bodies()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    take_some_bodies()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other habits")
def test_memory_of_one_large_body_serves_the_next_one():
    run = subprocess.run(
        [sys.executable, "-c", _PAGE_FAULTS],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=True,
    )
    pages = 20 * 6 * 2**20 // resource.getpagesize()
    assert int(run.stdout) < pages / 10


_HEAPS = """
import ctypes, threading
from offramp_daemon.server import lifecycle

lifecycle.tune_interpreter()
for _ in range(3):
    thread = threading.Thread(target=lambda: bytes(2**20))
    thread.start()
    thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="only glibc has several heaps",
)
def test_threads_share_one_heap():
    run = subprocess.run(
        [sys.executable, "-c", _HEAPS],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert run.stdout.count("<heap nr=") == 1
