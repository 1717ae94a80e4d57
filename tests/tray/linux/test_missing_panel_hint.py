"""Where nothing shows the icon, the user is told once what to install."""

from __future__ import annotations

import os
import queue

import pytest
from patience import PATIENCE_S

from offramp_tray.linux.missing_panel_hint import MissingPanelHint, what_to_install


class Told:
    def __init__(self):
        self.messages = queue.Queue()

    def next(self):
        return self.messages.get(timeout=PATIENCE_S)


@pytest.fixture
def told():
    return Told()


class TimerByHand:
    """Runs its call when the test says that the time is over, unless it was cancelled."""

    def __init__(self, _after_s, call):
        self.is_started, self.is_cancelled = False, False
        self._call = call

    def start(self):
        self.is_started = True

    def cancel(self):
        self.is_cancelled = True

    def elapse(self):
        assert self.is_started
        if not self.is_cancelled:
            self._call()


def no_place(folder, told, *, desktop="ubuntu:GNOME", **options):
    return MissingPanelHint(
        folder,
        {"XDG_CURRENT_DESKTOP": desktop},
        notify=told.messages.put,
        **{"after_s": 0.01, "platform": "linux", **options},
    )


def timers():
    """What makes timers by hand, and the list of those it has made."""
    made = []

    def make(after_s, call):
        made.append(TimerByHand(after_s, call))
        return made[-1]

    return made, make


def test_no_place_for_long_is_told_with_what_to_install(tmp_path, told, caplog):
    no_place(tmp_path, told).on_presence(False)
    assert "AppIndicator" in told.next().body
    assert "Nothing on this desktop shows the icon" in caplog.text


def test_a_place_that_comes_in_time_is_no_news(tmp_path, told):
    made, make_timer = timers()
    place = no_place(tmp_path, told, make_timer=make_timer)
    place.on_presence(False)
    place.on_presence(True)
    made[0].elapse()
    assert told.messages.empty()


def test_it_is_told_once_a_session(tmp_path, told, caplog):
    no_place(tmp_path, told).on_presence(False)
    told.next()
    made, make_timer = timers()
    no_place(tmp_path, told, make_timer=make_timer).on_presence(False)
    made[0].elapse()
    assert caplog.text.count("Nothing on this desktop") == 2
    assert told.messages.empty()


def test_terminal_is_told_at_once_and_once(tmp_path, told):
    shown = []
    _, make_timer = timers()
    place = no_place(tmp_path, told, desktop="XFCE", make_timer=make_timer, tell=shown.append)
    for is_shown in (False, True, False):
        place.on_presence(is_shown)
    [text] = shown
    assert text.startswith("Nothing on this desktop shows the icon yet; the tray waits. ")
    assert text.endswith(what_to_install("XFCE"))
    assert told.messages.empty()


def test_terminal_is_told_nothing_where_the_icon_is_shown(tmp_path, told):
    shown = []
    no_place(tmp_path, told, tell=shown.append).on_presence(True)
    assert shown == []


def test_where_it_can_not_be_noted_it_is_told(tmp_path, told):
    (tmp_path / "run").write_bytes(b"")
    no_place(tmp_path / "run", told).on_presence(False)
    assert told.next().title == "Offramp has no place for its icon"


@pytest.mark.parametrize(
    ("desktop", "word"), [("GNOME", "AppIndicator"), ("XFCE", "Status Tray"), ("", "system tray")]
)
def test_the_cure_is_the_desktops_own(desktop, word):
    assert word in what_to_install(desktop)


def test_mac_says_where_to_allow_the_icon(tmp_path, told):
    no_place(tmp_path, told, platform="darwin").on_presence(False)
    assert "menu bar" in told.next().body


def test_hint_of_long_ago_is_said_again(tmp_path, told):
    no_place(tmp_path, told).on_presence(False)
    told.next()
    [mark] = tmp_path.iterdir()
    os.utime(mark, (0, 0))
    no_place(tmp_path, told).on_presence(False)
    assert told.next().title
    assert mark.stat().st_mtime > 0
