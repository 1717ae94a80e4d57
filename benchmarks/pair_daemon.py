"""One side of `side_by_side.py`: a checkout's daemon in a private home, and its client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import struct
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pair_requests import PORTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pair_requests import Request
    from pair_services import Service

_PATIENCE_S = 40.0
_READY = b"Claude Code:"
_NOT_ABOUT_BEHAVIOUR = ("diagnostics", "lock")
"""In the names of files that may differ: the diagnostics name modules."""


@dataclass(frozen=True)
class Checkout:
    """A tree with its own environment, of whichever layout."""

    root: Path

    @property
    def python(self) -> str:
        """The interpreter that `make setup` made for it."""
        return str(self.root / ".venv" / "bin" / "python")

    @property
    def module(self) -> str:
        """What `python -m` runs as `offramp`."""
        has_command_line = (self.root / "daemon" / "offramp_cli").is_dir()
        return "offramp_cli" if has_command_line else "offramp_daemon"

    def environment(self, home: Path) -> dict[str, str]:
        """An environment that holds none of the user's settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(home),
            "OFFRAMP_HOME": str(home),
            "PYTHONPATH": str(self.root / "daemon"),
            "PYTHONUNBUFFERED": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }


@dataclass(frozen=True)
class Got:
    """What a client got: the bytes, and how the connection ended."""

    data: bytes
    ending: str


@dataclass
class Side:
    """A daemon under way in front of its two services."""

    checkout: Checkout
    home: Path
    claude: Service
    zai: Service
    process: asyncio.subprocess.Process
    port: int
    nowhere: int
    """A port on which nobody listens."""
    said: list[bytes] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take in what the daemon says until it has ended."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.said.append(line)
            if _READY in line:
                self.ready.set()
        self.ready.set()

    async def ask(self, request: Request) -> Got:
        """Send `request` as it is written, and read until the connection ends."""
        self.claude.prepare(request.claude)
        self.zai.prepare(request.zai)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                for piece in request.pieces:
                    writer.write(piece)
                    with contextlib.suppress(ConnectionError):
                        await writer.drain()
                if request.leaves_after is not None:
                    return await self._leave(request.leaves_after, reader, writer)
                return await _read_to_end(reader)
        except TimeoutError:
            return Got(b"", "timed out")
        finally:
            writer.close()

    async def _leave(
        self, after: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Got:
        """Leave once `after` was read, or at once if it is empty; wait until a service knows."""
        async with asyncio.TaskGroup() as group:
            arrivals = [group.create_task(each.arrived.wait()) for each in (self.claude, self.zai)]
            await asyncio.wait(arrivals, return_when=asyncio.FIRST_COMPLETED)
            for arrival in arrivals:
                arrival.cancel()
        came = await reader.readuntil(after) if after else b""
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(each.left.wait()) for each in (self.claude, self.zai)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        return Got(came[: came.find(after) + len(after)] if after else b"", "left")

    async def command(self, *arguments: str) -> tuple[int, bytes]:
        """Run one command of `offramp` beside the daemon: its exit code and its words."""
        process = await asyncio.create_subprocess_exec(
            *(self.checkout.python, "-m", self.checkout.module, *arguments),
            env=self.checkout.environment(self.home),
            cwd=self.home,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out + err

    def files(self) -> dict[str, bytes]:
        """What it has written: records and events with their content, of all else the mode."""
        found: dict[str, bytes] = {}
        for file in sorted(self.home.rglob("*")):
            mode = file.lstat().st_mode
            name = str(file.relative_to(self.home))
            if not stat.S_ISREG(mode) or any(part in name for part in _NOT_ABOUT_BEHAVIOUR):
                continue
            is_log = file.suffix == ".jsonl" and "log" in file.parts
            found[name] = file.read_bytes() if is_log else b"%o" % stat.S_IMODE(mode)
        return found


@contextlib.asynccontextmanager
async def side(
    checkout: Checkout,
    home: Path,
    config: str,
    pair: tuple[Service, Service],
    *,
    launcher: tuple[str, ...] = ("-m",),
) -> AsyncIterator[Side]:
    """Run the daemon of `checkout` in front of `pair`, with `config` as its settings.

    `launcher` is what Python is given before the module's name.
    """
    claude, zai = pair
    claude.log.clear()
    port = _free_port()
    file = home / "config" / "config.toml"
    file.parent.mkdir(parents=True, mode=0o700)
    nowhere = _free_port()
    for name, number in zip(PORTS, (claude.port, zai.port, nowhere), strict=True):
        config = config.replace(name, str(number))
    file.write_text(config, encoding="utf-8")
    file.chmod(0o600)
    process = await asyncio.create_subprocess_exec(
        *(checkout.python, *launcher, checkout.module, "serve", "--port", str(port)),
        env=checkout.environment(home),
        cwd=home,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    running = Side(checkout, home, claude, zai, process, port, nowhere)
    async with asyncio.TaskGroup() as group:
        group.create_task(running.listen())
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await running.ready.wait()
            yield running
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def _read_to_end(reader: asyncio.StreamReader) -> Got:
    data = b""
    try:
        while piece := await reader.read(65536):
            data += piece
    except ConnectionError:
        return Got(data, "reset")
    return Got(data, "closed")


def _free_port() -> int:
    """A port that nobody has at present, of five digits like every other."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port
