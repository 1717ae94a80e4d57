"""An upstream of bare sockets: keeps the bytes that arrive, answers with given bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

Answer = Callable[["Connection"], Awaitable[None]]


@dataclass
class Connection:
    """One connection from the proxy; `head` and `body` are of the newest request on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    head: bytes = b""
    body: bytes = b""

    async def read_request(self) -> bool:
        try:
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        self.body = b""
        for line in self.head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self.body = await self.reader.readexactly(int(value))
        return True

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class RawUpstream:
    url: str = ""
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has ended on the proxy's side."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def close_connections(self) -> None:
        """Close those that there are, as a service does that restarts."""
        for writer in self.writers:
            writer.close()
        self.writers.clear()


@contextlib.asynccontextmanager
async def raw_upstream(
    answer: Answer, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawUpstream]:
    """Serve every request with `answer`, which writes bytes and may close the connection."""
    upstream = RawUpstream()
    numbers = iter(range(1_000_000))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        connection = Connection(reader, writer, next(numbers))
        upstream.writers.append(writer)
        try:
            while await connection.read_request():
                upstream.heads.append(connection.head)
                upstream.bodies.append(connection.body)
                await answer(connection)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass  # cancelled by the end of the test alone
        finally:
            upstream.closed.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    upstream.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for writer in upstream.writers:
            if tls is None:  # a secured one can't be aborted twice in Python 3.11.2
                writer.transport.abort()
        await asyncio.sleep(0)  # in which the transports close their sockets


def json_answer(body: bytes, *, status: str = "200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status.encode(),
        len(body),
        headers,
        body,
    )


SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-opus-4-6",'
    b'"usage":{"input_tokens":12,"output_tokens":1,"cache_read_input_tokens":7}}}\n\n'
)
DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n'
END = (
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":34}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
MESSAGE = (
    b'{"id":"msg_1","type":"message","model":"claude-opus-4-6","content":[],'
    b'"usage":{"input_tokens":5,"output_tokens":6}}'
)


class Stream:
    """An upstream's answer that waits in its middle for the test."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def answer(self, connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await self.go_on.wait()
        await connection.write(chunk(END) + b"0\r\n\r\n")


async def answer_message(connection: Connection) -> None:
    await connection.write(json_answer(MESSAGE))


async def endless(connection: Connection) -> None:
    await connection.write(SSE_HEAD + chunk(START) + chunk(DELTA))
    await connection.reader.read()
