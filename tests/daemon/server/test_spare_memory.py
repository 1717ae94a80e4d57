"""Memory that a burst took goes back to the system."""

from __future__ import annotations

import asyncio
import sys

import pytest
from patience import PATIENCE_S

from offramp_daemon.server import spare_memory

MIB = 1024 * 1024


class Process:
    """One whose memory in use is as told, one value a look; trims are noted between them."""

    def __init__(self, *resident_mib: int) -> None:
        self._coming = [*resident_mib]
        self.done: list[int | str] = []
        self.has_ended = asyncio.Event()

    def resident(self) -> int:
        if len(self._coming) == 1:
            self.has_ended.set()
            return self._coming[0] * MIB
        self.done.append(self._coming[0])
        return self._coming.pop(0) * MIB

    def trim(self) -> None:
        self.done.append("trim")


@pytest.mark.parametrize(
    ("resident", "done"),
    [
        ((50, 50, 51, 50, 50), [50, 50, 51, 50]),
        # What is free may all stay with the process until it is asked for.
        ((50, 130, 52, 53, 53), [50, 130, "trim", 52, 53]),
        # A little at a time comes to much.
        ((50, 54, 59, 48, 48), [50, 54, 59, "trim", 48]),
        # What a trim left was in use, and is tried again only after it was free.
        ((50, 130, 125, 126, 90, 100, 52, 52), [50, 130, "trim", 125, 126, 90, 100, "trim", 52]),
    ],
)
async def test_memory_is_given_back_once_more_is_in_use_than_before(resident, done):
    process = Process(*resident)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(
            spare_memory.watch(lambda: True, process.resident, process.trim, every_s=0.001)
        )
        await process.has_ended.wait()
        watching.cancel()
    assert process.done[: len(done)] == done


async def test_nothing_is_looked_at_while_requests_are_served():
    process = Process(50, 130, 52, 52)
    served = iter([True] * 5)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(
            spare_memory.watch(
                lambda: not next(served, False), process.resident, process.trim, every_s=0.001
            )
        )
        await process.has_ended.wait()
        watching.cancel()
    assert next(served, None) is None
    assert process.done[:4] == [50, 130, "trim", 52]


async def test_with_another_c_library_the_watch_ends(monkeypatch):
    process = Process(50, 130, 60)
    monkeypatch.setattr(spare_memory, "glibc_trim", lambda: None)
    async with asyncio.timeout(PATIENCE_S):
        await spare_memory.watch(lambda: True, process.resident, every_s=0.001)
    assert process.done == [50, 130]


async def test_on_another_system_the_watch_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(spare_memory, "_STATM", tmp_path / "statm")
    async with asyncio.timeout(PATIENCE_S):
        await spare_memory.watch(lambda: True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has glibc")
def test_this_systems_own_memory_is_read_and_given_back():
    before = spare_memory.resident_bytes()
    held = bytearray(64 * MIB)
    held[::4096] = b"x" * len(held[::4096])
    assert spare_memory.resident_bytes() - before > 32 * MIB
    trim = spare_memory.glibc_trim()
    if trim is not None:  # None: another C library
        trim()
    assert held[0] == ord("x")
