"""A Mac that is only reached by SSH: launchd has no session at the screen, only a background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from macos import answers
from macos.fake_mac import FakeMac

from offramp_core.login_item import autostart, launchd
from offramp_core.login_item.launchd import Agents, LaunchdManager
from offramp_core.login_item.runner import CommandFailedError, SystemRunner
from offramp_core.login_item.service import LoginItemSpec, NoServiceManagerError
from offramp_core.login_item.sockets import Address

if TYPE_CHECKING:
    from offramp_core.login_item.plan import LoginItemPlan

UID = 501
DAEMON = "local.offramp.daemon"
TRAY = "local.offramp.tray"
OFFRAMP = Path("/p/offramp")


class RemoteMac:
    """A user's Mac, to which each call of `manager` or `tray` is a new login."""

    def __init__(self, folder: Path) -> None:
        self.mac = FakeMac(folder / "mac", uid=UID)
        self.home = folder / "home"
        self.agents_dir = self.home / launchd.AGENTS
        self.file = self.agents_dir / f"{DAEMON}.plist"
        self.run = SystemRunner({"PATH": self.mac.path})
        self.spec = LoginItemSpec(
            program=Path("/p/offramp-daemon"),
            addresses=(Address("127.0.0.1", 3001),),
            environment={},
            drain_timeout_s=20.0,
            diagnostics_dir=folder / "logs",
        )

    def manager(self) -> LaunchdManager:
        return launchd.detect(self.run, self.home, uid=UID)

    def install(self) -> list[str]:
        """Install the daemon; what was run to change something."""
        before = len(self.changes())
        do(self.manager().plan_install(self.spec))
        return self.changes()[before:]

    def changes(self) -> list[str]:
        return [line.removeprefix("launchctl ") for line in self.mac.without("launchctl print")]

    def tray(self) -> autostart.LaunchAgentAutostart:
        agents = Agents(self.run, UID, sleep=lambda _: None)
        return autostart.LaunchAgentAutostart(agents, self.agents_dir)


def do(plan: LoginItemPlan) -> None:
    for _ in plan.apply():
        pass


@pytest.fixture(params=answers.NO_SCREEN_CODES)
def remote(tmp_path: Path, request: pytest.FixtureRequest) -> RemoteMac:
    remote = RemoteMac(tmp_path)
    remote.mac.log_out(request.param)
    return remote


@pytest.fixture
def at_screen(tmp_path: Path) -> RemoteMac:
    return RemoteMac(tmp_path)


def test_install_over_ssh_loads_the_daemon_in_the_background(remote: RemoteMac) -> None:
    assert remote.install() == [
        f"enable user/{UID}/{DAEMON}",
        f"bootstrap user/{UID} {remote.file}",
    ]
    assert remote.mac.in_background == {DAEMON: str(remote.file)}
    state = remote.manager().state()
    assert (state.is_installed, state.is_enabled, state.is_running) == (True, True, True)
    assert (state.is_listening, state.detail) == (True, "running")
    assert remote.install() == []


def test_state_over_ssh_says_what_a_restart_of_the_mac_needs(remote: RemoteMac) -> None:
    remote.install()
    assert "offramp start" in remote.manager().state().limits


def test_daemon_in_the_background_is_restarted_stopped_started_and_removed(
    remote: RemoteMac,
) -> None:
    remote.install()
    before = len(remote.changes())
    do(remote.manager().plan_hand_over())
    do(remote.manager().plan_restart())
    do(remote.manager().plan_stop())
    assert remote.mac.in_background == {}
    do(remote.manager().plan_start())
    assert remote.mac.in_background == {DAEMON: str(remote.file)}
    assert "runs: 1" in remote.manager().last_words()
    do(remote.manager().plan_uninstall())
    assert remote.changes()[before:] == [
        f"kill SIGHUP user/{UID}/{DAEMON}",
        f"kickstart -k user/{UID}/{DAEMON}",
        f"bootout user/{UID}/{DAEMON}",
        f"enable user/{UID}/{DAEMON}",
        f"bootstrap user/{UID} {remote.file}",
        f"bootout user/{UID}/{DAEMON}",
    ]
    assert remote.mac.in_background == {}
    assert not remote.file.exists()


