"""The login items of macOS, by programs that answer as launchctl does on a Mac."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from macos import answers
from macos.fake_mac import FakeMac

from offramp_core.login_item import autostart, detect, launchd
from offramp_core.login_item.launchd import Agents, LaunchdManager
from offramp_core.login_item.runner import TIMED_OUT, CommandFailedError, Ran, SystemRunner
from offramp_core.login_item.service import LoginItemSpec, NoServiceManagerError
from offramp_core.login_item.sockets import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from macos.answers import Answer

    from offramp_core.login_item.plan import LoginItemPlan

UID = os.getuid()
DAEMON = "local.offramp.daemon"
TRAY = "local.offramp.tray"


class Desk:
    """A user of a Mac, with Offramp's login items found as the product finds them."""

    def __init__(self, folder: Path) -> None:
        self.mac = FakeMac(folder / "mac")
        self.home = folder / "home"
        self.run = SystemRunner({"PATH": self.mac.path})
        self.slept: list[float] = []
        self.file = self.home / launchd.AGENTS / f"{DAEMON}.plist"
        self.spec = LoginItemSpec(
            program=Path("/p/offramp-daemon"),
            addresses=(Address("127.0.0.1", 3001), Address("::1", 3001)),
            environment={"OFFRAMP_HOME": "/o o"},
            drain_timeout_s=20.0,
            diagnostics_dir=folder / "logs",
        )

    @property
    def manager(self) -> LaunchdManager:
        return LaunchdManager(
            Agents(self.run, UID, sleep=self.slept.append), self.home / launchd.AGENTS
        )

    def tray(self) -> autostart.TrayAutostart:
        return autostart.find({}, run=self.run, home=self.home, platform="darwin")


