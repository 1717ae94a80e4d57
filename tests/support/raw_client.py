"""A client of bare sockets: sends given bytes, and sees an answer's bytes as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPUS = json.dumps({"model": "claude-opus-4-6", "max_tokens": 9, "messages": []}).encode()
SONNET = OPUS.replace(b"opus-4-6", b"sonnet-4-5")


def post(path: bytes, body: bytes, headers: bytes = b"Connection: close\r\n") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s" % (
        path,
        len(body),
        headers,
        body,
    )


def get(path: bytes, method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (method, path)


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


@contextlib.asynccontextmanager
async def connected(
    url: str, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to `url`; a small receive buffer makes a client that does not read felt."""
    opened = socket.socket()
    opened.setblocking(False)
    if receive_buffer_bytes is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    await asyncio.get_running_loop().sock_connect(opened, address_of(url))
    reader, writer = await asyncio.open_connection(sock=opened)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_to_end(url: str, request: bytes, *, timeout_s: float = PATIENCE_S) -> bytes:
    """Everything that comes back until the other side closes; a reset ends it too."""
    came = b""
    async with connected(url) as (reader, writer):
        writer.write(request)
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65536):
                    came += piece
    return came
