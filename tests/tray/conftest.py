"""What the tray's tests share: a session bus of their own."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# They import dbus-fast, which is a dependency on Linux only.
collect_ignore = [] if sys.platform == "linux" else ["linux", "test_tray_process.py"]


@pytest.fixture
def bus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a bus, where there can be one."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon (Debian: apt-get install dbus; not on macOS)")
    return tmp_path_factory.mktemp("bus")


@pytest.fixture
def bus(bus_folder: Path) -> Iterator[PrivateBus]:
    """A session bus that nobody is on."""
    with private_bus(bus_folder) as running:
        yield running
