"""Answers on their way: framing, readers that are slow, and many at once."""

from __future__ import annotations

import asyncio
import json
import socket

import aiohttp
import pytest
from patience import PATIENCE_S
from raw_client import OPUS, SONNET, connected, get, post, read_to_end
from raw_upstream import (
    DELTA,
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    answer_message,
    chunk,
    json_answer,
    raw_upstream,
)

MIB = 1024 * 1024
STREAMS = 200


def answering(raw: bytes):
    async def answer(connection: Connection) -> None:
        await connection.write(raw)

    return answer


def parted(came: bytes) -> tuple[list[bytes], bytes]:
    """An answer's head, its lines in lower case, and its body."""
    head, _, body = came.partition(b"\r\n\r\n")
    return head.lower().split(b"\r\n"), body


async def through(start_proxy, raw: bytes, request: bytes = b"") -> bytes:
    """What a client gets when the upstream answers `raw`."""
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        return await read_to_end(proxy.url, request or get(b"/v1/models"))


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answer_that_can_have_no_body_has_none(start_proxy, status):
    raw = b"HTTP/1.1 %s\r\nETag: x\r\n\r\n" % status
    lines, body = parted(await through(start_proxy, raw))
    assert lines[0] == b"http/1.1 " + status.lower()
    assert b"etag: x" in lines
    assert not [line for line in lines if line.startswith((b"content-", b"transfer-", b"server"))]
    assert body == b""


async def test_answer_to_head_has_no_body_whatever_its_framing(start_proxy):
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    lines, body = parted(await through(start_proxy, raw, get(b"/", b"HEAD")))
    assert lines[0] == b"http/1.1 200 ok"
    assert b"x-a: b" in lines
    assert body == b""


async def test_connection_is_in_step_after_answers_without_a_body(start_proxy):
    async def answer(connection: Connection) -> None:
        method, path = connection.head.split(b" ")[:2]
        if path == b"/204":
            await connection.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif path == b"/304":
            await connection.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 15\r\n\r\n")
        elif method == b"HEAD":
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")
        else:
            await connection.write(json_answer(b"{}"))

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        for method, path, wanted in (
            (b"GET", b"/204", b"204"),
            (b"GET", b"/304", b"304"),
            (b"HEAD", b"/x", b"200"),
        ):
            writer.write(b"%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + wanted)
        writer.write(get(b"/last"))
        assert (await reader.read()).endswith(b"\r\n\r\n{}")


EARLY = [
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
    b"HTTP/1.1 199 \r\nX-Odd: caf\xe9\r\n\r\n",
]


@pytest.mark.parametrize("early", EARLY)
async def test_news_before_the_answer_pass_and_do_not_take_its_place(start_proxy, early):
    came = await through(start_proxy, early + json_answer(MESSAGE))
    assert came.startswith(early + b"HTTP/1.1 200 OK\r\n")
    lines, body = parted(came.removeprefix(early))
    assert not [line for line in lines if line.startswith(b"link")]
    assert body == MESSAGE


async def test_go_ahead_that_the_client_did_not_ask_for_stays_behind(start_proxy):
    """Claude Code's client breaks off over it."""
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    came = await through(start_proxy, early * 2 + json_answer(MESSAGE))
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")
    assert came.endswith(MESSAGE)


@pytest.mark.parametrize("early", EARLY)
async def test_news_of_a_delegate_stay_behind(start_proxy, early):
    raw = early + json_answer(MESSAGE)
    came = await through(start_proxy, raw, post(b"/v1/messages", SONNET))
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("early", EARLY)
async def test_news_are_nothing_for_an_http_1_0_client(start_proxy, early):
    request = get(b"/x").replace(b"HTTP/1.1", b"HTTP/1.0")
    came = await through(start_proxy, early + json_answer(MESSAGE), request)
    assert came.startswith(b"HTTP/1.0 200 OK\r\n")


async def test_chunk_extensions_and_trailers_stay_behind(start_proxy):
    raw = (
        SSE_HEAD.replace(b"\r\n\r\n", b"\r\nTrailer: X-Sum\r\n\r\n")
        + b"%x;name=value;other\r\n%s\r\n" % (len(START), START)
        + b'%X;q="a;b"\r\n%s\r\n' % (len(END), END)
        + b"0;last\r\nX-Sum: 1\r\n\r\n"
    )
    lines, body = parted(await through(start_proxy, raw, post(b"/v1/messages", OPUS)))
    assert b"transfer-encoding: chunked" in lines
    assert not [line for line in lines if line.startswith(b"trailer")]
    assert body == chunk(START) + chunk(END) + b"0\r\n\r\n" or body == (
        chunk(START + END) + b"0\r\n\r\n"
    )


WITH_TRAILERS = (
    SSE_HEAD
    + chunk(START)
    + chunk(END)
    + b"0\r\nX-Sum: 1\r\nX-Odd: caf\xe9\r\nContent-Type: text/html\r\n"
    + b"Set-Cookie: a=b\r\ntrailer: x\r\n\r\n"
)


def asking(request: bytes, te: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\nTE: %s\r\n\r\n" % te, 1)


@pytest.mark.parametrize("te", [b"trailers", b"Trailers", b"deflate;q=0.5, trailers"])
async def test_trailers_reach_the_client_that_asks_for_them(start_proxy, te):
    request = asking(post(b"/v1/messages", OPUS), te)
    _, body = parted(await through(start_proxy, WITH_TRAILERS, request))
    assert body.endswith(b"\r\n0\r\nX-Sum: 1\r\nX-Odd: caf\xe9\r\n\r\n")


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: post(b"/v1/messages", OPUS),
        lambda: asking(post(b"/v1/messages", OPUS), b"gzip"),
        lambda: asking(post(b"/v1/messages", SONNET), b"trailers"),  # a delegate's
    ],
)
async def test_trailers_are_for_nobody_else(start_proxy, request_of):
    came = await through(start_proxy, WITH_TRAILERS, request_of())
    assert came.endswith(b"\r\n0\r\n\r\n")


