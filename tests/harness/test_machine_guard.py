"""That no test can reach the machine of whoever runs it, nor a process that a test starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import machine_guard
import pytest
import reach_guard
from daemon_process import environment, run_command
from reach_guard import ReachedPastTheTestsError

from offramp_core.login_item import detect
from offramp_core.login_item.service import NoServiceManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN_ITS_ARGUMENTS = "import subprocess, sys; subprocess.run(['/'.join(sys.argv[1:])])"
"""The program's path comes in parts, which the guard of this process does not see through."""


@pytest.fixture
def reached() -> Iterator[Callable[[], list[str]]]:
    """What was refused so far, in a test that means it."""
    yield machine_guard.reached
    machine_guard.forgive()


def test_every_program_of_the_services_is_a_stand_in_that_is_recorded() -> None:
    for name in sorted(reach_guard.PROGRAMS):
        subprocess.run([name, "a", "b"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert machine_guard.recorded()[-1] == f"{name} a b"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_no_service_manager_is_found_on_either_system(platform: str, tmp_path: Path) -> None:
    with pytest.raises(NoServiceManagerError):
        detect.detect(os.environ, home=tmp_path, platform=platform)
    with pytest.raises(NoServiceManagerError):
        detect.detect({**os.environ, "XDG_RUNTIME_DIR": "/run/user/0"}, home=tmp_path)


async def test_commands_of_a_test_speak_to_stand_ins_alone(tmp_path: Path) -> None:
    before = len(machine_guard.recorded())
    await run_command(tmp_path, "install", "--yes", XDG_RUNTIME_DIR=str(tmp_path))
    await run_command(tmp_path, "uninstall", XDG_RUNTIME_DIR=str(tmp_path))
    asked = machine_guard.recorded()[before:]
    assert {line.split()[0] for line in asked} <= {"systemctl", "launchctl"}
    assert asked


@pytest.mark.parametrize(
    "program", ["/usr/bin/osascript", "/bin/launchctl", "/usr/bin/systemctl", "/usr/bin/security"]
)
def test_program_by_its_path_is_refused_and_remembered(
    program: str, reached: Callable[[], list[str]]
) -> None:
    with pytest.raises(ReachedPastTheTestsError):
        subprocess.run([program, "--version"], check=False)
    with pytest.raises(ReachedPastTheTestsError):
        os.execv(program, [program])
    assert reached() == [program, program]


OSASCRIPT = "/usr/bin/osascript"
SHELLED = [
    [OSASCRIPT, "-e", "beep"],
    ["sh", "-c", f"exec {OSASCRIPT} -e beep"],
    ["sh", "-c", f"cd / && ({OSASCRIPT});true"],
    ["/bin/bash", "-c", f'x=$("{OSASCRIPT}")'],
    ["env", "A=b", OSASCRIPT],
    ["nohup", "/usr/bin/../bin/osascript"],
    ["timeout", "9", "nice", OSASCRIPT],
    ["make", f"OPENER={OSASCRIPT}"],
    [sys.executable, "-I", "-c", f"import os; os.execv({OSASCRIPT!r}, ['x'])"],
]


@pytest.mark.parametrize("command", SHELLED)
def test_program_that_another_would_start_is_refused(
    command: list[str], reached: Callable[[], list[str]]
) -> None:
    with pytest.raises(ReachedPastTheTestsError):
        subprocess.run(command, check=False)
    assert len(reached()) == 1


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(f"true; {OSASCRIPT}", shell=True, check=False),
        lambda: os.system(f"true; {OSASCRIPT}"),
        lambda: os.popen(OSASCRIPT),
        lambda: os.posix_spawn(OSASCRIPT, [OSASCRIPT], {}),
        lambda: subprocess.run(["./osascript"], cwd="/usr/bin", check=False),
        lambda: subprocess.run([b"sh", b"-c", OSASCRIPT.encode()], check=False),
    ],
)
def test_program_is_refused_however_it_is_started(
    start: Callable[[], object], reached: Callable[[], list[str]]
) -> None:
    with pytest.raises(ReachedPastTheTestsError):
        start()
    assert len(reached()) == 1


def test_shell_with_another_path_is_refused(reached: Callable[[], list[str]]) -> None:
    real = next((name for name in ("systemctl", "osascript") if _is_installed(name)), None)
    if real is None:
        pytest.skip("this machine has neither systemctl nor osascript")
    path = machine_guard.real_path()
    subprocess.run(["sh", "-c", f"{real} a"], capture_output=True, check=False)
    assert reached() == []
    assert machine_guard.recorded()[-1] == f"{real} a"
    for command, environ in (
        (["sh", "-c", f"{real} --version"], {"PATH": path}),
        (["env", f"PATH={path}", real, "--version"], None),
        (["sh", "-c", f"PATH='{path}'; {real} --version"], None),
    ):
        with pytest.raises(ReachedPastTheTestsError):
            subprocess.run(command, env=environ, check=False)
    assert reached() == [real] * 3


def test_path_without_the_stand_ins_is_refused(
    tmp_path: Path, reached: Callable[[], list[str]]
) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    subprocess.run(["systemctl"], env={"PATH": str(tmp_path)}, check=True)
    assert reached() == []
    real = next((name for name in ("systemctl", "open") if _is_installed(name)), None)
    if real is None:
        pytest.skip("this machine has neither systemctl nor open")
    with pytest.raises(ReachedPastTheTestsError):
        subprocess.run([real], env={"PATH": machine_guard.real_path()}, check=False)
    assert reached() == [real]


