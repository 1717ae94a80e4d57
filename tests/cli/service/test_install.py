"""The login item's commands where there is no service manager, and what their options take."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import wildcard_port
from command_recorder import CommandRecorder
from daemon_process import environment, run_command
from golden import assert_screen
from macos.fake_mac import FakeMac
from terminal import dialogue

from offramp_cli.service import install_plan, install_questions, steps
from offramp_cli.service.install_plan import InstallOptions
from offramp_cli.service.install_questions import InstallAnswers, WeekStart, WeekStartType
from offramp_cli.service.service_status import LoginItemContext
from offramp_cli.service.steps import Step
from offramp_core.errors import OfframpError
from offramp_core.login_item import launchd, sockets
from offramp_core.login_item.executables import Programs
from offramp_core.login_item.runner import Ran, SystemRunner
from offramp_core.login_item.systemd import SystemdManager
from offramp_core.paths import Paths
from offramp_core.settings import Secret, Settings
from offramp_daemon.server.listeners import PortBusyError

if TYPE_CHECKING:
    from offramp_cli.service.install_plan import Installation
    from offramp_core.login_item.service import LoginItemManager

COMMANDS = [("install", "--yes"), ("install", "--dry-run"), ("start",), ("stop",), ("restart",)]


@pytest.mark.parametrize("arguments", COMMANDS)
async def test_without_a_service_manager_the_way_out_is_told(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    ending = await run_command(tmp_path, *arguments)
    assert (ending.code, ending.out) == (1, "")
    assert "Offramp can't start at login here" in ending.err
    assert "offramp serve" in ending.err
    assert not any(os.scandir(tmp_path))


def _tray_entry(home: Path) -> Path:
    """What has the tray start at login on this system, without a service manager's help."""
    places = {"darwin": "Library/LaunchAgents/local.offramp.tray.plist"}
    entry = home / places.get(sys.platform, ".config/autostart/offramp-tray.desktop")
    entry.parent.mkdir(parents=True)
    entry.write_text("[Desktop Entry]\n")
    return entry


async def test_uninstall_without_a_service_manager_removes_what_there_is(tmp_path: Path) -> None:
    entry = _tray_entry(tmp_path)
    ending = await run_command(tmp_path, "uninstall")
    assert ending.code == 0, ending
    assert not entry.exists()


async def test_uninstall_names_what_the_demo_left_and_purge_removes_it(tmp_path: Path) -> None:
    demo = Paths.for_user(environment(tmp_path), is_demo=True)
    demo.log_dir.mkdir(parents=True)
    (demo.log_dir / "requests-2026-11.jsonl").touch()
    said = (await run_command(tmp_path, "uninstall")).out
    assert f"  demo        {demo.data_dir}\n" in said
    *_, command = [line for line in said.splitlines() if line.startswith("To delete it too:")]
    assert str(demo.data_dir) in command.split()
    assert (await run_command(tmp_path, "uninstall", "--purge", "--yes")).code == 0
    assert not demo.data_dir.exists()


