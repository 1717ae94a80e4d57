"""Sends hostile inputs through a running daemon, and shows what other clients see meanwhile.

One prober asks for /health every 10 ms. For each input: its size, how it was answered, the longest
that /health took while it was served; the CPU time that the daemon used during such a wait, which
is what a quiet machine would show; and its CPU time for each kilobyte of the input. The first line
is a usual request. Bounded in count and time, on loopback only.

Usage: python benchmarks/hostile.py [--limit-s SECONDS] [--only WORD]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass

import gauges
import traffic
from hostile_corpus import Hostile, corpus, request_body
from proxies import HOST, Daemon

GOAL_MS = 100.0

_PROBE_EVERY_S = 0.01
_AFTER_S = 0.15
_CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class Figures:
    """What one input did."""

    sent_bytes: int
    status: str
    stall_ms: float
    busy_ms: float
    cpu_ms: float


class HostileService:
    """Answers every request with the bytes that were set last."""

    def __init__(self) -> None:
        self.answer = b""
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def set(self, body: bytes, *, content_type: str, content_encoding: str) -> None:
        coding = f"content-encoding: {content_encoding}\r\n" if content_encoding else ""
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{coding}"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.answer = head.encode() + body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            left = int(_header(head, b"content-length") or 0)
            while left > 0 and (part := await reader.read(_CHUNK_BYTES)):
                left -= len(part)
            writer.write(self.answer)
            await writer.drain()
        writer.close()


class Prober:
    """Another client: asks for /health again and again, and keeps how long the slowest took."""

    def __init__(self, port: int, pid: int) -> None:
        self.slowest_ms = 0.0
        self.busiest_ms = 0.0
        """The most CPU time that the daemon used while an answer was awaited."""
        self.is_over = False
        """Set when the probe under way shall be the last one."""
        self._port = port
        self._pid = pid

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        while not self.is_over:
            started_s, before_s = time.monotonic(), gauges.own_cpu_s(self._pid)
            writer.write(b"GET /health HTTP/1.1\r\nhost: %s\r\n\r\n" % HOST.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(_header(head, b"content-length") or 0))
            self.slowest_ms = max(self.slowest_ms, (time.monotonic() - started_s) * 1000)
            busy_ms = (gauges.own_cpu_s(self._pid) - before_s) * 1000
            self.busiest_ms = max(self.busiest_ms, busy_ms)
            await asyncio.sleep(_PROBE_EVERY_S)
        writer.close()


async def measure(daemon: Daemon, service: HostileService, one: Hostile, limit_s: float) -> Figures:
    """Send `one` through `daemon`."""
    data = one.make()
    if one.side == "answer":
        service.set(data, content_type=one.content_type, content_encoding=one.content_encoding)
        sent = _request(daemon.port, request_body(one.model), "")
    else:
        service.set(b"{}", content_type="application/json", content_encoding="")
        sent = _request(daemon.port, data, one.content_encoding)
    prober, before_s = Prober(daemon.port, daemon.pid), daemon.cpu_s()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(prober.run(), name="prober")
        await asyncio.sleep(_AFTER_S)
        prober.slowest_ms = prober.busiest_ms = 0.0
        status = await _exchange(daemon.port, sent, limit_s)
        await asyncio.sleep(_AFTER_S)
        prober.is_over = True
    cpu_ms = (daemon.cpu_s() - before_s) * 1000
    return Figures(len(data), status, prober.slowest_ms, prober.busiest_ms, cpu_ms)


async def _exchange(port: int, sent: bytes, limit_s: float) -> str:
    """Send a request and read its answer to the end; the status, or what came instead."""
    writer = None
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            reading = asyncio.get_running_loop().create_task(reader.readline())
            with contextlib.suppress(OSError):
                writer.write(sent)
                await writer.drain()
            line = await reading
            while await reader.read(_CHUNK_BYTES):
                pass
        return line.split(b" ")[1].decode() if line else "closed"
    except TimeoutError:
        return f"none in {limit_s:g} s"
    except OSError:
        return "reset"
    finally:
        if writer is not None:
            writer.close()


def _request(port: int, body: bytes, coding: str) -> bytes:
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: {HOST}:{port}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {traffic.FAKE_TOKEN}\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n"
    )
    return (head + (f"content-encoding: {coding}\r\n" if coding else "") + "\r\n").encode() + body


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


async def run(limit_s: float, only: str) -> bool:
    """Measure all inputs whose name holds `only`; whether nobody had to wait beyond the goal."""
    service = HostileService()
    await service.start()
    daemon = Daemon(service.port, gauges.pin_to_one_core_each())
    await daemon.start()
    worst_ms, worst_ratio = 0.0, 0.0
    usual = Hostile(name="usual", side="request", make=request_body)
    print(
        f"{'input':44}{'bytes':>11}  {'answer':>12}{'stall ms':>10}{'busy ms':>9}{'CPU ms':>9}"
        f"{'ms/KB':>8}"
    )
    try:
        for one in (usual, *corpus()):
            title = f"{one.side}: {one.name}"
            if one is not usual and only not in title:
                continue
            found = await measure(daemon, service, one, limit_s)
            ratio = found.cpu_ms / max(found.sent_bytes / 1024, 64)
            worst_ms, worst_ratio = max(worst_ms, found.busy_ms), max(worst_ratio, ratio)
            print(
                f"{title:44}{found.sent_bytes:11,}  {found.status:>12}{found.stall_ms:10,.0f}"
                f"{found.busy_ms:9,.0f}{found.cpu_ms:9,.0f}{ratio:8.2f}",
                flush=True,
            )
    finally:
        daemon.stop()
        service.stop()
    print(f"\nlongest stall, on a quiet machine: {worst_ms:,.0f} ms (goal: {GOAL_MS:g})")
    print(f"worst ratio {worst_ratio:.2f} ms of CPU for each KB (of at least 64)")
    return worst_ms <= GOAL_MS


def main() -> int:
    """Measure; 1 if another client waited for longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-s", type=float, default=60.0, help="for each input")
    parser.add_argument("--only", default="", help="just the inputs whose name holds this")
    options = parser.parse_args()
    return 0 if asyncio.run(run(options.limit_s, options.only)) else 1


if __name__ == "__main__":
    sys.exit(main())
