"""The supervisor as a real process, with listening sockets that the test opened and passes on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from control_harness import Commands
from daemon_process import environment, read_records
from patience import PATIENCE_S

from offramp_core.control.client import ControlError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from offramp_core.control.api import Status
    from offramp_core.usage.records import RequestRecord

_LAUNCH = """
import os, sys
from offramp_daemon.supervisor import socket_activation as activation
count = int(sys.argv[1])
activation.renumber([int(each) for each in sys.argv[2:2 + count]])
environ = activation.environment_for(os.environ, count, os.getpid())
program = sys.argv[2 + count:]
os.execve(program[0], program, environ)
"""
SUPERVISOR = (sys.executable, "-W", "error", "-m", "offramp_daemon.supervisor")
_SHORT = """
import sys
sys.argv = ["offramp-daemon"]
from offramp_daemon.supervisor import supervisor, worker_pool as workers
supervisor.main(limits=workers.Limits({limits}))
"""


def with_limits(**limits: float) -> tuple[str, ...]:
    """A supervisor of which the test wants to see what else would take too long."""
    code = _SHORT.format(limits=", ".join(f"{name}={value}" for name, value in limits.items()))
    return (sys.executable, "-W", "error", "-c", code)


@dataclass
class Supervised:
    """A supervisor under way, and what it and its workers have said so far."""

    process: asyncio.subprocess.Process
    listener: socket.socket
    paths: Paths
    lines: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def commands(self) -> Commands:
        return Commands(self.paths)

    @property
    def records(self) -> list[RequestRecord]:
        return read_records(self.paths.log_dir)

    async def until_said(self, text: str, *, times: int = 1) -> None:
        """Wait until `text` was said so many times."""
        async with asyncio.timeout(PATIENCE_S), self.news:
            try:
                await self.news.wait_for(lambda: self.said.count(text) >= times)
            except TimeoutError:
                raise AssertionError(f"It has not said {text!r}: {self.said}") from None

    async def until_serving(self, *, other_than: int | None = None) -> Status:
        """Wait until a worker, another than that one, takes commands."""
        return await self.until(lambda status: status.pid != other_than)

    async def until(self, is_so: Callable[[Status], bool]) -> Status:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(ControlError):
                    if is_so(status := await self.commands.status()):
                        return status
                await asyncio.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        return await self.exit_code()

    async def listen(self) -> None:
        """Take in what it says, until all who can say something have ended."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            async with self.news:
                self.lines.append(line.decode())
                self.news.notify_all()


@contextlib.asynccontextmanager
async def supervised(
    home: Path,
    *,
    command: Sequence[str] = SUPERVISOR,
    listener: socket.socket | None = None,
    is_awaited: bool = True,
    **variables: str,
) -> AsyncIterator[Supervised]:
    """Run the supervisor on a free port; entered once a worker takes commands."""
    with listener or socket.create_server(("127.0.0.1", 0), backlog=1024) as opened:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _LAUNCH, "1", str(opened.fileno()), *command),
            env=environment(home, **variables),
            pass_fds=[opened.fileno()],
            stdout=DEVNULL,
            stderr=PIPE,
        )
        running = Supervised(process, opened, Paths.under(home))
        async with asyncio.TaskGroup() as group:
            group.create_task(running.listen())
            try:
                if is_awaited:
                    await running.until_serving()
                yield running
            finally:
                await _end(running)


async def _end(running: Supervised) -> None:
    """End it all: twice asked, the workers cut their streams off."""
    process = running.process
    for _ in range(2):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started and that run, the oldest first (Linux alone)."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return sorted(int(each) for each in text.split())


def descriptors_of(pid: int) -> int:
    """How many files `pid` has open (Linux alone)."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def has_proc() -> bool:
    return Path("/proc/self/fd").exists()
