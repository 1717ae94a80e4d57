"""A service that counts tokens at once, and ends its other answers once a file `finish` is there.

Usage: slow_service.py FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
    b'"role":"assistant","model":"claude-opus-4-6","content":[],'
    b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
)
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":5}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
_COUNTED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n"
    b'Connection: close\r\n\r\n{"input_tokens":8}'
)
_PAUSE_S = 0.2


async def serve(folder: Path) -> None:
    """Serve on a free port, which a file `port` names."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/count_tokens" in head.split(b"\r\n")[0]:
            writer.write(_COUNTED)
            await writer.drain()
            writer.close()
            return
        writer.write(_HEAD + _chunk(_START))
        while not (folder / "finish").exists():
            writer.write(_chunk(_PING))
            await writer.drain()
            await asyncio.sleep(_PAUSE_S)
        writer.write(_chunk(_END) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    (folder / "port").write_text(f"{server.sockets[0].getsockname()[1]}\n")
    await server.serve_forever()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def main() -> None:
    """Make the folder, and serve until somebody ends this."""
    folder = Path(sys.argv[1])
    folder.mkdir()
    asyncio.run(serve(folder))


if __name__ == "__main__":
    main()
