"""How a running daemon is replaced, where it is of another program or an older version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from offramp_cli.service import handover, service_status
from offramp_core import __version__
from offramp_core.control.api import CommandAnswer, RecordsStatus, Status
from offramp_core.login_item.plan import LoginItemPlan
from offramp_core.paths import Paths
from offramp_core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

PROGRAM = "/usr/bin/offramp-daemon"
OLD = Status(
    pid=1,
    version="0.1.0",
    started=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    uptime_s=60,
    address="http://localhost:3001",
    records=RecordsStatus(written=0, waiting=0, lost=0),
    settings_file="/home/me/config.toml",
)


class Machine:
    """A daemon and its manager: each restart brings another process, of the version it can."""

    name = "systemd"

    def __init__(self, *, knows_programs: bool) -> None:
        self.status = OLD
        self.knows_programs = knows_programs
        self.ended = 0

    def restart(self, program: str = "") -> CommandAnswer:
        answer = CommandAnswer(status=self.status)
        self._replace(__version__ if program and self.knows_programs else OLD.version)
        return answer

    def plan_restart(self) -> LoginItemPlan:
        def run(_command: object) -> None:
            self.ended += 1
            self._replace(__version__)

        return LoginItemPlan(then=(("restart",),), run=run)

    def wait(
        self, _paths: Paths, _settings: Settings, *, is_wanted: Callable[[Status], bool]
    ) -> Status | None:
        return self.status if is_wanted(self.status) else None

    def _replace(self, version: str) -> None:
        self.status = msgspec.structs.replace(self.status, pid=self.status.pid + 1, version=version)


def handed_over(
    machine: Any, home: Path, monkeypatch: pytest.MonkeyPatch, *, program: str
) -> Status:
    monkeypatch.setattr(handover, "client_for", lambda _paths: machine)
    monkeypatch.setattr(service_status, "wait_until_serving", machine.wait)
    paths = Paths.for_user({"OFFRAMP_HOME": str(home)})
    return handover.hand_over(machine, paths, Settings(), machine.status, program=program)


def test_daemon_that_knows_no_other_program_is_ended_and_the_right_one_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(knows_programs=False)
    after = handed_over(machine, tmp_path, monkeypatch, program=PROGRAM)
    assert (after.version, after.pid, machine.ended) == (__version__, 3, 1)
    assert "went on as Offramp 0.1.0: systemd ends it" in capsys.readouterr().err


def test_daemon_that_goes_on_as_the_other_program_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(knows_programs=True)
    after = handed_over(machine, tmp_path, monkeypatch, program=PROGRAM)
    assert (after.version, after.pid, machine.ended) == (__version__, 2, 0)
    assert capsys.readouterr().err == ""


def test_restart_of_the_same_program_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(knows_programs=False)
    assert handed_over(machine, tmp_path, monkeypatch, program="").pid == 2
    assert machine.ended == 0
