"""What aiohttp's server has to do for a connection that serves its requests in its own task."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from patience import PATIENCE_S
from raw_client import connected, get, read_to_end

from offramp_daemon.server import http_server
from offramp_daemon.server.lifecycle import InFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

KEPT = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@contextlib.asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[tuple[web.Server, str]]:
    server = http_server.of(InFlight(handle))
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield server, f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def echo(request: web.BaseRequest) -> web.Response:
    await asyncio.sleep(0)
    return web.Response(text=request.path)


async def test_requests_that_come_at_once_are_answered_in_their_order():
    async with serving(echo) as (_, url), connected(url) as (reader, writer):
        writer.write(b"".join(KEPT % number for number in range(50)) + get(b"/last"))
        came = await reader.read()
    bodies = [answer.rpartition(b"\r\n\r\n")[2] for answer in came.split(b"HTTP/1.1 200 OK")]
    assert bodies == [b"", *(b"/%d" % number for number in range(50)), b"/last"]


async def test_all_requests_of_a_connection_are_served_in_one_task():
    tasks: set[asyncio.Task[None] | None] = set()

    async def handle(request: web.BaseRequest) -> web.Response:
        tasks.add(asyncio.current_task())
        return await echo(request)

    async with serving(handle) as (_, url), connected(url) as (reader, writer):
        for number in range(3):
            writer.write(KEPT % number)
            await reader.readuntil(b"\r\n\r\n/%d" % number)
    assert len(tasks) == 1


async def test_what_breaks_http_after_a_good_request_is_refused_and_ends_the_connection():
    async with serving(echo) as (_, url), connected(url) as (reader, writer):
        writer.write(KEPT % 1)
        await reader.readuntil(b"\r\n\r\n/1")
        writer.write(b"no request at all\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")


async def test_handler_that_fails_is_answered_and_others_go_on():
    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path == "/1":
            raise ValueError("a fault of this test")
        return await echo(request)

    async with serving(handle) as (_, url):
        async with connected(url) as (reader, writer):
            writer.write(KEPT % 1)
            assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
        async with connected(url) as (reader, writer):
            writer.write(KEPT % 2)
            await reader.readuntil(b"\r\n\r\n/2")


async def test_rest_of_a_body_that_nobody_read_is_taken_so_that_the_client_gets_its_answer():
    async with serving(echo) as (_, url), connected(url) as (reader, writer):
        writer.write(b"POST /1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n/1")
        writer.write(b"x" * 300_000 + KEPT % 2)
        await reader.readuntil(b"\r\n\r\n/2")


BROKEN = [b"zz\r\n", b"5\r\nlonger\r\n", b"5;a\nhello\r\n", b"-1\r\n"]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("ahead", [0, 1, 3])
async def test_chunk_that_breaks_http_ends_the_wait_for_the_body(broken, ahead):
    async def handle(request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            return await echo(request)
        waits.set()
        try:
            await request.read()
        except web.RequestPayloadError as error:
            return web.Response(status=400, text=str(error))
        raise AssertionError

    waits = asyncio.Event()
    async with serving(handle) as (_, url), connected(url) as (reader, writer):
        writer.write(b"".join(KEPT % number for number in range(ahead)) + CHUNKED)
        await waits.wait()
        writer.write(broken)
        async with asyncio.timeout(PATIENCE_S):
            came = await reader.read()
    assert came.count(b"HTTP/1.1 200 ") == ahead
    assert came.count(b"HTTP/1.") == ahead + 1
    assert came.endswith(b"a chunk breaks HTTP's rules")


async def test_chunk_that_breaks_http_in_a_request_that_has_to_wait_is_known_once_it_is_served():
    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path == "/2":
            waits.set()
            await may_go_on.wait()
        if request.method == "GET":
            return await echo(request)
        try:
            await request.read()
        except web.RequestPayloadError:
            return web.Response(status=400)
        raise AssertionError

    waits, may_go_on = asyncio.Event(), asyncio.Event()
    async with serving(handle) as (_, url), connected(url) as (reader, writer):
        writer.write(KEPT % 2 + CHUNKED)
        await waits.wait()
        writer.write(BROKEN[0])
        for _ in range(2):  # by then the server has read what came before that
            await read_to_end(url, get(b"/other"))
        may_go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            came = await reader.read()
    assert (came.count(b"HTTP/1.1 200 "), came.count(b"HTTP/1.1 400 ")) == (1, 1)


@pytest.mark.parametrize("broken", BROKEN)
async def test_rest_of_a_body_that_breaks_http_ends_the_connection_quietly(broken, caplog):
    async with serving(echo) as (_, url), connected(url) as (reader, writer):
        writer.write(CHUNKED)
        await reader.readuntil(b"\r\n\r\n/1")
        writer.write(broken)
        async with asyncio.timeout(5):  # aiohttp would wait for twice as long
            assert await reader.read() == b""
    assert not caplog.records


async def test_client_that_goes_cancels_its_handler_and_leaves_no_connection():
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_request: web.BaseRequest) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    async with serving(handle) as (server, url):
        async with connected(url) as (_, writer):
            writer.write(KEPT % 1)
            await begun.wait()
            writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await cancelled.wait()
            while server.connections:  # noqa: ASYNC110 - a server tells nobody
                await asyncio.sleep(0)


async def test_idle_connection_is_closed_when_the_server_stops():
    async with contextlib.AsyncExitStack() as stack:
        async with serving(echo) as (_, url):
            reader, writer = await stack.enter_async_context(connected(url))
            writer.write(KEPT % 1)
            await reader.readuntil(b"\r\n\r\n/1")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
