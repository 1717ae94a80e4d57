"""A fake service for the soak: it answers well, but for the faults that it is told to make.

A faulty answer is reset, stalls, or is half closed: before its head, or in its middle. Bounded, on
loopback only.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from typing import TYPE_CHECKING

from upstream import Upstream, expected_answer

if TYPE_CHECKING:
    import ssl

FAULTS = ("reset", "reset in the middle", "stall in the middle", "half closed in the middle")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_STREAMED = b'"stream":true'
_PIECES = 8
_PAUSE_S = 0.01
_LONGEST_STALL_S = 60.0


class FaultyService:
    """Answers what the benchmark's upstream does, and makes a fault in a `share` of the answers."""

    def __init__(self, share: float, seed: int) -> None:
        """Choose the faults by `seed`."""
        self.faults: Counter[str] = Counter()
        self.answered = 0
        self.port = 0
        self._share = share
        self._random = random.Random(seed)
        script = Upstream()
        self._json, self._turn = script.json_answer, script.turn_answer
        self._server: asyncio.Server | None = None

    @staticmethod
    def payload(body: bytes) -> bytes:
        """What a client must get for the request in `body`."""
        return expected_answer("turn" if _STREAMED in body else "json").payload

    async def start(self, tls: ssl.SSLContext | None) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the proxy has gone, as it should after most faults
        except asyncio.CancelledError:
            pass  # the soak has ended, and Python 3.11 would print the cancellation
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection may serve another."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"post"):  # the quota, which is none here
            writer.write(_NOT_FOUND)
            return True
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        answer = self._turn if _STREAMED in body else self._json
        self.answered += 1
        if self._random.random() < self._share:
            fault = self._random.choice(FAULTS)
            self.faults[fault] += 1
            await self._fail(fault, answer, reader, writer)
            return False
        step = -(-len(answer) // _PIECES) if _STREAMED in body else len(answer)
        for start in range(0, len(answer), step):
            writer.write(answer[start : start + step])
            await writer.drain()
            await asyncio.sleep(_PAUSE_S)
        return True

    async def _fail(
        self,
        fault: str,
        answer: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        opened = writer.get_extra_info("socket")
        if fault != "reset":
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            await asyncio.sleep(_PAUSE_S)
        if fault.startswith("reset"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
            return
        if fault.startswith("half"):
            opened.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(_LONGEST_STALL_S):  # until the proxy has had enough
            await reader.read()