def _is_installed(name: str) -> bool:
    folders = machine_guard.real_path().split(os.pathsep)
    return any(os.access(Path(folder, name), os.X_OK) for folder in folders)


def test_process_that_a_test_starts_is_refused_too(
    tmp_path: Path, reached: Callable[[], list[str]]
) -> None:
    command = [sys.executable, "-c", RUN_ITS_ARGUMENTS, "/usr/bin", "osascript"]
    done = subprocess.run(
        command, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ReachedPastTheTestsError" in done.stderr
    assert reached() == ["/usr/bin/osascript"]


def test_bus_of_the_system_is_refused(reached: Callable[[], list[str]]) -> None:
    bus = "/run/dbus/system_bus_socket"
    with socket.socket(socket.AF_UNIX) as client:
        for address in (bus, bus.encode()):
            with pytest.raises(ReachedPastTheTestsError):
                client.connect(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        with pytest.raises(ReachedPastTheTestsError):
            client.sendto(b"x", bus)
        with pytest.raises(ReachedPastTheTestsError):
            client.sendmsg([b"x"], [], 0, bus)
    assert len(reached()) == 4
    assert reached()[0] == f"a connection to {bus!r}"


def test_keyring_of_the_user_is_out_of_reach(tmp_path: Path) -> None:
    code = "import keyring; print(type(keyring.get_keyring()).__module__)"
    for environ in (environment(tmp_path), {**os.environ}):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
        )
        assert done.stdout == "keyring.backends.fail\n"
    with pytest.raises(ImportError, match="not for tests"):
        __import__("keyring.backends.macOS.api")


def test_home_is_an_empty_folder_of_the_tests() -> None:
    assert Path.home().is_relative_to(machine_guard.folder().parent)
    assert not list(Path.home().rglob("*offramp*"))


def test_paths_of_temporary_folders_leave_room_for_a_sockets_name(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # macOS gives a socket's path 104 characters, and pytest names a folder by 30 of a test's name.
    base = tmp_path_factory.getbasetemp().resolve()
    assert len(str(base)) <= 50
    assert len(str(machine_guard.folder().resolve())) <= 50


SUITE = {
    "test_well.py": "def test_nothing_is_reached():\n    pass\n",
    "test_ill.py": """
import subprocess

def test_program_is_called_and_its_failure_taken():
    try:
        subprocess.run(["/usr/bin/osascript"])
    except Exception:
        pass
""",
    "test_home.py": """
import os, pathlib

def test_login_item_is_left_behind():
    folder = pathlib.Path(os.environ["REAL_HOME"], "Library/LaunchAgents")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "local.offramp.daemon.plist").touch()
""",
}


@pytest.mark.parametrize("name", SUITE)
def test_run_fails_where_a_test_reached_out(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SUITE[name])
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "machine_guard", "-p", "no:cacheprovider", name],
        cwd=tmp_path,
        env={
            "PATH": machine_guard.real_path(),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HOME": str(home),
            "REAL_HOME": str(home),
            "PYTHONPATH": str(Path(machine_guard.__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = {
        "test_well.py": "1 passed",
        "test_ill.py": "reached past the tests: /usr/bin/osascript",
        "test_home.py": f"The tests changed this user's own home: {home}/Library/LaunchAgents/",
    }
    assert said[name] in done.stdout
    assert done.returncode == (0 if name == "test_well.py" else 1), done.stdout


@pytest.mark.parametrize("is_named", [False, True])
def test_long_temporary_folder_is_passed_over(tmp_path: Path, *, is_named: bool) -> None:
    long = tmp_path / ("d" * 60)
    long.mkdir()
    (tmp_path / "test_it.py").write_text(
        "def test_it(tmp_path):\n    assert len(str(tmp_path.resolve())) < 60, tmp_path\n"
    )
    named = ["--basetemp", str(long / "base")] if is_named else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "machine_guard", "-p", "no:cacheprovider", *named],
        cwd=tmp_path,
        env={
            "PATH": machine_guard.real_path(),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HOME": str(tmp_path),
            "TMPDIR": str(long),
            "PYTHONPATH": str(Path(machine_guard.__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert not any(long.iterdir())


IGNORES = """
import signal, subprocess, sys

CHILD = "import signal as s; print([n for n in (1, 2, 3, 15) if s.getsignal(n) is s.SIG_IGN])"

def test_it():
    for number in (1, 2, 3, 15):
        signal.raise_signal(number)
    assert subprocess.check_output([sys.executable, "-c", CHILD], text=True) == "[]\\n"
"""


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n", "1"]])
def test_what_a_run_ignores_is_not_ignored_by_what_it_starts(
    tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "test_it.py").write_text(IGNORES)
    command = [sys.executable, "-m", "pytest", "-p", "machine_guard", "-p", "no:cacheprovider"]
    done = subprocess.run(
        ["sh", "-c", "trap '' HUP INT QUIT TERM; exec \"$@\"", "sh", *command, *options],
        cwd=tmp_path,
        env={
            "PATH": machine_guard.real_path(),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(machine_guard.__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
