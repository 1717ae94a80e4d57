"""The table of requests: it sorts as people expect, copies rows, and cuts no time off."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QStyleOptionComboBox
from sample_snapshots import NOW, full_snapshot

from offramp_core.usage.records import RequestRecord, format_timestamp
from offramp_dashboard.data.request_rows import row_of
from offramp_dashboard.models.columns import Column
from offramp_dashboard.views.request_details import RequestDetails
from offramp_dashboard.views.requests_view import RequestsView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.data.request_rows import RequestRow
    from offramp_dashboard.models.requests import RequestsModel

DOWN, UP = "\N{BLACK DOWN-POINTING TRIANGLE}", "\N{BLACK UP-POINTING TRIANGLE}"


def row(ago: timedelta, **fields: object) -> RequestRow:
    told: dict[str, object] = {
        "ts": format_timestamp(NOW - ago),
        "model": "claude-sonnet-4-5-20250929",
        "backend": "zai",
        "status": "success",
        "served_model": "glm-4.7",
        "session_id": "212fcd67-6314-470b-bb0b-735463a15243",
        **fields,
    }
    made = row_of(RequestRecord(**told))  # type: ignore[arg-type]  # a test's own fields
    assert made is not None
    return made


@pytest.fixture
def view(qtbot: QtBot, requests_model: RequestsModel) -> RequestsView:
    requests_model.reset(
        [row(timedelta(days=9 * n), input_tokens=(n * 7) % 5 * 100) for n in range(6)]
    )
    made = RequestsView(requests_model)
    qtbot.addWidget(made)
    made.resize(1280, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


def click_header(view: RequestsView, column: Column) -> None:
    header = view.table.horizontalHeader()
    place = header.sectionViewportPosition(column) + 20
    QTest.mouseClick(
        header.viewport(),
        Qt.MouseButton.LeftButton,
        pos=QPoint(place, header.height() // 2),
    )


def titles(view: RequestsView) -> list[str]:
    model = view.table.model()
    return [
        str(model.headerData(column, Qt.Orientation.Horizontal))
        for column in range(model.columnCount())
    ]


@pytest.mark.parametrize("column", [Column.INPUT, Column.OUTPUT, Column.CACHE])
def test_first_click_on_a_number_puts_the_largest_first(
    view: RequestsView, requests_model: RequestsModel, column: Column
) -> None:
    click_header(view, column)
    assert requests_model.order == (column, Qt.SortOrder.DescendingOrder)
    assert titles(view)[column].endswith(DOWN)
    click_header(view, column)
    assert requests_model.order == (column, Qt.SortOrder.AscendingOrder)
    assert titles(view)[column].endswith(UP)


@pytest.mark.parametrize("column", [Column.MODEL, Column.STATUS, Column.SERVED])
def test_first_click_on_a_text_puts_the_alphabet_s_beginning_first(
    view: RequestsView, requests_model: RequestsModel, column: Column
) -> None:
    click_header(view, column)
    assert requests_model.order == (column, Qt.SortOrder.AscendingOrder)


def test_only_the_sorted_column_has_an_arrow_and_newest_first_points_down(
    view: RequestsView,
) -> None:
    found = titles(view)
    assert found[Column.TIME] == f"Time {DOWN}"
    assert not any(DOWN in title or UP in title for title in found[1:])


@pytest.mark.parametrize("column", list(Column))
def test_no_title_is_cut_off_by_its_arrow(view: RequestsView, column: Column) -> None:
    click_header(view, column)
    header = view.table.horizontalHeader()
    needed = header.fontMetrics().horizontalAdvance(titles(view)[column])
    assert header.sectionSize(column) >= needed + 8


def test_time_of_an_old_request_is_read_in_full(view: RequestsView) -> None:
    model = view.table.model()
    metrics = view.table.fontMetrics()
    for place in range(model.rowCount()):
        text = str(model.index(place, Column.TIME).data())
        assert metrics.horizontalAdvance(text) + 16 <= view.table.columnWidth(Column.TIME)


def test_copy_takes_the_whole_row_with_names_in_full(view: RequestsView) -> None:
    view.table.selectRow(0)
    view.table.setFocus()
    QTest.keySequence(view.table, QKeySequence(QKeySequence.StandardKey.Copy))
    cells = QGuiApplication.clipboard().text().split("\t")
    assert len(cells) == len(Column)
    assert cells[Column.MODEL] == "claude-sonnet-4-5-20250929"
    assert cells[Column.SESSION] == "212fcd67-6314-470b-bb0b-735463a15243"


@pytest.mark.parametrize("way", ["double click", "enter"])
def test_row_opens_into_all_that_is_known_of_it(view: RequestsView, qtbot: QtBot, way: str) -> None:
    table = view.table
    table.selectRow(0)
    if way == "enter":
        QTest.keyClick(table, Qt.Key.Key_Return)
    else:
        table.doubleClicked.emit(table.currentIndex())
    details = view.findChild(RequestDetails)
    assert details is not None
    qtbot.waitUntil(details.isVisible)
    assert "Served model: glm-4.7" in details.text
    assert "212fcd67-6314-470b-bb0b-735463a15243" in details.text
    details.copy_button.click()
    assert QGuiApplication.clipboard().text() == details.text
    details.close()


def test_widths_are_told_and_taken_up_and_nonsense_is_not(view: RequestsView) -> None:
    view.table.set_widths({"time": 333, "model": -4, "input": 10**9, "unheard of": 5})
    widths = view.table.widths()
    assert widths["time"] == 333
    assert 0 < widths["model"] < 1000
    assert 0 < widths["input"] < 1000


def test_count_says_of_how_many_the_rows_are(view: RequestsView) -> None:
    shown = replace(full_snapshot(), requests=4_321)
    view.show_snapshot(shown)
    assert view.count_text == "latest 6 of 4,321 requests"
    view.search.setText("opus")
    assert view.count_text == "0 of the latest 6 requests"
    view.search.clear()
    view.show_snapshot(replace(shown, requests=6))
    assert view.count_text == "6 requests"


@pytest.fixture
def reasons(view: RequestsView, requests_model: RequestsModel) -> RequestsView:
    told = ["route sonnet", "zai is overloaded, served by anthropic", "route sonnet", None]
    requests_model.reset(
        [
            row(timedelta(minutes=n), reason=reason, status="error" if n else "success")
            for n, reason in enumerate(told)
        ]
    )
    return view


def offered(view: RequestsView) -> list[str]:
    view.reason.setFocus(Qt.FocusReason.TabFocusReason)
    return [view.reason.itemText(place) for place in range(view.reason.count())]


def shown_reasons(view: RequestsView) -> list[str]:
    model = view.table.model()
    return [str(model.index(n, Column.REASON).data()) for n in range(model.rowCount())]


def test_each_reason_is_offered_with_its_number_of_requests(reasons: RequestsView) -> None:
    assert offered(reasons) == [
        "Every reason",
        "route sonnet (2)",
        "No reason (1)",
        "zai is overloaded, served by anthropic (1)",
    ]
    reasons.status.setCurrentText("Succeeded")
    reasons.search.setFocus()

    assert offered(reasons) == ["Every reason", "route sonnet (1)"]


def test_chosen_reason_shows_only_its_requests(reasons: RequestsView) -> None:
    offered(reasons)
    QTest.keyClick(reasons.reason, Qt.Key.Key_Down)

    assert shown_reasons(reasons) == ["route sonnet", "route sonnet"]
    assert reasons.count_text == "2 of 4 requests"
    QTest.keyClick(reasons.reason, Qt.Key.Key_Down)
    assert shown_reasons(reasons) == [""]
    QTest.keyClick(reasons.reason, Qt.Key.Key_Home)
    assert len(shown_reasons(reasons)) == 4


def test_reason_asked_of_a_row_is_chosen_and_stays_when_new_requests_come(
    reasons: RequestsView, requests_model: RequestsModel
) -> None:
    reasons.table.reason_asked.emit("zai is overloaded, served by anthropic")

    assert reasons.reason.currentText() == "zai is overloaded, served by anthropic (1)"
    requests_model.add([row(timedelta(), reason="zai is overloaded, served by anthropic")])
    requests_model.add([row(timedelta(), reason="zai is overloaded")])
    assert shown_reasons(reasons) == ["zai is overloaded, served by anthropic"] * 2


def test_chosen_reason_that_no_request_has_stays_chosen(
    reasons: RequestsView, requests_model: RequestsModel
) -> None:
    reasons.reason.choose("route sonnet")
    requests_model.reset([row(timedelta(), reason="default")])

    assert offered(reasons) == ["Every reason", "default (1)", "route sonnet (0)"]
    assert shown_reasons(reasons) == []


def test_failed_requests_are_shown_whatever_reason_was_chosen(reasons: RequestsView) -> None:
    reasons.reason.choose("route sonnet")
    reasons.show_failed()

    assert shown_reasons(reasons) == ["zai is overloaded, served by anthropic", "route sonnet", ""]


def test_menu_of_a_row_offers_only_its_reason(
    reasons: RequestsView, requests_model: RequestsModel
) -> None:
    menu = reasons.table.menu_of(requests_model.index(1, Column.MODEL))
    next(one for one in menu.actions() if one.text() == "Only This Reason").trigger()

    assert shown_reasons(reasons) == ["zai is overloaded, served by anthropic"]


def test_long_reason_ends_in_dots_and_its_tooltip_has_all_of_it(
    reasons: RequestsView, requests_model: RequestsModel
) -> None:
    long = "zai is at its limit, " * 3
    requests_model.reset([row(timedelta(), reason=long)])
    reasons.resize(700, 500)
    reasons.reason.choose(requests_model.rows()[0].reason)
    option = QStyleOptionComboBox()
    reasons.reason.initStyleOption(option)

    assert option.currentText.startswith("zai is at")
    assert option.currentText.endswith("\N{HORIZONTAL ELLIPSIS}")
    metrics = reasons.reason.fontMetrics()
    assert metrics.horizontalAdvance(option.currentText) < reasons.reason.width() - 24
    assert reasons.reason.toolTip() == reasons.reason.currentText()
