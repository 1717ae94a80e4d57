"""What `offramp status` says of services in trouble, of what waits, and of the autopilot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from offramp_cli.reports.status import rows
from offramp_core.control import api
from offramp_core.control.api import BackendError, BackendStatus, Bypass, RecordsStatus, Status

NOW = datetime.now(UTC)
ZAI = BackendStatus(name="zai", key="present")
QUIET = Status(
    pid=7,
    started=NOW,
    uptime_s=60,
    address="http://localhost:3001",
    backends=(BackendStatus(name="anthropic", key="not needed"), ZAI),
    records=RecordsStatus(written=0, waiting=0, lost=0),
    settings_file="config.toml",
)


def shown(zai: BackendStatus, **fields: object) -> list[tuple[str, str]]:
    status = msgspec.structs.replace(QUIET, backends=(QUIET.backends[0], zai), **fields)
    return rows(status)


def names(found: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in found]


def test_quiet_daemon_has_no_trouble() -> None:
    assert not {"trouble", "waiting"} & set(names(shown(ZAI)))


@pytest.mark.parametrize("until", [None, NOW + timedelta(hours=1)])
def test_bypass_is_told_with_cause_and_end(until: datetime | None) -> None:
    bypass = Bypass(to="anthropic", since=NOW, cause=api.LIMIT, until=until, requests=3)
    error = BackendError(at=NOW, kind=api.LIMIT, why="zai refused it")
    found = shown(msgspec.structs.replace(ZAI, bypass=bypass, last_error=error))
    (text,) = [text for name, text in found if name == "trouble"]
    assert text.startswith("Z.ai's quota is spent: what belongs there goes to Claude")
    assert (" until " in text) is (until is not None)


def test_error_that_nothing_steps_around_is_told_too() -> None:
    why = "zai refused it with HTTP status 500"
    error = BackendError(at=NOW, kind=api.FAILING, why=why)
    found = shown(msgspec.structs.replace(ZAI, last_error=error))
    (text,) = [text for name, text in found if name == "trouble"]
    assert text.startswith("Z.ai failed at ")
    assert text.endswith(f": {why}")


def test_waiting_requests_are_told() -> None:
    found = shown(msgspec.structs.replace(ZAI, waiting=2, at_once=3))
    assert ("waiting", "Z.ai serves 3 at once: 2 requests wait") in found


def test_autopilot_says_why() -> None:
    why = "Sonnet on Claude: the week is 12 % under pace"
    found = shown(ZAI, delegation="auto", delegation_why=why)
    place = found.index(("delegation", "on, auto"))
    assert found[place + 1] == ("autopilot", why)
