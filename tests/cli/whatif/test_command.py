"""`offramp simulate`: made-up weeks, the user's own, and when there are none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from log_samples import SETTINGS_VARIABLES, log_file, sample_line

from offramp_cli import main
from offramp_core.paths import Paths
from offramp_daemon.autopilot import state_file
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.state_file import LearntAccount

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in SETTINGS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["offramp", "simulate", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        code = ending.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def write_log(home: Path, weeks: int) -> None:
    """A log of so many weeks, each day with some Opus and more Sonnet."""
    now = datetime.now(UTC)
    lines = []
    for hours in range(weeks * 168, 0, -6):
        moment = now - timedelta(hours=hours)
        lines.append(sample_line(moment, model="claude-opus-4-6", backend="anthropic"))
        lines.append(sample_line(moment, session_id=f"s{hours}"))
    log_file(home).write_bytes(b"".join(lines) + b"torn\n")


def test_made_up_weeks_are_the_same_for_the_same_seed(run: Run) -> None:
    first = run("--generated", "2", "--seed", "5", "--json")
    assert first == run("--generated", "2", "--seed", "5", "--json")
    shown = json.loads(first[1])
    assert shown["weeks"] == 2
    assert [line["mode"] for line in shown["modes"]] == ["always", "auto", "never", "linear"]


def test_the_table_names_every_mode_and_explains_its_columns(run: Run) -> None:
    code, out, err = run("--generated", "1")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows.keys() >= {"used", "always", "auto", "never", "linear"}
    assert "over: weeks in which it was full" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_users_own_weeks_are_replayed(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    code, out, err = run()
    assert code == 0
    assert "Weeks of your log: " in out
    assert "A Claude week was taken to hold $" in out
    assert " at list price, your busiest week's work\n" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "skipped 1 line" in err


def test_a_weeks_worth_and_a_number_of_weeks_are_taken(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    shown = json.loads(run("--weeks", "2", "--week-worth", "1000", "--json")[1])
    assert (shown["weeks"], shown["week_worth_dollars"]) == (2, 1000.0)
    never = shown["modes"][2]
    assert 0 < never["used_median"] < 0.01
    assert "to hold $1,000 at list price\n" in run("--week-worth", "1000")[1]


def test_what_the_autopilot_learnt_is_taken_for_the_plan(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    guessed = json.loads(run("--json")[1])
    learnt = CostModel()
    for percent in range(41):
        learnt.add_pending("opus", 0.5)
        learnt.observe(percent / 100, percent / 40)
    kept = {"a1": LearntAccount(learnt.learnt(), None)}
    state_file.save(Paths.under(tmp_path).autopilot_file, kept)
    shown = json.loads(run("--json")[1])
    assert shown["week_worth_dollars"] == pytest.approx(50, rel=0.02)
    assert shown["week_worth_dollars"] != guessed["week_worth_dollars"]
    assert shown["five_hour_part"] == pytest.approx(learnt.five_hour_part)
    assert " at list price, as its own figures told\n" in run()[1]
    assert " at list price\n" in run("--week-worth", "1000")[1]


def test_an_empty_log_says_what_to_do(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert "No requests recorded yet" in out
    assert "offramp simulate --generated" in out


def test_a_young_log_says_that_it_holds_no_whole_week(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(datetime.now(UTC) - timedelta(minutes=5)))
    assert "No whole week of requests" in run()[1]
    assert json.loads(run("--json")[1])["weeks"] == 0


@pytest.mark.parametrize(
    "arguments", [("--seed", "3"), ("--generated", "2", "--weeks", "2"), ("--generated", "0")]
)
def test_options_that_make_no_sense_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "Error" in err
