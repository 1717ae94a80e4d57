"""The clients: keep-alive connections, streams that are read at once, and readers that dawdle.

Raw asyncio protocols, since a full HTTP client would cost more than the proxies under test. They
read status, Content-Length and chunked bodies, which is all that the proxies send back.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, field

from upstream import STAMP_DIGITS, STAMP_MARK

HOST = "127.0.0.1"

_WRITE_BYTES = 256 * 1024
_DAWDLING_BUFFER_BYTES = 8 * 1024
_DAWDLING_KERNEL_BYTES = 32 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_DELTA = b"event: content_block_delta"
_STOP = b"event: message_stop"


class BadAnswerError(Exception):
    """An answer that is not what the fake upstream sent."""


@dataclass(slots=True)
class Answer:
    """One answer as it arrives."""

    status: int = 0
    body_bytes: int = 0
    deltas: int = 0
    fault: str = ""
    """Why the answer was lost, where it was."""
    is_stopped: bool = False
    """The stream's `message_stop` has come."""
    latencies_s: list[float] = field(default_factory=list)
    """From the upstream's write of a stamped delta to its arrival here."""
    first_byte_s: float | None = None
    """From the write of the request to the first byte of its answer."""
    payload: list[bytes] | None = None
    """The body in pieces, where the sender wants to have it."""


class _ChunkedReader:
    """Takes HTTP's chunks apart; gives the payload back."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self.is_finished = False

    def feed(self, data: bytes) -> bytes:
        self._raw += data
        payload = []
        at = 0
        while (line_end := self._raw.find(b"\r\n", at)) >= 0:
            size = int(self._raw[at:line_end], 16)
            end = line_end + 2 + size
            if len(self._raw) < end + 2:
                break
            payload.append(bytes(self._raw[line_end + 2 : end]))
            at = end + 2
            if size == 0:
                self.is_finished = True
                break
        del self._raw[:at]
        return b"".join(payload)


class _AnswerReader:
    """One HTTP answer, bytes in; counts its events as they come."""

    def __init__(self, *, is_keeping: bool) -> None:
        self.answer = Answer(payload=[] if is_keeping else None)
        self.is_finished = False
        self._head: bytearray | None = bytearray()
        self._chunks: _ChunkedReader | None = None
        self._left_bytes = 0
        self._is_events = False
        self._torn_event = b""

    def feed(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = bytes(self._head[end + 4 :])
            self._read_head(bytes(self._head[:end]).lower())
            self._head = None
        if self._chunks is None:
            self._left_bytes -= len(data)
            self._take(data)
            self.is_finished = self._left_bytes <= 0
            return
        payload = self._chunks.feed(data)
        self._take(payload)
        if self._is_events:
            self._read_events(payload)
        self.is_finished = self._chunks.is_finished

    def _read_head(self, head: bytes) -> None:
        self.answer.status = int(head.split(b" ", 2)[1])
        if b"\r\ntransfer-encoding: chunked" in head:
            self._chunks = _ChunkedReader()
        elif b"\r\ncontent-length:" in head:
            length = head.partition(b"\r\ncontent-length:")[2]
            self._left_bytes = int(length.partition(b"\r\n")[0])
        else:
            raise BadAnswerError("An answer without a length.")
        self._is_events = b"text/event-stream" in head

    def _take(self, payload: bytes) -> None:
        self.answer.body_bytes += len(payload)
        if self.answer.payload is not None:
            self.answer.payload.append(payload)

    def _read_events(self, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        *events, self._torn_event = (self._torn_event + payload).split(b"\n\n")
        for event in events:
            if event.startswith(_DELTA):
                self.answer.deltas += 1
                at = event.find(STAMP_MARK)
                if at >= 0:
                    start = at + len(STAMP_MARK)
                    written_ns = int(event[start : start + STAMP_DIGITS])
                    self.answer.latencies_s.append((now_ns - written_ns) / 1e9)
            elif event.startswith(_STOP):
                self.answer.is_stopped = True


class Connection(asyncio.Protocol):
    """One client connection, one request after another."""

    def __init__(self) -> None:
        """Not yet connected; `connect` makes ready ones."""
        self._reader: _AnswerReader | None = None
        self._done: asyncio.Future[Answer] | None = None
        self._sent_at_s = 0.0
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def connect(cls, port: int) -> Connection:
        """Open a connection to the proxy at `port`."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return connection

    async def send(self, head: bytes, body: bytes, *, is_keeping: bool = False) -> Answer:
        """Send one request and wait for its whole answer, whose `payload` is kept on demand.

        Raises BadAnswerError when the connection ends before the answer does.
        """
        self._reader = _AnswerReader(is_keeping=is_keeping)
        self._done = asyncio.get_running_loop().create_future()
        self._sent_at_s = time.monotonic()
        if len(body) <= _WRITE_BYTES:
            self._transport.write(head + body)
        else:
            await self._send_large(head, body)
        return await self._done

    def close(self) -> None:
        """Close politely."""
        self._transport.close()

    async def _send_large(self, head: bytes, body: bytes) -> None:
        """Write in pieces, so that no other connection of this loop waits long."""
        self._transport.write(head)
        view = memoryview(body)
        for start in range(0, len(body), _WRITE_BYTES):
            self._transport.write(view[start : start + _WRITE_BYTES])
            await asyncio.sleep(0)
            await self._writable.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        """The proxy does not read as fast as we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        if self._reader is None or self._done is None or self._done.done():
            return
        if self._reader.answer.first_byte_s is None:
            self._reader.answer.first_byte_s = time.monotonic() - self._sent_at_s
        try:
            self._reader.feed(data)
        except (BadAnswerError, ValueError, IndexError) as error:
            self._done.set_exception(BadAnswerError(str(error)))
            self._transport.abort()
            return
        if self._reader.is_finished:
            self._done.set_result(self._reader.answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer under way is lost with it."""
        self._writable.set()
        if self._done is not None and not self._done.done():
            self._done.set_exception(BadAnswerError(f"The connection was lost: {exc}"))


