"""The settings that the tray goes by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from quota_samples import claude_week, keep

from offramp_core.paths import Paths
from offramp_core.settings import TraySettings
from offramp_tray.state.preferences import Preferences


class Home:
    def __init__(self, root):
        self.paths = Paths.under(root)

    def write(self, text):
        self.paths.config_dir.mkdir(parents=True, exist_ok=True)
        self.paths.config_file.write_text(text, encoding="utf-8")

    def read(self, **environ):
        return Preferences(self.paths, {"TZ": "Europe/Berlin", **environ})


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_without_a_file_the_defaults_hold(home):
    found = home.read()
    assert found.settings.tray == TraySettings()
    assert found.problem == ""
    assert found.log_folder == home.paths.log_dir
    assert found.address == "http://localhost:3001"
    assert (found.boundary.day, found.boundary.hour) == (4, 22)
    assert str(found.boundary.zone) == "Europe/Berlin"


def test_a_file_that_changes_is_taken_anew(home):
    found = home.read()
    assert not found.refresh()
    home.write('port = 4001\nweek_start_day = 1\n[tray]\ntext = "share"\n')
    assert found.refresh()
    assert found.settings.tray.text == "share"
    assert found.boundary.day == 1
    assert found.address == "http://localhost:4001"


def test_week_follows_claudes_reset_unless_it_was_set(home):
    found = home.read()
    keep(home.paths, claude_week(datetime(2026, 11, 27, 11, tzinfo=UTC)))
    assert found.refresh()
    assert (found.boundary.day, found.boundary.hour) == (5, 12)
    keep(home.paths, claude_week(datetime(2026, 11, 27, 11, 0, 1, tzinfo=UTC), used=0.5))
    assert not found.refresh()  # another figure, the same week
    home.write("week_start_day = 1\n")
    assert found.refresh()
    assert (found.boundary.day, found.boundary.hour) == (1, 22)


def test_routes_say_what_goes_to_each_backend(home):
    assert home.read().routed == {"zai": ("sonnet", "haiku")}


def test_a_wrong_file_at_the_start_leaves_the_defaults_and_says_why(home):
    home.write('[tray]\ncount = "apples"\n')
    found = home.read()
    assert found.settings.tray == TraySettings()
    assert found.problem.startswith("Settings rejected: ")
    assert "apples" in found.problem


def test_a_wrong_edit_keeps_what_held_until_it_is_mended(home):
    home.write('[tray]\ntext = "share"\n')
    found = home.read()
    home.write("no toml at all [")
    assert found.refresh()
    assert (found.settings.tray.text, bool(found.problem)) == ("share", True)
    home.write('[tray]\ntext = "tokens"\n')
    assert found.refresh()
    assert (found.settings.tray.text, found.problem) == ("tokens", "")


def test_the_log_folder_may_be_elsewhere(home, tmp_path):
    assert home.read(LOG_DIR=str(tmp_path / "log")).log_folder == tmp_path / "log"
