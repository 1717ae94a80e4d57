"""What the tests of the settings share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from settings_home import SettingsHome

from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> SettingsHome:
    """A home without any settings."""
    return SettingsHome(Paths.under(tmp_path))
