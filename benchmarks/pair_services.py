"""Two services of bare sockets that record the exact bytes which arrive, and play given answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pair_answers
from pair_answers import Act

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from pair_answers import Script

_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it arrived."""

    service: str
    head: bytes
    body: bytes
    is_whole: bool


@dataclass
class Service:
    """One service: what it shall answer next, what it received, and who has left it."""

    name: str
    log: list[Received]
    port: int = 0
    answers: deque[Script] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has arrived."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side has closed a connection on which an answer was under way."""

    def prepare(self, answers: Iterable[Script]) -> None:
        """Answer the next requests so, and those after them as a service in good health does."""
        self.answers = deque(answers)
        self.arrived.clear()
        self.left.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (received := await _read(self.name, reader)) is not None:
                self.log.append(received)
                self.arrived.set()
                if not received.is_whole or not await self._play(received, reader, writer):
                    break
        writer.close()

    async def _play(
        self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Play the answer to `received`; whether the connection is still good afterwards."""
        method, target, _ = received.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        script = (
            self.answers.popleft()
            if self.answers
            else pair_answers.default(method, target, received.body)
        )
        for step in script:
            if step is Act.CLOSE:
                return False
            if step is Act.RESET:
                _reset(writer)
                return False
            if step is Act.HOLD:
                with contextlib.suppress(ConnectionError):
                    await reader.read(1)
                self.left.set()
                return False
            assert isinstance(step, bytes)
            writer.write(step)
            await writer.drain()
        return True


@contextlib.asynccontextmanager
async def services() -> AsyncIterator[tuple[Service, Service]]:
    """Run both services; their requests go to one log, in the order in which they arrived."""
    log: list[Received] = []
    claude, zai = Service("anthropic", log), Service("zai", log)
    async with contextlib.AsyncExitStack() as stack:
        for service in (claude, zai):
            await stack.enter_async_context(_listening(service))
        yield claude, zai


@contextlib.asynccontextmanager
async def _listening(service: Service) -> AsyncIterator[None]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):  # by the end of the run only
            await service.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LIMIT_BYTES)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _read(name: str, reader: asyncio.StreamReader) -> Received | None:
    """The next request; None where the connection ended between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        return Received(service=name, head=error.partial, body=b"", is_whole=False)
    body, is_whole = b"", True
    fields = dict(_field(line) for line in head.split(b"\r\n")[1:] if b":" in line)
    try:
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        body = getattr(error, "partial", b"")
        is_whole = False
    return Received(service=name, head=head, body=body, is_whole=is_whole)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip().lower()


def _reset(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
