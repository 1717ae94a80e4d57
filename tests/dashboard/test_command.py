"""`offramp charts` as a process: pictures of the real window, and what it says when it can't."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCES
from patience import PATIENCE_S
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage

from offramp_cli.demo.sample_history import write_history
from offramp_core.paths import Paths
from offramp_dashboard.theme import DARK, LIGHT

if TYPE_CHECKING:
    from pathlib import Path


def _charts(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "OFFRAMP_HOME": str(home),
        "PYTHONPATH": SOURCES,
        "TZ": "Europe/Berlin",
        "LC_ALL": "C.UTF-8",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "offramp_cli", "charts", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = Paths.under(tmp_path / "demo").log_dir
    folder.mkdir(parents=True)
    write_history(folder, datetime.now(UTC), 3)
    return tmp_path


@pytest.mark.parametrize(("theme", "card"), [("light", LIGHT.card), ("dark", DARK.card)])
def test_screenshot_is_the_real_window_over_the_real_log(home: Path, theme: str, card: str) -> None:
    file = home / "charts.png"

    done = _charts(
        home, "--demo", "--screenshot", str(file), "--size", "1000x700", "--theme", theme
    )

    assert (done.returncode, done.stderr) == (0, "")
    image = QImage(str(file))
    assert (image.width(), image.height()) == (1000, 700)
    colours = {
        image.pixelColor(x, y).name()
        for x in range(0, image.width(), 4)
        for y in range(200, image.height(), 4)
    }
    look = DARK if theme == "dark" else LIGHT
    assert {card, look.window, look.of_backend("zai"), look.of_backend("anthropic")} <= colours


def test_screenshot_of_the_sessions_waits_for_their_prices(home: Path) -> None:
    file = home / "charts.png"

    _charts(home, "--demo", "--page", "sessions", "--theme", "light", "--screenshot", str(file))

    image = QImage(str(file))
    below_list_price = QRect(740, 190, 75, 300)
    column = image.copy(below_list_price)
    shades = {
        column.pixelColor(x, y).lightness()
        for x in range(column.width())
        for y in range(column.height())
    }
    assert min(shades) < 100  # text, and not only the lines between the rows


def test_screenshot_of_no_log_at_all_is_drawn_too(tmp_path: Path) -> None:
    file = tmp_path / "charts.png"

    done = _charts(tmp_path, "--screenshot", str(file))

    assert done.returncode == 0
    assert QImage(str(file)).width() == 1280


def test_screenshot_leaves_no_trace_of_a_window(home: Path) -> None:
    _charts(home, "--demo", "--screenshot", str(home / "charts.png"))

    data = home / "demo" / "data"
    assert sorted(path.name for path in data.iterdir()) == ["log"]


def test_file_that_cannot_be_written_is_said(home: Path) -> None:
    done = _charts(home, "--demo", "--screenshot", str(home / "nowhere" / "charts.png"))

    assert done.returncode == 1
    assert "can't be written" in done.stderr


def test_window_without_a_display_is_refused_with_the_way_out(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")

    done = _charts(tmp_path)

    assert done.returncode == 1
    assert "There is no display" in done.stderr
    assert "--screenshot" in done.stderr


def test_way_out_of_the_demo_without_a_display_is_the_demos_too(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    assert "charts --demo --screenshot offramp.png" in _charts(tmp_path, "--demo").stderr


@pytest.mark.parametrize("other", ["--page=quota", "--screenshot=charts.png"])
def test_settings_are_refused_with_what_would_hide_them(tmp_path: Path, other: str) -> None:
    done = _charts(tmp_path, "--settings", other)

    assert done.returncode == 2
    assert f"{other.partition('=')[0]} and --settings can't be combined" in done.stderr
    assert not list(tmp_path.glob("*.png"))


def test_without_qt_it_says_what_to_install(tmp_path: Path) -> None:
    blocker = tmp_path / "site" / "PySide6"
    blocker.mkdir(parents=True)
    text = "raise ModuleNotFoundError(\"No module named 'PySide6'\", name='PySide6')\n"
    (blocker / "__init__.py").write_text(text)

    done = _charts(
        tmp_path,
        "--screenshot",
        str(tmp_path / "x.png"),
        PYTHONPATH=os.pathsep.join((str(blocker.parent), SOURCES)),
    )

    assert done.returncode == 1
    assert "PySide6, which is not installed" in done.stderr
    assert "pip install 'offramp[charts]'" in done.stderr


@pytest.mark.parametrize("size", ["12", "axb", "10x10", "99999x99999"])
def test_size_that_is_none_is_refused(tmp_path: Path, size: str) -> None:
    done = _charts(tmp_path, "--screenshot", str(tmp_path / "x.png"), "--size", size)

    assert done.returncode == 2
    assert "is not a size" in done.stderr
