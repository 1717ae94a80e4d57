"""Sessions and projects in the window: where a row leads, and which page obeys what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from sample_sessions import session_row, with_projects, with_sessions
from sample_snapshots import full_snapshot

from offramp_dashboard.window.main_window import PAGES
from offramp_dashboard.window.picture import notes_of

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.window.main_window import ChartsWindow

SESSIONS, REQUESTS, QUOTA = map(PAGES.index, ("Sessions", "Requests", "Quota"))


def test_page_is_reached_by_its_key_and_asks_for_its_list(
    window: ChartsWindow, qtbot: QtBot
) -> None:
    window.activateWindow()
    with qtbot.waitSignal(window.list_asked) as asked:
        QTest.keyClick(window, Qt.Key.Key_5, Qt.KeyboardModifier.ControlModifier)
    assert window.page == SESSIONS
    assert asked.args == [True]
    with qtbot.waitSignal(window.list_asked) as asked:
        window.show_page(QUOTA)
    assert asked.args == [False]


def test_row_leads_to_the_requests_of_its_session(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_page(SESSIONS)
    window.show_snapshot(with_sessions([session_row("aaaa1111-2222")]))
    window.requests.show_failed()
    window.requests.search.setText("sonnet")
    window.sessions.table.setFocus()
    window.sessions.table.selectRow(0)
    with qtbot.waitSignal(window.session_asked) as asked:
        QTest.keyClick(window.sessions.table, Qt.Key.Key_Return)
    assert asked.args == ["aaaa1111-2222"]
    assert window.page == REQUESTS
    assert window.requests.search.text() == ""
    assert window.requests.status.currentIndex() == 0


def test_button_of_the_session_leads_back_to_all(window: ChartsWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.session_asked) as asked:
        window.requests.focus_left.emit()
    assert asked.args == [""]


def test_search_of_the_page_gets_the_keyboard(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_page(SESSIONS)
    window.activateWindow()
    window.focus_filter()
    qtbot.waitUntil(window.sessions.search.hasFocus)


@pytest.mark.parametrize("chosen", [(), ("~/src/shop",)])
def test_quota_says_that_it_obeys_no_filter_where_there_is_one(
    window: ChartsWindow, chosen: tuple[str, ...]
) -> None:
    window.show_snapshot(with_projects("~/src/shop", "~/src/blog", chosen=chosen))
    window.show_page(QUOTA)
    assert window.page_row.unfiltered.isVisible()
    assert bool(window.page_row.unfiltered.full_text) is bool(chosen)
    window.show_page(0)
    assert not window.page_row.unfiltered.isVisible()


def test_note_on_the_quota_fits_the_smallest_usual_window(window: ChartsWindow) -> None:
    window.resize(900, 600)
    window.show_snapshot(with_projects("~/src/shop", "~/src/blog", chosen=("~/src/shop",)))
    window.show_page(QUOTA)
    window.grab()
    assert window.page_row.unfiltered.text() == window.page_row.unfiltered.full_text


def test_picture_names_the_projects_that_are_shown() -> None:
    shown = with_projects("~/src/shop", "~/src/blog", "", chosen=("~/src/shop", ""))
    assert "only ~/src/shop, no project" in notes_of(shown, is_filtered=True)
    everything = with_projects("~/src/shop", "")
    assert not any("only" in note for note in notes_of(everything, is_filtered=True))
    assert not full_snapshot().is_filtered


def test_week_of_some_projects_says_that_it_is_of_what_is_shown(window: ChartsWindow) -> None:
    window.show_snapshot(with_projects("~/src/shop", "~/src/blog", chosen=("~/src/shop",)))
    assert "shown" in window.overview.week_summary.share_caption
