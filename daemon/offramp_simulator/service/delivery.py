"""Sending an answer to the client: pace, content-encoding, pieces, and the ways to break it off."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # it ships no types
import zstandard
from aiohttp import web

from offramp_simulator.service import faults as fault_names
from offramp_simulator.service.events import NOISE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_simulator.service.faults import Faults
    from offramp_simulator.service.received import ReceivedRequest

_GZIP_WINDOW = 31


@dataclass(frozen=True, slots=True)
class _Coder:
    """A compressor: each chunk comes out whole (flushed), so that streams stay streams."""

    compress: Callable[[bytes], bytes]
    finish: Callable[[], bytes]


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One answer's way to one client."""

    request: web.Request
    entry: ReceivedRequest
    faults: Faults

    async def send_events(
        self, events: list[bytes], error_event: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send an SSE stream, as far as the faults let it get."""
        pieces = _shaped(events, error_event, self.faults)
        head = {**headers, "Content-Type": "text/event-stream; charset=utf-8"}
        return await self._send(200, pieces, {**head, "Cache-Control": "no-cache"})

    async def send_json(
        self, status: int, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send a JSON answer; in two parts, so that it can be cut as well."""
        half = len(body) // 2
        pieces = [] if "empty" in self.faults else [body[:half], body[half:]]
        if "cut-clean" in self.faults:
            pieces = pieces[:1]
        head = {**headers, "Content-Type": "application/json"}
        return await self._send(status, pieces, head, length=len(body))

    async def drop(self) -> web.StreamResponse:
        """Close the connection without an answer, as a stale one looks to its client."""
        self._close(is_reset=False)
        return web.Response()

    async def _send(
        self,
        status: int,
        pieces: list[bytes],
        headers: dict[str, str],
        *,
        length: int | None = None,
    ) -> web.StreamResponse:
        coding = self._coding()
        coder = _CODERS[coding]() if coding else None
        if coding:
            headers["Content-Encoding"] = coding
        elif length is not None and "cut-clean" not in self.faults and pieces:
            headers["Content-Length"] = str(length)
        await asyncio.sleep(self.faults.number("first-byte"))
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(self.request)
        self.entry.stream_begun.set()
        await self._send_pieces(response, pieces, coder)
        return response

    async def _send_pieces(
        self, response: web.StreamResponse, pieces: list[bytes], coder: _Coder | None
    ) -> None:
        pause_s = self.faults.number("slow")
        half = len(pieces) // 2
        end = self._cut_position(half)
        for position, piece in enumerate(pieces):
            if position == end:
                break
            if position == half and "silence" in self.faults:
                await asyncio.sleep(self.faults.number("silence"))
            if pause_s:
                await asyncio.sleep(pause_s)
            await self._write(response, coder.compress(piece) if coder else piece)
        if end is not None:
            self._close(is_reset="reset" in self.faults)
            return
        if coder:
            await self._write(response, coder.finish())
        self.entry.end("answered")
        await response.write_eof()

    def _cut_position(self, half: int) -> int | None:
        """Before which piece the connection closes; None if it does not."""
        for name in ("cut", "reset"):
            if name in self.faults:
                wanted = self.faults.count(name)
                return half if wanted is None else wanted
        return None

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        size = self.faults.count("chunk")
        if not size:
            if data:
                await response.write(data)
            return
        for start in range(0, len(data), size):
            await response.write(data[start : start + size])
            await asyncio.sleep(0)

    def _close(self, *, is_reset: bool) -> None:
        """Close the connection under the answer: a FIN, or a reset."""
        self.entry.end("cut")
        transport = self.request.transport
        if transport is None:
            return
        if is_reset:
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            transport.abort()
            return
        transport.close()

    def _coding(self) -> str | None:
        """The content-encoding asked for by a fault, where the client takes it."""
        accepted = ",".join(self.entry.header_values("accept-encoding")).lower()
        names = {part.partition(";")[0].strip() for part in accepted.split(",")}
        wanted = [name for name in fault_names.CODINGS if name in self.faults]
        return next((name for name in wanted if name in names), None)


def _shaped(events: list[bytes], error_event: bytes, faults: Faults) -> list[bytes]:
    """The events that the faults leave, in the spelling that they ask for."""
    if "empty" in faults:
        return []
    half = len(events) // 2
    if "error-event" in faults:
        events = [*events[:half], error_event]
    elif "cut-clean" in faults:
        events = events[:half]
    if "noise" in faults:
        events = [*NOISE, *(part for one in events for part in (one, NOISE[0]))]
    if "crlf" in faults:
        events = [one.replace(b"\n", b"\r\n") for one in events]
    return events


def _zlib_coder(window_bits: int) -> _Coder:
    compressor = zlib.compressobj(wbits=window_bits)
    return _Coder(
        compress=lambda data: compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH),
        finish=compressor.flush,
    )


def _brotli_coder() -> _Coder:
    compressor = brotli.Compressor(quality=4)
    return _Coder(
        compress=lambda data: bytes(compressor.process(data) + compressor.flush()),
        finish=lambda: bytes(compressor.finish()),
    )


def _zstd_coder() -> _Coder:
    compressor = zstandard.ZstdCompressor().compressobj()
    return _Coder(
        compress=lambda data: (
            compressor.compress(data) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        ),
        finish=lambda: compressor.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH),
    )


_CODERS: dict[str, Callable[[], _Coder]] = {
    "gzip": lambda: _zlib_coder(_GZIP_WINDOW),
    "deflate": lambda: _zlib_coder(zlib.MAX_WBITS),
    "br": _brotli_coder,
    "zstd": _zstd_coder,
}
