"""Gives memory back to the system once a burst is over.

What large bodies and many streams took is free at their end, but glibc keeps much of it for the
process: pieces that are still in use lie between. `malloc_trim` returns the pages in between. Other
C libraries have no such call, and nothing is done there.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STATM = Path("/proc/self/statm")
_EVERY_S = 15.0
_WORTH_BYTES = 8 * 1024 * 1024
"""How much the memory in use has to change before it is worth a look, which takes milliseconds."""


async def watch(
    resident: Callable[[], int] | None = None,
    trim: Callable[[], None] | None = None,
    *,
    every_s: float = _EVERY_S,
) -> None:
    """Trim whenever the memory in use is another than after the last time, until cancelled.

    It ends at once where memory can't be given back.
    """
    if resident is None:
        if not _is_told():
            return
        resident = resident_bytes
    kept = resident()
    while True:
        await asyncio.sleep(every_s)
        if abs(resident() - kept) < _WORTH_BYTES:
            continue
        trim = trim or glibc_trim()
        if trim is None:
            return
        await asyncio.to_thread(trim)
        kept = resident()


def _is_told() -> bool:
    return _STATM.exists()  # on Linux alone


def resident_bytes() -> int:
    """Return how much memory of the machine this process takes (Linux)."""
    pages = int(_STATM.read_bytes().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def glibc_trim() -> Callable[[], None] | None:
    """Return what gives free memory back; None with another C library than glibc."""
    import ctypes  # not before it is needed: it takes memory itself

    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return None
    malloc_trim.argtypes, malloc_trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: malloc_trim(0)
