"""The HTTP server that clients connect to, with all of aiohttp's help switched off."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpProcessingError

from offramp_daemon.server.client_connection import ClientConnection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp.web_protocol import RequestHandler

    from offramp_daemon.server.lifecycle import InFlight

_HEAD_LIMIT_BYTES = 64 * 1024


class _Server(web.Server):
    """aiohttp's, with connections of our own; it says of each that it has been opened."""

    on_connection: Callable[[asyncio.Transport], None] | None = None

    def __call__(self) -> ClientConnection:
        return ClientConnection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if self.on_connection is not None:
            self.on_connection(transport)


def of(
    in_flight: InFlight, on_connection: Callable[[asyncio.Transport], None] | None = None
) -> web.Server:
    """Return the HTTP server: bodies as they came, handlers ended when their client goes.

    `on_connection` is called with each connection before anything is read from it.
    """
    server = _Server(
        in_flight.handle,
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        logger=_http_log(),
        max_line_size=_HEAD_LIMIT_BYTES,
        max_field_size=_HEAD_LIMIT_BYTES,
    )
    server.on_connection = on_connection
    return server


def _http_log() -> logging.Logger:
    log = logging.getLogger("aiohttp.offramp")
    log.addFilter(_leave_out_quotes)
    return log


def _leave_out_quotes(record: logging.LogRecord) -> bool:
    """Say what kind of error a request that is not HTTP has; aiohttp would quote the request."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "A request broke HTTP's rules: %s", (type(error).__name__,)
        record.exc_info = None
    return True