async def test_uninstall_names_no_shared_folder_to_delete(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    own = {"OFFRAMP_MACHINE": "laptop", "LOG_DIR": str(shared)}
    ending = await run_command(tmp_path, "uninstall", **own)
    assert ending.code == 0, ending
    assert str(shared) in ending.out
    assert "rm -r" not in ending.out


@pytest.mark.parametrize("options", [(), ("--purge", "--yes")])
async def test_damaged_key_file_keeps_nothing_from_going(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    keys = Paths.for_user(environment(tmp_path)).keys_file
    keys.parent.mkdir(parents=True)
    keys.write_text("{ broken")
    ending = await run_command(tmp_path, "uninstall", *options)
    assert ending.code == 0, ending
    assert f"{keys} is damaged" in ending.err
    assert keys.exists() == (not options)
    assert ("To delete it too: rm -r" in ending.out) == (not options)


@pytest.mark.parametrize("text", ['{ // mine\n "env": {%s}}', '{"env": {%s},}', '{"env": {%s}'])
async def test_uninstall_goes_on_where_the_address_can_not_be_taken_out(
    tmp_path: Path, text: str
) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(text % '"ANTHROPIC_BASE_URL": "http://localhost:3001"')
    before = settings.read_bytes()
    entry = _tray_entry(tmp_path)
    for options in (("--dry-run",), ()):
        ending = await run_command(tmp_path, "uninstall", *options)
        assert ending.code == 0, ending
        assert f"remove ANTHROPIC_BASE_URL from {settings}" in ending.err
        assert entry.exists() == bool(options)
    assert settings.read_bytes() == before


async def test_uninstall_goes_on_where_the_settings_are_read_only(tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"env": {"ANTHROPIC_BASE_URL": "http://localhost:3001"}}')
    settings.chmod(0o444)
    ending = await run_command(tmp_path, "uninstall")
    assert ending.code == 0, ending
    assert f"remove ANTHROPIC_BASE_URL from {settings}" in ending.err


async def test_status_says_that_no_login_item_is_possible(tmp_path: Path) -> None:
    ending = await run_command(tmp_path, "status")
    assert "Login item: not possible here" in ending.out
    assert '"login_item": null' in (await run_command(tmp_path, "status", "--json")).out


def _plan(home: Path, manager: LoginItemManager | None = None, **options: Any) -> Installation:
    """What an installation comes to for a user whose systemd knows nothing of Offramp."""
    units = "Id=offramp.socket\n{0}\nId=offramp.service\n{0}".format(
        "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    )
    environ = environment(home)
    context = LoginItemContext(
        environ=environ,
        home=home,
        paths=Paths.for_user(environ),
        variables={"OFFRAMP_HOME": str(home / "o o")},
        programs=Programs(daemon=home / "bin/offramp-daemon", command_line=home / "bin/offramp"),
    )
    manager = manager or SystemdManager(
        CommandRecorder({"systemctl": Ran(0, units)}), home / "units"
    )
    defaults = {
        "answers": InstallAnswers(),
        "tray": None,
        "is_sure": True,
        "is_lingering": False,
        "is_renewal": False,
    }
    return install_plan.plan(
        context, manager, context.settings().settings, InstallOptions(**{**defaults, **options})
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="the screen is that of Linux")
def test_dry_run_shows_the_whole_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = InstallAnswers(key=Secret("k" * 32), week=WeekStart(4, 22))
    work = _plan(tmp_path, answers=answers, is_lingering=True)
    steps.describe(work.steps())
    out, err = capsys.readouterr()
    assert_screen(out, "install", home=tmp_path)
    assert err == "Nothing was changed.\n"
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is Linux's")
def test_read_only_settings_of_claude_code_are_a_note_with_other_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{}")
    settings.chmod(0o444)
    work = _plan(tmp_path, answers=InstallAnswers(connect=True))
    assert not install_plan.can_connect(work.context, work.settings)
    steps.describe(work.steps())
    out, err = capsys.readouterr()
    assert str(settings) not in out
    assert f"Note: {settings} is read-only" in err
    assert "managed-settings.json" in err
    assert settings.read_text() == "{}"


def test_what_launchd_does_not_do_over_ssh_is_said_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mac = FakeMac(tmp_path / "mac", uid=501)
    mac.log_out()
    run = SystemRunner({"PATH": mac.path})
    work = _plan(tmp_path / "home", launchd.detect(run, tmp_path / "home", uid=501))
    steps.describe(work.steps())
    out, err = capsys.readouterr()
    assert "launchctl bootstrap user/501" in out
    assert "If you only log in over SSH, run `offramp start`." in err


def test_failed_step_ends_the_others_and_says_how_to_go_on() -> None:
    done: list[int] = []

    def fail() -> None:
        raise OfframpError("Full.", hint="Make room.")

    wanted = [Step(lambda: done.append(1)), Step(fail), Step(lambda: done.append(3))]
    with pytest.raises(OfframpError) as caught:
        steps.apply(wanted, again="Run it again.")
    assert caught.value.hint == "Make room.\n  Run it again."
    assert done == [1]


@pytest.mark.parametrize(
    ("text", "week"),
    [
        ("thu 22", WeekStart(4, 22)),
        ("Thursday 22:00", WeekStart(4, 22)),
        ("SUNDAY, 0", WeekStart(0, 0)),
        ("6 09", WeekStart(6, 9)),
        ("tues 7h", WeekStart(2, 7)),
    ],
)
def test_week_is_understood(text: str, week: WeekStart) -> None:
    assert WeekStartType().convert(text, None, None) == week
    assert WeekStartType().convert(str(week), None, None) == week


@pytest.mark.parametrize("text", ["", "thu", "22", "th 22", "thu 24", "7 1", "thu 22:30", "thux 1"])
def test_week_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a day and an hour"):
        WeekStartType().convert(text, None, None)


async def test_refused_week_is_told_with_an_example(tmp_path: Path) -> None:
    ending = await run_command(tmp_path, "install", "--week", "someday")
    assert ending.code == 2
    assert "thu 22" in ending.err


def test_unchecked_key_passes() -> None:
    key = Secret("k" * 32)
    assert install_questions.checker(Settings(), is_checking=False)(key) is key


def test_key_on_a_terminal_is_not_shown(tmp_path: Path) -> None:
    import sys

    code = (
        "from offramp_cli.service import install_questions\n"
        "print(install_questions.key_from_stdin().masked())"
    )
    key = "0123456789abcdef0123456789abcdef.ABCDEFGHIJKLMNOP"
    ended, shown = dialogue(
        [sys.executable, "-c", code], environment(tmp_path), [("Z.ai key", key)]
    )
    assert ended == 0
    assert "01234...LMNOP" in shown
    assert key not in shown


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_port_that_a_program_has_at_every_address_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily
) -> None:
    if family == socket.AF_INET6 and not sockets.has_ipv6_loopback():
        pytest.skip("this machine has no IPv6")
    wildcard_port.allow_beside(monkeypatch)
    context = LoginItemContext(
        environ={},
        home=tmp_path,
        paths=Paths.under(tmp_path),
        variables={},
        programs=Programs(daemon=Path("/p/offramp-daemon"), command_line=Path("/p/offramp")),
    )
    state = SystemdManager(CommandRecorder({"systemctl": Ran(0, UNITS)}), tmp_path).state()
    with wildcard_port.listen_everywhere(family) as everywhere:
        settings = Settings(port=everywhere.getsockname()[1])
        with pytest.raises(PortBusyError, match=f"Port {settings.port} on") as caught:
            install_plan.require_free_port(context, settings, state)
    assert "offramp install again" in caught.value.hint
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in caught.value.title
    install_plan.require_free_port(context, settings, state)


UNITS = "\n".join(
    f"Id={name}\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
    for name in ("offramp.socket", "offramp.service")
)
