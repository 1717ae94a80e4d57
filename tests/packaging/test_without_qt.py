"""The tests themselves on a machine that lacks the libraries which Qt loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
MISSING = "libglib-2.0.so.0: cannot open shared object file: No such file or directory"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with a PySide6 in it that finds no library of the system's."""
    for name in ("QtCore", "QtGui", "QtWidgets", "QtTest"):
        module = tmp_path / "PySide6" / f"{name}.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text(f"raise ImportError({MISSING!r})\n")
    (tmp_path / "PySide6" / "__init__.py").touch()
    return tmp_path


def test_tests_of_the_window_are_skipped_with_the_reason_and_others_run(broken: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider"),
            "tests/core/wording/test_formatting.py",
            "tests/dashboard/data/events/test_daemon_gaps.py",
            "tests/dashboard/window/test_main_window.py",
        ],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(broken), "COLUMNS": "300", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reason = f"Qt can't be loaded, so the window is not tested; make setup says more ({MISSING})"
    assert reason in done.stdout.splitlines()  # above the first test
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert len(skipped) == 1
    assert reason in skipped[0]
    assert " passed, 1 skipped" in done.stdout