async def test_trailers_are_nothing_for_an_http_1_0_client(start_proxy):
    request = asking(get(b"/x"), b"trailers").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await through(start_proxy, WITH_TRAILERS, request)).endswith(END)


async def test_news_pass_before_the_answer_is_there(start_proxy):
    news = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

    async def answer(connection: Connection) -> None:
        await connection.write(news)
        await read.wait()
        await answer_message(connection)

    read = asyncio.Event()
    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(post(b"/v1/messages", OPUS, b""))
            assert await reader.readexactly(len(news)) == news
            read.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            await reader.readexactly(len(MESSAGE))


async def test_answer_that_ends_with_its_connection_gets_a_frame(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end")
        connection.writer.close()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        lines, body = parted(await read_to_end(proxy.url, get(b"/v1/files/x")))
    assert b"transfer-encoding: chunked" in lines
    assert body == chunk(b"to the end") + b"0\r\n\r\n"


async def test_empty_answer_stays_empty(start_proxy):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    lines, body = parted(await through(start_proxy, raw))
    assert b"content-length: 0" in lines
    assert body == b""


async def test_head_of_the_answer_gets_nothing_added_but_a_date(start_proxy):
    raw = b"HTTP/1.1 299 Mildly Odd\r\nX-Only: this\r\nContent-Length: 2\r\n\r\nok"
    lines, body = parted(await through(start_proxy, raw))
    assert lines[0] == b"http/1.1 299 mildly odd"
    names = {line.partition(b":")[0] for line in lines[1:]}
    assert names - {b"date", b"connection"} == {b"x-only", b"content-length"}
    assert body == b"ok"


async def test_server_and_type_of_the_upstream_are_kept(start_proxy):
    raw = (
        b"HTTP/1.1 200 OK\r\nServer: cloudflare\r\nContent-Type: application/x-odd; a=b\r\n"
        b"Date: Sat, 07 Feb 2026 10:30:00 GMT\r\nContent-Length: 2\r\n\r\nok"
    )
    lines, _ = parted(await through(start_proxy, raw))
    for line in raw.partition(b"\r\n\r\n")[0].lower().split(b"\r\n"):
        assert lines.count(line) == 1


async def test_header_values_beyond_ascii_pass_both_ways(start_proxy):
    odd = b"X-Odd: caf\xc3\xa9\r\n"
    raw = b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok" % odd
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        request = get(b"/x").replace(b"\r\n\r\n", b"\r\n" + odd + b"\r\n")
        came = await read_to_end(proxy.url, request)
        assert odd in upstream.heads[0]
    assert odd in came


async def test_pipelined_requests_are_answered_in_turn(start_proxy):
    async def answer(connection: Connection) -> None:
        number = json.loads(connection.body)["n"]
        await connection.write(json_answer(b'{"n":%d}' % number))

    requests = b"".join(
        post(b"/v1/messages", b'{"model":"claude-opus-4-6","n":%d}' % number, headers)
        for number, headers in enumerate([b"", b"", b"Connection: close\r\n"])
    )
    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, requests)
        assert len(proxy.records) == 3
    bodies = [part.partition(b"\r\n\r\n")[2] for part in came.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


async def test_http_1_0_client_that_keeps_its_connection_is_served_twice(start_proxy):
    request = post(b"/v1/messages", OPUS, b"Connection: keep-alive\r\n")
    request = request.replace(b"HTTP/1.1", b"HTTP/1.0")
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 200 OK")
            assert await reader.readexactly(len(MESSAGE)) == MESSAGE


async def test_cut_stream_is_a_reset_for_an_http_1_0_client(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await connection.reader.readexactly(1)

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url, silence_timeout_s=0.1) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS).replace(b"HTTP/1.1", b"HTTP/1.0"))
        await reader.readuntil(START)
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_client_that_closes_its_half_counts_as_gone(start_proxy):
    """A client that goes looks just so, and no byte may come for minutes to tell otherwise."""

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await connection.reader.read()

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(START)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.closed.wait()
        assert (await proxy.only_record()).status == "cancelled"


