"""`offramp sessions`, `stats --by` and `logs --session`: the same requests by conversation."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from daemon_process import Ending
from log_samples import log_file

from offramp_core.usage import projects, records
from offramp_core.usage.records import RequestRecord

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., Ending]
ONE, TWO = "11111111-aaaa-4aaa-8aaa-000000000001", "22222222-bbbb-4bbb-8bbb-000000000002"
APP = "my-app"


def line(
    session: str | None,
    *,
    minutes_ago: float = 5,
    model: str = "claude-sonnet-4-5",
    backend: str = "zai",
    status: str = "success",
) -> bytes:
    return records.encode(
        RequestRecord(
            ts=records.format_timestamp(datetime.now(UTC) - timedelta(minutes=minutes_ago)),
            model=model,
            backend=backend,
            status=status,  # type: ignore[arg-type]
            served_model="glm-4.7" if backend == "zai" else model,
            input_tokens=1000,
            output_tokens=500,
            reason="route sonnet" if backend == "zai" else "default",
            session_id=session,
        )
    )


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of two sessions, the first in the project `~/my-app`."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / APP).mkdir()
    kept = tmp_path / ".claude" / "projects" / projects.folder_name(f"{tmp_path}/{APP}")
    kept.mkdir(parents=True)
    (kept / f"{ONE}.jsonl").write_text("")
    log_file(tmp_path).write_bytes(
        line(ONE, minutes_ago=9)
        + line(ONE, minutes_ago=8, backend="anthropic")
        + line(TWO, minutes_ago=7, model="claude-opus-4-6", backend="anthropic", status="error")
        + line(None, minutes_ago=6)
    )
    return tmp_path


def test_sessions_show_project_services_changes_and_price(log: Path, offramp: Run) -> None:
    shown = json.loads(offramp("sessions", "--json").out)
    assert shown["without_session"] == 1
    second, first = shown["sessions"]
    assert (first["id"], first["project"], first["changes"]) == (ONE, f"~/{APP}", 1)
    assert (first["requests"], first["tokens"], first["errors"]) == (2, 3000, 0)
    assert first["list_price_usd"] == pytest.approx(1000 * 3e-6 + 500 * 15e-6)
    assert [service["backend"] for service in first["services"]] == ["zai", "anthropic"]
    assert (second["id"], second["project"], second["errors"]) == (TWO, None, 1)
    assert second["list_price_usd"] == 0


@pytest.mark.parametrize("columns", ["72", "80", "140"])
def test_table_fits_and_names_what_matters(
    log: Path, offramp: Run, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = offramp("sessions").out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert ONE[:8] in out
    assert "1 request without a session." in out
    assert "Served by" in out.splitlines()[0]


def test_only_the_wanted_projects_are_shown(log: Path, offramp: Run) -> None:
    shown = json.loads(offramp("sessions", "--json", "--project", "MY-").out)
    assert [session["id"] for session in shown["sessions"]] == [ONE]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "1h"), "No session matches. Try --all for the whole log.\n"),
        (
            ("--project", "shop"),
            "No session matches. Try --all for the whole log or leave out --project.\n",
        ),
        (("--all", "--project", "shop"), "No session matches. Leave out --project.\n"),
        (("--all",), "No session matches.\n"),
    ],
)
def test_what_finds_no_session_is_said_with_the_way_to_more(
    log: Path, offramp: Run, arguments: tuple[str, ...], said: str
) -> None:
    log_file(log).write_bytes(line(None))
    assert offramp("sessions", *arguments).out == f"{said}1 request without a session.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "gpt"), "Try --all for the whole log or leave out --model."),
        (("--all", "--model", "gpt", "--backend", "x"), "Leave out --backend and --model."),
    ],
)
def test_what_one_table_does_not_find_is_said_with_the_way_to_more(
    log: Path, offramp: Run, arguments: tuple[str, ...], said: str
) -> None:
    assert offramp("stats", "--by", "day", *arguments).out == f"No request matches. {said}\n"


def test_setting_turns_projects_off(log: Path, offramp: Run) -> None:
    config = log / "config" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text("show_projects = false\n")
    shown = json.loads(offramp("sessions", "--json").out)
    assert {session["project"] for session in shown["sessions"]} == {None}
    rows = json.loads(offramp("stats", "--by", "project", "--json").out)["rows"]
    assert [row["name"] for row in rows] == [None]


def test_session_id_of_a_hostile_client_moves_no_cursor(log: Path, offramp: Run) -> None:
    log_file(log).write_bytes(line("\x1b[31m\u202eevil"))
    for ending in (offramp("sessions"), offramp("sessions", "--json")):
        assert "\x1b" not in ending.out
        assert "\u202e" not in ending.out


def test_breakdown_by_project_adds_up_to_the_log(log: Path, offramp: Run) -> None:
    shown = json.loads(offramp("stats", "--by", "project", "--json").out)
    assert {row["name"]: row["requests"] for row in shown["rows"]} == {f"~/{APP}": 2, None: 2}
    assert shown["total"]["requests"] == 4
    assert shown["total"]["tokens"] == 6000


@pytest.mark.parametrize("by", ["project", "session", "model", "reason", "day"])
def test_every_breakdown_is_a_table_and_csv_of_the_same_numbers(
    log: Path, offramp: Run, by: str
) -> None:
    rows = list(csv.DictReader(io.StringIO(offramp("stats", "--by", by, "--csv").out)))
    assert sum(int(row["requests"]) for row in rows) == 4
    out = offramp("stats", "--by", by).out
    assert by.title() in out
    assert "6.0k" in out


def test_breakdown_obeys_filters_and_time(log: Path, offramp: Run) -> None:
    shown = json.loads(offramp("stats", "--by", "model", "--backend", "zai", "--json").out)
    assert shown["total"]["requests"] == 2
    everything = json.loads(offramp("stats", "--by", "model", "--all", "--json").out)
    assert everything["period"]["start"] is None
    assert everything["total"]["requests"] == 4
    assert offramp("stats", "--by", "model", "--all", "--since", "1h").code == 2


def test_logs_show_one_sessions_requests(log: Path, offramp: Run) -> None:
    shown = offramp("logs", "--json", "--session", ONE[:8]).out.splitlines()
    assert [json.loads(one)["session_id"] for one in shown] == [ONE, ONE]


def test_empty_log_is_explained(tmp_path: Path, offramp: Run) -> None:
    for arguments in (("sessions",), ("stats", "--by", "day")):
        ending = offramp(*arguments)
        assert ending.code == 0
        assert "No requests recorded yet" in ending.out
