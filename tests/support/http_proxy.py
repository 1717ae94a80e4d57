"""A small HTTP proxy such as companies have: CONNECT and absolute targets, a login if wanted.

Whatever name it is asked for, it connects to one address, so that tests need no name service.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)


@dataclass
class HttpProxy:
    """Where it listens, and the head of each request that it received."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url_with(self, login: str) -> str:
        return f"http://{login}@127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def relay(address: tuple[str, int]) -> AsyncIterator[HttpProxy]:
    """Pass bytes on to `address`, as if it were somewhere else."""
    async with http_proxy(address) as passing:
        yield passing


@contextlib.asynccontextmanager
async def http_proxy(
    address: tuple[str, int], *, refusal: bytes = b"", is_mute: bool = False
) -> AsyncIterator[HttpProxy]:
    """Connect everybody to `address`, or answer with `refusal` (a whole answer), or never."""
    proxy = HttpProxy()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            proxy.heads.append(head)
            if is_mute:
                await reader.read()
            elif refusal:
                writer.write(refusal)
            else:
                await _connect(head, reader, writer)
        except _GONE:
            pass  # cancelled by the end of the test alone
        finally:
            writer.close()

    async def _connect(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        onward_reader, onward = await asyncio.open_connection(*address)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.write(head)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, onward))
                group.create_task(_copy(onward_reader, writer))
        finally:
            onward.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()
