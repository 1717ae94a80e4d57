"""What `offramp status` says of services in trouble, of what waits, and of the autopilot."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest
import trouble_samples
from click.testing import CliRunner
from golden import assert_screen
from quota_samples import claude_week
from trouble_samples import fallback, left, status_with, trouble

from offramp_cli.demo import sample_quota
from offramp_cli.reports.status import command, rows, screen
from offramp_cli.service import service_status
from offramp_core.control import api
from offramp_core.control.api import (
    BackendError,
    BackendStatus,
    Bypass,
    Pause,
    RecordsStatus,
    StandIns,
    Status,
)
from offramp_core.paths import Paths
from offramp_core.wording import trouble_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon_process import Ending

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


def test_screen_of_a_daemon_that_delegates_nothing() -> None:
    status = status_with(
        trouble(
            detail="HTTP 400, code 1210",
            requests=37,
            next_try=trouble_samples.NOW + timedelta(minutes=11),
        ),
        trouble(api.EMPTY_ANSWERS, model="GLM-4.5-Air", requests=3),
        trouble(api.KEPT, rule="context_size", is_in_one_conversation=True),
        fallbacks=(fallback(),),
        client_problem=left(),
        stand_ins=tuple(
            StandIns(
                backend="zai",
                model=model,
                cause=cause,
                since=trouble_samples.NOW - timedelta(days=2),
                requests=requests,
            )
            for model, cause, requests in (
                ("claude-sonnet-5-5", api.REFUSED, 37),
                ("GLM-4.5-Air", api.EMPTY_ANSWERS, 3),
                ("claude-sonnet-5-5", api.OVERLOADED, 2),
            )
        ),
    )
    assert_screen(screen(rows(status, trouble_samples.NOW)), "status-troubles")


@pytest.mark.parametrize("cause", [api.KEY_REFUSED, api.LIMIT, api.UNREACHABLE, "of tomorrow"])
def test_trouble_is_shown_with_its_cure_unless_a_bypass_says_it(cause: str) -> None:
    found = trouble(cause)
    elsewhere = Bypass(to="anthropic", since=NOW, cause=cause)
    plain = [text for name, text in rows(status_with(found), trouble_samples.NOW)]
    assert any("Claude serves" in text for text in plain)
    assert trouble_text.cure_text(found) in plain
    bypassed = status_with(found, backend=msgspec.structs.replace(ZAI, bypass=elsewhere))
    shown = [text for name, text in rows(bypassed, trouble_samples.NOW) if name == "trouble"]
    assert len(shown) == 1


def test_json_carries_what_the_screen_says(monkeypatch: pytest.MonkeyPatch) -> None:
    status = status_with(trouble(), fallbacks=(fallback(),), client_problem=left("https://gw"))
    asked = SimpleNamespace(status=lambda: status)
    monkeypatch.setattr("offramp_cli.reports.status.client_for", lambda _paths: asked)
    ending = CliRunner().invoke(command, ["--json"])
    assert ending.exit_code == 0
    told = json.loads(ending.stdout)
    for name in ("troubles", "fallbacks", "client_problem"):
        assert told[name] == json.loads(msgspec.json.encode(getattr(status, name)))
    assert told["troubles"][0]["since"] == "2026-11-25T09:00:00Z"
    assert CliRunner().invoke(command, []).exit_code == 0


@pytest.mark.parametrize(
    ("options", "advice"), [([], "(offramp restart)"), (["--demo"], "(end the demo, then start")]
)
def test_what_waits_for_a_restart_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], advice: str
) -> None:
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    status = msgspec.structs.replace(QUIET, after_restart=("log_format",))
    asked = SimpleNamespace(status=lambda: status)
    monkeypatch.setattr("offramp_cli.reports.status.client_for", lambda _paths: asked)
    said = CliRunner().invoke(command, options).stdout
    assert f"waiting for a restart: log_format {advice}" in said


def test_refused_settings_keep_the_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made from the earlier weeks then too, as the window's is."""
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    paths = Paths.under(tmp_path)
    paths.config_file.parent.mkdir()
    paths.config_file.write_text("delegation = 'sometimes'")
    sample_quota.write_history(paths.log_dir, datetime.now(UTC), 1)
    asked = SimpleNamespace(status=lambda: QUIET)
    monkeypatch.setattr("offramp_cli.reports.status.client_for", lambda _paths: asked)
    pasts = []
    monkeypatch.setattr(
        "offramp_cli.reports.status.rows",
        lambda _status, _now, past, **_: pasts.append(past) or [],
    )
    assert CliRunner().invoke(command, []).exit_code == 0
    [past] = pasts
    assert ("anthropic", "7d") in past


