"""The LaunchAgents, key by key, and how launchctl is spoken to."""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

import pytest
from command_recorder import CommandRecorder

from offramp_core.login_item import autostart, detect, launchd, launchd_agents
from offramp_core.login_item.launchd import Agents, LaunchdManager
from offramp_core.login_item.runner import CommandFailedError, Ran
from offramp_core.login_item.service import LoginItemSpec, NoServiceManagerError
from offramp_core.login_item.sockets import Address

UID = 501
DAEMON = f"gui/{UID}/local.offramp.daemon"
TRAY = f"gui/{UID}/local.offramp.tray"
ADDRESSES = (Address("127.0.0.1", 3001), Address("::1", 3001))
ODD = Path('/Users/é & <co>/it\'s "100%" $HOME/offramp-daemon')

# launchd.plist(5): the keys that we use, and the types that it gives for them.
DOCUMENTED: dict[str, Any] = {
    "Label": str,
    "ProgramArguments": [str],
    "EnvironmentVariables": {str: str},
    "Sockets": {
        str: [{"SockNodeName": str, "SockServiceName": str, "SockFamily": str, "SockType": str}]
    },
    "RunAtLoad": bool,
    "KeepAlive": (bool, {"SuccessfulExit": bool}),
    "ThrottleInterval": int,
    "ProcessType": str,
    "ExitTimeOut": int,
    "SoftResourceLimits": {"NumberOfFiles": int},
    "Umask": int,
    "StandardErrorPath": str,
    "LimitLoadToSessionType": (str, [str]),
}
DOCUMENTED_VALUES = {
    "ProcessType": {"Background", "Standard", "Adaptive", "Interactive"},
    "SockFamily": {"IPv4", "IPv6", "Unix", "IPv4v6"},
    "SockType": {"stream", "dgram", "seqpacket"},
    "LimitLoadToSessionType": {"Aqua", "Background", "LoginWindow", "StandardIO", "System"},
}

RUNNING = """\
gui/501/local.offramp.daemon = {
\tactive count = 3
\tpath = FILE
\ttype = LaunchAgent
\tstate = running

\tprogram = /Users/u/.local/bin/offramp-daemon
\tsockets = {
\t\t"Listeners" = {
\t\t\tstate = active
\t\t\tpid = 1
\t\t}
\t}
\truns = 2
\tpid = 4711
\tlast exit code = 0
}
"""


def _fits(value: object, kind: Any) -> bool:
    """Whether `value` is as the table says."""
    if isinstance(kind, tuple):
        return any(_fits(value, each) for each in kind)
    if isinstance(kind, list):
        return (
            isinstance(value, list) and bool(value) and all(_fits(each, kind[0]) for each in value)
        )
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return False
        if str in kind:
            return all(_fits(each, kind[str]) for each in value.values())
        return all(key in kind and _fits(each, kind[key]) for key, each in value.items())
    return type(value) is kind


