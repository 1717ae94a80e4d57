"""What aiohttp's server does with a response that writes itself, and how such a one is framed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from patience import PATIENCE_S
from raw_client import connected, get

from offramp_daemon.proxy.passed_response import PassedResponse, pass_early
from offramp_daemon.server import http_server
from offramp_daemon.server.lifecycle import InFlight
from offramp_daemon.upstream.answer import Answer
from offramp_daemon.upstream.http_parser import Head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Silence:
    """The source of an answer whose bytes the test sends itself."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


def answer(*pairs: tuple[bytes, bytes], status: int = 200) -> Answer:
    return Answer(Head(status, b"OK", "1.1", (*pairs, (b"Date", b"today"))), Silence())


@contextlib.asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[str]:
    runner = web.ServerRunner(http_server.of(InFlight(handle)), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def responding(*pairs: tuple[bytes, bytes], status: int = 200, pieces: tuple[bytes, ...] = ()):
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = PassedResponse(request, answer(*pairs, status=status))
        response.begin()
        for piece in pieces:
            response.send(piece)
        return response

    return handle


async def ask(url: str, request: bytes) -> bytes:
    async with connected(url) as (reader, writer):
        writer.write(request)
        return await reader.read()


async def test_server_ends_the_frame_and_keeps_the_connection():
    async with (
        serving(responding(pieces=(b"one", b"", b"two"))) as url,
        connected(url) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            came = await reader.readuntil(b"0\r\n\r\n")
            assert came == (
                b"HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
            )


async def test_length_of_the_answer_is_its_frame():
    async with serving(responding((b"Content-Length", b"2"), pieces=(b"o", b"k"))) as url:
        came = await ask(url, get(b"/"))
    assert came.endswith(b"\r\nConnection: close\r\n\r\nok")
    assert b"\r\nContent-Length: 2\r\n" in came
    assert b"chunked" not in came


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_response_that_has_no_body_has_none(method, status):
    async with serving(responding(status=status, pieces=(b"stray",))) as url:
        came = await ask(url, get(b"/", method))
    assert came == b"HTTP/1.1 %d OK\r\nDate: today\r\nConnection: close\r\n\r\n" % status


async def test_http_1_0_client_gets_the_body_up_to_the_connections_end():
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    async with serving(responding(pieces=(b"one", b"two"))) as url:
        assert await ask(url, request) == b"HTTP/1.0 200 OK\r\nDate: today\r\n\r\nonetwo"


async def test_response_that_is_to_be_the_last_ends_the_connection():
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = PassedResponse(request, answer())
        response.force_close()
        response.begin()
        return response

    async with serving(handle) as url:
        came = await ask(url, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in came
    assert came.endswith(b"\r\n\r\n0\r\n\r\n")


async def test_server_says_when_the_client_reads_slowly_and_when_it_goes_on():
    paused, went_on = asyncio.Event(), asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = PassedResponse(request, answer())
        response.begin()
        while not request.protocol.writing_paused:
            response.send(b"x" * 65536)
        paused.set()
        await request.writer.drain()
        assert not request.protocol.writing_paused
        went_on.set()
        return response

    async with (
        serving(handle) as url,
        connected(url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(get(b"/"))
        async with asyncio.timeout(PATIENCE_S):
            await paused.wait()
            assert not went_on.is_set()
            assert (await reader.read()).endswith(b"\r\n0\r\n\r\n")
            await went_on.wait()


async def test_bytes_for_a_client_that_has_gone_are_an_error():
    problems: list[Exception] = []
    begun, gone = asyncio.Event(), asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = PassedResponse(request, answer())
        response.begin()
        begun.set()
        try:
            await gone.wait()
        finally:  # cancelled, since the client has gone
            try:
                response.send(b"x")
            except ConnectionError as error:
                problems.append(error)
        return response

    async with serving(handle) as url, connected(url) as (_, writer):
        writer.write(get(b"/"))
        await begun.wait()
        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            while not problems:  # noqa: ASYNC110 - a cancelled handler tells nobody
                await asyncio.sleep(0)


async def test_client_that_does_not_read_gets_no_more_news_than_its_buffer_holds():
    held: list[int] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        news = Head(103, b"Early Hints", "1.1", ((b"Link", b"x" * 65536),))
        for _ in range(500):
            pass_early(request, news)
        held.append(request.protocol.transport.get_write_buffer_size())
        return web.Response(text="the answer")

    async with (
        serving(handle) as url,
        connected(url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(get(b"/"))
        async with asyncio.timeout(PATIENCE_S):
            came = await reader.read()
    assert held[0] < 1024 * 1024
    assert came.startswith(b"HTTP/1.1 103 Early Hints\r\n")
    assert came.endswith(b"the answer")
