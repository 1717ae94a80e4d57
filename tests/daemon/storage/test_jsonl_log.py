"""Lines that wait for a disk: which are written, which are lost, and what is said of it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from patience import PATIENCE_S

from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.storage.jsonl_log import JsonlLog

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Tries:
    """Counts the tries of a log, to be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, PATIENCE_S)


def log_of(
    folder: Path, writer: BackgroundWriter, name: str, tries: Tries, *, capacity: int = 100
) -> JsonlLog[int]:
    return JsonlLog(
        folder,
        writer,
        subject=f"Lines of {name}",
        name_of=lambda _: name,
        encode=lambda number: b"%d\n" % number,
        capacity=capacity,
        first_retry_s=0.01,
        on_change=tries,
    )


def test_file_that_can_not_be_written_holds_up_no_other_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "events").mkdir()
    writer, of_events, of_quota = BackgroundWriter("test"), Tries(), Tries()
    events = log_of(tmp_path, writer, "events", of_events)
    quota = log_of(tmp_path, writer, "quota", of_quota)
    writer.start()
    for number in range(3):
        events.append(number)
        quota.append(number)
    of_events.wait_for(2)
    of_quota.wait_for(1)
    assert events.state.last_error is not None
    assert (quota.state.last_error, quota.state.lost) == (None, 0)
    (tmp_path / "events").rmdir()
    assert writer.close(PATIENCE_S)
    assert (tmp_path / "events").read_bytes() == (tmp_path / "quota").read_bytes() == b"0\n1\n2\n"
    assert (events.state.written, events.state.lost, events.state.last_error) == (3, 0, None)
    said = [each.getMessage() for each in caplog.records]
    assert [text for text in said if "cannot be written" in text] == [
        "Lines of events cannot be written; they wait in memory"
    ]
    assert "Lines of events are written again" in said


def test_lines_beyond_the_capacity_are_lost_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "events").mkdir()
    writer, tries = BackgroundWriter("test"), Tries()
    events = log_of(tmp_path, writer, "events", tries, capacity=2)
    writer.start()
    events.append(0)
    tries.wait_for(1)
    for number in range(1, 5):
        events.append(number)
    tries.wait_for(tries.count + 2)
    (tmp_path / "events").rmdir()
    assert writer.close(PATIENCE_S)
    assert (tmp_path / "events").read_bytes() == b"3\n4\n"
    assert events.state.lost == 3
    assert "being lost" in caplog.text


def test_lines_that_are_left_at_the_end_are_said_to_be_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "events").mkdir()
    writer, tries = BackgroundWriter("test"), Tries()
    events = log_of(tmp_path, writer, "events", tries)
    writer.start()
    events.append(1)
    tries.wait_for(1)
    with caplog.at_level(logging.WARNING):
        assert writer.close(0.2)
    assert events.state.lost == 1
    (end,) = [each for each in caplog.records if "the daemon ended" in each.getMessage()]
    assert vars(end)["lost"] == 1


def test_item_that_has_no_line_is_lost_and_the_others_are_written(tmp_path: Path) -> None:
    writer, tries = BackgroundWriter("test"), Tries()
    log = log_of(tmp_path, writer, "events", tries)
    log.append("text")  # type: ignore[arg-type] - a mistake of Offramp's own
    log.append(1)
    writer.start()
    assert writer.close(PATIENCE_S)
    assert (tmp_path / "events").read_bytes() == b"1\n"
    assert (log.state.written, log.state.lost) == (1, 1)
