"""Runs the daemon as `offramp serve` does; says on SIGUSR1 how many tasks it has.

`python soak_daemon.py FILE`: the number goes into FILE.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli import main

if TYPE_CHECKING:
    from types import FrameType


_FILE = Path(sys.argv.pop())


def _count_tasks(_number: int, _frame: FrameType | None) -> None:
    unseen = _FILE.with_suffix(".new")
    unseen.write_text(str(len(asyncio.all_tasks())))
    unseen.replace(_FILE)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _count_tasks)
    sys.argv.append("serve")
    main()
