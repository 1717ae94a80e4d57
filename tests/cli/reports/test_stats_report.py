"""The stats report: its numbers, its JSON and CSV, and how it is drawn."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from golden import assert_screen
from log_samples import log_file, sample_line

from offramp_cli.reports import stats_tables
from offramp_cli.reports.stats_report import Filters, Report, as_csv, as_json, gather
from offramp_core.usage.weeks import WeekBoundary

if TYPE_CHECKING:
    from pathlib import Path

# Two days into a week that began with the old offset and holds the change to summer time.
NOW = datetime(2026, 3, 29, 12, 31, tzinfo=UTC)
BERLIN = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))
ESCAPE = "\x1b"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def report_at_now(home: Path, *, week_count: int | None = 8, **options: Any) -> Report:
    filters = options.pop("filters", Filters())
    folder = log_file(home).parent
    return gather(folder, BERLIN, NOW, week_count=week_count, filters=filters, **options)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A home whose log, seen at `NOW`, has something in every part of the report."""
    lines = [
        sample_line(NOW - timedelta(weeks=20)),
        sample_line(NOW - timedelta(weeks=5), backend="anthropic", model="claude-opus-4-6"),
        sample_line(NOW - timedelta(days=2), cache_read_input_tokens=10_000),
        sample_line(NOW - timedelta(hours=5), model="claude-haiku-4-5", status="error"),
        sample_line(NOW - timedelta(minutes=4), backend="anthropic", model="claude-opus-4-6"),
        sample_line(NOW - timedelta(minutes=1), status="cancelled", output_tokens=10),
        sample_line(NOW - timedelta(minutes=1), backend=None, model=None, status="error"),
    ]
    log_file(tmp_path).write_bytes(b"".join(lines))
    return tmp_path


def test_json_has_the_promised_shape(sample: Path) -> None:
    shown = as_json(report_at_now(sample))
    assert list(shown) == [
        "generated_at",
        "time_zone",
        "since",
        "week_start",
        "filters",
        "skipped_lines",
        "period",
        "last_3_hours",
        "last_24_hours",
        "weeks",
    ]
    assert shown["generated_at"] == "2026-03-29T12:31:00Z"
    assert shown["time_zone"] == "Europe/Berlin"
    assert shown["week_start"] == {"day": 4, "hour": 22, "minute": 0, "origin": "settings"}
    assert [len(shown[part]) for part in ("last_3_hours", "last_24_hours", "weeks")] == [60, 24, 8]
    assert shown["weeks"][0] == {
        "start": "2026-02-05T21:00:00Z",
        "end": "2026-02-12T21:00:00Z",
        "requests": 0,
        "success": 0,
        "errors": 0,
        "cancelled": 0,
        "tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "split": [],
    }


def test_json_splits_this_week_over_the_clock_change(sample: Path) -> None:
    period = as_json(report_at_now(sample))["period"]
    assert (period["start"], period["end"]) == ("2026-03-26T21:00:00Z", "2026-04-02T20:00:00Z")
    assert (period["requests"], period["success"], period["errors"], period["cancelled"]) == (
        5,
        2,
        2,
        1,
    )
    first = period["backends"][0]
    assert first["backend"] == "zai"
    assert first["requests"] == 3
    assert first["request_share"] == 0.6
    assert first["cache_read_input_tokens"] == 10_000
    assert {part["backend"] for part in period["backends"]} == {"zai", "anthropic", None}
    assert sum(part["token_share"] for part in period["backends"]) == pytest.approx(1)


def test_json_buckets_hold_the_latest_requests(sample: Path) -> None:
    shown = as_json(report_at_now(sample))
    last = shown["last_3_hours"][-1]
    assert (last["start"], last["requests"], last["cancelled"]) == ("2026-03-29T12:30:00Z", 2, 1)
    assert (None, None) in {(part["backend"], part["model"]) for part in last["split"]}
    hours = {bucket["start"]: bucket["requests"] for bucket in shown["last_24_hours"]}
    assert hours["2026-03-29T07:00:00Z"] == 1
    assert hours["2026-03-29T12:00:00Z"] == 3


def test_default_leaves_out_what_is_older_and_all_has_it(sample: Path) -> None:
    weeks = as_json(report_at_now(sample))["weeks"]
    assert sum(week["requests"] for week in weeks) == 6
    every = as_json(report_at_now(sample, week_count=None))["weeks"]
    assert [week["requests"] for week in every] == [1, 1, 5]


def test_since_begins_in_the_midst_of_a_week(sample: Path) -> None:
    since = NOW - timedelta(hours=6)
    shown = as_json(report_at_now(sample, week_count=None, since=since))
    assert shown["since"] == shown["period"]["start"] == "2026-03-29T06:31:00Z"
    assert shown["period"]["requests"] == 4
    assert [week["requests"] for week in shown["weeks"]] == [4]


