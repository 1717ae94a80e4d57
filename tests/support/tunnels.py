"""What the tests' proxies share: a server that ends with its connections, and bytes passed on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)


class RefusedError(Exception):
    """The answer for the client is out; the connection ends."""


@contextlib.asynccontextmanager
async def serving(
    handle: Handler, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Have `handle` serve each connection, all of which end with the context; give the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await handle(reader, writer)
        except (*_GONE, RefusedError):
            pass  # by the end of the test, or refused
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    address: tuple[str, int],
    *,
    first: bytes = b"",
    greeting: bytes = b"",
) -> None:
    """Copy both ways: the service at `address` gets `first` before, and the client `greeting`."""
    onward_reader, onward = await asyncio.open_connection(*address)
    onward.write(first)
    writer.write(greeting)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, onward))
            group.create_task(_copy(onward_reader, writer))
    finally:
        onward.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()
