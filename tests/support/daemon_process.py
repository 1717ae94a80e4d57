"""The daemon, or any command of `offramp`, as a real process with folders of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import machine_guard
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY

import offramp_daemon
from offramp_core.paths import Paths
from offramp_core.usage import records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from offramp_core.usage.records import RequestRecord

_ROOT = Path(offramp_daemon.__file__).parents[2]
PRODUCT = os.pathsep.join(str(_ROOT / name) for name in ("daemon", "tray", "dashboard_qt"))
"""Where Offramp is imported from."""
SOURCES = os.pathsep.join((machine_guard.python_folder(), PRODUCT))
"""The same for a process that is not to reach the machine of whoever runs the tests."""
OFFRAMP = (sys.executable, "-W", "error", "-m", "offramp_cli")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR")
_HELD_AT_ONCE = 32
"""As many ports as one test may want, several times over, and few descriptors."""


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class DaemonProcess:
    """A daemon under way, and what it has said on standard error so far."""

    process: asyncio.subprocess.Process
    url: str
    port: int
    paths: Paths
    lines: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def records(self) -> list[RequestRecord]:
        """What is in its log, oldest first."""
        return read_records(self.paths.log_dir)

    async def line_with(self, text: str) -> str:
        """The next line on its standard error that holds `text`, waited for."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.process.stderr.readline()).decode():
                self.lines.append(line)
                if text in line:
                    return line
        raise AssertionError(f"It ended without saying {text!r}: {self.said}")

    async def wait_until_healthy(self, client: aiohttp.ClientSession) -> None:
        """Ask until it answers; for where its standard error goes elsewhere."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with client.get(self.url + "/health") as answered:
                        assert answered.status == 200
                        return
                await asyncio.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def exit_code(self) -> int:
        """Wait for its end, and take in its last words."""
        async with asyncio.timeout(PATIENCE_S):
            if self.process.stderr is not None:
                rest = await self.process.stderr.read()
                self.lines += rest.decode().splitlines(keepends=True)
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        return await self.exit_code()


def read_records(folder: Path) -> list[RequestRecord]:
    files = sorted(folder.glob(records.FILE_PATTERN))
    return [records.decode(line) for file in files for line in file.read_bytes().splitlines()]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """An environment that holds none of the user's settings."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {"HOME": str(home), "OFFRAMP_HOME": str(home), "PYTHONPATH": SOURCES}
    return {**kept, **own, "PYTHONUNBUFFERED": "1", **variables}


_held: deque[list[socket.socket]] = deque()
"""What keeps the newest ports free."""


def free_port() -> int:
    """A port of the loopback on which nothing listens, and which nobody else is given for a while.

    Sockets stay bound to it without listening: so the system gives the port to nobody who asks for
    any, and a connection to it is refused, but a server that names it may have it. Where the system
    does not allow that (macOS), another process may be given the port first.
    """
    holders = [_bound(socket.AF_INET, "127.0.0.1", 0)]
    port: int = holders[0].getsockname()[1]
    with contextlib.suppress(OSError):  # a machine without IPv6
        holders.append(_bound(socket.AF_INET6, "::1", port))
    _held.append(holders)
    while len(_held) > (_HELD_AT_ONCE if sys.platform == "linux" else 0):
        for holder in _held.popleft():
            holder.close()
    return port


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    holder = socket.socket(family)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
    except OSError:
        holder.close()
        raise
    return holder


def write_config(home: Path, anthropic_url: str, zai_url: str, *, top: str = "") -> Path:
    """Write a `config.toml` whose backends are at these addresses; `top` comes first in it."""
    file = Paths.under(home).config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"{top}\n"
        f'[backend.anthropic]\nbase_url = "{anthropic_url}"\n'
        f'[backend.zai]\nbase_url = "{zai_url}"\nkey = "{ZAI_KEY}"\n',
        encoding="utf-8",
    )
    return file


async def run_command(home: Path, *arguments: str, **variables: str) -> Ending:
    """Run one command to its end."""
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP, *arguments, env=environment(home, **variables), stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    finally:
        await _end(process)
    assert process.returncode is not None
    return Ending(process.returncode, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def daemon_process(
    home: Path,
    *arguments: str,
    is_demo: bool = False,
    port: int | None = None,
    stderr: int = PIPE,
    **variables: str,
) -> AsyncIterator[DaemonProcess]:
    """Run `offramp serve`, or `offramp demo`, on a free port; entered once it is ready.

    With a `stderr` of the caller's nothing is read, nor waited for.
    """
    port = port or free_port()
    command = "demo" if is_demo else "serve"
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP,
        command,
        "--port",
        str(port),
        *arguments,
        env=environment(home, **variables),
        stdout=DEVNULL,
        stderr=stderr,
    )
    paths = Paths.under(home / "demo" if is_demo else home)
    running = DaemonProcess(process, f"http://127.0.0.1:{port}", port, paths)
    try:
        if stderr == PIPE:
            await running.line_with("Claude Code:")
        yield running
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        if process.stderr is not None:
            await process.stderr.read()
        await process.wait()