def test_last_day_is_whole_though_the_week_has_just_begun(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(sample_line(NOW - timedelta(hours=20)))
    boundary = WeekBoundary(day=0, hour=14, zone=ZoneInfo("Europe/Berlin"))
    folder = log_file(tmp_path).parent
    report = gather(folder, boundary, NOW, week_count=1, filters=Filters())
    assert report.weeks[0].usage.total().requests == 0
    assert sum(bucket.usage.total().requests for bucket in report.hours) == 1


def test_filters_apply_to_every_part(sample: Path) -> None:
    shown = as_json(report_at_now(sample, filters=Filters(backends=["ANTH"], models=["opus"])))
    assert shown["filters"] == {"backends": ["ANTH"], "models": ["opus"]}
    assert shown["period"]["requests"] == 1
    assert sum(week["requests"] for week in shown["weeks"]) == 2


def test_csv_rows_add_up_to_the_weeks(sample: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report_at_now(sample)))))
    week_rows = [row for row in rows if row["section"] == "week"]
    assert sum(int(row["requests"]) for row in week_rows) == 6
    assert {row["section"] for row in rows} == {"week", "hour", "3 minutes"}
    assert rows[0] == {
        "section": "week",
        "start": "2026-02-19T21:00:00Z",
        "end": "2026-02-26T21:00:00Z",
        "backend": "anthropic",
        "model": "claude-opus-4-6",
        "status": "success",
        "requests": "1",
        "input_tokens": "1250",
        "output_tokens": "890",
        "cache_creation_input_tokens": "0",
        "cache_read_input_tokens": "0",
    }


@pytest.mark.parametrize("model", ["=cmd|' /C calc'!A0", "+1+1 sonnet", "@SUM(1)", "-2 sonnet"])
def test_csv_holds_no_formula(tmp_path: Path, model: str) -> None:
    log_file(tmp_path).write_bytes(sample_line(NOW - timedelta(minutes=1), model=model))
    rows = list(csv.DictReader(io.StringIO(as_csv(report_at_now(tmp_path)))))
    assert {row["model"] for row in rows} == {f"'{model}"}


@pytest.mark.parametrize("width", [24, 40, 60, 79, 80, 100, 200])
def test_tables_fit_the_terminal(
    sample: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stats_tables.show(report_at_now(sample))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert ESCAPE not in "".join(lines)


def test_whole_screen(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats_tables.show(report_at_now(sample))
    assert_screen(capsys.readouterr().out, "stats")


def test_backends_come_in_one_order_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["zai", None, "acme", "anthropic"]
    moment = NOW - timedelta(minutes=1)
    lines = [
        sample_line(moment, backend=name, input_tokens=1000 * more)
        for more, name in enumerate(names)
    ]
    log_file(tmp_path).write_bytes(b"".join(lines))
    monkeypatch.setenv("COLUMNS", "120")
    stats_tables.show(report_at_now(tmp_path))
    parts = capsys.readouterr().out.split("\n\n")
    rows = [line for line in parts[0].splitlines() if line[:1] in set("█░▓▒")]
    assert [row.split()[:2] for row in rows] == [
        ["█", "anthropic"],
        ["░", "acme"],
        ["▓", "zai"],
        ["▒", "unsent"],
    ]
    assert [line.split()[0] for line in parts[1].splitlines()[2:]] == [
        "anthropic",
        "acme",
        "zai",
        "unsent",
    ]
    weeks = parts[3].splitlines()
    assert weeks[0] == "Weeks from Thursday 22:00: shares of tokens; bar length is the total"
    assert weeks[1].split()[-4:] == ["anthropic", "acme", "zai", "unsent"]
    for bar in (*parts[0].splitlines()[1:3], weeks[2]):
        cells = bar.split()[-1]
        assert list(dict.fromkeys(cells)) == list("█░▓▒")


@pytest.mark.parametrize("filters", [Filters(), Filters(backends=["zai"]), Filters(models=["son"])])
def test_backend_keeps_its_fill_whatever_is_filtered_away(
    sample: Path, filters: Filters, capsys: pytest.CaptureFixture[str]
) -> None:
    stats_tables.show(report_at_now(sample, filters=filters))
    assert "░ zai" in capsys.readouterr().out


def test_weeks_without_room_for_bars_explain_none(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "79")
    stats_tables.show(report_at_now(sample))
    shown = capsys.readouterr().out
    assert "Weeks from Thursday 22:00: shares of tokens\n" in shown


def test_names_from_a_client_can_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = f"sonnet{ESCAPE}]0;owned\x07[red]\n"
    log_file(tmp_path).write_bytes(
        sample_line(NOW - timedelta(minutes=1), model=evil, backend=evil)
    )
    report = report_at_now(tmp_path)
    stats_tables.show(report)
    shown = capsys.readouterr().out + as_csv(report)
    assert ESCAPE not in shown
    assert "\x07" not in shown
    assert "sonnet?]0;owned?[red]?" in shown
