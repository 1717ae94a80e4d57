"""Queues that share a thread: one that waits, or loses something, concerns no other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from patience import PATIENCE_S

from offramp_daemon.storage.background_writer import BackgroundWriter, WriteQueue

if TYPE_CHECKING:
    import pytest

NEVER_S = 3600.0


class Disk:
    """Takes what is written, while it has room."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full = is_full
        self.written: list[int] = []
        self.tries = 0
        self._changed = threading.Condition()

    def write(self, batch: list[int]) -> list[int]:
        with self._changed:
            self.tries += 1
            if not self.is_full:
                self.written += batch
            self._changed.notify_all()
        return batch if self.is_full else []

    def wait_for_try(self, number: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.tries >= number, PATIENCE_S)

    def wait_for(self, written: list[int]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.written == written, PATIENCE_S)


def test_full_disk_of_one_queue_holds_up_no_other() -> None:
    writer, full, free = BackgroundWriter("test"), Disk(is_full=True), Disk()
    blocked: WriteQueue[int] = WriteQueue(full.write, writer, first_retry_s=NEVER_S)
    other: WriteQueue[int] = WriteQueue(free.write, writer)
    writer.start()
    blocked.put(1)
    full.wait_for_try()
    other.put(2)
    free.wait_for([2])
    assert (blocked.waiting, blocked.lost, other.lost) == (1, 0, 0)
    full.is_full = False
    assert writer.close(PATIENCE_S)
    assert full.written == [1]


def test_queue_that_rests_holds_up_no_other() -> None:
    writer, slow, quick = BackgroundWriter("test"), Disk(), Disk()
    resting: WriteQueue[int] = WriteQueue(slow.write, writer, nap_s=NEVER_S)
    other: WriteQueue[int] = WriteQueue(quick.write, writer, nap_s=0)
    writer.start()
    resting.put(1)
    slow.wait_for([1])
    resting.put(2)
    for number in range(3):
        other.put(number)
    quick.wait_for([0, 1, 2])
    assert slow.written == [1]
    assert writer.close(PATIENCE_S)
    assert slow.written == [1, 2]


def test_items_that_failed_come_first_once_there_is_room() -> None:
    writer, disk = BackgroundWriter("test"), Disk(is_full=True)
    queue: WriteQueue[int] = WriteQueue(disk.write, writer, first_retry_s=0.001)
    writer.start()
    queue.put(1)
    disk.wait_for_try(2)
    queue.put(2)
    queue.put(3)
    disk.is_full = False
    disk.wait_for([1, 2, 3])
    assert writer.close(PATIENCE_S)
    assert queue.lost == 0


def test_each_queue_counts_its_own_losses() -> None:
    writer, full = BackgroundWriter("test"), Disk(is_full=True)
    left: list[int] = []
    small: WriteQueue[int] = WriteQueue(full.write, writer, capacity=2, on_abandoned=left.append)
    other: WriteQueue[int] = WriteQueue(Disk().write, writer)
    for number in range(5):
        small.put(number)
        other.put(number)
    writer.start()
    assert small.lost == 3
    full.wait_for_try()
    assert writer.close(0.2)
    assert (small.lost, small.waiting, left) == (5, 0, [2])
    assert (other.lost, other.waiting) == (0, 0)


def test_newer_state_replaces_the_older_and_loses_nothing() -> None:
    writer, disk = BackgroundWriter("test"), Disk(is_full=True)
    queue: WriteQueue[int] = WriteQueue(
        disk.write, writer, first_retry_s=NEVER_S, is_latest_only=True
    )
    writer.start()
    queue.put(1)
    disk.wait_for_try()
    queue.put(2)
    queue.put(3)
    disk.is_full = False
    assert writer.close(PATIENCE_S)
    assert (disk.written, queue.lost) == ([3], 0)


def test_state_that_was_never_saved_is_one_loss() -> None:
    writer, disk = BackgroundWriter("test"), Disk(is_full=True)
    queue: WriteQueue[int] = WriteQueue(disk.write, writer, is_latest_only=True)
    writer.start()
    for number in range(5):
        queue.put(number)
    assert writer.close(0.2)
    assert queue.lost == 1


def test_thread_that_hangs_holds_up_no_other_thread() -> None:
    is_let_go = threading.Event()

    def hang(_batch: list[int]) -> list[int]:
        is_let_go.wait(PATIENCE_S)
        return []

    terminal, files, disk = BackgroundWriter("terminal"), BackgroundWriter("files"), Disk()
    lines: WriteQueue[int] = WriteQueue(hang, terminal)
    records: WriteQueue[int] = WriteQueue(disk.write, files)
    terminal.start()
    files.start()
    lines.put(1)
    records.put(2)
    disk.wait_for([2])
    assert files.close(PATIENCE_S)
    is_let_go.set()
    assert terminal.close(PATIENCE_S)


def test_writer_with_a_bug_loses_its_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    written: list[int] = []
    is_second_written = threading.Event()

    def write(batch: list[int]) -> list[int]:
        if 1 in batch:
            raise KeyError(1)
        written.extend(batch)
        is_second_written.set()
        return []

    writer = BackgroundWriter("test")
    queue: WriteQueue[int] = WriteQueue(write, writer, capacity=10, batch=1)
    queue.put(1)
    queue.put(2)
    writer.start()
    assert is_second_written.wait(PATIENCE_S)
    assert writer.close(1.0)
    assert (written, queue.lost) == ([2], 1)
    assert "is lost" in caplog.text
