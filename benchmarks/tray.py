"""Measures the tray at rest and at work: a process of its own, on a session bus of its own.

    python benchmarks/tray.py [--idle SECONDS] [--rounds N]

The daemon is the demo's, without traffic while the tray rests. Linux alone: CPU, wake-ups
(voluntary context switches of all its threads) and memory come from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from control_harness import Commands
from daemon_process import OFFRAMP, daemon_process, environment
from notifier_watcher import panel
from private_bus import private_bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifier_watcher import Panel

TARGETS = {
    "start_s": 0.5,
    "latency_s": 0.3,
    "cpu_percent": 0.1,
    "wakeups_in_10s": 1.0,
    "rss_mb": 40.0,
}
_SETTLE_S = 8.0
_SHOWN = frozenset({"NewIcon", "NewTitle", "NewToolTip", "ItemsPropertiesUpdated"})


@dataclass(frozen=True)
class Usage:
    """What a process has used so far."""

    cpu_s: float
    wakeups: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return cls(ticks / os.sysconf("SC_CLK_TCK"), sum(map(_switches, _tasks(pid))))


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def _switches(task: Path) -> int:
    return int(_line(task / "status", "voluntary_ctxt_switches"))


def _line(file: Path, name: str) -> str:
    for line in file.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise LookupError(name)


@contextlib.asynccontextmanager
async def _tray(home: Path, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP,
        "tray",
        "--demo",
        env=environment(home, DBUS_SESSION_BUS_ADDRESS=address),
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _measure(home: Path, *, idle_s: float, rounds: int) -> dict[str, float]:
    with private_bus(home) as bus:
        async with (
            panel(bus.address) as shown,
            daemon_process(home, "--no-traffic", is_demo=True) as daemon,
        ):
            commands = Commands(daemon.paths)
            await commands.until_there()
            began_s = time.perf_counter()
            async with _tray(home, bus.address) as process:
                item = await shown.item()
                figures = {"start_s": time.perf_counter() - began_s}
                await item.open()
                await item.event(0, "closed")
                await asyncio.sleep(_SETTLE_S)
                figures |= await _idle(process.pid, idle_s)
                figures["latency_s"] = await _latency(shown, commands, rounds)
                figures["rss_mb"] = int(_line(_status(process.pid), "VmRSS")) / 1024
                figures["peak_mb"] = int(_line(_status(process.pid), "VmHWM")) / 1024
    return figures


def _status(pid: int) -> Path:
    return Path(f"/proc/{pid}/status")


async def _idle(pid: int, idle_s: float) -> dict[str, float]:
    before = Usage.of(pid)
    await asyncio.sleep(idle_s)
    after = Usage.of(pid)
    return {
        "cpu_percent": 100 * (after.cpu_s - before.cpu_s) / idle_s,
        "wakeups_in_10s": 10 * (after.wakeups - before.wakeups) / idle_s,
    }


async def _latency(shown: Panel, commands: Commands, rounds: int) -> float:
    """The slowest of so many changes, from the command until the panel hears of it."""
    waits = []
    for number in range(rounds):
        heard = len(shown.signals)
        began_s = time.perf_counter()
        await (commands.resume() if number % 2 else commands.pause())
        await shown.until(lambda heard=heard: _SHOWN & set(shown.members(heard)))
        waits.append(time.perf_counter() - began_s)
        await asyncio.sleep(0.6)  # so that each change is one by itself
    print(f"change to shown: median {statistics.median(waits) * 1000:.0f} ms")
    return max(waits)


def main() -> None:
    """Measure, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to look at it resting")
    parser.add_argument("--rounds", type=int, default=20, help="changes to wait for")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder), idle_s=asked.idle, rounds=asked.rounds))
    for name, value in figures.items():
        target = TARGETS.get(name)
        told = "" if target is None else f"  (target: {target:g} at most)"
        print(f"{name:<16}{value:>9.3f}{told}")
    missed = [name for name, target in TARGETS.items() if figures[name] > target]
    if missed:
        sys.exit(f"Missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
