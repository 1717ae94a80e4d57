"""The recorder against real files, real processes and disks that fail."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loop_guard import no_blocking
from patience import PATIENCE_S

from offramp_core.usage import records
from offramp_core.usage.records import RequestRecord
from offramp_daemon.recording.request_log import Recorder, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE_BYTES = 4096


def a_record(
    number: int = 0, *, month: str = "2026-02", model: str = "claude-sonnet-4-5"
) -> RequestRecord:
    return RequestRecord(
        ts=f"{month}-07T10:30:00.000Z",
        model=model,
        backend="zai",
        input_tokens=number,
        output_tokens=890,
        status="success",
        http_status=200,
        session_id="0f0f0f0f-0000-4000-8000-000000000000",
    )


def read(folder: Path, month: str = "2026-02") -> list[RequestRecord]:
    return [records.decode(line) for line in raw(folder, month).splitlines()]


def raw(folder: Path, month: str = "2026-02") -> bytes:
    return (folder / f"requests-{month}.jsonl").read_bytes()


def numbers(folder: Path, month: str = "2026-02") -> list[int]:
    return [record.input_tokens for record in read(folder, month)]


class Said(logging.Handler):
    """What the recorder said on the log, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.records.append(record)
            self._changed.notify_all()

    def all(self, part: str) -> list[logging.LogRecord]:
        return [record for record in self.records if part in record.getMessage()]

    def wait_for(self, part: str) -> logging.LogRecord:
        with self._changed:
            assert self._changed.wait_for(lambda: self.all(part), PATIENCE_S), part
            return self.all(part)[-1]


@pytest.fixture
def said() -> Iterator[Said]:
    handler = Said()
    logger = logging.getLogger("offramp_daemon.storage.jsonl_log")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@contextmanager
def running(folder: Path, *, capacity: int = 1000) -> Iterator[Recorder]:
    recorder = Recorder(folder, capacity=capacity, first_retry_s=0.01)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.close()


