"""Bodies on their way in: they share one budget of memory, and must get on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE_S
from raw_client import connected, post, read_to_end

from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.proxy.body_memory import SMALL_BYTES, BodyMemory, Share
from offramp_daemon.proxy.request_reader import read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KIB = 1024
LIMIT_BYTES = 1000 * KIB


class WatchedMemory(BodyMemory):
    """Wakes whoever waits for it to change."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.changed = asyncio.Event()

    def hold(self, share: Share, length_bytes: int) -> None:
        super().hold(share, length_bytes)
        self.changed.set()

    def release(self, share: Share) -> None:
        super().release(share)
        self.changed.set()


class Reading:
    """A server that reads bodies and answers with their length."""

    def __init__(self, memory: WatchedMemory, progress_timeout_s: float) -> None:
        self.url = ""
        self.memory = memory
        self._progress_timeout_s = progress_timeout_s

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await read_body(
                request, 10 * KIB * KIB, self.memory, progress_timeout_s=self._progress_timeout_s
            )
        except RequestFailedError as error:
            failure = error.failure
            response = web.Response(status=failure.status, headers=failure.headers)
            response.force_close()
            return response
        return web.Response(text=str(len(body)))

    async def holds(self, length_bytes: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.memory.held_bytes != length_bytes:
                self.memory.changed.clear()
                await self.memory.changed.wait()


@contextlib.asynccontextmanager
async def reading(
    limit_bytes: int = LIMIT_BYTES, progress_timeout_s: float = 60.0
) -> AsyncIterator[Reading]:
    running = Reading(WatchedMemory(limit_bytes), progress_timeout_s)
    runner = web.ServerRunner(web.Server(running.handle, handler_cancellation=True))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    running.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield running
    finally:
        await runner.cleanup()


def part_of(announced: int, sent: int) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % announced
    return head + b"x" * sent


async def head_of(url: str, request: bytes) -> bytes:
    """The answer's head; the server goes on taking in the rest of a body for some seconds."""
    async with connected(url) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(request)
        return await reader.readuntil(b"\r\n\r\n")


async def test_largest_of_the_unfinished_bodies_gives_way_and_usual_requests_notice_nothing():
    async with (
        reading() as server,
        connected(server.url) as (first, to_first),
        connected(server.url) as (second, to_second),
    ):
        to_first.write(part_of(9_000_000, 300 * KIB))
        await server.holds(300 * KIB)
        to_second.write(part_of(9_000_000, 500 * KIB))
        await server.holds(800 * KIB)
        usual = await read_to_end(server.url, post(b"/", b"x" * 400 * KIB))
        assert usual.endswith(b"%d" % (400 * KIB))
        async with asyncio.timeout(PATIENCE_S):
            refused = await second.readuntil(b"\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2" in refused.lower()
        await server.holds(300 * KIB)
        assert not first.at_eof()


async def test_body_that_needs_more_than_there_is_is_refused_itself():
    async with reading() as server:
        came = await head_of(server.url, part_of(9_000_000, 1200 * KIB))
        assert came.startswith(b"HTTP/1.1 503 ")
        await server.holds(0)
        assert b" 200 " in await read_to_end(server.url, post(b"/", b"x" * 300 * KIB))


async def test_small_unfinished_bodies_take_no_part():
    async with reading(limit_bytes=1) as server, connected(server.url) as (_, writer):
        writer.write(part_of(9_000_000, 10 * KIB))
        small = await read_to_end(server.url, post(b"/", b"x" * SMALL_BYTES))
        assert small.endswith(b"%d" % SMALL_BYTES)


async def test_client_that_goes_in_mid_body_gives_its_memory_back():
    async with reading() as server:
        async with connected(server.url) as (_, writer):
            writer.write(part_of(9_000_000, 150 * KIB))
            await server.holds(150 * KIB)
        await server.holds(0)


@pytest.mark.parametrize("sent", [0, 1, 200 * KIB])
async def test_body_that_stands_still_is_refused_with_408(sent: int):
    async with reading(progress_timeout_s=0.05) as server:
        came = await head_of(server.url, part_of(9_000_000, sent))
        assert came.startswith(b"HTTP/1.1 408 ")
        assert server.memory.held_bytes == 0


async def test_slow_body_that_gets_on_is_read_however_long_it_takes():
    async with reading(progress_timeout_s=2.0) as server, connected(server.url) as (reader, writer):
        writer.write(part_of(30, 0))
        for _ in range(30):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            assert b" 200 " in await reader.readline()


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 100, b"x" * 700_000])
@pytest.mark.parametrize("is_chunked", [True, False])
async def test_whole_bodies_are_read_as_they_came(body: bytes, is_chunked: bool):
    async with reading(limit_bytes=10**6) as server:
        request = post(b"/", body)
        if is_chunked:
            parts = [body[start : start + 1000] for start in range(0, len(body), 1000)]
            coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked"
            request = head + b"\r\n\r\n" + coded
        assert (await read_to_end(server.url, request)).endswith(b"\r\n\r\n%d" % len(body))


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 500 * KIB), st.booleans()), max_size=40
    )
)
def test_what_is_held_is_never_over_the_limit_and_is_given_back(
    steps: list[tuple[int, int, bool]],
) -> None:
    memory = BodyMemory(LIMIT_BYTES)
    gone: list[int] = []
    shares = [Share(lambda number=number: gone.append(number)) for number in range(6)]
    lengths = [0] * 6
    for number, more, is_over in steps:
        if is_over:
            memory.release(shares[number])
            lengths[number] = 0
            continue
        lengths[number] += more
        memory.hold(shares[number], lengths[number])
        assert memory.held_bytes <= LIMIT_BYTES
        assert memory.held_bytes == sum(share.held_bytes for share in shares)
    for share in shares:
        memory.release(share)
    assert memory.held_bytes == 0
    assert len(gone) == len(set(gone))
