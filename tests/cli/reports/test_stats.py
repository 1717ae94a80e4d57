"""`offramp stats`: what it prints for a person, for a script, and when there is nothing to say."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from daemon_process import Ending
from log_samples import OFFRAMP, environ_for, log_file, sample_line
from patience import PATIENCE_S
from quota_samples import claude_week, keep, next_reset
from terminal import output_on_a_terminal

from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

ESCAPE = "\x1b"


Run = Callable[..., Ending]


@pytest.fixture
def run(offramp: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    return functools.partial(offramp, "stats")


def ago(**units: float) -> datetime:
    return datetime.now(UTC) - timedelta(**units)


def test_command_reads_the_users_log_and_week(run: Run, tmp_path: Path) -> None:
    moment = ago(minutes=5)
    log_file(tmp_path).write_bytes(sample_line(moment))
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    config.write_text("week_start_day = 1\nweek_start_hour = 6\n")
    ending = run("--json", "--weeks", "3")
    assert ending.code == 0
    shown = json.loads(ending.out)
    assert sum(bucket["requests"] for bucket in shown["last_3_hours"]) == 1
    starts = [datetime.fromisoformat(week["start"]) for week in shown["weeks"]]
    local = [start.astimezone(ZoneInfo("Europe/Berlin")) for start in starts]
    assert [(start.isoweekday(), start.hour) for start in local] == [(1, 6)] * 3


def test_week_is_claudes_once_that_was_told(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=5)))
    reset = next_reset()
    keep(Paths.under(tmp_path), claude_week(reset))
    shown = json.loads(run("--json").out)
    assert shown["period"]["end"] == f"{reset:%Y-%m-%dT%H:%M:%SZ}"
    local = reset.astimezone(ZoneInfo("Europe/Berlin"))
    assert shown["week_start"] == {
        "day": local.isoweekday() % 7,
        "hour": local.hour,
        "minute": 0,
        "origin": "learnt from Claude's weekly reset",
    }
    out = run().out
    assert "This Claude week: " in out
    assert f"Claude weeks from {local:%A %H:%M}: " in out


def test_week_that_the_user_set_is_not_called_claudes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=5)))
    keep(Paths.under(tmp_path), claude_week(next_reset()))
    monkeypatch.setenv("WEEK_START_DAY", "1")
    assert json.loads(run("--json").out)["week_start"]["origin"] == "settings"
    out = run().out
    assert "Weeks from Monday 22:00: " in out
    assert "Claude" not in out


def test_command_reads_the_demos_log_with_demo(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=5)))
    log_file(tmp_path, is_demo=True).write_bytes(sample_line(ago(minutes=5)) * 2)
    shown = json.loads(run("--demo", "--json", "--since", "1h").out)
    assert shown["period"]["requests"] == 2


def test_command_reads_the_log_folder_that_is_set(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "requests.jsonl").write_bytes(sample_line(ago(minutes=5)))
    monkeypatch.setenv("LOG_DIR", str(folder))
    assert json.loads(run("--json", "--since", "1h").out)["period"]["requests"] == 1


@pytest.mark.parametrize(
    ("since", "requests"),
    [("90d", 5), ("1w", 4), ("2D", 3), ("3h", 2), ("1h", 1), ("2000-01-01", 5), ("19700101", 5)],
)
def test_since_takes_dates_and_ages(run: Run, tmp_path: Path, since: str, requests: int) -> None:
    ages = [80 * 24, 6 * 24, 30, 2, 0.5]
    log_file(tmp_path).write_bytes(b"".join(sample_line(ago(hours=age)) for age in ages))
    shown = json.loads(run("--json", "--since", since).out)
    assert shown["period"]["requests"] == requests


def test_since_without_offset_is_local_time(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=5)))
    shown = json.loads(run("--json", "--since", "2026-02-07T10:30").out)
    assert shown["since"] == "2026-02-07T09:30:00Z"
    shown = json.loads(run("--json", "--since", "2026-02-07T10:30+05:45").out)
    assert shown["since"] == "2026-02-07T04:45:00Z"


@pytest.mark.parametrize(
    "since", ["soon", "3x", "", "2026-13-01", "9999-12-31", "0001-01-01T00:00"]
)
def test_since_that_is_no_past_time_is_refused(run: Run, since: str) -> None:
    ending = run("--since", since)
    assert ending.code == 2
    assert "Invalid value for '--since':" in ending.err


@pytest.mark.parametrize(
    "options", [("--all", "--weeks", "2"), ("--all", "--since", "1h"), ("--json", "--csv")]
)
def test_options_that_contradict_each_other_are_refused(run: Run, options: tuple[str]) -> None:
    ending = run(*options)
    assert ending.code == 2
    assert "choose one" in ending.err


def test_empty_log_says_what_to_do(run: Run, tmp_path: Path) -> None:
    ending = run()
    assert ending.code == 0
    assert f"No requests recorded yet in {tmp_path / 'data' / 'log'}." in ending.out
    assert "export ANTHROPIC_BASE_URL=http://localhost:3001" in ending.out
    shown = json.loads(run("--json").out)
    assert (shown["period"]["requests"], len(shown["weeks"])) == (0, 8)


@pytest.mark.parametrize("command", ["stats", "logs"])
def test_empty_log_names_connect_where_a_token_is_asked(
    offramp: Run, tmp_path: Path, command: str
) -> None:
    config = Paths.under(tmp_path).config_file
    config.parent.mkdir(exist_ok=True)
    config.write_text('client_token = "a-token-of-24-characters"\n', encoding="utf-8")
    ending = offramp(command)
    assert "  offramp connect\n" in ending.out
    assert "export ANTHROPIC_BASE_URL" not in ending.out


def test_empty_demo_log_points_to_the_demo_alone(run: Run) -> None:
    ending = run("--demo")
    assert ending.code == 0
    assert ending.out.splitlines()[1:] == ["Run `offramp demo` (port 3101)."]


def test_log_without_anything_recent_points_to_all(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(days=200)))
    assert "--all" in run().out
    assert "Weeks from" in run("--all").out


def test_filter_that_matches_nothing_says_so(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=1)))
    assert "No request matches" in run("--model", "gpt").out


def test_torn_lines_are_mentioned_on_standard_error(run: Run, tmp_path: Path) -> None:
    torn = sample_line(ago(minutes=1))[:40] + b"\n"
    log_file(tmp_path).write_bytes(torn + sample_line(ago(minutes=1)) + torn)
    ending = run("--json", "--since", "1h")
    assert json.loads(ending.out)["skipped_lines"] == 2
    assert "skipped 2 lines of the log" in ending.err


def test_log_that_can_not_be_read_ends_with_1_and_a_hint(run: Run, tmp_path: Path) -> None:
    file = log_file(tmp_path)
    file.symlink_to(file)
    ending = run()
    assert ending.code == 1
    assert f"The request log {file} can't be read" in ending.err
    assert "log_dir" in ending.err


def test_output_that_knows_no_blocks_gets_ascii(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=1), model="modèle-☃"))
    environ = environ_for(tmp_path, PYTHONIOENCODING="ascii")
    done = subprocess.run(
        [*OFFRAMP, "stats", "--since", "1h"],
        env=environ,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert b"- zai" in done.stdout
    assert b"mod?le-?" in done.stdout


@pytest.mark.parametrize("no_color", [False, True])
def test_terminal_gets_colours_unless_refused(tmp_path: Path, *, no_color: bool) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=1)))
    environ = environ_for(tmp_path, TERM="xterm-256color", LC_ALL="C.UTF-8")
    if no_color:
        environ["NO_COLOR"] = "1"
    shown = output_on_a_terminal([*OFFRAMP, "stats", "--since", "1h"], environ)
    assert "░ zai" in shown
    assert (ESCAPE in shown) is not no_color


def test_reader_that_leaves_early_is_no_error_message(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=1)))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*OFFRAMP, "stats"],
            env=environ_for(tmp_path),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""


def test_json_does_not_import_the_table_library(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(ago(minutes=1)))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *OFFRAMP[1:], "stats", "--json"],
        env=environ_for(tmp_path),
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert b"offramp_cli.reports.stats" in done.stderr
    for heavy in (b"rich", b"aiohttp", b"asyncio"):
        assert b" " + heavy + b"\n" not in done.stderr
