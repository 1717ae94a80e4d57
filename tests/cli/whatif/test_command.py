"""`offramp simulate`: the user's own weeks, and when there are none."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from daemon_process import Ending
from log_samples import log_file, sample_line

from offramp_core.paths import Paths
from offramp_core.quota import state_file as quota_file
from offramp_core.quota import windows
from offramp_core.quota.windows import PlanQuota, QuotaPoint, QuotaWindow
from offramp_daemon.autopilot.costs import state_file
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.costs.state_file import LearntAccount

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., Ending]


@pytest.fixture
def run(offramp: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TZ", "UTC")
    return functools.partial(offramp, "simulate")


def write_log(home: Path, weeks: int) -> None:
    """A log of so many weeks, each day with some Opus and more Sonnet."""
    now = datetime.now(UTC)
    lines = []
    for hours in range(weeks * 168, 0, -6):
        moment = now - timedelta(hours=hours)
        lines.append(sample_line(moment, model="claude-opus-4-6", backend="anthropic"))
        lines.append(sample_line(moment, session_id=f"s{hours}"))
    log_file(home).write_bytes(b"".join(lines) + b"torn\n")


def test_the_users_own_weeks_are_replayed(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    ending = run()
    out = ending.out
    assert ending.code == 0
    assert "Replayed " in out
    assert "Assumed size of a Claude week: $" in out
    assert " at list price, your busiest week's work\n" in out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows.keys() >= {"used", "always", "auto", "never", "linear"}
    assert "over: weeks in which the\nlimit was reached" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "skipped 1 line" in ending.err


def test_a_weeks_worth_and_a_number_of_weeks_are_taken(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    shown = json.loads(run("--weeks", "2", "--week-worth", "1000", "--json").out)
    assert (shown["weeks"], shown["week_worth_dollars"]) == (2, 1000.0)
    assert [line["mode"] for line in shown["modes"]] == ["always", "auto", "never", "linear"]
    never = shown["modes"][2]
    assert 0 < never["used_median"] < 0.01
    assert "of a Claude week: $1,000 at list price\n" in run("--week-worth", "1000").out


def test_what_the_autopilot_learnt_is_taken_for_the_plan(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    guessed = json.loads(run("--json").out)
    learnt = CostModel()
    for percent in range(41):
        learnt.add_pending("opus", 0.5)
        learnt.observe(percent / 100, percent / 40)
    kept = {"a1": LearntAccount(learnt.learnt(), None)}
    state_file.save(Paths.under(tmp_path).autopilot_file, kept)
    shown = json.loads(run("--json").out)
    assert shown["week_worth_dollars"] == pytest.approx(50, rel=0.02)
    assert shown["week_worth_dollars"] != guessed["week_worth_dollars"]
    assert shown["five_hour_part"] == pytest.approx(learnt.five_hour_part)
    assert " at list price, from Claude's own figures\n" in run().out
    assert " at list price\n" in run("--week-worth", "1000").out


def write_readings(home: Path, *, level: str) -> None:
    """Readings of Z.ai's week: each step a percent, with requests of the log in between."""
    now, resets = datetime.now(UTC), datetime.now(UTC) + timedelta(days=3)
    paths = Paths.under(home)
    points = [
        QuotaPoint(
            ts=now - timedelta(hours=72 - 8 * step),
            backend="zai",
            account="a",
            window=windows.WEEK,
            used=0.1 * step,
            resets=resets,
        )
        for step in range(9)
    ]
    lines = b"".join(windows.encode_point(each) for each in points)
    (paths.log_dir / windows.HISTORY_NAME).write_bytes(lines)
    week = QuotaWindow(name=windows.WEEK, used=0.8, resets=resets, read_at=now)
    plan = PlanQuota(backend="zai", account="a", level=level, windows=(week,), read_at=now)
    paths.quota_file.parent.mkdir(parents=True, exist_ok=True)
    paths.quota_file.write_bytes(quota_file.encode([plan]))


def test_own_readings_show_which_of_zais_plans_would_have_lasted(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    write_readings(tmp_path, level="lite")
    out = run().out
    assert "With Lite you would have run out in " in out
    assert "Max lasts" in out
    assert "Your plan is Lite." in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    shown = json.loads(run("--json").out)
    assert shown["zai_plan"] == "lite"
    assert shown["zai_credits_per_dollar"] > 0
    lite, _, largest = shown["zai_plans"]
    assert (lite["plan"], largest["plan"]) == ("lite", "max")
    assert lite["ran_out"]
    assert largest["ran_out"] == []


@pytest.mark.parametrize("level", ["", "team"])
def test_without_readings_that_show_costs_no_date_is_named(
    run: Run, tmp_path: Path, level: str
) -> None:
    write_log(tmp_path, weeks=5)
    if level:
        write_readings(tmp_path, level=level)
    out = " ".join(run().out.split())
    assert "your own readings don't show yet what your requests cost in credits" in out
    assert "run out in" not in out
    shown = json.loads(run("--json").out)
    assert (shown["zai_plan"], shown["zai_credits_per_dollar"], shown["zai_plans"]) == (
        None,
        None,
        [],
    )


def test_an_empty_log_says_what_to_do(run: Run) -> None:
    ending = run()
    assert ending.code == 0
    assert "No requests recorded yet" in ending.out


def test_a_young_log_says_that_it_holds_no_whole_week(run: Run, tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(datetime.now(UTC) - timedelta(minutes=5)))
    assert "No whole week of requests" in run().out
    assert json.loads(run("--json").out)["weeks"] == 0


def test_weeks_that_all_have_too_much_opus_are_left_out_without_a_table(
    run: Run, tmp_path: Path
) -> None:
    write_log(tmp_path, weeks=5)
    out = run("--week-worth", "0.01", "--weeks", "1").out
    assert "Replayed 0 whole weeks" in out
    assert "Left out: 1 whose Opus work is already more than the plan." in out
    assert "always" not in out
    assert "table" not in out


def test_one_week_is_counted_in_the_singular(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path, weeks=5)
    assert "Replayed 1 whole week of your log" in run("--weeks", "1").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--week-worth", "much"), "'much' is not a valid number."),
        (("--weeks", "some"), "'some' is not a valid whole number."),
    ],
)
def test_words_in_place_of_a_number_are_refused_in_plain_words(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    ending = run(*arguments)
    assert ending.code == 2
    assert words in ending.err


@pytest.mark.parametrize(
    "arguments", [("--weeks", "0"), ("--week-worth", "0"), ("--generated", "2")]
)
def test_options_that_make_no_sense_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    ending = run(*arguments)
    assert ending.code == 2
    assert "Error" in ending.err
