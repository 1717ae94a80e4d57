"""The page of sessions: what it says, how it sorts, and what a row opens into."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from sample_sessions import session_row, with_sessions
from sample_snapshots import NOW, full_snapshot

from offramp_dashboard.models.session_columns import SessionColumn
from offramp_dashboard.theme import DARK
from offramp_dashboard.views.sessions_view import SessionsView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.models.sessions import SessionsModel

ROWS = (
    session_row("aaaa1111-2222", 0, project="~/src/shop", requests=4, errors=2, changes=1),
    session_row("bbbb1111-2222", 3, project="~/src/blog", requests=30, usd=12.5),
    session_row("cccc1111-2222", 26, project="", requests=12, usd=None, changes=3),
)


@pytest.fixture
def view(qtbot: QtBot, sessions_model: SessionsModel) -> SessionsView:
    made = SessionsView(sessions_model)
    qtbot.addWidget(made)
    made.resize(1800, 700)
    made.show_snapshot(with_sessions(ROWS))
    made.show()
    qtbot.waitExposed(made)
    return made


def shown(view: SessionsView, column: SessionColumn) -> list[str]:
    model = view.table.model()
    return [str(model.index(row, column).data()) for row in range(model.rowCount())]


def click_header(view: SessionsView, column: SessionColumn) -> None:
    header = view.table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + 20, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_row_says_what_a_session_used(view: SessionsView) -> None:
    model = view.table.model()
    first = {column: model.index(0, column).data() for column in SessionColumn}
    assert first == {
        SessionColumn.LAST: "15:26",
        SessionColumn.PROJECT: "~/src/shop",
        SessionColumn.REQUESTS: "4",
        SessionColumn.TOKENS: "20,060",
        SessionColumn.ERRORS: "2",
        SessionColumn.CHANGES: "1",
        SessionColumn.PRICE: "$0.50",
        SessionColumn.SERVED: "sonnet-4-5 \N{RIGHTWARDS ARROW} glm-4.7 2, opus-4-6 2",
        SessionColumn.INPUT: "2,500",
        SessionColumn.OUTPUT: "500",
        SessionColumn.CACHE_READ: "17,000",
        SessionColumn.CACHE_WRITTEN: "60",
        SessionColumn.START: "13:26",
        SessionColumn.SESSION: "aaaa1111",
    }
    assert shown(view, SessionColumn.PROJECT)[2] == "no project"
    assert shown(view, SessionColumn.PRICE)[2] == ""
    assert view.count_text == "3 sessions"


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (SessionColumn.REQUESTS, ["bbbb1111", "cccc1111", "aaaa1111"]),
        (SessionColumn.CHANGES, ["cccc1111", "aaaa1111", "bbbb1111"]),
        (SessionColumn.PRICE, ["bbbb1111", "aaaa1111", "cccc1111"]),
        (SessionColumn.START, ["aaaa1111", "bbbb1111", "cccc1111"]),
        (SessionColumn.PROJECT, ["cccc1111", "bbbb1111", "aaaa1111"]),
    ],
)
def test_first_click_sorts_as_expected_and_the_second_the_other_way(
    view: SessionsView, column: SessionColumn, order: list[str]
) -> None:
    click_header(view, column)
    assert shown(view, SessionColumn.SESSION) == order
    title = str(view.table.model().headerData(column, Qt.Orientation.Horizontal))
    assert title[-1] in "\N{BLACK UP-POINTING TRIANGLE}\N{BLACK DOWN-POINTING TRIANGLE}"
    click_header(view, column)
    assert shown(view, SessionColumn.SESSION) == order[::-1]


def test_equal_rows_stay_with_the_latest_first(view: SessionsView) -> None:
    view.show_snapshot(with_sessions([session_row(name, n) for n, name in enumerate("abcd")]))
    for _ in range(2):
        click_header(view, SessionColumn.REQUESTS)
        assert shown(view, SessionColumn.SESSION) == list("abcd")


@pytest.mark.parametrize("how", ["double click", "enter"])
def test_row_opens_into_its_requests(view: SessionsView, qtbot: QtBot, how: str) -> None:
    index = view.table.model().index(1, SessionColumn.TOKENS)
    view.table.setCurrentIndex(index)
    with qtbot.waitSignal(view.session_asked) as asked:
        if how == "enter":
            QTest.keyClick(view.table, Qt.Key.Key_Return)
        else:
            place = view.table.visualRect(index).center()
            QTest.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
            QTest.mouseDClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked.args == ["bbbb1111-2222"]


def test_menu_of_a_row_leads_to_its_project(view: SessionsView, qtbot: QtBot) -> None:
    menu = QMenu(view)
    view.table.fill_menu(menu, view.table.model().index(2, 0))
    (action,) = [one for one in menu.actions() if one.text() == "Show Only This Project"]
    with qtbot.waitSignal(view.project_asked) as asked:
        action.trigger()
    assert asked.args == [""]


def test_copied_row_has_everything_in_full(view: SessionsView) -> None:
    view.table.setFocus()
    view.table.selectRow(0)
    QTest.keySequence(view.table, QKeySequence(QKeySequence.StandardKey.Copy))
    cells = QGuiApplication.clipboard().text().split("\t")
    assert len(cells) == len(SessionColumn)
    assert cells[SessionColumn.SESSION] == "aaaa1111-2222"
    assert cells[SessionColumn.TOKENS] == "20060"
    assert cells[SessionColumn.PRICE] == "0.500000"
    assert cells[SessionColumn.LAST] == NOW.isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SHOP", ["aaaa1111"]),
        (" bbbb1111-22", ["bbbb1111"]),
        ("no project", ["cccc1111"]),
        ("glm-4.7", ["aaaa1111", "bbbb1111", "cccc1111"]),
        ("nothing such", []),
    ],
)
def test_search_finds_project_session_and_model(
    view: SessionsView, text: str, found: list[str]
) -> None:
    view.search.setText(text)
    assert shown(view, SessionColumn.SESSION) == found
    assert view.count_text == f"{len(found)} of 3 sessions"
    view.search.clear()
    assert view.count_text == "3 sessions"


def test_selected_session_stays_selected_as_the_log_grows(view: SessionsView) -> None:
    view.table.selectRow(1)
    grown = (session_row("dddd", -0.1), session_row("bbbb1111-2222", requests=31), *ROWS[::2])
    view.show_snapshot(with_sessions(grown))
    (selected,) = {index.row() for index in view.table.selectedIndexes()}
    assert shown(view, SessionColumn.SESSION)[selected] == "bbbb1111"


def test_what_is_left_out_is_said(view: SessionsView) -> None:
    some = with_sessions(ROWS, count=25_000, without_session=1)
    view.show_snapshot(replace(some, sessions_since=NOW - timedelta(days=100)))
    assert view.count_text == (
        "latest 3 of 25,000 sessions  \N{MIDDLE DOT}  1 request without a session"
        "  \N{MIDDLE DOT}  only those that began after 2 Nov 2025"
    )


def test_history_that_is_still_being_read_is_said(view: SessionsView) -> None:
    made = with_sessions(ROWS)
    assert made.sessions is not None
    view.show_snapshot(replace(made, sessions=replace(made.sessions, is_complete=False)))
    assert view.count_text.endswith("older history is still being read")


def test_picture_made_for_another_page_changes_nothing(view: SessionsView) -> None:
    view.show_snapshot(full_snapshot())
    assert shown(view, SessionColumn.SESSION) == ["aaaa1111", "bbbb1111", "cccc1111"]


def test_names_from_outside_are_shown_as_plain_text(view: SessionsView) -> None:
    odd = session_row("\x1b[31m<b>", project="~/<i>\n&")
    view.show_snapshot(with_sessions([odd]))
    assert shown(view, SessionColumn.SESSION) == ["?[31m<b>"]
    assert shown(view, SessionColumn.PROJECT) == ["~/<i>?&"]


def test_page_draws_in_dark_colours_too(view: SessionsView) -> None:
    view.set_theme(DARK)
    assert not view.grab().isNull()
