"""Which older environments an upgrade removes; where only ps and lsof know of processes, as well.

It runs the installer's own functions, for macOS as though this system had no /proc.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import msgspec
import pytest
from macos.answers import Answer
from macos.fake_mac import FakeMac
from macos.framework_python import turn_into_framework_build

INSTALLER = Path(__file__).parents[2] / "packaging" / "install.sh"
NEW, BEFORE, OLD = "env-20261130-120000-300", "env-20261129-120000-200", "env-20261128-120000-100"
PYTHON = "/opt/homebrew/opt/python@3.13/Frameworks/Python.framework/Versions/3.13/Resources"
CURRENT = "/Users/u/.local/share/offramp-app/current/bin/offramp"


@pytest.fixture
def mac(tmp_path: Path) -> FakeMac:
    mac = FakeMac(tmp_path / "mac")
    mac.run_process(1, "/sbin/launchd", is_own=False, loaded=["/sbin/launchd"])
    mac.run_process(300, "/bin/zsh", "-l", loaded=["/bin/zsh", "/usr/lib/dyld"])
    return mac


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "a home" / "offramp-app"
    for name in (NEW, BEFORE, OLD):
        (app / name / "bin").mkdir(parents=True)
    return app


def upgrade(mac: FakeMac, app: Path, *, has_proc: bool = False) -> subprocess.CompletedProcess[str]:
    """What the installer does once the new environment is in use."""
    text = INSTALLER.read_text(encoding="utf-8")
    if not has_proc:
        text = text.replace("/proc/", "/no-proc/")
    functions = [
        re.search(rf"^{name}\(\) {{.*?^}}", text, re.MULTILINE | re.DOTALL)
        for name in ("in_use", "remove_older")
    ]
    assert all(functions)
    script = "\n".join(["set -eu", *(found[0] for found in functions if found), "remove_older"])
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env={
            "PATH": mac.path,
            "app": str(app),
            "env": str(app / NEW),
            "previous": str(app / BEFORE),
        },
        capture_output=True,
        text=True,
        check=True,
    )


def test_environment_that_nothing_uses_is_removed(mac, app):
    done = upgrade(mac, app)
    assert done.stdout == ""
    assert sorted(each.name for each in app.iterdir()) == sorted([NEW, BEFORE])


@pytest.mark.parametrize(
    ("args", "loaded"),
    [
        # an environment whose Python is no framework's
        (["{app}/{old}/bin/python3", CURRENT, "tray"], []),
        # a framework's, which has put itself into the command line
        (
            [f"{PYTHON}/Python.app/Contents/MacOS/Python", CURRENT, "tray"],
            ["{app}/{old}/lib/python3.13/site-packages/objc/_objc.cpython-313-darwin.so"],
        ),
        # a home folder that a link leads to, in the system's own spelling
        (
            [f"{PYTHON}/Python.app/Contents/MacOS/Python", CURRENT, "charts"],
            ["/Volumes/Data/h\\xc3\\xb6me/offramp-app/{old}/lib/PySide6/QtCore.abi3.so"],
        ),
    ],
)
def test_environment_that_a_process_uses_stays(mac, app, args, loaded):
    names = {"app": app, "old": OLD}
    mac.run_process(
        4711,
        *(each.format(**names) for each in args),
        loaded=[each.format(**names) for each in loaded],
    )
    upgrade(mac, app)
    assert (app / OLD).exists()


def test_environment_with_a_similar_name_is_no_reason_to_stay(mac, app):
    mac.run_process(4711, "Python", loaded=[f"{app}/{OLD}1/lib/x.so", f"/x{OLD}/lib/y.so"])
    upgrade(mac, app)
    assert not (app / OLD).exists()


@pytest.mark.parametrize("command", ["ps", "lsof"])
@pytest.mark.parametrize(
    "answer",
    [Answer(1), Answer(1, out="p1\nn/bin/sh\n"), Answer(127, err="not found\n"), Answer(137)],
)
def test_where_it_can_t_be_told_all_stay_and_it_is_said(mac, app, command, answer):
    mac.answer(command, answer)
    done = upgrade(mac, app)
    assert "It is not known which older versions still run" in done.stdout
    assert (app / OLD).exists()


def test_lsof_is_asked_for_this_users_loaded_files(mac, app):
    upgrade(mac, app)
    [call] = [each for each in mac.ran if each.startswith("lsof")]
    assert "-d txt" in call
    assert " -a " in call  # without it, these would add to one another


def test_first_upgrade_asks_nobody(mac, app):
    (app / OLD / "bin").rmdir()
    (app / OLD).rmdir()
    upgrade(mac, app)
    assert mac.ran == []


@pytest.mark.skipif(sys.platform == "darwin", reason="it is about processes in /proc")
@pytest.mark.parametrize("has_proc", [False, True])
def test_process_of_a_framework_python_keeps_what_it_has_loaded_from(mac, app, tmp_path, has_proc):
    old = app / OLD
    shutil.rmtree(old)
    venv.create(old, symlinks=True)
    (packages,) = old.glob("lib/python*/site-packages")
    shutil.copytree(Path(msgspec.__file__).parent, packages / "msgspec")
    turn_into_framework_build(old, tmp_path / "frameworks")
    mac.see_real_processes()
    with subprocess.Popen(
        [old / "bin" / "python", "-c", "import msgspec; print('runs', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        assert OLD not in Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
        upgrade(mac, app, has_proc=has_proc)
        assert old.exists()
        process.communicate(b"\n")
    upgrade(mac, app, has_proc=has_proc)
    assert not old.exists()
