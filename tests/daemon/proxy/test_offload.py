"""Where work on bodies is done: never for long on the event loop, never in the others' threads."""

from __future__ import annotations

import asyncio
import threading

import pytest
from patience import PATIENCE_S

from offramp_daemon.proxy.offload import (
    CODED,
    LARGE_BYTES,
    aside,
    coded_weight,
    usual_weight,
    weight,
)

WAYS_INTO_THREADS = [
    (coded_weight(b"x", "gzip"), True),
    (coded_weight(b"x" * 100_000, "br"), True),
    (coded_weight(b"", "gzip"), False),
    (coded_weight(b"x", ""), False),
    (weight(b"x" * 100_000), False),
    (weight(b"x" * (LARGE_BYTES + 1)), True),
    (weight(b"{}," * 5000), True),
    (weight(b"{}," * 1000), False),
    (weight(rb"if (x) {\n" * 50_000), False),
    (weight(b"[]," * 50_000), True),
    (weight(b"[]," * 5000), False),
    (weight(rb"\ud83d" * 50_000), True),
    (weight(rb"\uD83D" * 50_000), True),
    (weight(rb"\u00e4" * 50_000), False),
    (usual_weight(b"x" * (LARGE_BYTES + 1)), True),
    (usual_weight(b"{}," * 5000), True),
    (usual_weight(b"{}," * 1000), False),
    (usual_weight(b"[]," * 50_000), True),
    (usual_weight(rb"if (x) {\n" * 50_000), False),
    (usual_weight(rb"if (x) {\n" * 50_000 + b"{}," * 5000), True),
    (usual_weight(rb"a = [\n" * 50_000), False),
    (usual_weight(rb"\ud83d\ude00" * 50_000), False),
]


@pytest.mark.parametrize(("length", "is_in_thread"), WAYS_INTO_THREADS)
async def test_work_runs_in_a_thread_if_the_body_is_coded_large_or_full_of_objects(
    length: int, is_in_thread: bool
) -> None:
    where = await aside(length, threading.get_ident)
    assert (where != threading.get_ident()) is is_in_thread


async def test_long_work_on_coded_bodies_keeps_neither_large_bodies_nor_other_threads_waiting() -> (
    None
):
    release = threading.Event()
    try:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            stuck = [tasks.create_task(aside(CODED, release.wait)) for _ in range(40)]
            assert await aside(LARGE_BYTES + 1, lambda: "large") == "large"
            assert await asyncio.to_thread(lambda: "other") == "other"
            assert not any(task.done() for task in stuck)
            release.set()
    finally:
        release.set()
    assert all(task.result() for task in stuck)


async def test_work_that_is_not_wanted_any_more_is_not_begun() -> None:
    release, done = threading.Event(), []
    try:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(aside(CODED, release.wait))
            unwanted = tasks.create_task(aside(CODED, done.append, "unwanted"))
            await asyncio.sleep(0)
            unwanted.cancel()
            await asyncio.sleep(0)
            release.set()
            await aside(CODED, done.append, "wanted")
    finally:
        release.set()
    assert done == ["wanted"]


async def test_what_the_work_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await aside(CODED, lambda: 1 // 0)
