"""Projects beside the chips: what the button says and what its menu does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QMenu
from sample_sessions import focused, with_projects
from sample_snapshots import full_snapshot

from offramp_dashboard.views.filter_bar import FilterBar
from offramp_dashboard.views.requests_view import RequestsView

if TYPE_CHECKING:
    from PySide6.QtGui import QAction
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.models.requests import RequestsModel

SHOP, BLOG = "~/src/shop", "~/src/blog & more"


@pytest.fixture
def filter_bar(qtbot: QtBot) -> FilterBar:
    row = FilterBar()
    qtbot.addWidget(row)
    row.resize(900, 30)
    row.show()
    return row


def entries(bar: FilterBar) -> dict[str, QAction]:
    bar.projects.fill_menu()
    menu = bar.projects.menu()
    assert isinstance(menu, QMenu)
    return {action.text(): action for action in menu.actions() if not action.isSeparator()}


def test_without_projects_there_is_no_button(filter_bar: FilterBar) -> None:
    filter_bar.show_snapshot(full_snapshot())
    assert filter_bar.projects.isHidden()
    filter_bar.show_snapshot(with_projects(SHOP, ""))
    assert filter_bar.projects.isVisible()


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ((), "All projects"),
        ((SHOP,), "~/src/shop"),
        ((BLOG,), "~/src/blog && more"),
        (("",), "no project"),
        ((SHOP, ""), "2 projects"),
    ],
)
def test_button_says_what_is_shown(
    filter_bar: FilterBar, chosen: tuple[str, ...], text: str
) -> None:
    filter_bar.show_snapshot(with_projects(BLOG, SHOP, "", chosen=chosen))
    assert filter_bar.projects.text() == text
    ticked = {name for name, action in entries(filter_bar).items() if action.isChecked()}
    wanted = {one.replace("&", "&&") or "no project" for one in chosen} or {"All projects"}
    assert ticked == wanted


def test_menu_chooses_and_leaves_projects(filter_bar: FilterBar, qtbot: QtBot) -> None:
    filter_bar.show_snapshot(with_projects(BLOG, SHOP, "", chosen=(SHOP,)))
    with qtbot.waitSignal(filter_bar.project_toggled) as asked:
        entries(filter_bar)["~/src/blog && more"].trigger()
    assert asked.args == [BLOG, True]
    with qtbot.waitSignal(filter_bar.project_toggled) as asked:
        entries(filter_bar)["~/src/shop"].trigger()
    assert asked.args == [SHOP, False]
    with qtbot.waitSignal(filter_bar.all_projects_asked):
        entries(filter_bar)["All projects"].trigger()


def test_long_name_leaves_room_for_the_chips(filter_bar: FilterBar) -> None:
    long = "~/" + "a-long-name/" * 40
    filter_bar.resize(500, 30)
    filter_bar.show_snapshot(with_projects(long, SHOP, chosen=(long,)))
    assert filter_bar.projects.width() < 260
    assert "\N{HORIZONTAL ELLIPSIS}" in filter_bar.projects.text()
    assert any(chip.isVisible() for chip in filter_bar.chips)
    shown = [chip for chip in filter_bar.chips if chip.isVisible()]
    assert max(chip.geometry().right() for chip in shown) <= filter_bar.width()


@pytest.fixture
def requests_view(qtbot: QtBot, requests_model: RequestsModel) -> RequestsView:
    view = RequestsView(requests_model)
    qtbot.addWidget(view)
    view.resize(900, 400)
    view.show()
    return view


@pytest.mark.parametrize(
    ("project", "text"),
    [
        ("", "Session aaaa1111  \N{MULTIPLICATION X}"),
        ("~/a&b", "Session aaaa1111 \N{MIDDLE DOT} ~/a&&b  \N{MULTIPLICATION X}"),
    ],
)
def test_table_says_that_it_shows_one_session_and_leads_back(
    requests_view: RequestsView, qtbot: QtBot, project: str, text: str
) -> None:
    requests_view.show_snapshot(full_snapshot())
    assert requests_view.focus.isHidden()
    requests_view.show_snapshot(focused("aaaa1111-2222", project))
    assert requests_view.focus.isVisible()
    assert requests_view.focus.text() == text
    with qtbot.waitSignal(requests_view.focus_left):
        requests_view.focus.click()
