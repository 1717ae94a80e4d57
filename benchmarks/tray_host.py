"""Measures what the tray's icon costs on Linux, on a session bus and with a panel of its own.

    python benchmarks/tray_host.py [--seconds 30]

A whole process with the icon and a sample menu, but without what fills it: the least that the tray
can cost. It needs dbus-daemon. Goals: shown in 0.5 s, 40 MB, no CPU and less than one wakeup in
10 s while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gauges import cpu_s, rss_bytes

_ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(_ROOT / "tests" / "support"), str(_ROOT / "tray"), str(_ROOT / "daemon")]

from notifier_watcher import Panel, PanelItem, panel  # noqa: E402 - found by the line above
from private_bus import private_bus  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLICKS = 20

# Each click shows another view, whose title the panel waits for.
SAMPLE = """
import itertools, os
from running_host import sample_view
from offramp_tray.host import open_host

host = open_host(os.environ)
titles = map(str, itertools.count())
host.run(
    sample_view(),
    on_click=lambda key: host.show(sample_view(title=next(titles))),
    on_ready=lambda: None,
)
"""


def wakeups(pid: int) -> int:
    """How often the process has gone to sleep of its own will, all its threads together."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


@contextlib.contextmanager
def process(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the context."""
    with subprocess.Popen(command, env=environ) as running:
        try:
            yield running
        finally:
            running.terminate()


async def measure(command: list[str], environ: dict[str, str], address: str, idle_s: float) -> None:
    """Print the figures of a tray that `command` starts."""
    async with panel(address) as there:
        began_s = time.perf_counter()
        with process(command, environ) as running:
            item = await there.item()
            await item.properties()
            print(f"shown after            {time.perf_counter() - began_s:8.3f} s")
            await item.open()
            await _measure_clicks(there, item)
            await _measure_idle(running.pid, idle_s)


async def _measure_clicks(there: Panel, item: PanelItem) -> None:
    number = (await item.layout()).find("Pause delegation").number
    took_ms = []
    for _click in range(_CLICKS):
        seen = len(there.signals)
        began_s = time.perf_counter()
        await item.event(number, "clicked")
        await there.next_signal("NewTitle", seen)
        took_ms.append(1000 * (time.perf_counter() - began_s))
    print(
        f"click to shown, median {statistics.median(took_ms):8.1f} ms, most {max(took_ms):.1f} ms"
    )


async def _measure_idle(pid: int, idle_s: float) -> None:
    await asyncio.sleep(1)  # what the last click caused is over
    cpu_before_s, wakeups_before = cpu_s(pid), wakeups(pid)
    await asyncio.sleep(idle_s)
    print(f"CPU in {idle_s:3.0f} s idle       {1000 * (cpu_s(pid) - cpu_before_s):8.1f} ms")
    print(f"wakeups in {idle_s:3.0f} s idle   {wakeups(pid) - wakeups_before:8d}")
    print(f"resident memory        {rss_bytes(pid) / 1e6:8.1f} MB")


def main() -> None:
    """Measure the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to look at it idle")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, private_bus(Path(folder)) as bus:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **bus.environ,
        }
        command = [sys.executable, "-c", SAMPLE]
        asyncio.run(measure(command, environ, bus.address, asked.seconds))


if __name__ == "__main__":
    main()
