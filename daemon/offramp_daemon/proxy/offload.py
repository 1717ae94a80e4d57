"""Keeps the event loop free: long work on bodies goes to a thread.

Bodies in a content coding have threads of their own, as nothing but the work says how much there is
in them: a few that take long hold up each other, never the large plain bodies of other clients or
what else the process does in threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from offramp_daemon.messages.request_body import count_bytes, count_openings

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 2 * 1024 * 1024
CODED = -1
"""The length to give for a body in a content coding, whose real one is not known."""

_OBJECT_BYTES = 512
"""What one JSON object costs, as bytes of text: 4,096 objects are looked at in about 50 ms."""
_LIST_BYTES = 64
_ESCAPE_BYTES = 64
"""The same for a list, and for an escape that may be half of a character."""
_SMALL_BYTES = 4 * 1024
_ESCAPE = re.compile(rb"\\u[dD]")
_THREADS = 2


def weight(body: bytes) -> int:
    """The length of `body` for `aside`; one full of objects, lists or escapes counts for more."""
    length = usual_weight(body)
    if len(body) > _SMALL_BYTES and length <= LARGE_BYTES:
        length += _ESCAPE_BYTES * len(_ESCAPE.findall(body))
    return length


def usual_weight(body: bytes) -> int:
    """The same for a body whose escapes nobody looks at: there are no lone surrogates in it."""
    length = len(body)
    if not _SMALL_BYTES < length <= LARGE_BYTES:
        return length
    most = length + _OBJECT_BYTES * count_bytes(body, b"{") + _LIST_BYTES * count_bytes(body, b"[")
    if most <= LARGE_BYTES:  # as nearly always: those within texts need not be told apart
        return most
    length += _OBJECT_BYTES * count_openings(body, b"{")
    return length + _LIST_BYTES * count_openings(body, b"[")


def coded_weight(body: bytes, content_encoding: str) -> int:
    """The same for a body that may be in a content coding still."""
    return CODED if content_encoding and body else weight(body)


async def aside(length_bytes: int, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do `work` on a body of that length: a large or coded one in a thread, so that streams go on.

    Should the caller be cancelled meanwhile, work that has not begun is never done.
    """
    if 0 <= length_bytes <= LARGE_BYTES:
        return work(*args, **options)
    context = contextvars.copy_context()
    threads = _threads("coded bodies" if length_bytes == CODED else "large bodies")
    call = functools.partial(context.run, work, *args, **options)
    return await asyncio.get_running_loop().run_in_executor(threads, call)


@functools.cache
def _threads(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix=name)
