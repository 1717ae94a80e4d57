"""What a tray says of itself counts only while it runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from offramp_core import __version__, running_tray
from offramp_tray.single_instance import only_one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offramp_core.running_tray import TrayRecord

TRAY = """
import os, pathlib, signal, sys
from offramp_tray.single_instance import only_one
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"again\\n"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with only_one(pathlib.Path(sys.argv[1])) as lock:
    lock.write_record()
    print("runs", flush=True)
    while True:
        signal.pause()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "tray.lock"


@contextlib.contextmanager
def tray(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", TRAY, str(file)]
    environ = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        try:
            yield process
        finally:
            process.kill()


def found(file: Path) -> TrayRecord:
    record = running_tray.find(file)
    assert record is not None
    return record


def test_tray_that_runs_is_found_with_what_it_says(file):
    with only_one(file) as lock:
        assert running_tray.find(file) is None
        for is_shown in (None, False, True):
            lock.write_record(is_icon_shown=is_shown)
            record = found(file)
            assert (record.pid, record.version) == (os.getpid(), __version__)
            assert record.is_icon_shown is is_shown
    assert running_tray.find(file) is None


def test_tray_that_was_killed_is_not_found(file):
    with tray(file) as process:
        assert found(file).pid == process.pid
        process.kill()
    assert file.stat().st_size
    assert running_tray.find(file) is None


def test_what_was_left_behind_is_not_taken_for_the_tray_that_starts(file):
    with tray(file):
        pass
    with only_one(file):
        assert running_tray.find(file) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "{}",
        '{"pid": "1", "host": "h", "version": "1"}',
        '{"pid": 4711, "host": "another machine", "version": "1"}',
        f'{{"pid": 1, "host": "{os.uname().nodename}", "version": "1"}}',
        f'{{"pid": -1, "host": "{os.uname().nodename}", "version": "1"}}',
        "\N{SNOWMAN}" * 3000,
    ],
)
def test_record_that_names_no_process_here_is_none(file, text):
    with only_one(file):
        file.write_text(text, encoding="utf-8")
        assert running_tray.find(file) is None


def test_no_file_and_a_link_are_no_tray(file, tmp_path):
    assert running_tray.find(file) is None
    other = tmp_path / "other"
    with only_one(other) as lock:
        lock.write_record()
        file.parent.mkdir()
        file.symlink_to(other)
        assert running_tray.find(file) is None


def test_looking_for_a_tray_does_not_keep_one_from_starting(file):
    with only_one(file) as lock:
        lock.write_record()
        for _ in range(10):
            found(file)
    with only_one(file):
        pass


def test_tray_is_asked_to_start_again(file):
    with tray(file) as process:
        assert running_tray.restart(found(file))
        assert process.stdout is not None
        assert process.stdout.readline() == b"again\n"


def test_tray_is_ended_and_waited_for(file):
    with tray(file) as process:
        assert running_tray.end(file, found(file))
        assert process.wait(10) == 0
    assert running_tray.find(file) is None


def test_tray_that_has_gone_meanwhile_needs_neither(file):
    with tray(file) as process:
        record = found(file)
        process.kill()
        process.wait(10)
        assert running_tray.restart(record) is False
        assert running_tray.end(file, record)
