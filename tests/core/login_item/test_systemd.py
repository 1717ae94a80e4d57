"""The systemd units' text, and which commands follow from what systemd says."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_recorder import CommandRecorder

from offramp_core.login_item import detect, systemd, systemd_units
from offramp_core.login_item.runner import NOT_FOUND, Ran
from offramp_core.login_item.service import LoginItemSpec, NoServiceManagerError
from offramp_core.login_item.sockets import Address
from offramp_core.login_item.systemd import SystemdManager

PROGRAM = Path("/home/u/.local/bin/offramp-daemon")
ADDRESSES = (Address("127.0.0.1", 3001), Address("::1", 3001))
LOOKING = ("systemctl --user show", "systemctl --user status")


def _service(program: Path = PROGRAM, **environment: str) -> str:
    return systemd_units.render_service(program, environment, drain_timeout_s=20.0)


def _value(unit: str, key: str) -> str:
    (line,) = (line for line in unit.splitlines() if line.startswith(f"{key}="))
    return line.removeprefix(f"{key}=")


def test_socket_listens_on_every_address_and_is_never_shut_by_a_limit() -> None:
    unit = systemd_units.render_socket(ADDRESSES)
    assert systemd_units.listens_on(unit) == ("127.0.0.1:3001", "[::1]:3001")
    assert _value(unit, "BindIPv6Only") == "ipv6-only"
    assert _value(unit, "TriggerLimitIntervalSec") == "0"
    assert systemd_units.listens_on("") == ()


def test_service_never_gives_up_and_outlasts_its_drain() -> None:
    unit = systemd_units.render_service(PROGRAM, {}, drain_timeout_s=30.5)
    assert _value(unit, "Type") == "notify"
    assert _value(unit, "Restart") == "always"
    assert _value(unit, "StartLimitIntervalSec") == "0"
    assert float(_value(unit, "TimeoutStopSec")) > 30.5
    assert "Environment=" not in unit


@pytest.mark.parametrize(
    "program",
    [
        PROGRAM,
        Path("/home/ü b/100%h/${HOME} $$/offramp-daemon"),
        Path('/home/it\'s/"q"/back\\slash/$x %h/offramp-daemon'),
    ],
)
def test_program_is_read_back_from_the_unit(program: Path) -> None:
    assert systemd_units.program_of(_service(program)) == str(program)
    assert systemd_units.program_of("[Service]\n") is None


def test_only_what_needs_another_process_counts_as_such() -> None:
    unit = _service(OFFRAMP_HOME="/o")
    assert systemd_units.start_lines(unit) == systemd_units.start_lines(
        unit.replace("WatchdogSec=60", "WatchdogSec=90")
    )
    assert systemd_units.start_lines(unit) != systemd_units.start_lines(_service())


class Desk:
    """A home, and a systemctl that is recorded and says what it is told to."""

    def __init__(self, home: Path) -> None:
        self.systemctl = CommandRecorder()
        self.dir = home / "units"
        self.manager = SystemdManager(self.systemctl, self.dir)
        self.spec = LoginItemSpec(
            program=PROGRAM,
            addresses=ADDRESSES,
            environment={},
            drain_timeout_s=20.0,
            diagnostics_dir=home,
        )
        self.says()

    def says(
        self,
        socket: str = "inactive",
        service: str = "inactive",
        *,
        enabled: str = "enabled",
        loaded: str = "loaded",
        stale: str = "no",
    ) -> None:
        units = (("offramp.socket", socket), ("offramp.service", service))
        blocks = [
            f"MainPID={42 if state == 'active' else 0}\nId={name}\nLoadState={loaded}\n"
            f"ActiveState={state}\nSubState=sub\nUnitFileState={enabled}\nNeedDaemonReload={stale}\n"
            for name, state in units
        ]
        self.systemctl.answers["systemctl --user show"] = Ran(0, "\n".join(blocks))

    def install(self, spec: LoginItemSpec | None = None) -> list[str]:
        self.systemctl.ran.clear()
        list(self.manager.plan_install(spec or self.spec).apply())
        return [line.removeprefix("systemctl --user ") for line in self.systemctl.without(*LOOKING)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


OPENING = ["start offramp.socket", "start --no-block offramp.service"]


def test_first_install_opens_the_port_before_it_starts_the_service(desk: Desk) -> None:
    desk.says(enabled="", loaded="not-found")
    enabling = ["daemon-reload", "enable offramp.socket offramp.service"]
    assert desk.install() == [*enabling, *OPENING]
    assert {file.name for file in desk.dir.iterdir()} == {"offramp.socket", "offramp.service"}


def test_install_of_what_runs_as_it_should_does_nothing(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    assert desk.install() == []
    assert not desk.manager.plan_install(desk.spec).is_change


def test_deleted_and_disabled_units_are_mended_without_a_pause(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active", enabled="disabled")
    (desk.dir / "offramp.service").unlink()
    plan = desk.manager.plan_install(desk.spec)
    assert [command[2] for command in plan.then] == ["daemon-reload", "enable", "restart"]
    (desk.dir / "offramp.service").write_text(_service())
    assert desk.install() == ["enable offramp.socket offramp.service"]


def test_units_that_systemd_has_not_read_yet_are_reloaded(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active", stale="yes")
    assert desk.install() == ["daemon-reload"]


def test_changed_limits_do_not_end_the_daemon(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    (desk.dir / "offramp.service").write_text(_service().replace("WatchdogSec=60", "WatchdogSec=9"))
    assert desk.install() == ["daemon-reload"]


def test_daemon_of_another_program_is_to_hand_over_to_the_new_one(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    (desk.dir / "offramp.service").write_text(_service(Path("/old/offramp-daemon")))
    plan = desk.manager.plan_install(desk.spec)
    assert plan.hands_over
    assert plan.interrupts is None
    assert desk.install() == ["daemon-reload"]
    assert not desk.manager.plan_install(desk.spec).hands_over


@pytest.mark.parametrize("service", ["inactive", "failed"])
def test_program_that_does_not_run_is_started_and_takes_over_from_nobody(
    desk: Desk, service: str
) -> None:
    desk.install()
    desk.says("active", service)
    (desk.dir / "offramp.service").write_text(_service(Path("/old/offramp-daemon")))
    assert not desk.manager.plan_install(desk.spec).hands_over
    assert desk.install() == ["daemon-reload", "start --no-block offramp.service"]


def test_other_folders_restart_the_service_behind_the_open_port(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    old = _service(Path("/old/offramp-daemon"), OFFRAMP_HOME="/old")
    (desk.dir / "offramp.service").write_text(old)
    assert not desk.manager.plan_install(desk.spec).hands_over
    assert "New requests wait" in (desk.manager.plan_install(desk.spec).interrupts or "")
    assert desk.install() == ["daemon-reload", "restart --no-block offramp.service"]


def test_another_port_closes_the_old_one(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    (desk.dir / "offramp.socket").write_text(
        systemd_units.render_socket((Address("127.0.0.1", 1),))
    )
    assert "closed for a moment" in (desk.manager.plan_install(desk.spec).interrupts or "")
    assert desk.install() == ["daemon-reload", "stop offramp.service offramp.socket", *OPENING]


def test_stopped_parts_are_started(desk: Desk) -> None:
    desk.install()
    desk.says("active", "failed")
    assert desk.install() == ["start --no-block offramp.service"]
    desk.says("failed", "failed")
    assert desk.install() == OPENING
    # systemd refuses to open a socket whose service runs already.
    desk.says("inactive", "active")
    assert desk.install() == ["stop offramp.service offramp.socket", *OPENING]


def test_start_stop_and_restart(desk: Desk) -> None:
    desk.install()
    assert not desk.manager.plan_stop().is_change
    assert desk.manager.plan_start().then[0] == ("systemctl", "--user", "start", "offramp.socket")
    assert desk.manager.plan_restart().then == desk.manager.plan_start().then
    desk.says("active", "active")
    assert not desk.manager.plan_start().is_change
    assert desk.manager.plan_stop().then[0][2:] == ("stop", "offramp.service", "offramp.socket")
    assert desk.manager.plan_restart().then[0][2:] == ("restart", "--no-block", "offramp.service")
    desk.says("active", "inactive")
    assert desk.manager.plan_start().then[0][2:] == ("start", "--no-block", "offramp.service")


def test_uninstall_stops_both_at_once_and_leaves_nothing(desk: Desk) -> None:
    desk.install()
    desk.says("active", "active")
    desk.systemctl.ran.clear()
    list(desk.manager.plan_uninstall().apply())
    assert desk.systemctl.without(*LOOKING) == [
        "systemctl --user disable --now offramp.service offramp.socket",
        "systemctl --user daemon-reload",
    ]
    assert list(desk.dir.iterdir()) == []
    desk.says(loaded="not-found", enabled="")
    assert not desk.manager.plan_uninstall().is_change


def test_state_tells_what_is_there(desk: Desk) -> None:
    desk.says(loaded="not-found", enabled="")
    state = desk.manager.state()
    assert (state.files, state.is_installed, state.is_running, state.pid) == (
        (),
        False,
        False,
        None,
    )
    desk.install()
    desk.says("active", "active")
    state = desk.manager.state()
    assert (state.is_installed, state.is_running, state.is_enabled, state.pid) == (
        True,
        True,
        True,
        42,
    )
    assert state.listens_on == ("127.0.0.1:3001", "[::1]:3001")
    assert state.program == str(PROGRAM)
    (desk.dir / "offramp.socket").unlink()
    assert not desk.manager.state().is_installed


@pytest.mark.parametrize(
    ("answer", "environ", "reason"),
    [
        (Ran(NOT_FOUND), {}, "no systemd on this machine"),
        (Ran(1), {"SUDO_USER": "u", "XDG_RUNTIME_DIR": "/run/user/0"}, "with sudo"),
        (Ran(1), {}, "XDG_RUNTIME_DIR is not set"),
        (Ran(1, err="Failed to connect to bus"), {"XDG_RUNTIME_DIR": "/r"}, "connect to bus"),
        (Ran(0, ""), {"XDG_RUNTIME_DIR": "/r"}, "can't be reached"),
    ],
)
def test_missing_manager_is_said_with_the_way_out(
    answer: Ran, environ: dict[str, str], reason: str, tmp_path: Path
) -> None:
    run = CommandRecorder({"systemctl": answer})
    with pytest.raises(NoServiceManagerError, match=reason) as caught:
        detect.detect(environ, run=run, home=tmp_path, platform="linux")
    assert "offramp serve" in caught.value.hint


def test_units_go_where_the_manager_looks_for_them(tmp_path: Path) -> None:
    said = f"/etc/systemd/user {tmp_path}/moved/systemd/user"
    environ = {"XDG_CONFIG_HOME": f"{tmp_path}/moved"}
    for looked, folder in ((said, tmp_path / "moved"), ("/elsewhere", tmp_path / ".config")):
        run = CommandRecorder({"systemctl": Ran(0, looked)})
        manager = systemd.detect(run, environ, tmp_path)
        run.answers["systemctl --user show --property Id"] = Ran(
            0,
            "Id=offramp.socket\nLoadState=\nActiveState=inactive\nUnitFileState=\n\n"
            "Id=offramp.service\nLoadState=\nActiveState=inactive\nUnitFileState=\n",
        )
        files = manager.plan_install(Desk(tmp_path).spec).files
        assert {file.path.parent for file in files} == {folder / "systemd" / "user"}


@pytest.mark.parametrize(
    ("state", "result", "restarts", "words"),
    [
        ("activating", "exit-code", 0, "result exit-code"),
        ("activating", "success", 57, "restarted 57 times"),
        ("failed", "resources", 3, "result resources"),
        ("active", "success", 0, None),
        ("inactive", "success", 0, None),
    ],
)
def test_service_that_fails_is_seen_in_its_state(
    desk: Desk, state: str, result: str, restarts: int, words: str | None
) -> None:
    desk.says("active", state)
    shown = desk.systemctl.answers["systemctl --user show"].out
    desk.systemctl.answers["systemctl --user show"] = Ran(
        0, f"{shown.rstrip()}\nResult={result}\nNRestarts={restarts}\n"
    )
    failure = desk.manager.state().last_failure
    assert failure == "" if words is None else words in failure
