"""`offramp logs`: the latest requests, the ones that come, and ways to stop."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from daemon_process import Ending
from log_samples import OFFRAMP, environ_for, log_file, sample_line
from patience import PATIENCE_S
from terminal import output_on_a_terminal

from offramp_cli.reports.logs import short_time

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2021, 2, 7, 10, 30, tzinfo=UTC)
KATHMANDU = ZoneInfo("Asia/Kathmandu")


Run = Callable[..., Ending]


def texts(ending: Ending) -> list[str]:
    """Lines with their columns one blank apart."""
    return [" ".join(line.split()) for line in ending.out.splitlines()]


def times(ending: Ending) -> list[str]:
    return [text.split()[1] for text in texts(ending)]


@pytest.fixture
def run(offramp: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    return functools.partial(offramp, "logs")


def at(minutes: int, **fields: object) -> bytes:
    return sample_line(MOMENT + timedelta(minutes=minutes), **fields)


def test_line_tells_time_model_backend_tokens_status_and_reason(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(
        at(0)
        + at(1, cache_read_input_tokens=40_000, cache_creation_input_tokens=5_000)
        + at(2, status="error", http_status=429, output_tokens=0, reason=None)
        + at(3, status="error", model=None, backend=None)
        + at(4, status="cancelled")
    )
    assert texts(run()) == [
        "2021-02-07 16:15 sonnet-4-5 zai 1.3k→890 ok route sonnet",
        "2021-02-07 16:16 sonnet-4-5 zai 1.3k→890 +45.0k ok route sonnet",
        "2021-02-07 16:17 sonnet-4-5 zai 1.3k→0 error 429",
        "2021-02-07 16:18 no model unsent 1.3k→890 error route sonnet",
        "2021-02-07 16:19 sonnet-4-5 zai 1.3k→890 cancelled route sonnet",
    ]


def test_columns_are_as_wide_as_their_cells(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(
        at(0, model="claude-haiku-4-5-20251001", reason=None)
        + at(1, model="claude-sonnet-4-5-20250929[1m]", cache_read_input_tokens=45_000)
        + at(2, model="m" * 100, backend="b" * 100)
    )
    assert run().out.splitlines() == [
        f"2021-02-07 16:15 haiku-4-5{' ' * 15} zai{' ' * 21} 1.3k→890         ok",
        f"2021-02-07 16:16 sonnet-4-5[1m]{' ' * 10} zai{' ' * 21} 1.3k→890 +45.0k  "
        "ok  route sonnet",
        f"2021-02-07 16:17 {'m' * 100} {'b' * 100} 1.3k→890         ok  route sonnet",
    ]


def test_usual_lines_of_this_year_fit_80_columns(run: Run, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    tokens = {"output_tokens": 12_300, "cache_creation_input_tokens": 145_000}
    models = ("claude-sonnet-4-5-20250929[1m]", "claude-haiku-4-5-20251001", "claude-opus-4-6")
    endings = (
        {"reason": "kept: context_size", "backend": "anthropic"},
        {"reason": "route sonnet", "status": "error", "http_status": 429},
        {"reason": "no key for zai", "status": "cancelled", "backend": "anthropic"},
    )
    lines = [
        sample_line(now, model=model, **tokens, **ending) for model in models for ending in endings
    ]
    log_file(tmp_path).write_bytes(b"".join(lines))
    shown = run().out.splitlines()
    assert len(shown) == len(lines)
    # Three characters to spare: what the date of an earlier day takes beyond the seconds.
    assert max(map(len, shown)) <= 80 - 3


@pytest.mark.parametrize(
    ("ts", "shown"),
    [
        ("2026-02-07T10:30:05.000Z", "16:15:05"),
        ("2026-02-06T18:14:59.000Z", "02-06 23:59"),
        ("2026-02-06T18:15:00.000Z", "00:00:00"),
        ("2026-02-07T18:15:00.000Z", "02-08 00:00"),
        ("2025-12-31T10:30:05.000Z", "2025-12-31 16:15"),
        ("soon\x1b", "soon?"),
    ],
)
def test_time_is_the_shorter_the_nearer(ts: str, shown: str) -> None:
    assert short_time(ts, datetime(2026, 2, 7, 12, tzinfo=KATHMANDU)) == shown


def test_latest_come_last_and_span_months(run: Run, tmp_path: Path) -> None:
    first = log_file(tmp_path)
    first.write_bytes(b"".join(at(minute) for minute in range(30)))
    first.with_name("requests-2026-03.jsonl").write_bytes(at(50) + at(51))
    assert times(run("-n", "4")) == ["16:43", "16:44", "17:05", "17:06"]
    assert len(texts(run())) == 20
    assert run("-n", "0").out == ""


def test_json_passes_the_lines_as_they_stand(run: Run, tmp_path: Path) -> None:
    newer = at(1).replace(b'"reason"', b'"of_a_later_version":1, "reason"')
    log_file(tmp_path).write_bytes(at(0) + b"\n" + newer)
    assert run("--json").out.encode() == at(0) + newer


def test_filters_reach_back_until_enough_is_found(run: Run, tmp_path: Path) -> None:
    opus = [at(minute, model="claude-opus-4-6", backend="anthropic") for minute in range(3)]
    log_file(tmp_path).write_bytes(b"".join(opus) + at(9) * 3000)
    assert times(run("--model", "OPUS", "-n", "2")) == ["16:16", "16:17"]
    assert len(texts(run("--backend", "anthr", "--backend", "zai", "-n", "3001"))) == 3001


def test_torn_line_is_mentioned_and_unfinished_one_is_not(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0)[:50] + b"\n" + at(1) + at(2)[:-1])
    ending = run()
    assert len(texts(ending)) == 1
    assert "skipped 1 line of the log" in ending.err


def test_names_from_a_client_can_not_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07"
    log_file(tmp_path).write_bytes(at(0, model=evil, backend=evil, reason=evil))
    shown = run().out
    assert "\x1b" not in shown
    assert "?]0;owned?" in shown


def test_json_on_a_terminal_escapes_what_would_steer_it(tmp_path: Path) -> None:
    model = "claude-sonnet\x9b31m\x7f\u202e\u2028"
    line = json.dumps({**json.loads(at(0)), "model": model}, ensure_ascii=False)
    log_file(tmp_path).write_bytes(line.encode() + b"\n")
    shown = output_on_a_terminal([*OFFRAMP, "logs", "--json"], environ_for(tmp_path))
    assert shown.strip().isprintable()
    assert json.loads(shown)["model"] == model


def test_json_for_a_program_stays_byte_for_byte(tmp_path: Path, run: Run) -> None:
    line = json.dumps({**json.loads(at(0)), "model": "sonnet\x9b"}, ensure_ascii=False)
    log_file(tmp_path).write_bytes(line.encode() + b"\n")
    assert run("--json").out == line + "\n"


@pytest.mark.parametrize("ts", ["soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_time_that_no_clock_shows_stands_as_it_is(run: Run, tmp_path: Path, ts: str) -> None:
    line = at(0).replace(b"2021-02-07T10:30:00.000Z", ts.encode())
    log_file(tmp_path).write_bytes(line)
    ending = run()
    assert ending.code == 0
    assert "ok  route sonnet" in ending.out


def test_empty_log_says_what_to_do(run: Run) -> None:
    ending = run()
    assert ending.code == 0
    assert "No requests recorded yet" in ending.out
    assert run("--json").out == ""


def test_demo_log_is_the_demos(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path, is_demo=True).write_bytes(at(0))
    assert len(texts(run("--demo"))) == 1
    assert "No requests" in run().out


def test_empty_demo_log_points_to_the_demo_alone(run: Run, tmp_path: Path) -> None:
    shown = run("--demo").out.splitlines()
    assert shown == [
        f"No requests recorded yet in {tmp_path / 'demo' / 'data' / 'log'}.",
        "Run `offramp demo` (port 3101).",
    ]


def test_following_shows_what_comes_and_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    file.write_bytes(at(0))
    with following(tmp_path) as process:
        assert b"10:30" in read_line(process)
        with file.open("ab") as log:
            log.write(at(1)[:20])
            log.flush()
            log.write(at(1)[20:] + at(2, model="claude-opus-4-6"))
        assert b"10:31" in read_line(process)
        assert b"opus" in read_line(process)
        file.with_name("requests-2026-03.jsonl").write_bytes(at(3))
        assert b"10:33" in read_line(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, b"", b"")


def test_following_shows_of_another_machines_late_file_only_what_is_recent(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    file.write_bytes(at(0))
    with following(tmp_path) as process:
        assert b"10:30" in read_line(process)
        late = file.with_name("requests-2026-02.desktop.jsonl")
        late.with_name("aside").write_bytes(b"".join(map(at, range(1, 3000))))
        late.with_name("aside").replace(late)
        with late.open("ab") as log:
            log.write(at(0, model="claude-opus-4-6"))
        shown = iter(lambda: b"opus" in read_line(process), True)
        assert sum(1 for _ in shown) < 100


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
        assert b"10:30" in read_line(process)


def test_following_ends_quietly_when_its_reader_leaves_though_nothing_comes(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0))
    with following(tmp_path) as process:
        read_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=PATIENCE_S) == 0
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
            timeout=PATIENCE_S,
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


@pytest.mark.parametrize("options", [("--backend", "nope"), ("--model", "x"), ("--session", "9")])
def test_filters_that_match_nothing_say_so(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    log_file(tmp_path).write_bytes(at(0, session_id="1"))
    ending = run(*options)
    assert (ending.code, ending.out, ending.err) == (0, "", "No request matches.\n")
    assert run(*options, "--json").out == ""


def test_no_request_wanted_is_not_said_to_match_nothing(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(at(0))
    assert run("-n", "0").err == ""
