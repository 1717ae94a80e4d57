"""A tray that runs becomes the one that was installed: by launchd, or by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import environment, run_command
from macos.answers import Answer
from macos.fake_mac import FakeMac
from patience import PATIENCE_S

from offramp_cli.service import tray_restart
from offramp_core import __version__
from offramp_core.login_item import autostart
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_core.login_item.autostart import TrayAutostart

LABEL = "local.offramp.tray"
AGENT = f"gui/{os.getuid()}/{LABEL}"
PROGRAM = Path("/Users/u/.local/share/offramp-app/current/bin/offramp")
TRAY = """
import os, pathlib, signal, sys
from offramp_core import running_tray
from offramp_tray.single_instance import only_one
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"again\\n"))
with only_one(pathlib.Path(sys.argv[1])) as lock:
    descriptor = os.open(sys.argv[1], os.O_WRONLY)
    running_tray.write(descriptor, version=sys.argv[2], is_icon_shown=True)
    os.write(1, b"runs\\n")
    while True:
        signal.pause()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path)


@pytest.fixture
def mac(tmp_path: Path) -> FakeMac:
    return FakeMac(tmp_path / "mac")


@pytest.fixture
def item(tmp_path: Path, mac: FakeMac) -> TrayAutostart:
    return autostart.find({"PATH": mac.path}, home=tmp_path, platform="darwin")


@contextlib.contextmanager
def tray(paths: Paths, version: str = "0.0.1") -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", TRAY, str(paths.tray_lock_file), version]
    environ = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        try:
            yield process
        finally:
            process.kill()


def install(item: TrayAutostart) -> None:
    list(item.plan_on(PROGRAM, {}).apply())


def test_tray_of_launchds_is_restarted_by_launchd(paths, mac, item, capsys, tmp_path):
    install(item)
    with tray(paths) as process:
        mac.load(LABEL, tmp_path / f"Library/LaunchAgents/{LABEL}.plist", pid=process.pid)
        found = tray_restart.plan(item, item.plan_on(PROGRAM, {}), paths, is_renewal=False)
        assert found is not None
        found.describe()
        assert mac.pid(LABEL) == process.pid
        found.restart()
    assert f"launchctl kickstart -k {AGENT}" in mac.ran
    assert capsys.readouterr().out == f"  run       launchctl kickstart -k {AGENT}\n" * 2


def test_tray_that_was_started_by_hand_restarts_itself(paths, mac, item, capsys):
    install(item)
    with tray(paths) as process:
        found = tray_restart.plan(item, None, paths, is_renewal=False)
        assert found is not None
        found.restart()
        assert process.stdout is not None
        assert process.stdout.readline() == b"again\n"
        assert f"the tray, pid {process.pid}" in capsys.readouterr().out
    assert not any("kickstart" in each for each in mac.ran)


def test_tray_on_linux_restarts_itself(paths, tmp_path):
    item = autostart.find({}, home=tmp_path, platform="linux")
    with tray(paths) as process:
        found = tray_restart.plan(item, None, paths, is_renewal=False)
        assert found is not None
        found.restart()
        assert process.stdout is not None
        assert process.stdout.readline() == b"again\n"


@pytest.mark.parametrize(
    ("version", "is_renewal", "is_due"),
    [(__version__, False, False), (__version__, True, True), ("0.0.1", False, True)],
)
def test_only_a_tray_of_other_code_is_restarted(paths, item, version, is_renewal, is_due):
    with tray(paths, version):
        found = tray_restart.plan(item, None, paths, is_renewal=is_renewal)
        assert (found is not None) is is_due


def test_tray_that_was_quit_stays_quit(paths, mac, item, tmp_path):
    file = tmp_path / f"Library/LaunchAgents/{LABEL}.plist"
    install(item)
    mac.load(LABEL, file, pid=None)
    assert tray_restart.plan(item, None, paths, is_renewal=True) is None
    for program in (PROGRAM, Path("/opt/homebrew/bin/offramp")):
        before = len(mac.ran)
        list(item.plan_on(program, {}).apply())
        ran = mac.ran[before:]
        assert all(each.startswith("launchctl print") for each in ran), ran
        assert str(program) in file.read_text(encoding="utf-8")
    assert mac.pid(LABEL) is None


def test_tray_that_is_loaded_again_anyway_is_not_restarted_too(paths, mac, item, tmp_path):
    install(item)
    with tray(paths) as process:
        mac.load(LABEL, tmp_path / f"Library/LaunchAgents/{LABEL}.plist", pid=process.pid)
        change = item.plan_on(Path("/opt/homebrew/bin/offramp"), {})
        assert any("bootstrap" in command for command in change.then)
        assert tray_restart.plan(item, change, paths, is_renewal=True) is None


@pytest.mark.parametrize("answer", [Answer(1, err="no"), Answer(113, err="Could not find service")])
def test_failure_to_restart_the_tray_is_a_note(paths, mac, item, capsys, tmp_path, answer):
    install(item)
    with tray(paths) as process:
        mac.load(LABEL, tmp_path / f"Library/LaunchAgents/{LABEL}.plist", pid=process.pid)
        found = tray_restart.plan(item, None, paths, is_renewal=False)
        assert found is not None
        mac.answer("launchctl kickstart", answer)
        found.restart()
    assert "Note: The tray could not be restarted" in capsys.readouterr().err


def test_tray_that_starts_just_now_is_as_good_as_restarted(paths, mac, item, capsys, tmp_path):
    install(item)
    with tray(paths) as process:
        mac.load(LABEL, tmp_path / f"Library/LaunchAgents/{LABEL}.plist", pid=process.pid)
        found = tray_restart.plan(item, None, paths, is_renewal=False)
        assert found is not None
        mac.answer("launchctl kickstart", Answer(37))
        found.restart()
    assert capsys.readouterr().err == ""


def test_tray_that_has_gone_meanwhile_is_nothing_to_speak_of(paths, item, capsys):
    with tray(paths) as process:
        found = tray_restart.plan(item, None, paths, is_renewal=True)
        assert found is not None
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    found.restart()
    assert capsys.readouterr() == ("", "")


async def test_uninstall_ends_a_tray_that_runs_and_forgets_what_it_has_told(tmp_path):
    paths = Paths.for_user(environment(tmp_path))
    with tray(paths) as process:
        for file in (paths.tray_said_file, paths.tray_told_file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"{}")
        dry = await run_command(tmp_path, "uninstall", "--dry-run")
        assert f"ended     the tray, pid {process.pid}" in dry.out
        assert process.poll() is None
        assert paths.tray_said_file.exists()
        gone = await run_command(tmp_path, "uninstall")
        assert gone.code == 0, gone
        assert f"ended     the tray, pid {process.pid}" in gone.out
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
    assert not paths.tray_said_file.exists()
    assert not paths.tray_told_file.exists()


def test_uninstall_on_a_mac_leaves_the_tray_as_a_new_install_would(mac, item, tmp_path):
    install(item)
    list(item.plan_off().apply())
    assert item.choice() == "off"
    assert mac.is_disabled(LABEL)
    list(item.plan_removal().apply())
    assert item.choice() == "never set"
    assert LABEL not in mac.loaded
    install(item)
    assert item.choice() == "on"
    assert mac.loaded == {LABEL: str(tmp_path / f"Library/LaunchAgents/{LABEL}.plist")}