def _named_values(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        inner = [pair for each in value.values() for pair in _named_values(each)]
        return [*value.items(), *inner]
    if isinstance(value, list):
        return [pair for each in value for pair in _named_values(each)]
    return []


def _check(agent: bytes) -> dict[str, Any]:
    document: dict[str, Any] = plistlib.loads(agent)
    for key, value in document.items():
        assert _fits(value, DOCUMENTED[key]), (key, value)
    for key, value in _named_values(document):
        if key in DOCUMENTED_VALUES:
            assert set(value if isinstance(value, list) else [value]) <= DOCUMENTED_VALUES[key]
    return document


def _daemon_agent(program: Path = ODD, drain_timeout_s: float = 20.0) -> bytes:
    return launchd_agents.render_daemon(
        program,
        ADDRESSES,
        {"OFFRAMP_HOME": "/o & <x>"},
        drain_timeout_s=drain_timeout_s,
        error_file=Path("/l/launchd.log"),
    )


def test_daemons_agent_holds_documented_keys_alone() -> None:
    agent = _check(_daemon_agent(drain_timeout_s=20.5))
    assert agent["ProgramArguments"] == [str(ODD)]
    assert agent["EnvironmentVariables"] == {"OFFRAMP_HOME": "/o & <x>"}
    assert agent["Sockets"]["Listeners"] == [
        {
            "SockNodeName": "127.0.0.1",
            "SockServiceName": "3001",
            "SockFamily": "IPv4",
            "SockType": "stream",
        },
        {
            "SockNodeName": "::1",
            "SockServiceName": "3001",
            "SockFamily": "IPv6",
            "SockType": "stream",
        },
    ]
    assert (agent["RunAtLoad"], agent["KeepAlive"], agent["Umask"]) == (True, True, 0o077)
    assert agent["ExitTimeOut"] > 20.5
    assert agent["LimitLoadToSessionType"] == ["Aqua", "Background"]


def test_trays_agent_holds_documented_keys_alone() -> None:
    agent = _check(launchd_agents.render_tray(Path("/p/offramp"), {}))
    assert agent["ProgramArguments"] == ["/p/offramp", "tray"]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["LimitLoadToSessionType"] == "Aqua"
    assert "EnvironmentVariables" not in agent


def test_agent_tells_its_program_and_addresses_again() -> None:
    assert launchd_agents.program_of(_daemon_agent()) == str(ODD)
    assert launchd_agents.listens_on(_daemon_agent()) == ("127.0.0.1:3001", "[::1]:3001")


@pytest.mark.parametrize("text", [b"", b"<plist>", b"no", b"bplist00", plistlib.dumps([1])])
def test_file_that_is_no_agent_tells_nothing(text: bytes) -> None:
    assert launchd_agents.program_of(text) is None
    assert launchd_agents.listens_on(text) == ()


class Mac:
    """A home, and a launchctl that is recorded."""

    def __init__(self, home: Path, **answers: Any) -> None:
        self.slept: list[float] = []
        at_the_screen = {f"launchctl print gui/{UID}": Ran(0), "launchctl print gui/": Ran(113)}
        labels = {f"launchctl print {target}": Ran(113) for target in (DAEMON, TRAY)}
        self.launchctl = CommandRecorder(
            {"launchctl print ": Ran(113), **at_the_screen, **labels, **answers}
        )
        self.agents = Agents(self.launchctl, UID, sleep=self.slept.append)
        self.manager = LaunchdManager(self.agents, home / "Library/LaunchAgents")
        self.file = home / "Library/LaunchAgents/local.offramp.daemon.plist"
        self.spec = LoginItemSpec(
            program=Path("/p/offramp-daemon"),
            addresses=ADDRESSES,
            environment={},
            drain_timeout_s=20.0,
            diagnostics_dir=home / "Logs",
        )

    @property
    def running(self) -> str:
        """What launchctl prints of the agent once it is loaded and runs."""
        return RUNNING.replace("FILE", str(self.file))

    def run_agent(self, label: str = "local.offramp.daemon", *, looks: int, file: Path) -> None:
        """Have it loaded from `file`, until it has been looked at so often after its bootout."""
        target = f"gui/{UID}/{label}"
        text = RUNNING.replace("FILE", str(file))

        def answer() -> Ran:
            ran = self.launchctl.ran
            bootout = f"launchctl bootout {target}"
            if bootout not in ran:
                return Ran(0, text)
            seen = ran[len(ran) - ran[::-1].index(bootout) :].count(f"launchctl print {target}")
            return Ran(0, text) if seen <= looks else Ran(113)

        self.launchctl.answers[f"launchctl print {target}"] = answer

    def install(self, spec: LoginItemSpec | None = None) -> list[str]:
        """What was done."""
        self.launchctl.ran.clear()
        list(self.manager.plan_install(spec or self.spec).apply())
        return self.done

    @property
    def done(self) -> list[str]:
        return [
            line.removeprefix("launchctl ") for line in self.launchctl.without("launchctl print")
        ]


def test_first_install_loads_the_agent(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    assert mac.install() == [f"enable {DAEMON}", f"bootstrap gui/{UID} {mac.file}"]
    assert _check(mac.file.read_bytes())["StandardErrorPath"] == str(tmp_path / "Logs/launchd.log")
    assert (tmp_path / "Logs").is_dir()


def test_install_of_what_runs_as_it_should_does_nothing(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.install()
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, mac.running)
    assert mac.install() == []
    assert not mac.manager.plan_install(mac.spec).is_change


def test_agent_that_is_loaded_but_not_running_is_kicked(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.install()
    idle = mac.running.replace("\tpid = 4711\n", "").replace("= running", "= not running")
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, idle)
    assert mac.install() == [f"kickstart {DAEMON}"]


def test_changed_agent_is_unloaded_first_and_that_is_said(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.install()
    mac.run_agent(looks=2, file=mac.file)
    mac.file.write_bytes(b"somebody changed it")
    plan = mac.manager.plan_install(mac.spec)
    assert plan.interrupts
    mac.launchctl.ran.clear()
    list(plan.apply())
    assert mac.done == [
        f"bootout {DAEMON}",
        f"enable {DAEMON}",
        f"bootstrap gui/{UID} {mac.file}",
    ]
    assert len(mac.slept) == 2, "it waits until the old agent is gone"


@pytest.mark.parametrize("code", [5, 37])
def test_bootstrap_that_comes_too_early_is_tried_again(tmp_path: Path, code: int) -> None:
    answers = iter([Ran(code, err="Bootstrap failed")] * 3)
    mac = Mac(tmp_path, **{"launchctl bootstrap": lambda: next(answers, Ran(0))})
    assert mac.install().count(f"bootstrap gui/{UID} {mac.file}") == 4
    assert len(mac.slept) == 3


def test_bootstrap_that_fails_for_good_is_said_with_its_words(tmp_path: Path) -> None:
    mac = Mac(tmp_path, **{"launchctl bootstrap": Ran(5, err="Bootstrap failed: 5: I/O error")})
    with pytest.raises(CommandFailedError, match=r"bootstrap .* failed \(5\): Bootstrap failed"):
        mac.install()
    assert len(mac.slept) < 60
    mac = Mac(tmp_path, **{"launchctl bootstrap": Ran(125, err="Unknown")})
    with pytest.raises(CommandFailedError, match="125"):
        mac.install()
    assert mac.slept == []


def test_uninstall_unloads_and_removes(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.install()
    mac.run_agent(looks=0, file=mac.file)
    plan = mac.manager.plan_uninstall()
    mac.launchctl.ran.clear()
    list(plan.apply())
    assert mac.done == [f"bootout {DAEMON}"]
    assert not mac.file.exists()
    assert not mac.manager.plan_uninstall().is_change


def test_unloading_what_is_gone_already_is_no_failure(tmp_path: Path) -> None:
    mac = Mac(tmp_path, **{"launchctl bootout": Ran(3, err="No such process")})
    mac.agents.run(("launchctl", "bootout", DAEMON))
    mac.launchctl.answers["launchctl bootout"] = Ran(1, err="Not privileged")
    with pytest.raises(CommandFailedError, match="Not privileged"):
        mac.agents.run(("launchctl", "bootout", DAEMON))


def test_start_stop_and_restart(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    assert mac.manager.plan_stop().then == ()
    assert [command[1] for command in mac.manager.plan_start().then] == ["enable", "bootstrap"]
    assert mac.manager.plan_restart() == mac.manager.plan_start()
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, mac.running)
    assert mac.manager.plan_start().then == ()
    assert mac.manager.plan_stop().then == (("launchctl", "bootout", DAEMON),)
    assert mac.manager.plan_restart().then == (("launchctl", "kickstart", "-k", DAEMON),)


def test_state_is_the_agents_own_and_not_its_sockets(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    state = mac.manager.state()
    assert (state.is_installed, state.is_listening, state.is_running) == (False, False, False)
    mac.install()
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, mac.running)
    state = mac.manager.state()
    assert (state.pid, state.is_running, state.is_listening, state.is_enabled) == (
        4711,
        True,
        True,
        True,
    )
    assert state.program == "/p/offramp-daemon"
    assert mac.manager.last_words() == "state: running\nlast exit code: 0\nruns: 2"
    for word in ("true", "disabled"):
        said = f'disabled services = {{\n\t"local.offramp.daemon" => {word}\n}}'
        mac.launchctl.answers["launchctl print-disabled"] = Ran(0, said)
        assert not mac.manager.state().is_enabled


def test_session_without_a_screen_has_no_service_manager(tmp_path: Path) -> None:
    with pytest.raises(NoServiceManagerError) as caught:
        launchd.detect(CommandRecorder({"launchctl print": Ran(125)}), tmp_path, uid=UID)
    assert "offramp serve" in caught.value.hint
    found = detect.detect({}, run=CommandRecorder(), home=tmp_path, platform="darwin")
    assert found.name == "launchd"


def test_tray_is_loaded_switched_off_and_removed(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    item = autostart.LaunchAgentAutostart(mac.agents, tmp_path / "agents")
    file = tmp_path / "agents" / "local.offramp.tray.plist"
    running = RUNNING.replace("FILE", str(file))
    assert item.choice() == "never set"
    list(item.plan_on(Path("/p/offramp"), {}).apply())
    assert mac.done == [f"enable {TRAY}", f"bootstrap gui/{UID} {file}"]
    assert item.choice() == "on"
    assert item.plan_off().then == (("launchctl", "disable", TRAY),)
    mac.launchctl.answers["launchctl print-disabled"] = Ran(0, '\t"local.offramp.tray" => disabled')
    assert item.choice() == "off"
    mac.launchctl.answers[f"launchctl print {TRAY}"] = Ran(0, running)
    assert item.plan_on(Path("/p/offramp"), {}).then == (("launchctl", "enable", TRAY),)
    mac.launchctl.answers["launchctl print-disabled"] = Ran(0, '\t"local.offramp.tray" => enabled')
    assert not item.plan_on(Path("/p/offramp"), {}).is_change
    changed = item.plan_on(Path("/q/offramp"), {}).then
    assert [command[1] for command in changed] == ["bootout", "enable", "bootstrap"]
    mac.run_agent("local.offramp.tray", looks=0, file=file)
    list(item.plan_removal().apply())
    assert mac.done[-1] == f"bootout {TRAY}"
    assert not file.exists()


def test_tray_of_this_system_is_found(tmp_path: Path) -> None:
    found = autostart.find({}, run=CommandRecorder(), home=tmp_path, platform="darwin")
    assert isinstance(found, autostart.LaunchAgentAutostart)


@pytest.mark.parametrize("file", ["/tmp/other/Library/LaunchAgents/x.plist", "(submitted by x)"])
def test_agent_of_another_home_is_not_unloaded(tmp_path: Path, file: str) -> None:
    mac = Mac(tmp_path)
    mac.install()
    item = autostart.LaunchAgentAutostart(mac.agents, tmp_path / "agents")
    for target in (DAEMON, TRAY):
        mac.launchctl.answers[f"launchctl print {target}"] = Ran(
            0, RUNNING.replace("FILE", str(file))
        )
    assert mac.manager.plan_uninstall().first == ()
    assert item.plan_removal().first == ()


def other_home(mac: Mac, file: Path) -> None:
    """Have launchd run the agent of `file`."""
    text = RUNNING.replace("FILE", str(file))
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, text)


def test_agent_of_another_home_is_neither_replaced_nor_touched(tmp_path: Path) -> None:
    mac = Mac(tmp_path / "mine")
    mac.install()
    theirs = tmp_path / "their home/Library/LaunchAgents/local.offramp.daemon.plist"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    other_home(mac, theirs)
    for plan in (
        lambda: mac.manager.plan_install(mac.spec),
        mac.manager.plan_start,
        mac.manager.plan_restart,
    ):
        with pytest.raises(CommandFailedError, match="another home") as caught:
            plan()
        assert f"HOME='{tmp_path / 'their home'}' offramp uninstall" in caught.value.hint
    assert mac.manager.plan_stop().then == ()
    assert mac.manager.plan_uninstall().first == ()
    state = mac.manager.state()
    assert (state.is_installed, state.is_listening, state.is_running) == (True, False, False)


def test_agent_whose_file_has_gone_with_its_home_is_replaced(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.install()
    other_home(mac, tmp_path / "gone/Library/LaunchAgents/local.offramp.daemon.plist")
    replaced = [f"bootout {DAEMON}", f"enable {DAEMON}", f"bootstrap gui/{UID} {mac.file}"]
    assert [" ".join(each[1:]) for each in mac.manager.plan_start().then] == replaced
    assert [" ".join(each[1:]) for each in mac.manager.plan_install(mac.spec).then] == replaced


def test_agent_whose_file_is_named_by_another_path_is_ones_own(tmp_path: Path) -> None:
    mac = Mac(tmp_path / "home")
    mac.install()
    (tmp_path / "link").symlink_to("home")
    other_home(mac, tmp_path / "link/Library/LaunchAgents/local.offramp.daemon.plist")
    assert mac.install() == []
    assert mac.manager.state().is_running
    assert len(mac.manager.plan_uninstall().first) == 1


def test_tray_that_was_switched_off_is_forgotten_with_its_file(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    item = autostart.LaunchAgentAutostart(mac.agents, tmp_path / "agents")
    mac.launchctl.answers["launchctl print-disabled"] = Ran(0, '\t"local.offramp.tray" => disabled')
    assert item.plan_removal().then == (("launchctl", "enable", TRAY),)


@pytest.mark.parametrize(("code", "is_fine"), [(0, True), (37, True), (1, False), (113, False)])
def test_agent_that_starts_just_now_is_started(tmp_path: Path, code: int, *, is_fine: bool) -> None:
    mac = Mac(tmp_path)
    mac.launchctl.answers["launchctl kickstart"] = Ran(code, err="said")
    command = mac.agents.kickstarting("local.offramp.daemon", kills=False)
    if is_fine:
        mac.agents.run(command)
    else:
        with pytest.raises(CommandFailedError, match="said"):
            mac.agents.run(command)


def test_agent_that_can_not_be_loaded_says_what_to_look_at(tmp_path: Path) -> None:
    mac = Mac(tmp_path)
    mac.launchctl.answers["launchctl bootstrap"] = Ran(5, err="Input/output error")
    with pytest.raises(CommandFailedError) as caught:
        mac.install()
    for cure in (f"plutil -lint {mac.file}", "owner", "Login Items"):
        assert cure in caught.value.hint


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("78: EX_CONFIG", "last exit code 78: EX_CONFIG"),
        ("1", "last exit code 1"),
        ("-9", "last exit code -9"),
        ("0", ""),
        ("(never exited)", ""),
    ],
)
def test_agent_that_fails_is_seen_in_its_state(tmp_path: Path, code: str, failure: str) -> None:
    mac = Mac(tmp_path)
    mac.install()
    text = mac.running.replace("last exit code = 0", f"last exit code = {code}")
    mac.launchctl.answers[f"launchctl print {DAEMON}"] = Ran(0, text.replace("\tpid = 4711\n", ""))
    state = mac.manager.state()
    assert (state.is_running, state.is_listening, state.last_failure) == (False, True, failure)
