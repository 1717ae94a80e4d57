"""What `offramp status` says of services in trouble, of what waits, and of the autopilot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from golden import assert_screen
from quota_samples import claude_week

from offramp_cli.reports.status import rows, screen
from offramp_core.control import api
from offramp_core.control.api import BackendError, BackendStatus, Bypass, RecordsStatus, Status

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ZAI = BackendStatus(name="zai", key="present")
QUIET = Status(
    pid=7,
    started=NOW - timedelta(minutes=1),
    uptime_s=60,
    address="http://localhost:3001",
    backends=(BackendStatus(name="anthropic", key="not needed"), ZAI),
    records=RecordsStatus(written=0, waiting=0, lost=0),
    settings_file="config.toml",
    version="1.2.3",
)
LIMIT = Bypass(to="anthropic", since=NOW, cause=api.LIMIT, requests=3)
ERROR = BackendError(at=NOW, kind=api.FAILING, why="zai refused it with HTTP status 500")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def shown(zai: BackendStatus, **fields: object) -> list[tuple[str, str]]:
    status = msgspec.structs.replace(QUIET, backends=(QUIET.backends[0], zai), **fields)
    return rows(status, NOW)


def test_whole_screen() -> None:
    busy = shown(
        msgspec.structs.replace(ZAI, bypass=LIMIT, waiting=2, at_once=3),
        delegation="auto",
        delegation_why="Sonnet on Claude: the week is 12 % under pace",
        supervisor_pid=6,
        in_flight=1,
        quota=(claude_week(NOW + timedelta(days=2)),),
        settings_problem="prot is unknown",
        records=RecordsStatus(written=9, waiting=2, lost=1, last_error="disk full"),
    )
    assert_screen(screen(busy), "status")


def test_quiet_daemon_has_no_trouble() -> None:
    assert not {"trouble", "waiting"} & {name for name, _ in shown(ZAI)}


def test_warning_of_the_daemon_is_shown() -> None:
    text = "ALL_PROXY is ignored, as Claude Code ignores it too."
    assert ("warning", text) in shown(ZAI, warnings=(text,))


@pytest.mark.parametrize("until", [None, NOW + timedelta(hours=1)])
def test_bypass_is_told_with_cause_and_end(until: datetime | None) -> None:
    bypass = msgspec.structs.replace(LIMIT, until=until)
    found = shown(msgspec.structs.replace(ZAI, bypass=bypass, last_error=ERROR))
    (text,) = [text for name, text in found if name == "trouble"]
    assert "quota is spent" in text
    assert (" until " in text) is (until is not None)


def test_error_that_nothing_steps_around_is_told_too() -> None:
    found = shown(msgspec.structs.replace(ZAI, last_error=ERROR))
    assert ("trouble", f"Z.ai failed at 12:00: {ERROR.why}") in found