def test_changed_daemon_in_the_background_is_loaded_again_there(remote: RemoteMac) -> None:
    remote.install()
    remote.file.write_bytes(b"somebody changed it")
    assert remote.install()[0] == f"bootout user/{UID}/{DAEMON}"
    assert remote.mac.in_background == {DAEMON: str(remote.file)}


def test_daemon_that_was_installed_at_the_screen_is_started_over_ssh(at_screen: RemoteMac) -> None:
    at_screen.install()
    at_screen.mac.log_out()
    state = at_screen.manager().state()
    assert (state.is_installed, state.is_listening) == (True, False)
    do(at_screen.manager().plan_start())
    assert at_screen.mac.in_background == {DAEMON: str(at_screen.file)}


def test_daemon_of_the_screen_is_found_over_ssh_while_somebody_is_there(
    at_screen: RemoteMac,
) -> None:
    at_screen.install()
    state = at_screen.manager().state()
    assert (state.is_running, state.limits) == (True, "")
    assert at_screen.mac.loaded == {DAEMON: str(at_screen.file)}


def test_restart_of_a_remote_mac_leaves_the_daemon_to_be_started(remote: RemoteMac) -> None:
    remote.install()
    remote.mac.start_again()
    state = remote.manager().state()
    assert (state.is_installed, state.is_listening) == (True, False)
    do(remote.manager().plan_start())
    assert remote.mac.in_background == {DAEMON: str(remote.file)}


def test_login_at_the_screen_after_a_restart_starts_what_was_installed_over_ssh(
    remote: RemoteMac,
) -> None:
    remote.install()
    do(remote.tray().plan_on(OFFRAMP, {}))
    remote.mac.start_again()
    remote.mac.log_in(remote.agents_dir)
    assert set(remote.mac.loaded) == {DAEMON, TRAY}
    assert remote.manager().state().is_running
    assert remote.install() == []


def test_daemon_that_is_loaded_in_both_sessions_is_said_and_left_once(remote: RemoteMac) -> None:
    remote.install()
    remote.mac.log_in(remote.agents_dir)
    assert (DAEMON in remote.mac.loaded, DAEMON in remote.mac.in_background) == (True, True)
    assert "twice" in remote.manager().state().limits
    plan = remote.manager().plan_install(remote.spec)
    assert plan.interrupts
    do(plan)
    assert (remote.mac.loaded, remote.mac.in_background) == ({DAEMON: str(remote.file)}, {})
    assert remote.manager().state().limits == ""


def test_of_two_daemons_the_running_one_is_shown_and_both_are_stopped(remote: RemoteMac) -> None:
    remote.install()
    remote.mac.log_in(remote.agents_dir)
    remote.mac.crash(DAEMON)
    assert remote.manager().state().is_running
    do(remote.manager().plan_stop())
    assert (remote.mac.loaded, remote.mac.in_background) == ({}, {})


def test_tray_waits_for_a_login_at_the_screen(remote: RemoteMac) -> None:
    do(remote.tray().plan_on(OFFRAMP, {}))
    assert remote.changes() == []
    assert remote.tray().choice() == "on"
    assert remote.mac.in_background == {}
    remote.mac.log_in(remote.agents_dir)
    assert TRAY in remote.mac.loaded


def test_tray_that_was_switched_off_stays_off_over_ssh(at_screen: RemoteMac) -> None:
    do(at_screen.tray().plan_on(OFFRAMP, {}))
    do(at_screen.tray().plan_off())
    at_screen.mac.log_out()
    assert at_screen.tray().choice() == "off"
    do(at_screen.tray().plan_removal())
    assert at_screen.tray().choice() == "never set"


def test_agent_of_the_screen_only_is_refused_in_the_background_with_the_reason(
    remote: RemoteMac,
) -> None:
    do(remote.tray().plan_on(OFFRAMP, {}))
    agents = Agents(remote.run, UID)
    file = remote.agents_dir / f"{TRAY}.plist"
    with pytest.raises(CommandFailedError, match="134"):
        agents.run(agents.loading(TRAY, file)[1])


def test_root_gets_no_daemon_in_its_own_background(tmp_path: Path) -> None:
    mac = FakeMac(tmp_path / "mac", uid=0)
    mac.log_out()
    run = SystemRunner({"PATH": mac.path})
    with pytest.raises(NoServiceManagerError) as caught:
        launchd.detect(run, tmp_path, uid=0)
    assert "not as root" in caught.value.hint
