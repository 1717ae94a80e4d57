"""What to do about an icon that macOS does not show."""

from __future__ import annotations

import pytest

from offramp_core.wording.menu_bar_text import hidden_icon_cure, process_name


@pytest.mark.parametrize("version", ["26.0", "26.5.2", "27", "16.0"])
def test_macos_with_a_list_of_icons_names_the_list_and_the_process(version):
    cure = hidden_icon_cure(version=version, program="Python")
    assert "System Settings > Menu Bar > Allow in the Menu Bar: Python must be on." in cure
    assert "notch" in cure


@pytest.mark.parametrize("version", ["15.7.1", "14.0", "11.2", "10.16"])
def test_macos_without_that_list_names_what_takes_the_room(version):
    cure = hidden_icon_cure(version=version, program="Python")
    assert "Allow in" not in cure
    assert "notch" in cure


def test_unknown_macos_names_both():
    assert "Allow in the Menu Bar: python3.13" in hidden_icon_cure(version="", program="python3.13")


def test_process_is_named_as_the_system_names_it():
    assert process_name().lower().startswith("python")
    assert process_name() in hidden_icon_cure(version="26.1")
