"""Random and broken requests on a socket: each has an answer or a closed connection.

After all of them the proxy still serves, and no service got a request twice or with another body.
"""

from __future__ import annotations

import asyncio
import contextlib

from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from proxy_harness import running_proxy, settings_for
from raw_client import OPUS, SONNET, connected, post, read_to_end
from raw_upstream import answer_message, raw_upstream

LIMIT_S = 5.0
METHODS = st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"FOO"])
TARGETS = st.sampled_from(
    [
        b"/v1/messages",
        b"/v1/messages?beta=true",
        b"/v1/messages/count_tokens",
        b"/v1/models",
        b"//elsewhere.example/v1/messages",
        b"/\\elsewhere.example/",
        b"http://elsewhere.example/v1/messages",
        b"*",
        b"/%00%ff",
    ]
) | st.binary(max_size=12)
VALUES = st.binary(max_size=12) | st.sampled_from(
    b"gzip|gzip, gzip|br|zstd|chunked|100-continue|close|0|5|99999999999999999999|-1|"
    b"application/json|\x1b[31m|\xff\xfe|".split(b"|")
)
NAMES = st.binary(min_size=1, max_size=6) | st.sampled_from(
    b"Content-Encoding Content-Length Transfer-Encoding Connection Expect Host Origin "
    b"x-offramp-hop x-offramp-token Authorization anthropic-beta".split()
)
BODIES = st.sampled_from([OPUS, SONNET, b"{", b"", b"0\r\n\r\n", OPUS[:20]]) | st.binary(
    max_size=40
)
REQUESTS = st.builds(
    lambda method, target, pairs, length, body: (
        method
        + b" "
        + target
        + b" HTTP/1.1\r\n"
        + b"".join(name + b": " + value + b"\r\n" for name, value in pairs)
        + (b"Content-Length: %d\r\n" % len(body) if length else b"")
        + b"\r\n"
        + body
    ),
    METHODS,
    TARGETS,
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.booleans(),
    BODIES,
)


async def _send_all(requests: list[bytes]) -> None:
    async with (
        raw_upstream(answer_message) as upstream,
        running_proxy(settings_for(upstream.url, upstream.url)) as proxy,
    ):
        for request in requests:
            came = await _send(proxy.url, request)
            assert came == b"" or came.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
            assert b"internal error" not in came
        before = len(upstream.bodies)
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert came.startswith(b"HTTP/1.1 200 ")
        assert upstream.bodies[before:] == [OPUS]


async def _send(url: str, request: bytes) -> bytes:
    """What comes back; a request that is not whole gets nothing, so its client goes."""
    came = b""
    async with connected(url) as (reader, writer):
        writer.write(request)
        writer.write_eof()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(LIMIT_S):
                while piece := await reader.read(65536):
                    came += piece
    return came


@fuzz(0.5)
@given(requests=st.lists(REQUESTS, min_size=1, max_size=8))
def test_requests(requests: list[bytes]) -> None:
    asyncio.run(_send_all(requests))
