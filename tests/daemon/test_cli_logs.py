"""`offramp logs`: the latest requests, the ones that come, and ways to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from log_samples import OFFRAMP, SETTINGS_VARIABLES, environ_for, log_file, sample_line

from offramp_daemon.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2026, 2, 7, 10, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Ending:
    code: int
    out: str
    err: str

    @property
    def texts(self) -> list[str]:
        """Lines with their columns one blank apart."""
        return [" ".join(line.split()) for line in self.out.splitlines()]

    @property
    def times(self) -> list[str]:
        return [text.split()[1] for text in self.texts]


Run = Callable[..., Ending]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    for name in SETTINGS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "Asia/Kathmandu")

    def run(*arguments: str) -> Ending:
        monkeypatch.setattr(sys, "argv", ["offramp", "logs", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        code = ending.value.code
        return Ending(code if isinstance(code, int) else 0, *capfd.readouterr())

    return run


def at(seconds: int, **fields: object) -> bytes:
    return sample_line(MOMENT + timedelta(seconds=seconds), **fields)


def test_line_tells_time_model_backend_tokens_status_and_reason(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(
        at(0)
        + at(1, cache_read_input_tokens=40_000, cache_creation_input_tokens=5_000)
        + at(2, status="error", http_status=429, output_tokens=0, reason=None)
        + at(3, status="error", model=None, backend=None)
        + at(4, status="cancelled")
    )
    assert run().texts == [
        "2026-02-07 16:15:00 claude-sonnet-4-5 zai 1.3k→890 success (route sonnet)",
        "2026-02-07 16:15:01 claude-sonnet-4-5 zai 1.3k→890 +45.0k cached success (route sonnet)",
        "2026-02-07 16:15:02 claude-sonnet-4-5 zai 1.3k→0 error 429",
        "2026-02-07 16:15:03 (none) (none) 1.3k→890 error (route sonnet)",
        "2026-02-07 16:15:04 claude-sonnet-4-5 zai 1.3k→890 cancelled (route sonnet)",
    ]


def test_latest_come_last_and_span_months(run: Run, tmp_path: Path) -> None:
    first = log_file(tmp_path)
    first.write_bytes(b"".join(at(second) for second in range(30)))
    first.with_name("requests-2026-03.jsonl").write_bytes(at(50) + at(51))
    assert run("-n", "4").times == ["16:15:28", "16:15:29", "16:15:50", "16:15:51"]
    assert len(run().texts) == 20
    assert run("-n", "0").out == ""


def test_json_passes_the_lines_as_they_stand(run: Run, tmp_path: Path) -> None:
    newer = at(1).replace(b'"reason"', b'"of_a_later_version":1, "reason"')
    log_file(tmp_path).write_bytes(at(0) + b"\n" + newer)
    assert run("--json").out.encode() == at(0) + newer


def test_filters_reach_back_until_enough_is_found(run: Run, tmp_path: Path) -> None:
    opus = [at(second, model="claude-opus-4-6", backend="anthropic") for second in range(3)]
    log_file(tmp_path).write_bytes(b"".join(opus) + at(9) * 3000)
    assert run("--model", "OPUS", "-n", "2").times == ["16:15:01", "16:15:02"]
    assert len(run("--backend", "anthr", "--backend", "zai", "-n", "3001").texts) == 3001


def test_torn_line_is_mentioned_and_unfinished_one_is_not(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0)[:50] + b"\n" + at(1) + at(2)[:-1])
    ending = run()
    assert len(ending.texts) == 1
    assert "skipped 1 line of the log" in ending.err


def test_names_from_a_client_can_not_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07"
    log_file(tmp_path).write_bytes(at(0, model=evil, backend=evil, reason=evil))
    shown = run().out
    assert "\x1b" not in shown
    assert "?]0;owned?" in shown


@pytest.mark.parametrize("ts", ["soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_time_that_no_clock_shows_stands_as_it_is(run: Run, tmp_path: Path, ts: str) -> None:
    line = at(0).replace(b"2026-02-07T10:30:00.000Z", ts.encode())
    log_file(tmp_path).write_bytes(line)
    ending = run()
    assert ending.code == 0
    assert "success" in ending.out


def test_empty_log_says_what_to_do(run: Run) -> None:
    ending = run()
    assert ending.code == 0
    assert "No requests recorded yet" in ending.out
    assert run("--json").out == ""


def test_demo_log_is_the_demos(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path, is_demo=True).write_bytes(at(0))
    assert len(run("--demo").texts) == 1
    assert "No requests" in run().out


def test_following_shows_what_comes_and_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    file.write_bytes(at(0))
    with following(tmp_path) as process:
        assert b"10:30:00" in read_line(process)
        with file.open("ab") as log:
            log.write(at(1)[:20])
            log.flush()
            log.write(at(1)[20:] + at(2, model="claude-opus-4-6"))
        assert b"10:30:01" in read_line(process)
        assert b"opus" in read_line(process)
        file.with_name("requests-2026-03.jsonl").write_bytes(at(3))
        assert b"10:30:03" in read_line(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")


def test_following_filters_and_passes_json(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    file.write_bytes(at(0))
    with following(tmp_path, "--json", "--model", "opus", "-n", "1") as process:
        wanted = at(2, model="claude-opus-4-6")
        with file.open("ab") as log:
            log.write(at(1) + wanted)
        assert read_line(process) == wanted


def test_following_an_empty_log_says_that_it_waits(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    with following(tmp_path) as process:
        assert process.stderr is not None
        assert b"Waiting for requests" in process.stderr.readline()
        file.write_bytes(at(0))
        assert b"10:30:00" in read_line(process)


def test_following_ends_quietly_when_its_reader_leaves_though_nothing_comes(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0))
    with following(tmp_path) as process:
        read_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0) * 5000)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*OFFRAMP, "logs", "-n", "5000"],
            env=environ_for(tmp_path),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@contextmanager
def following(home: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*OFFRAMP, "logs", "-f", *options],
        env=environ_for(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()
