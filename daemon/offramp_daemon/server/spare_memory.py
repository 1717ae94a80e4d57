"""Gives memory back to the system once a burst is over.

What large bodies and many streams took is free at their end, but glibc keeps much of it for the
process: pieces that are still in use lie between. `malloc_trim` returns the pages in between. Other
C libraries have no such call, and nothing is done there.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STATM = Path("/proc/self/statm")
_EVERY_S = 30.0
_WORTH_BYTES = 8 * 1024 * 1024
"""How much more has to be in use: a trim takes milliseconds, in which allocations wait."""


async def watch(
    is_idle: Callable[[], bool],
    resident: Callable[[], int] | None = None,
    trim: Callable[[], None] | None = None,
    *,
    every_s: float = _EVERY_S,
) -> None:
    """Trim whenever nothing is in flight and more memory is in use than before, until cancelled.

    While requests are served there is little to give back, and each would wait for it. It ends
    where memory can't be given back. All other calls are made in a thread: they read files.
    """
    resident = resident or resident_bytes
    try:
        least = await asyncio.to_thread(resident)
    except FileNotFoundError:  # not Linux
        return
    while True:
        await asyncio.sleep(every_s)
        if not is_idle():
            continue
        now = await asyncio.to_thread(resident)
        least = min(least, now)
        if now - least < _WORTH_BYTES:
            continue
        trim = trim or await asyncio.to_thread(glibc_trim)
        if trim is None:
            return
        await asyncio.to_thread(trim)
        least = await asyncio.to_thread(resident)


def resident_bytes() -> int:
    """Return how much memory of the machine this process takes.

    Raises:
        FileNotFoundError: the system is not Linux, and does not say so in a file.
    """
    pages = int(_STATM.read_bytes().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def glibc_trim() -> Callable[[], None] | None:
    """Return what gives free memory back; None with another C library than glibc."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is None:
        return None
    malloc_trim.argtypes, malloc_trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: malloc_trim(0)
