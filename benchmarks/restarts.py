"""Restarts the installed daemon again and again while streams run, and counts what clients notice.

In a real `systemd --user` of its own (Linux, as root), with the units that `offramp install`
writes, against the simulator: 20 streams at every moment and one of 30 s.

Usage: python benchmarks/restarts.py [RESTARTS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "support")]

from proxy_harness import ZAI_KEY  # noqa: E402 - found by the line above
from restarts_under_load import restart_under_load  # noqa: E402 - as above
from user_systemd import reason_to_skip  # noqa: E402 - as above

from offramp_simulator import Simulator  # noqa: E402 - as above


async def measure(restarts: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with Simulator.start(zai_key=ZAI_KEY) as sim:
            figures = await restart_under_load(Path(folder) / "home", sim, restarts=restarts)
    print(f"restarts            {len(figures.pids) - 1}")
    print(f"streams             {len(figures.outcomes)}")
    print(f"failures            {len(figures.failures)}  (target: 0)")
    print(f"latest first byte   {figures.latest_first_byte_s:.2f} s  (target: 2 s at most)")
    print(f"longest stream      {figures.longest_stream_s:.1f} s")
    print(f"records             {figures.records}")
    print(f"same main process   {figures.has_same_main_pid}")
    return not figures.failures and figures.latest_first_byte_s <= 2


if __name__ == "__main__":
    if reason := reason_to_skip():
        sys.exit(f"It can't be measured here: {reason}")
    sys.exit(0 if asyncio.run(measure(int(sys.argv[1]) if sys.argv[1:] else 100)) else 1)
