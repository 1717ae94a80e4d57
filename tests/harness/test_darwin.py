"""That the run which simulates macOS does, here and in what its tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import machine_guard
import pytest

ROOT = Path(__file__).parents[2]
SIMULATION = ROOT / "tests" / "support" / "darwin"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="a Mac needs no simulation of one"
)

LOOKS = """
import importlib, os, socket, sys
import platformdirs, urllib.request
found = []
for name in ("dbus_fast", "secretstorage", "jeepney", "gi"):
    try:
        importlib.import_module(name)
        found.append(name)
    except ModuleNotFoundError:
        pass
print(sys.platform, type(platformdirs.PlatformDirs()).__name__, found, urllib.request.getproxies())
print(hasattr(os, "pidfd_open"), hasattr(socket, "SO_PEERCRED"), hasattr(socket, "TCP_KEEPALIVE"))
"""

TESTS = """
import os, subprocess, sys
from daemon_process import environment, run_command
from offramp_core.paths import Paths

def test_here():
    assert sys.platform == "darwin"
    assert "Library/Application Support" in str(Paths.for_user({}).config_dir)

def test_in_what_a_test_starts(tmp_path):
    command = [sys.executable, "-c", "import sys; print(sys.platform)"]
    shown = subprocess.check_output(command, env=environment(tmp_path), text=True)
    assert shown == "darwin\\n"
"""


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing of this run's, in the simulation."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": machine_guard.real_path(), "HOME": os.environ["HOME"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_python_takes_itself_for_one_on_macos() -> None:
    done = run("-c", LOOKS, PYTHONPATH=str(SIMULATION))
    assert done.stdout == "darwin MacOS [] {}\nFalse False True\n", done.stderr


def test_tests_and_what_they_start_are_on_macos(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    paths = [SIMULATION, ROOT / "tests" / "support", *map(ROOT.joinpath, ("daemon", "tray"))]
    done = run(
        *("-m", "pytest", "-p", "machine_guard", "-p", "no:cacheprovider", str(tmp_path)),
        *("--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "made")),
        PYTHONPATH=os.pathsep.join(map(str, paths)),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_what_needs_linux_packages_is_not_collected_on_macos() -> None:
    # A module that can't be imported there would end the run before the first test.
    done = run(
        *("-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "tests/tray"),
        PYTHONPATH=str(SIMULATION),
    )
    assert done.returncode == 0, done.stdout
    assert "tests/tray/macos/test_appkit_backend.py" in done.stdout
    assert "tests/tray/linux" not in done.stdout
    assert "tests/tray/test_tray_process.py" not in done.stdout


def test_folders_are_left_out_only_if_their_code_asks_for_no_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SIMULATION)
    import selection

    for place in selection.left_out():
        assert list((ROOT / place).rglob("test_*.py")), place
        assert not selection.asks_for_the_system(ROOT / selection.CODE_OF[place])
    assert "tests/daemon/wire" not in selection.left_out(named=("tests/daemon/wire/test_x.py",))
    assert "tests/daemon/wire" not in selection.left_out(named=("tests",))
    assert "tests/daemon/wire" in selection.left_out(named=("tests/core",))
    (tmp_path / "module.py").write_text("import sys\nIS_MAC = sys.platform == 'darwin'\n")
    assert selection.asks_for_the_system(tmp_path)
