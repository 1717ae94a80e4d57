"""A client's connection: aiohttp's own, but for the loop that takes one request after the other.

aiohttp serves each request in a task of its own, which costs two more turns of the event loop. It
does so for context variables, of which there are none here. So the connection's task serves them.
That takes private names of aiohttp's; no other module knows them, and a test holds aiohttp to them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    from aiohttp import StreamReader


class ClientConnection(RequestHandler):
    """Serves the requests of one connection in the order in which they come."""

    __slots__ = ("_body",)

    _body: StreamReader
    """Of the request that was taken last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        self._body = EMPTY_PAYLOAD
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the last request, whose body holds this connection."""
        super().connection_lost(exc)
        self._body = EMPTY_PAYLOAD

    def data_received(self, data: bytes) -> None:
        """Take bytes; a body that breaks HTTP's rules ends the wait for the rest of it.

        aiohttp only queues that news as another message, behind the request that waits.
        """
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            body = self._messages[-2][1] if len(self._messages) > 1 else self._body
            if not body.is_eof() and body.exception() is None:
                body.set_exception(web.RequestPayloadError("a chunk breaks HTTP's rules"))

    async def start(self) -> None:
        """Serve requests until the connection ends; aiohttp runs this as the connection's task."""
        is_kept = True
        while is_kept and not self._force_close:
            message, payload = await self._next()
            if not isinstance(message, RawRequestMessage):
                await super().start()  # which answers what breaks HTTP's rules, and then closes
                return
            self._messages.popleft()
            self._body = payload
            self._make_room()
            if self._request_factory is None or self._task_handler is None:
                return  # the client has gone
            writer = StreamWriter(self, self._loop)
            request = self._request_factory(message, payload, self, writer, self._task_handler)
            is_kept = await self._serve(request, payload)
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _next(self) -> tuple[object, StreamReader]:
        """Wait for a request, and look at it: a message, or else what is wrong with it."""
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages[0]

    def _make_room(self) -> None:
        """Let more requests be read, now that one is taken."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _serve(self, request: web.BaseRequest, payload: StreamReader) -> bool:
        """Serve one request; return whether another one may follow."""
        if self._request_handler is None:
            return False
        try:
            response, is_cut = await self._handle_request(request, None, self._request_handler)
            if is_cut:
                return False
            self._keepalive = bool(response.keep_alive)
            if not payload.is_eof():
                await self._linger(payload)
        except ConnectionError:  # the client has gone
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception:  # noqa: BLE001 - whatever it is, other connections go on
            self.log_exception("A request could not be answered")
            self.force_close()
        finally:
            request._task = None  # type: ignore[assignment]  # else each holds the other
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        return True

    async def _linger(self, payload: StreamReader) -> None:
        """Read the rest of a body for a while, else the client may lose the answer; then close."""
        with contextlib.suppress(TimeoutError, web.RequestPayloadError):
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof() and not self._force_close:
                    await payload.readany()
        if not payload.is_eof():
            self.close()
