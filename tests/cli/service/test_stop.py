"""`offramp stop` says whom the closed port keeps from working."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from daemon_process import environment

from offramp_cli.service import service_status, stop

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

OURS = "http://127.0.0.1:3001"


@dataclass
class FakePlan:
    """What there is to do, if anything."""

    is_change: bool
    interrupts: str = ""
    is_applied: bool = False

    def apply(self) -> list[str]:
        self.is_applied = True
        return []


@dataclass
class FakeManager:
    """A service manager with the daemon's item, which it stops."""

    plan: FakePlan

    def plan_stop(self) -> FakePlan:
        return self.plan


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _stop(monkeypatch: pytest.MonkeyPatch, *, is_running: bool = True) -> Result:
    plan = FakePlan(is_change=is_running)
    monkeypatch.setattr(
        service_status, "installed_manager", lambda _verb: (FakeManager(plan), None)
    )
    ended = CliRunner().invoke(stop.command)
    assert ended.exit_code == 0, ended.output
    assert plan.is_applied == is_running
    return ended


def _point_here(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": OURS}}))


@pytest.mark.parametrize("is_running", [True, False])
def test_stop_warns_of_a_connected_claude_code_stopped_already_or_not(
    home: Path, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    _point_here(home / ".claude" / "settings.json")
    assert f"pointed at '{OURS}'" in _stop(monkeypatch, is_running=is_running).stderr


def test_stop_warns_of_a_projects_settings_that_lead_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "project" / ".claude" / "settings.json"
    _point_here(file)
    monkeypatch.chdir(home / "project")
    assert str(file) in _stop(monkeypatch).stderr


def test_stop_warns_of_a_variable_that_leads_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_dir()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", OURS)
    assert "ANTHROPIC_BASE_URL points to Offramp" in _stop(monkeypatch).stderr


def test_stop_says_where_it_cannot_tell(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text('{"ANTHROPIC_BASE_URL" broken')
    assert "is not known" in _stop(monkeypatch).stderr


def test_stop_names_nobody_where_nothing_leads_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_dir()
    assert _stop(monkeypatch, is_running=False).stderr == ""