class Flood:
    """An upstream that sends without end, and notes where it was stopped."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.is_blocked = asyncio.Event()

    async def answer(self, connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        event = chunk(DELTA.replace(b'"x"', b'"%s"' % (b"x" * 65536)))
        while self.sent_bytes < 256 * MIB:
            try:
                async with asyncio.timeout(0.3):
                    await connection.write(event)
            except TimeoutError:
                self.is_blocked.set()
                await connection.writer.drain()
            self.sent_bytes += len(event)


async def test_reader_that_stops_stops_the_upstream_and_its_going_ends_it(start_proxy):
    flood = Flood()
    async with (
        raw_upstream(flood.answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(START)
        async with asyncio.timeout(PATIENCE_S):
            await flood.is_blocked.wait()
        assert flood.sent_bytes < 24 * MIB  # what the kernel's buffers on both sides may hold
        assert not upstream.closed.is_set()

        for _ in range(32):  # it reads on, and so does the upstream
            await reader.readexactly(MIB)
        assert flood.sent_bytes > 32 * MIB

        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.closed.wait()
        record = await proxy.only_record()
        assert (record.status, record.input_tokens) == ("cancelled", 12)


async def test_silence_of_the_client_is_not_the_upstreams(start_proxy):
    flood = Flood()
    async with (
        raw_upstream(flood.answer) as upstream,
        start_proxy(upstream.url, upstream.url, silence_timeout_s=0.05) as proxy,
        connected(proxy.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(START)
        async with asyncio.timeout(PATIENCE_S):
            await flood.is_blocked.wait()  # so for 0.3 s nobody has said a thing
        assert not upstream.closed.is_set()
        assert not proxy.exchanges


async def test_header_value_in_no_known_encoding_passes_both_ways(start_proxy):
    odd = b"X-Odd: caf\xe9 \xc3\xbc \xff\xfe\r\n"
    raw = b"HTTP/1.1 200 OK\r\n" + odd + b"Content-Length: 2\r\n\r\nok"
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        request = get(b"/x").replace(b"\r\n\r\n", b"\r\n" + odd + b"\r\n")
        came = await read_to_end(proxy.url, request)
        assert odd in upstream.heads[0]
    assert odd in came
    assert came.endswith(b"\r\n\r\nok")


async def test_many_streams_at_once_all_arrive_whole(start_proxy):
    begun = asyncio.Semaphore(0)
    all_begun = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        begun.release()
        await all_begun.wait()
        for _ in range(20):
            await connection.write(chunk(DELTA))
            await asyncio.sleep(0)
        await connection.write(chunk(END) + b"0\r\n\r\n")

    async def read(url: str) -> bytes:
        async with client.post(url + "/v1/messages", data=OPUS) as answered:
            return await answered.read()

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            readers = [group.create_task(read(proxy.url)) for _ in range(STREAMS)]
            for _ in range(STREAMS):
                await begun.acquire()
            assert proxy.in_flight.count == STREAMS
            all_begun.set()
        assert {each.result() for each in readers} == {START + DELTA * 20 + END}
        assert [record.status for record in proxy.records] == ["success"] * STREAMS


async def test_connections_out_are_kept_for_the_next_request(start_proxy, client):
    numbers: set[int] = set()

    async def answer(connection: Connection) -> None:
        numbers.add(connection.number)
        await connection.write(SSE_HEAD + chunk(START) + chunk(END) + b"0\r\n\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for _ in range(5):
            async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
                assert await answered.read() == START + END
    assert numbers == {0}


async def test_head_of_the_answer_does_not_wait_for_its_body(start_proxy):
    go_on = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD)
        await go_on.wait()
        await connection.write(chunk(START) + chunk(END) + b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        go_on.set()
        assert (await reader.read()).endswith(b"0\r\n\r\n")


async def test_address_in_use_by_many_clients_frees_everything(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        for _ in range(50):
            async with connected(proxy.url) as (_, writer):
                opened = writer.get_extra_info("socket")
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                writer.write(post(b"/v1/messages", OPUS)[:40])
                writer.transport.abort()
        assert await proxy.in_flight.drain(5, asyncio.Event())
        assert (await read_to_end(proxy.url, post(b"/v1/messages", OPUS))).endswith(MESSAGE)


async def test_client_that_does_not_read_gets_an_answer_that_was_here_at_once(start_proxy):
    """All that the upstream may send ahead is here before the first byte goes to the client."""
    event = DELTA.replace(b'"x"', b'"%s"' % (b"x" * MIB))

    async def answer(connection: Connection) -> None:
        connection.writer.write(SSE_HEAD + chunk(START) + chunk(event) * 16 + chunk(END))
        await connection.write(b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await proxy.has_request.wait()
        async with asyncio.timeout(PATIENCE_S):
            came = await reader.read()
        assert came.endswith(b"0\r\n\r\n")
        assert len(came) > 16 * MIB
        assert (await proxy.only_record()).output_tokens == 34


@pytest.mark.parametrize("length", [2 * MIB, 300_000])
@pytest.mark.parametrize("model", [OPUS, SONNET])
async def test_client_that_leaves_before_it_has_read_the_answer_has_cancelled(
    start_proxy, length, model
):
    """However much of it the proxy holds by then, and though the upstream has ended it."""
    body = MESSAGE[:-1] + b',"x":"%s"}' % (b"x" * (4 * length))
    raw = json_answer(body)
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", model))
        if length > MIB:
            await reader.readuntil(b"\r\n\r\n")
            assert not proxy.exchanges
            writer.transport.abort()
            assert (await proxy.only_record()).status == "cancelled"
        else:
            assert (await reader.read()).endswith(body)
            assert (await proxy.only_record()).status == "success"
