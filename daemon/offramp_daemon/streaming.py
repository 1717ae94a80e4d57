"""Passes an answer on as it comes, byte for byte, while a meter reads along.

A stream that the upstream cut never ends cleanly towards the client, which would take the stump
for the whole: the client's connection is broken off.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import HttpVersion11, hdrs, web

from offramp_daemon import headers

if TYPE_CHECKING:
    from offramp_daemon.meter import Meter


_BEGUN = web.RequestKey("offramp_answer_begun", bool)


class CutStreamError(Exception):
    """The upstream's answer ended before it was whole; says how."""


class ClientGoneError(Exception):
    """The client closed its connection before the answer was through."""


class PassedResponse(web.StreamResponse):
    """An answer whose headers are the upstream's, without aiohttp's additions.

    `_write_headers` and `_send_headers_immediately` are aiohttp's own hooks, used because no public
    ones let an answer leave without a Server header, or its head together with the first bytes of
    its body; a test holds them to their contract.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        """The head that passes `answer` on."""
        passed = headers.to_client(answer.raw_headers)
        self._added = tuple(name for name in (hdrs.SERVER, hdrs.CONTENT_TYPE) if name not in passed)
        super().__init__(status=answer.status, reason=answer.reason or "", headers=passed)
        # With some of the body here already, head and body go out in one piece.
        self._send_headers_immediately = not answer.content.total_bytes

    async def _write_headers(self) -> None:
        for name in self._added:
            self.headers.pop(name, None)
        await super()._write_headers()


async def pass_on(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    *,
    meter: Meter | None,
    silence_timeout_s: float,
    head: bytes = b"",
) -> web.StreamResponse:
    """Send `answer` to the client, chunk by chunk, feeding `meter`.

    `head` is what was read of its body already. A slow client slows the upstream: nothing is read
    ahead beyond the sockets' buffers. The response's end is the caller's to write.

    Raises:
        CutStreamError: the upstream broke off, or was silent too long.
        ClientGoneError: the client closed its connection.
    """
    response = PassedResponse(answer)
    request[_BEGUN] = True
    try:
        await response.prepare(request)
        if head:
            if meter is not None:
                meter.feed(head)
            await response.write(head)
        with _Silence(answer, silence_timeout_s) as silence:
            await _copy(answer, response, meter, silence)
    except ConnectionResetError as error:
        raise ClientGoneError from error
    finally:
        if meter is not None:
            meter.finish()
    return response


def has_begun(request: web.BaseRequest) -> bool:
    """Whether `pass_on` has begun an answer to `request`, so that no other can take its place."""
    return _BEGUN in request


async def read_start(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The body of `answer`, up to its end or to just over `limit_bytes`, whichever comes first.

    Raises:
        CutStreamError: the upstream broke off.
    """
    chunks: list[bytes] = []
    length = 0
    while length <= limit_bytes:
        try:
            chunk = await answer.content.readany()
        except aiohttp.ClientError as error:
            raise CutStreamError("connection lost") from error
        if not chunk:
            break
        chunks.append(chunk)
        length += len(chunk)
    return b"".join(chunks)


def cut_off(request: web.BaseRequest) -> None:
    """End the client's connection so that it can't take what it got for the whole answer."""
    transport = request.transport
    if transport is None:
        return
    if request.version < HttpVersion11:
        # Without chunks or a length a plain close would look like the answer's end.
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return
    transport.close()


async def _copy(
    answer: aiohttp.ClientResponse,
    response: web.StreamResponse,
    meter: Meter | None,
    silence: _Silence,
) -> None:
    content = answer.content
    while True:
        silence.is_awaited = True
        try:
            chunk = await content.readany()
        except aiohttp.ClientError as error:
            said = f"silent for {silence.limit_s:g} s" if silence.is_over else "connection lost"
            raise CutStreamError(said) from error
        if not chunk:
            return
        silence.broken()
        if meter is not None:
            meter.feed(chunk)
        await response.write(chunk)


class _Silence:
    """Ends an answer that says nothing for too long, with one timer for the whole stream."""

    def __init__(self, answer: aiohttp.ClientResponse, limit_s: float) -> None:
        self.limit_s = limit_s
        self.is_over = False
        self.is_awaited = False
        """False while it is the client that is waited for."""
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._since_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> _Silence:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def broken(self) -> None:
        """Note that a chunk came; the first one starts the watch."""
        self.is_awaited = False
        self._since_s = self._loop.time()
        if self._timer is None and not self._answer.content.is_eof():
            self._timer = self._loop.call_at(self._since_s + self.limit_s, self._check)

    def _check(self) -> None:
        now_s = self._loop.time()
        if not self.is_awaited:
            self._since_s = now_s
        due_s = self._since_s + self.limit_s
        if now_s < due_s:
            self._timer = self._loop.call_at(due_s, self._check)
            return
        self.is_over = True
        self._answer.close()
