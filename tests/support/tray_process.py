"""`offramp tray` as a real process, on a bus of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

from daemon_process import OFFRAMP, environment
from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from private_bus import PrivateBus


@contextlib.asynccontextmanager
async def tray_process(
    home: Path, bus: PrivateBus, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it until the context ends, and have it end in order."""
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP,
        "tray",
        *arguments,
        env=environment(home, TZ="Europe/Berlin", **bus.environ),
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        yield process
    except BaseException:
        await _end(process)
        raise
    assert await _end(process) == (0, "")


async def _end(process: asyncio.subprocess.Process) -> tuple[int, str]:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
