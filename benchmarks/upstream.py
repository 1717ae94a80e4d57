"""The fake upstream: both services in one, as fast as asyncio allows, so that proxies are measured.

It speaks just enough HTTP/1.1: bodies with a Content-Length, connections kept alive. What it
answers is named by `bench` in the query:

- `json`: one JSON message;
- `burst`: a whole stream of `BURST_EVENTS` deltas, one HTTP chunk each, written at once;
- `turn`: a turn of an agent, written at once: it thinks, writes a sentence and calls a tool;
- `slow-INTERVAL_MS-COUNT`: a stream of COUNT deltas, one each INTERVAL_MS, each carrying the
  monotonic time in nanoseconds at which it was written;
- `endless`: deltas as fast as the reader takes them, until it goes.

A target without it, as a delegate gets, is answered as `usual_script` says. It listens twice,
with and without TLS, on the loop of whoever measures, so its counters can be read directly.
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import traffic

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

BURST_EVENTS = 500
STAMP_DIGITS = 19
STAMP_MARK = b'"text":"@'

_STAMP = re.compile(re.escape(STAMP_MARK) + b"[0-9]{%d}" % STAMP_DIGITS)
_BACKLOG = 4096
_SLOTS = 20
_ENDLESS_BLOCK_EVENTS = 128
_ENDLESS_BLOCKS_AT_ONCE = 8
_CLAIMS = (
    b"date: Sun, 01 Nov 2026 10:00:00 GMT\r\n"
    b"anthropic-organization-id: 00000000-0000-0000-0000-000000000000\r\n"
    b"anthropic-ratelimit-unified-status: allowed\r\n"
    b"anthropic-ratelimit-unified-5h-status: allowed\r\n"
    b"anthropic-ratelimit-unified-5h-reset: 1793530800\r\n"
    b"anthropic-ratelimit-unified-5h-utilization: 0.31\r\n"
    b"anthropic-ratelimit-unified-7d-status: allowed\r\n"
    b"anthropic-ratelimit-unified-7d-reset: 1793898000\r\n"
    b"anthropic-ratelimit-unified-7d-utilization: 0.12\r\n"
    b"anthropic-ratelimit-unified-representative-claim: five_hour\r\n"
    b"anthropic-ratelimit-unified-reset: 1793530800\r\n"
    b"request-id: req_011FakeFakeFakeFakeFakeF\r\n"
    b"server: cloudflare\r\n"
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n" + _CLAIMS + b"\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Seen:
    """What has reached the upstream since the counters were last cleared."""

    requests: int = 0
    body_bytes: int = 0
    last_target: str = ""
    body_sizes: set[int] = field(default_factory=set)
    """The lengths of all bodies that came."""
    last_body: bytes = b""
    """Empty unless `is_keeping_bodies` was set."""
    endless_ended_at_s: list[float] = field(default_factory=list)
    """Monotonic times at which the peer of an endless stream was seen to be gone."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the answer to a script must be like once a proxy has passed it on."""

    payload: bytes
    """The body without HTTP's chunks; of a slow stream, with stamps of zero."""
    deltas: int
    output_tokens: int


class Upstream:
    """The server, its counters and its pacing clock."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Prepare; it listens after `start`, with `tls` on a second port."""
        self.seen = Seen()
        self.is_keeping_bodies = False
        self.usual_script = "json"
        self.port = 0
        self.tls_port = 0
        self.json_answer = _json_answer()
        self.burst_answer = _at_once(_burst_events())
        self.turn_answer = _at_once(_turn_events())
        self.endless_block = b"".join(
            _chunk(_event(traffic.stream_delta("All work and no play. " * 2)))
            for _ in range(_ENDLESS_BLOCK_EVENTS)
        )
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._pacers: dict[float, _Pacer] = {}

    async def start(self) -> None:
        """Listen on free loopback ports, in `port` and `tls_port` from then on."""
        self.port = await self._listen(None)
        if self._tls is not None:
            self.tls_port = await self._listen(self._tls)

    async def _listen(self, tls: ssl.SSLContext | None) -> int:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", 0, backlog=_BACKLOG, ssl=tls
        )
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """Stop listening; connections end with the loop."""
        for pacer in self._pacers.values():
            pacer.stop()
        for server in self._servers:
            server.close()

    def clear(self) -> None:
        """Begin to count again."""
        self.seen = Seen()

    def pacer(self, interval_s: float) -> _Pacer:
        """The clock that all streams of one interval share."""
        if interval_s not in self._pacers:
            self._pacers[interval_s] = _Pacer(interval_s)
        return self._pacers[interval_s]


