"""The real window on a real (virtual) display, against a real daemon under traffic."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCES, free_port
from patience import PATIENCE_S
from PySide6.QtGui import QImage

import offramp_dashboard
from offramp_core.paths import Paths
from offramp_dashboard.window import geometry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(offramp_dashboard.__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
OFFRAMP = [sys.executable, "-m", "offramp_cli"]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is for X11"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="there is no Xvfb on this machine"),
]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A display of our own, without a window manager."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as said:
        number = said.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def environ(tmp_path: Path, display: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OFFRAMP_HOME": str(tmp_path),
        "PYTHONPATH": SOURCES,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def demo(environ: dict[str, str], tmp_path: Path) -> Iterator[Paths]:
    """The demo's daemon, which makes traffic for itself."""
    daemon = subprocess.Popen(
        [*OFFRAMP, "demo", "--port", str(free_port())],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert daemon.stdout is not None
    paths = Paths.under(tmp_path / "demo")
    while not paths.control_socket.exists():
        assert daemon.stdout.readline(), "the demo ended"
    yield paths
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=PATIENCE_S)


def test_window_lives_beside_a_daemon_under_traffic(
    environ: dict[str, str], demo: Paths, tmp_path: Path
) -> None:
    snapshot = tmp_path / "window.png"

    done = subprocess.run(
        [sys.executable, str(SUPPORT / "charts_driver.py"), str(snapshot)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["platform"] == "xcb"
    assert seen["words"].startswith("Paused until")
    assert demo.charts_window_file.exists()
    assert QImage(str(snapshot)).width() == 1280


def test_second_start_shows_the_first_and_a_signal_closes_it(
    environ: dict[str, str], demo: Paths
) -> None:
    command = [*OFFRAMP, "charts", "--demo"]
    window = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    with contextlib.ExitStack() as ending:
        ending.callback(window.kill)
        second = _until_open(command, environ, demo)
        assert second.returncode == 0
        assert "already open" in second.stdout

        window.send_signal(signal.SIGTERM)
        _, said = window.communicate(timeout=PATIENCE_S)

    assert (window.returncode, said) == (0, "")
    assert geometry.load(demo.charts_window_file).width >= 640


def _until_open(
    command: list[str], environ: dict[str, str], paths: Paths
) -> subprocess.CompletedProcess[str]:
    """Start the command again, once the first window listens."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not paths.charts_socket.exists():
        assert time.monotonic() < deadline_s, "the window did not open"
        time.sleep(0.02)
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
