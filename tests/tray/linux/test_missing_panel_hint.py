"""Where nothing shows the icon, the user is told once what to install."""

from __future__ import annotations

import queue

import pytest
from tray_states import PATIENCE_S

from offramp_tray.linux.missing_panel_hint import MissingPanelHint, what_to_install


class Told:
    def __init__(self):
        self.messages = queue.Queue()

    def next(self):
        return self.messages.get(timeout=PATIENCE_S)


@pytest.fixture
def told():
    return Told()


def no_place(folder, told, *, desktop="ubuntu:GNOME", after_s=0.01):
    return MissingPanelHint(
        folder, {"XDG_CURRENT_DESKTOP": desktop}, notify=told.messages.put, after_s=after_s
    )


def test_no_place_for_long_is_told_with_what_to_install(tmp_path, told, caplog):
    no_place(tmp_path, told).on_presence(False)
    assert "AppIndicator" in told.next().body
    assert "Nothing on this desktop shows the icon" in caplog.text


def test_a_place_that_comes_in_time_is_no_news(tmp_path, told):
    place = no_place(tmp_path, told, after_s=0.2)
    place.on_presence(False)
    timer = place._timer
    place.on_presence(True)
    assert timer is not None
    timer.join(PATIENCE_S)
    assert told.messages.empty()


def test_it_is_told_once_a_session(tmp_path, told, caplog):
    no_place(tmp_path, told).on_presence(False)
    told.next()
    again = no_place(tmp_path, told)
    again.on_presence(False)
    assert again._timer is not None
    again._timer.join(PATIENCE_S)
    assert caplog.text.count("Nothing on this desktop") == 2
    assert told.messages.empty()


def test_where_it_can_not_be_noted_it_is_told(tmp_path, told):
    (tmp_path / "run").write_bytes(b"")
    no_place(tmp_path / "run", told).on_presence(False)
    assert told.next().title == "Offramp has no place for its icon"


@pytest.mark.parametrize(
    ("desktop", "word"), [("GNOME", "AppIndicator"), ("XFCE", "Status Tray"), ("", "system tray")]
)
def test_the_cure_is_the_desktops_own(desktop, word):
    assert word in what_to_install(desktop)