@pytest.mark.parametrize("pause", [None, Pause(since=NOW)])
def test_delegation_says_for_which_models_it_does_not_work(pause: Pause | None) -> None:
    status = status_with(trouble(), pause=pause)
    said = "on, but not working for Sonnet 5.5" if pause is None else "paused until you resume it"
    assert ("delegation", said) in rows(status, trouble_samples.NOW)


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
    assert "quota is used up" in text
    assert (" until " in text) is (until is not None)


def test_error_that_nothing_steps_around_is_told_too() -> None:
    found = shown(msgspec.structs.replace(ZAI, last_error=ERROR))
    place = found.index(("trouble", f"Z.ai failed at 12:00: {ERROR.why}"))
    assert found[place + 1] == ("", trouble_text.cure_of(api.FAILING, "zai"))


def test_bypass_has_its_cure_and_the_error_that_explains_it() -> None:
    bypass = msgspec.structs.replace(LIMIT, cause=api.FAILING)
    error = msgspec.structs.replace(ERROR, why="a web page; ZAI_BASE_URL may be wrong")
    found = shown(msgspec.structs.replace(ZAI, bypass=bypass, last_error=error))
    start = [name for name, _ in found].index("trouble")
    why, cure = found[start + 1 : start + 3]
    assert why == ("", "The latest error: a web page; ZAI_BASE_URL may be wrong.")
    assert cure == ("", trouble_text.cure_of(api.FAILING, "zai"))


@pytest.mark.parametrize("note", [None, api.KEY_AWAITED])
def test_missing_key_has_its_cure_unless_it_is_on_its_way(note: str | None) -> None:
    found = shown(BackendStatus(name="zai", key="missing", key_note=note))
    assert ("key zai", "missing" if note is None else f"missing ({note})") in found
    assert (("", "Store one: offramp key set zai") in found) is (note is None)


def test_missing_key_of_a_service_that_nothing_uses_needs_no_cure() -> None:
    found = shown(BackendStatus(name="kimi", key="missing", is_used=False))
    assert ("key kimi", "missing, not used") in found
    assert not any("key set" in value for _, value in found)


def test_column_of_names_is_as_wide_as_the_longest() -> None:
    text = screen([("key zai", "present"), ("key openrouter", "missing")])
    assert text == "key zai         present\nkey openrouter  missing"


@pytest.mark.parametrize("words", [("status",), ("pause",), ("resume",), ("reload",)])
def test_a_demo_that_does_not_run_is_started_as_a_demo(
    offramp: Callable[..., Ending], words: tuple[str, ...]
) -> None:
    ending = offramp(*words, "--demo")
    said = ending.out + ending.err
    assert ending.code == 1
    assert "Start it: offramp demo\n" in said
    assert "offramp serve" not in said
    assert "login item" not in said.lower(), "the demo has none"
    own = offramp(*words)
    assert "offramp serve" in own.out + own.err


def test_without_a_service_manager_no_login_item_is_offered(
    offramp: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_status, "state_here", lambda: (None, "not possible here"))
    out = offramp("status").out
    assert "Start it: offramp serve\n" in out
    assert "offramp install" not in out