def do(plan: LoginItemPlan) -> None:
    for _ in plan.apply():
        pass


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_installed_daemon_is_loaded_runs_and_is_read_back(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    assert desk.mac.loaded == {DAEMON: str(desk.file)}
    state = desk.manager.state()
    assert (state.is_installed, state.is_enabled, state.is_running) == (True, True, True)
    assert (state.pid, state.detail) == (desk.mac.pid(DAEMON), "running")
    assert not desk.manager.plan_install(desk.spec).is_change


def test_daemon_is_stopped_started_and_restarted(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    first = desk.mac.pid(DAEMON)
    do(desk.manager.plan_restart())
    assert desk.mac.pid(DAEMON) != first
    do(desk.manager.plan_hand_over())
    assert desk.mac.signals == [("SIGHUP", DAEMON)]
    do(desk.manager.plan_stop())
    assert desk.mac.loaded == {}
    do(desk.manager.plan_start())
    assert desk.mac.loaded == {DAEMON: str(desk.file)}


def test_changed_daemon_is_loaded_again_once_the_old_one_is_gone(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    desk.mac.end_slowly(DAEMON, looks=3)
    desk.file.write_bytes(b"somebody changed it")
    do(desk.manager.plan_install(desk.spec))
    assert desk.mac.loaded == {DAEMON: str(desk.file)}
    assert len(desk.slept) == 3


@pytest.mark.parametrize("answer", [answers.BOOT_OUT_IN_PROGRESS, answers.BOOT_OUT_NOT_LOADED])
def test_bootout_that_is_under_way_or_done_is_no_failure(desk: Desk, answer: Answer) -> None:
    desk.mac.answer("launchctl bootout", answer)
    agents = Agents(desk.run, UID, sleep=desk.slept.append)
    agents.run(("launchctl", "bootout", f"gui/{UID}/{DAEMON}"))


@pytest.mark.parametrize("answer", [answers.BOOTSTRAP_IO_ERROR, answers.BOOTSTRAP_ALREADY])
def test_bootstrap_that_launchd_is_not_ready_for_is_tried_again(desk: Desk, answer: Answer) -> None:
    desk.mac.answer("launchctl bootstrap", answer, times=4)
    do(desk.manager.plan_install(desk.spec))
    assert desk.mac.loaded == {DAEMON: str(desk.file)}
    assert len(desk.slept) == 4


def test_bootstrap_refused_for_good_is_said_with_what_to_look_at(desk: Desk) -> None:
    desk.mac.answer("launchctl bootstrap", answers.BOOTSTRAP_IO_ERROR)
    with pytest.raises(CommandFailedError, match=r"Bootstrap failed: 5") as caught:
        do(desk.manager.plan_install(desk.spec))
    assert "plutil" in caught.value.hint


def test_agent_that_only_just_starts_counts_as_started(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    desk.mac.crash(DAEMON)
    desk.mac.answer("launchctl kickstart", answers.KICKSTART_STARTING)
    do(desk.manager.plan_start())
    assert "last exit code: 78: EX_CONFIG" in desk.manager.last_words()


@pytest.mark.parametrize("code", answers.NO_SCREEN_CODES)
def test_user_without_any_session_has_no_service_manager(desk: Desk, code: int) -> None:
    desk.mac.log_out(code, everywhere=True)
    with pytest.raises(NoServiceManagerError, match="no session"):
        detect.detect({}, run=desk.run, home=desk.home, platform="darwin")
    assert desk.mac.ran[0] == f"launchctl print gui/{UID}"


@pytest.mark.parametrize("item", ["daemon", "tray"])
def test_removal_spares_an_agent_that_another_home_loaded(desk: Desk, item: str) -> None:
    label = {"daemon": DAEMON, "tray": TRAY}[item]
    other = f"/Users/somebody/Library/LaunchAgents/{label}.plist"
    desk.mac.load(label, other)
    own = desk.home / launchd.AGENTS / f"{label}.plist"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"<plist/>")
    do(desk.manager.plan_uninstall() if item == "daemon" else desk.tray().plan_removal())
    assert desk.mac.loaded == {label: other}
    assert desk.mac.without("launchctl print") == []
    assert not own.exists()


@pytest.mark.parametrize(
    ("is_old", "is_loaded"), [(False, False), (False, True), (True, False), (True, True)]
)
def test_removed_tray_leaves_nothing_switched_off(
    desk: Desk, *, is_old: bool, is_loaded: bool
) -> None:
    if is_old:
        desk.mac.spell_true()
    do(desk.tray().plan_on(Path("/p/offramp"), {}))
    do(desk.tray().plan_off())
    assert desk.tray().choice() == "off"
    if not is_loaded:
        desk.run(("launchctl", "bootout", f"gui/{UID}/{TRAY}"))
    do(desk.tray().plan_removal())
    assert desk.mac.loaded == {}
    assert desk.tray().choice() == "never set"


def test_switched_off_daemon_is_loaded_again_by_an_install(desk: Desk) -> None:
    desk.mac.disable(DAEMON)
    do(desk.manager.plan_install(desk.spec))
    assert desk.mac.loaded == {DAEMON: str(desk.file)}
    assert not desk.mac.is_disabled(DAEMON)


def test_launchd_refuses_a_file_that_others_may_write(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    do(desk.manager.plan_stop())
    desk.file.chmod(0o666)
    with pytest.raises(CommandFailedError, match="Bootstrap failed: 5"):
        do(desk.manager.plan_start())


@pytest.fixture
def silent(desk: Desk) -> Desk:
    """A desk with both agents installed, whose launchctl has stopped answering."""
    do(desk.manager.plan_install(desk.spec))
    do(desk.tray().plan_on(Path("/p/offramp"), {}))
    desk.run = lambda command, *, timeout_s=20.0: Ran(  # type: ignore[assignment]
        TIMED_OUT, err=f"no answer within {timeout_s:g} s"
    )
    return desk


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.manager.state(),
        lambda desk: desk.manager.plan_install(desk.spec),
        lambda desk: desk.manager.plan_uninstall(),
        lambda desk: desk.manager.plan_stop(),
        lambda desk: desk.tray().choice(),
        lambda desk: desk.tray().plan_on(Path("/p/offramp"), {}),
        lambda desk: desk.tray().plan_removal(),
        lambda desk: desk.tray().plan_restart(4711),
        lambda desk: launchd.detect(desk.run, desk.home, uid=UID),
        lambda desk: Agents(desk.run, UID).run(("launchctl", "bootout", f"gui/{UID}/{DAEMON}")),
    ],
)
def test_silence_of_launchd_is_not_taken_for_nothing_loaded(
    silent: Desk, ask: Callable[[Desk], object]
) -> None:
    with pytest.raises(CommandFailedError, match="no answer within"):
        ask(silent)


def test_agent_whose_end_launchd_does_not_confirm_is_not_taken_for_gone(desk: Desk) -> None:
    do(desk.manager.plan_install(desk.spec))
    real = desk.run

    def run(command: Sequence[str], *, timeout_s: float = 20.0) -> Ran:
        if command[1] == "print":
            return Ran(TIMED_OUT, err="no answer within 20 s")
        return real(command, timeout_s=timeout_s)

    with pytest.raises(CommandFailedError, match="does not answer"):
        Agents(run, UID).run(("launchctl", "bootout", f"gui/{UID}/{DAEMON}"))
