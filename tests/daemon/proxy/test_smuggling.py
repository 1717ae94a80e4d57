"""Two messages that pass for one: refused, whether a client or a service sends them."""

from __future__ import annotations

import pytest
from raw_client import OPUS, connected, post, read_to_end
from raw_upstream import MESSAGE, Connection, answer_message, json_answer, raw_upstream

LENGTH = b"Content-Length: %d\r\n" % len(OPUS)
EVIL = b"POST /v1/evil HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        LENGTH + b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n" + LENGTH,
        LENGTH + b"Content-Length: 0\r\n",
        b"Content-Length: %d, 0\r\n" % len(OPUS),
        b"Content-Length: +%d\r\n" % len(OPUS),
        b"Content-Length: 0x10\r\n",
        b"Content-Length : %d\r\n" % len(OPUS),
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n" + LENGTH,
    ],
)
async def test_request_with_a_doubtful_frame_goes_nowhere(start_proxy, framing):
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n"
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, head + b"0\r\n\r\n" + EVIL)
        assert came.split(b" ", 2)[1] == b"400"
        assert came.count(b"HTTP/1.") == 1
        assert not upstream.heads


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}x\r\n0\r\n\r\n", b"2\n{}\n0\n\n"],
)
async def test_request_in_bad_chunks_goes_nowhere(start_proxy, chunks):
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, head + chunks + EVIL)
        assert b" 200 " not in came
        assert not upstream.heads


async def test_request_in_chunks_leaves_with_a_length_of_its_own(start_proxy):
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"%x;a=b\r\n%s\r\n0\r\nX-Sum: 5\r\n\r\n" % (len(OPUS), OPUS)
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, head + b"Connection: close\r\n\r\n" + chunks)
        assert came.endswith(MESSAGE)
        assert upstream.bodies == [OPUS]
        assert upstream.heads[0].lower().count(b"content-length") == 1
        assert b"transfer-encoding" not in upstream.heads[0].lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 44\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_answer_with_a_doubtful_frame_is_a_bad_gateway(start_proxy, raw):
    async def answer(connection: Connection) -> None:
        await connection.write(raw if len(upstream.heads) == 1 else json_answer(MESSAGE))

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert came.startswith(b"HTTP/1.1 502 ")
        assert b"no usable answer" in came
        assert (await proxy.only_record()).status == "error"
        assert (await read_to_end(proxy.url, post(b"/v1/messages", OPUS))).endswith(MESSAGE)


async def test_answer_behind_the_answer_reaches_nobody(start_proxy):
    evil = json_answer(b'{"evil": true}')

    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(MESSAGE) + evil)

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        for _ in range(3):
            writer.write(
                b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n" + LENGTH + b"\r\n" + OPUS
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(MESSAGE)) == MESSAGE
        assert len(upstream.heads) == 3