class DawdlingReader(asyncio.BufferedProtocol):
    """Reads 8 KB each time that it is told to, from a stream that would come much faster."""

    def __init__(self) -> None:
        """Not yet connected; `open` makes ready ones."""
        self.read_bytes = 0
        self.start = b""
        self._buffer = bytearray(_DAWDLING_BUFFER_BYTES)
        self._is_lost = False

    @classmethod
    async def open(cls, port: int, request: bytes) -> DawdlingReader:
        """Connect with a small kernel buffer, send `request` and read nothing yet."""
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _DAWDLING_KERNEL_BYTES)
        await loop.sock_connect(sock, (HOST, port))
        _, reader = await loop.create_connection(cls, sock=sock)
        reader._transport.write(request)
        return reader

    def read_some(self) -> None:
        """Take the next bytes, then pause again."""
        if not self._is_lost:
            self._transport.resume_reading()

    def cancel(self) -> None:
        """Go away as Claude Code does on Esc: with a reset."""
        sock: socket.socket = self._transport.get_extra_info("socket")
        if not self._is_lost:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    @property
    def is_served(self) -> bool:
        """The answer has begun well, and has not ended."""
        return self.start.startswith(b"HTTP/1.1 200") and not self._is_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pause at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy went away, or we did."""
        del exc
        self._is_lost = True

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next bytes go: no more of them than a slow reader takes."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Some came: enough for now."""
        if not self.start:
            self.start = bytes(self._buffer[: min(nbytes, 64)])
        self.read_bytes += nbytes
        self._transport.pause_reading()


async def connect_many(port: int, count: int) -> list[Connection]:
    """Open `count` connections, a few at a time: a burst tests the listen queue, not the proxy."""
    at_once = 32
    connections: list[Connection] = []
    for start in range(0, count, at_once):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(Connection.connect(port))
                for _ in range(min(at_once, count - start))
            ]
        connections += [task.result() for task in tasks]
    return connections
