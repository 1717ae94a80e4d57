"""What the bundle costs against the wheel: start and memory of each program, the two in turn.

    python benchmarks/bundle.py dist/offramp-VERSION-linux-x86_64 ENVIRONMENT/bin

The wheel is best installed in an environment of the Python that the bundle was built with. Each
program is started `--rounds` times; the figures are medians. Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from daemon_process import environment, free_port
from notifier_watcher import panel
from private_bus import private_bus
from supervised import children_of, supervised

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Figures = dict[str, float]

LIMIT = 1.2


def _memory_mb(pid: int) -> float:
    """How much of the process is in memory, libraries included."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


@contextlib.asynccontextmanager
async def _running(
    *command: str, home: Path, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(home, **variables),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def measure_command(programs: Path, home: Path) -> Figures:
    """`offramp --version`, to its end."""
    began_s = time.perf_counter()
    async with _running(str(programs / "offramp"), "--version", home=home) as process:
        await process.wait()
    return {"command start_s": time.perf_counter() - began_s}


async def measure_daemon(programs: Path, home: Path) -> Figures:
    """`offramp serve`, until it answers."""
    port = free_port()
    began_s = time.perf_counter()
    serve = (str(programs / "offramp"), "serve", "--port", str(port))
    async with _running(*serve, home=home) as process, aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/health") as answered:
                    if answered.status == 200:
                        break
            await asyncio.sleep(0.005)
        start_s = time.perf_counter() - began_s
        await asyncio.sleep(1.0)
        return {"daemon start_s": start_s, "daemon memory_mb": _memory_mb(process.pid)}


async def measure_supervisor(programs: Path, home: Path) -> Figures:
    """`offramp-daemon`, once its worker takes commands."""
    async with supervised(home, command=[str(programs / "offramp-daemon")]) as running:
        await asyncio.sleep(1.0)
        (worker,) = children_of(running.process.pid)
        return {
            "supervisor memory_mb": _memory_mb(running.process.pid),
            "worker memory_mb": _memory_mb(worker),
        }


async def measure_tray(programs: Path, home: Path) -> Figures:
    """`offramp tray`, until the panel has its icon."""
    with private_bus(home) as bus:
        async with panel(bus.address) as shown:
            began_s = time.perf_counter()
            tray = (str(programs / "offramp"), "tray", "--demo")
            variables = {"DBUS_SESSION_BUS_ADDRESS": bus.address}
            async with _running(*tray, home=home, **variables) as process:
                await shown.item()
                start_s = time.perf_counter() - began_s
                await asyncio.sleep(1.0)
                return {"tray start_s": start_s, "tray memory_mb": _memory_mb(process.pid)}


MEASURES: tuple[Callable[[Path, Path], Awaitable[Figures]], ...] = (
    measure_command,
    measure_daemon,
    measure_supervisor,
    measure_tray,
)


async def _round(programs: Path) -> Figures:
    figures: Figures = {}
    for measure in MEASURES:
        with tempfile.TemporaryDirectory() as home:
            figures |= await measure(programs, Path(home))
    return figures


def main() -> None:
    """Measure and print; exit with 1 where the bundle costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("wheel", type=Path, help="the folder of the wheel's programs")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    sides = {"bundle": options.bundle.absolute(), "wheel": options.wheel.absolute()}
    rounds: dict[str, list[Figures]] = {name: [] for name in sides}
    for _ in range(options.rounds + 1):
        for name, programs in sides.items():
            rounds[name].append(asyncio.run(_round(programs)))
    medians = {
        name: {key: statistics.median(each[key] for each in found[1:]) for key in found[0]}
        for name, found in rounds.items()
    }
    is_dear = False
    for key, of_bundle in medians["bundle"].items():
        ratio = of_bundle / medians["wheel"][key]
        is_dear = is_dear or ratio > LIMIT
        print(f"{key:<22}bundle {of_bundle:8.2f}  wheel {medians['wheel'][key]:8.2f}  {ratio:.2f}x")
    sys.exit(is_dear)


if __name__ == "__main__":
    main()