def test_records_given_are_in_the_file_in_order_after_close(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        for number in range(500):
            recorder.record(a_record(number))
    assert numbers(tmp_path) == list(range(500))
    state = recorder.state
    assert (state.written, state.waiting, state.lost, state.last_error) == (500, 0, 0, None)


def test_record_is_written_as_the_contract_says(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        recorder.record(a_record(7))
    assert raw(tmp_path) == records.encode(a_record(7))


def test_folder_that_is_missing_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "log"
    with running(folder) as recorder:
        recorder.record(a_record())
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700] * 2
    assert stat.S_IMODE((folder / "requests-2026-02.jsonl").stat().st_mode) == 0o600


def test_records_of_several_months_go_to_their_months_files(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for number, month in enumerate(("2026-01", "2026-02", "2026-01", "2026-03")):
        recorder.record(a_record(number, month=month))
    recorder.start()
    recorder.close()
    assert [numbers(tmp_path, f"2026-0{month}") for month in (1, 2, 3)] == [[0, 2], [1], [3]]


def test_one_month_that_fails_holds_up_no_other(tmp_path: Path, said: Said) -> None:
    obstacle = tmp_path / "requests-2026-01.jsonl"
    obstacle.mkdir()
    recorder = Recorder(tmp_path, first_retry_s=0.01)
    for number, month in enumerate(("2026-01", "2026-02", "2026-01")):
        recorder.record(a_record(number, month=month))
    recorder.start()
    said.wait_for("cannot be written")
    assert numbers(tmp_path) == [1]
    obstacle.rmdir()
    said.wait_for("written again")
    recorder.close()
    assert numbers(tmp_path, "2026-01") == [0, 2]
    assert recorder.state.written == 3


def test_idle_recorder_writes_a_record_within_ten_milliseconds(tmp_path: Path) -> None:
    delays: list[float] = []
    for number in range(20):
        folder = tmp_path / str(number)
        with running(folder) as recorder:
            began = time.monotonic()
            recorder.record(a_record())
            while recorder.state.written == 0:  # a file gives no event to wait for
                assert time.monotonic() - began < PATIENCE_S
                threading.Event().wait(0.0005)
            delays.append(time.monotonic() - began)
    assert min(delays) < 0.01  # of several, for others may have the processor


def test_file_that_was_rotated_away_is_made_anew(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        recorder.record(a_record(1))
        wait_until(lambda: recorder.state.written == 1)
        (tmp_path / "requests-2026-02.jsonl").rename(tmp_path / "moved")
        recorder.record(a_record(2))
    assert numbers(tmp_path) == [2]


def test_folder_that_vanishes_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with running(folder) as recorder:
        recorder.record(a_record(1))
        wait_until(lambda: recorder.state.written == 1)
        (folder / "requests-2026-02.jsonl").unlink()
        folder.rmdir()
        recorder.record(a_record(2))
    assert numbers(folder) == [2]


def test_torn_last_line_is_ended_before_the_next_record(tmp_path: Path) -> None:
    file = tmp_path / "requests-2026-02.jsonl"
    file.write_bytes(records.encode(a_record(1)) + b'{"ts":"2026-0')
    with running(tmp_path) as recorder:
        recorder.record(a_record(2))
    first, torn, last = raw(tmp_path).splitlines()
    assert torn == b'{"ts":"2026-0'
    assert [records.decode(line).input_tokens for line in (first, last)] == [1, 2]


def test_whole_last_line_without_newline_stays_whole(tmp_path: Path) -> None:
    file = tmp_path / "requests-2026-02.jsonl"
    file.write_bytes(records.encode(a_record(1)).rstrip())
    with running(tmp_path) as recorder:
        recorder.record(a_record(2))
    assert numbers(tmp_path) == [1, 2]


def test_half_a_surrogate_pair_in_a_name_does_not_cost_the_record(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        recorder.record(a_record(1, model="claude-\ud83d"))
        recorder.record(a_record(2))
    assert [record.model for record in read(tmp_path)] == ["claude-?", "claude-sonnet-4-5"]


def test_file_in_place_of_the_folder_makes_records_wait_in_order(
    tmp_path: Path, said: Said
) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    with running(folder) as recorder:
        for number in range(5):
            recorder.record(a_record(number))
        said.wait_for("cannot be written")
        state = recorder.state
        assert (state.written, state.waiting, state.lost) == (0, 5, 0)
        assert str(folder) in str(state.last_error)
        folder.unlink()
        over = said.wait_for("written again")
        assert vars(over)["lost"] == 0
    assert numbers(folder) == [0, 1, 2, 3, 4]
    assert recorder.state.last_error is None


@pytest.fixture
def nothing_can_grow() -> Iterator[Callable[[], None]]:
    """No file of this process grows, as on a full disk, until what is given is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def end() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield end
    end()


def test_full_disk_makes_records_wait(
    tmp_path: Path, said: Said, nothing_can_grow: Callable[[], None]
) -> None:
    with running(tmp_path) as recorder:
        recorder.record(a_record(1))
        failing = said.wait_for("cannot be written")
        assert os.strerror(errno.EFBIG) in vars(failing)["error"]
        nothing_can_grow()
        said.wait_for("written again")
    assert numbers(tmp_path) == [1]


def test_link_in_the_place_of_the_log_is_not_written_to(tmp_path: Path, said: Said) -> None:
    elsewhere, file = tmp_path / "elsewhere", tmp_path / "log" / "requests-2026-02.jsonl"
    file.parent.mkdir()
    elsewhere.write_bytes(b"")
    file.symlink_to(elsewhere)
    with running(file.parent) as recorder:
        recorder.record(a_record(1))
        assert "it is a link" in vars(said.wait_for("cannot be written"))["error"]
        file.unlink()
        said.wait_for("written again")
    assert elsewhere.read_bytes() == b""
    assert numbers(file.parent) == [1]


def test_outage_that_costs_records_is_said_once_with_figures(tmp_path: Path, said: Said) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    recorder = Recorder(folder, capacity=10, first_retry_s=0.001)
    recorder.start()
    recorder.record(a_record(0))
    said.wait_for("cannot be written")
    for number in range(1, 40):
        recorder.record(a_record(number))
    loss = said.wait_for("being lost")
    folder.unlink()
    over = said.wait_for("written again")
    recorder.close()
    assert vars(loss)["lost"] > 0
    assert (vars(over)["lost"], recorder.state.lost) == (30, 30)
    counts = [len(said.all(part)) for part in ("cannot be", "being lost", "written again")]
    assert counts == [1, 1, 1]


def test_full_queue_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, capacity=10)
    for number in range(25):
        recorder.record(a_record(number))
    recorder.start()
    recorder.close()
    assert numbers(tmp_path) == list(range(15, 25))
    assert (recorder.state.written, recorder.state.lost) == (10, 15)


def test_close_with_a_dead_disk_ends_in_time_and_says_what_is_lost(
    tmp_path: Path, said: Said
) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    recorder = Recorder(folder)
    recorder.start()
    for number in range(3):
        recorder.record(a_record(number))
    said.wait_for("cannot be written")
    began = time.monotonic()
    recorder.close(timeout_s=0.3)
    assert time.monotonic() - began < 15
    assert vars(said.wait_for("were lost"))["lost"] == 3
    assert (recorder.state.waiting, recorder.state.lost) == (0, 3)


def test_close_wakes_a_writer_that_waits_to_try_again(tmp_path: Path, said: Said) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    recorder = Recorder(folder, first_retry_s=3600)
    recorder.start()
    recorder.record(a_record(1))
    said.wait_for("cannot be written")
    folder.unlink()
    recorder.close()
    assert numbers(folder) == [1]


def test_close_while_another_process_keeps_the_lock_ends_in_time(tmp_path: Path) -> None:
    with (tmp_path / "requests-2026-02.jsonl").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        recorder = Recorder(tmp_path)
        recorder.start()
        recorder.record(a_record())
        began = time.monotonic()
        recorder.close(timeout_s=0.2)
        assert time.monotonic() - began < 15
        assert recorder.state.lost == 1


def test_lock_that_is_let_go_of_lets_the_records_through(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        with (tmp_path / "requests-2026-02.jsonl").open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            recorder.record(a_record(1))
        wait_until(lambda: recorder.state.written == 1)
    assert numbers(tmp_path) == [1]


def test_record_after_close_is_counted_as_lost(tmp_path: Path) -> None:
    with running(tmp_path) as recorder:
        pass
    recorder.record(a_record())
    recorder.close()
    assert recorder.state.lost == 1


def test_close_without_start_counts_what_waited(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record(a_record())
    recorder.close(timeout_s=0.1)
    assert (recorder.state.waiting, recorder.state.lost) == (0, 1)


async def test_recording_on_the_event_loop_blocks_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.start()
    with no_blocking():
        for number in range(100):
            recorder.record(a_record(number))
    recorder.close()
    assert numbers(tmp_path) == list(range(100))


@given(
    st.lists(st.integers(min_value=40, max_value=500), max_size=60),
    st.integers(min_value=0, max_value=3 * PAGE_BYTES),
)
def test_usual_lines_never_lie_across_a_page_border(
    lengths: list[int], pages_and_more: int
) -> None:
    lines = [b"{" + b"x" * (length - 3) + b"}\n" for length in lengths]
    # A file that the recorder wrote alone ends where one more line has room.
    offset = pages_and_more if -pages_and_more % PAGE_BYTES >= 512 else 0
    data = lay_out(lines, offset)
    assert [line.rstrip() for line in data.splitlines()] == [line.rstrip() for line in lines]
    start = offset
    for line in data.splitlines(keepends=True):
        assert start // PAGE_BYTES == (start + len(line) - 1) // PAGE_BYTES
        start += len(line)


@given(st.lists(st.integers(min_value=3, max_value=9000), max_size=20), st.integers(0, 9000))
def test_lines_of_any_length_keep_their_content(lengths: list[int], offset: int) -> None:
    lines = [b"x" * (length - 1) + b"\n" for length in lengths]
    assert [line.rstrip() for line in lay_out(lines, offset).splitlines()] == [
        line.rstrip() for line in lines
    ]


_WRITER = """
import sys
from pathlib import Path
from offramp_core.usage.records import RequestRecord
from offramp_daemon.recording.request_log import Recorder

def a_record(number):
    return RequestRecord(
        ts="2026-02-07T10:30:00.000Z", model="claude-sonnet-4-5", backend="zai",
        input_tokens=number, status="success", http_status=200, session_id=sys.argv[2],
    )

folder = Path(sys.argv[1])
recorder = Recorder(folder)
recorder.start()
"""


def start_writer(folder: Path, name: str, body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER + body, str(folder), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_writing_at_once_never_interleave(tmp_path: Path) -> None:
    body = """
print("ready", flush=True)
sys.stdin.readline()
for number in range(20_000):
    recorder.record(a_record(number))
    if number % 200 == 0:
        while recorder.state.waiting > 300:
            pass
recorder.close(30)
"""
    names = ("left", "right")
    with (
        start_writer(tmp_path, "left", body) as left,
        start_writer(tmp_path, "right", body) as right,
    ):
        for writer in (left, right):
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in (left, right):
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.close()
        assert [writer.wait(PATIENCE_S) for writer in (left, right)] == [0, 0]
    written = read(tmp_path)
    for name in names:
        of_one = [record.input_tokens for record in written if record.session_id == name]
        assert of_one == list(range(20_000))
    is_left = [record.session_id == "left" for record in written]
    assert is_left != sorted(is_left)
    assert is_left != sorted(is_left, reverse=True)


def test_killed_writer_leaves_whole_lines_only(tmp_path: Path) -> None:
    body = """
number = 0
while True:
    while recorder.state.waiting < 3000:
        recorder.record(a_record(number))
        number += 1
        if number % 2000 == 0:
            print(number, flush=True)
"""
    for round_ in range(1, 9):
        with start_writer(tmp_path, str(round_), body) as writer:
            assert writer.stdout is not None
            for _ in range(2 + round_ % 3):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            assert writer.wait(PATIENCE_S) == -signal.SIGKILL
        assert raw(tmp_path).endswith(b"\n")
    in_rounds: dict[str | None, list[int]] = {}
    for record in read(tmp_path):
        in_rounds.setdefault(record.session_id, []).append(record.input_tokens)
    assert len(in_rounds) == 8
    assert all(found == list(range(len(found))) for found in in_rounds.values())


def test_short_write_is_taken_back_and_written_whole_later(tmp_path: Path) -> None:
    body = """
import logging, resource, threading
is_failing, is_over = threading.Event(), threading.Event()

class Said(logging.Handler):
    def emit(self, record):
        if "cannot be written" in record.getMessage():
            is_failing.set()

logging.getLogger("offramp_daemon").addHandler(Said())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for number in range(20):
    recorder.record(a_record(number))
while recorder.state.written < 20:
    pass
size = (folder / "requests-2026-02.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, hard))
for number in range(20, 40):
    recorder.record(a_record(number))
assert is_failing.wait(60)
assert recorder.state.last_error, recorder.state
assert (folder / "requests-2026-02.jsonl").stat().st_size - size < 700
print((folder / "requests-2026-02.jsonl").read_text(), end="", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
recorder.close(20)
assert (recorder.state.written, recorder.state.lost) == (40, 0), recorder.state
"""
    with start_writer(tmp_path, "short", body) as writer:
        during, _ = writer.communicate(timeout=PATIENCE_S)
    assert writer.returncode == 0
    assert during.endswith("}\n") or during.rstrip(" \n").endswith("}")
    assert len([json.loads(line) for line in during.splitlines()]) >= 20
    assert numbers(tmp_path) == list(range(40))


def wait_until(is_so: object) -> None:
    """Wait for what gives no event of its own."""
    assert callable(is_so)
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
