"""Keeps the event loop free: long work on large bodies goes to a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 2 * 1024 * 1024


async def aside(length_bytes: int, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do `work` on a body of that length: a large one in a thread, so that streams go on."""
    if length_bytes > LARGE_BYTES:
        return await asyncio.to_thread(work, *args, **options)
    return work(*args, **options)
