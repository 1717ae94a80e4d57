"""Qt without a display, for every test of the window; whatever Qt warns of fails the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_HERE = "tests/dashboard"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Qt's own messages fail the tests here, as warnings of Python do everywhere."""
    for item in items:
        if _HERE in item.path.as_posix():
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """An empty folder for a request log."""
    folder = tmp_path / "log"
    folder.mkdir()
    return folder
