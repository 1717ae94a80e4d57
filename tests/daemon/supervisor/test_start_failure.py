"""A supervisor that can't start ends without haste under a manager, and keeps its words few."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from daemon_process import environment

from offramp_core.login_item import launchd_agents
from offramp_daemon.supervisor import socket_activation, start_failure, stderr_file, supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAUNCHD = {"XPC_SERVICE_NAME": launchd_agents.DAEMON_LABEL}
SYSTEMD = {"SYSTEMD_EXEC_PID": str(os.getpid())}
PAUSE = [start_failure.PAUSE_S]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which took time."""
    pauses: list[float] = []
    monkeypatch.setattr(sys, "argv", ["offramp-daemon"])
    monkeypatch.setattr(time, "sleep", pauses.append)
    for name in ("XPC_SERVICE_NAME", "SYSTEMD_EXEC_PID", "LISTEN_FDS", "LISTEN_PID"):
        monkeypatch.delenv(name, raising=False)
    return pauses


@pytest.mark.parametrize(
    ("environ", "pauses"),
    [
        (LAUNCHD, PAUSE),
        (SYSTEMD, PAUSE),
        ({}, []),
        ({"XPC_SERVICE_NAME": "other.app"}, []),
        ({"SYSTEMD_EXEC_PID": "1"}, []),  # of the terminal that it was typed in
    ],
)
def test_supervisor_that_can_not_start_does_not_spin_under_a_manager(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    slept: list[float],
    environ: dict[str, str],
    pauses: list[float],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        supervisor.main()
    assert (ended.value.code, slept) == (1, pauses)
    assert "No listening sockets" in capsys.readouterr().err


def bad_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "many")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))


def mishaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(socket_activation, "from_launchd", fail)


@pytest.mark.parametrize(
    ("cause", "words"),
    [(bad_sockets, "LISTEN_FDS is 'many'"), (mishaps, "no such library")],
)
@pytest.mark.parametrize("environ", [LAUNCHD, SYSTEMD])
def test_failure_of_any_kind_is_said_and_paused_after(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    slept: list[float],
    cause: Callable[[pytest.MonkeyPatch], None],
    words: str,
    environ: dict[str, str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    cause(monkeypatch)
    with pytest.raises(SystemExit) as ended:
        supervisor.main()
    assert (ended.value.code, slept) == (1, PAUSE)
    said = capsys.readouterr().err
    assert said.startswith("offramp-daemon: ")
    assert words in said


def test_arguments_are_answered_at_once_under_a_manager(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("XPC_SERVICE_NAME", LAUNCHD["XPC_SERVICE_NAME"])
    monkeypatch.setattr(sys, "argv", ["offramp-daemon", "--version"])
    with pytest.raises(SystemExit) as ended:
        supervisor.main()
    assert (ended.value.code, slept) == (0, [])


_BROKEN = """
import runpy, sys, time
time.sleep = lambda seconds: print("paused", seconds, file=sys.stderr)
sys.modules[{gone!r}] = None
runpy.run_module("offramp_daemon.supervisor", run_name="__main__")
"""


@pytest.mark.parametrize("gone", ["selectors", "offramp_core.errors", "offramp_core"])
def test_broken_installation_neither_spins_nor_fills_launchds_file(
    tmp_path: Path, gone: str
) -> None:
    file = tmp_path / "launchd.log"
    with file.open("wb") as made:
        made.truncate(stderr_file.MOST_BYTES + 1)
    with file.open("ab") as stderr:
        ended = subprocess.run(
            (sys.executable, "-c", _BROKEN.format(gone=gone)),
            env=environment(tmp_path) | LAUNCHD,
            stderr=stderr,
            check=False,
        )
    said = file.read_text()
    assert ended.returncode == 1
    assert "This installation is broken" in said
    assert gone in said
    assert said.splitlines()[-1] == f"paused {start_failure.PAUSE_S}"