def without_stamps(payload: bytes) -> bytes:
    """`payload` with stamps of zero, as `expected_answer` has them."""
    return _STAMP.sub(STAMP_MARK + b"0" * STAMP_DIGITS, payload)


@functools.cache
def expected_answer(script: str) -> Expected:
    """What a client must get for `script`, of all but the endless one."""
    match script.split("-"):
        case ["burst"]:
            events = _burst_events()
        case ["turn"]:
            events = _turn_events()
        case ["slow", _, count]:
            events = _slow_events(int(count))
        case _:
            message = traffic.answer_message()
            return Expected(traffic.encode(message), 0, message["usage"]["output_tokens"])
    deltas = sum(event["type"] == "content_block_delta" for event in events)
    usage = next(event["usage"] for event in events if event["type"] == "message_delta")
    return Expected(b"".join(map(_event, events)), deltas, usage["output_tokens"])


class _Connection(asyncio.Protocol):
    """One connection of a proxy."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._head = bytearray()
        self._target = ""
        self._is_posted = False
        self._body: list[bytes] = []
        self._missing_bytes = -1
        self._is_paused = False
        self._is_endless = False
        self._stop_pacing: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._stop_pacing is not None:
            self._stop_pacing()
        if self._is_endless:
            self._is_endless = False
            self._upstream.seen.endless_ended_at_s.append(time.monotonic())

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._is_endless:
            self._write_endlessly()

    def data_received(self, data: bytes) -> None:
        if self._missing_bytes < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = bytes(self._head[end + 4 :])
            self._read_head(bytes(self._head[:end]))
            self._head.clear()
        self._missing_bytes -= len(data)
        self._upstream.seen.body_bytes += len(data)
        if self._upstream.is_keeping_bodies:
            self._body.append(data)
        if self._missing_bytes == 0:
            self._missing_bytes = -1
            self._answer()

    def _read_head(self, head: bytes) -> None:
        request_line, _, headers = head.partition(b"\r\n")
        method, target, _ = request_line.split(b" ")
        self._is_posted = method == b"POST"
        self._target = target.decode("latin-1")
        length = (b"\r\n" + headers.lower()).partition(b"\r\ncontent-length:")[2]
        self._missing_bytes = int(length.partition(b"\r\n")[0] or b"0")
        if self._is_posted:
            self._upstream.seen.body_sizes.add(self._missing_bytes)

    def _answer(self) -> None:
        if not self._is_posted:  # The daemon asks for a quota: no client's request.
            self._body.clear()
            self._transport.write(self._upstream.json_answer)
            return
        seen = self._upstream.seen
        seen.requests += 1
        seen.last_target = self._target
        if self._upstream.is_keeping_bodies:
            seen.last_body = b"".join(self._body)
        self._body.clear()
        script = self._target.partition("bench=")[2].partition("&")[0]
        match (script or self._upstream.usual_script).split("-"):
            case ["burst"]:
                self._transport.write(self._upstream.burst_answer)
            case ["turn"]:
                self._transport.write(self._upstream.turn_answer)
            case ["endless"]:
                self._transport.write(_STREAM_HEAD + _opening())
                self._is_endless = True
                self._write_endlessly()
            case ["slow", interval_ms, count]:
                self._start_pacing(float(interval_ms) / 1000, int(count))
            case _:
                self._transport.write(self._upstream.json_answer)

    def _write_endlessly(self) -> None:
        """Write while the reader takes it, in turns, so that no reader starves another."""
        for _ in range(_ENDLESS_BLOCKS_AT_ONCE):
            if self._is_paused or self._transport.is_closing() or not self._is_endless:
                return
            self._transport.write(self._upstream.endless_block)
        asyncio.get_running_loop().call_soon(self._write_endlessly)

    def _start_pacing(self, interval_s: float, count: int) -> None:
        self._transport.write(_STREAM_HEAD + _opening())
        stream = _SlowStream(self._transport, count)
        self._stop_pacing = self._upstream.pacer(interval_s).add(stream)


class _SlowStream:
    """One paced answer."""

    def __init__(self, transport: asyncio.Transport, count: int) -> None:
        self._transport = transport
        self._left = count
        self._closing = _events(traffic.stream_closing(count)) + _LAST_CHUNK
        before, _, after = _chunk(
            _event(traffic.stream_delta("@" + "0" * STAMP_DIGITS + " stamped"))
        ).partition(b"@" + b"0" * STAMP_DIGITS)
        self._before, self._after = before + b"@", after

    def write_next(self) -> bool:
        """Write one event; False once the stream has ended."""
        if self._transport.is_closing():
            return False
        if self._left == 0:
            self._transport.write(self._closing)
            return False
        self._left -= 1
        stamp = b"%0*d" % (STAMP_DIGITS, time.monotonic_ns())
        self._transport.write(self._before + stamp + self._after)
        return True


class _Pacer:
    """One timer for all streams of an interval, which it serves in slots spread evenly over it.

    A timer for each stream would cost more than the streams themselves, and bursts of a thousand
    events in one moment are not what services send.
    """

    def __init__(self, interval_s: float) -> None:
        self._step_s = interval_s / _SLOTS
        self._slots: list[set[_SlowStream]] = [set() for _ in range(_SLOTS)]
        self._turn = 0
        self._added = 0
        self._count = 0
        self._next_at_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: _SlowStream) -> Callable[[], None]:
        """Serve `stream` from now on; returns what takes it out again."""
        slot = self._slots[self._added % _SLOTS]
        self._added += 1
        self._count += 1
        slot.add(stream)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._next_at_s = loop.time() + self._step_s
            self._timer = loop.call_at(self._next_at_s, self._tick)
        return lambda: self._remove(slot, stream)

    def stop(self) -> None:
        """Serve nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _remove(self, slot: set[_SlowStream], stream: _SlowStream) -> None:
        if stream in slot:
            slot.discard(stream)
            self._count -= 1

    def _tick(self) -> None:
        slot = self._slots[self._turn % _SLOTS]
        self._turn += 1
        for stream in tuple(slot):
            if not stream.write_next():
                self._remove(slot, stream)
        if self._count == 0:
            self._timer = None
            return
        self._next_at_s += self._step_s
        self._timer = asyncio.get_running_loop().call_at(self._next_at_s, self._tick)


def _event(event: traffic.Json) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), traffic.encode(event))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _events(events: tuple[traffic.Json, ...]) -> bytes:
    return b"".join(_chunk(_event(event)) for event in events)


def _opening() -> bytes:
    return _events(traffic.stream_opening())


def _burst_events() -> tuple[traffic.Json, ...]:
    delta = traffic.stream_delta(" and then the next word")
    return (
        *traffic.stream_opening(),
        *(delta for _ in range(BURST_EVENTS)),
        *traffic.stream_closing(BURST_EVENTS),
    )


def _turn_events() -> tuple[traffic.Json, ...]:
    return traffic.stream_of_a_turn()


def _slow_events(count: int) -> tuple[traffic.Json, ...]:
    delta = traffic.stream_delta("@" + "0" * STAMP_DIGITS + " stamped")
    return (
        *traffic.stream_opening(),
        *(delta for _ in range(count)),
        *traffic.stream_closing(count),
    )


def _at_once(events: tuple[traffic.Json, ...]) -> bytes:
    return _STREAM_HEAD + _events(events) + _LAST_CHUNK


def _json_answer() -> bytes:
    body = traffic.encode(traffic.answer_message())
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    return head % len(body) + _CLAIMS + b"\r\n" + body
