"""Keys, clicks and buttons of the window lead where people expect, and never lose the keyboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from sample_snapshots import (
    ALERT,
    NOW,
    PAUSED,
    RUNNING,
    STOPPED,
    TROUBLE,
    WEEK_START,
    chosen_snapshot,
    empty_snapshot,
    full_snapshot,
)

from offramp_dashboard.data.snapshot import Alert, DaemonCondition, DaemonSummary, FeedState
from offramp_dashboard.views.empty_states import NoticeAction

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.views.charts.chart import Chart
    from offramp_dashboard.window.main_window import ChartsWindow

REQUESTS, QUOTA = 2, 3
NO_KEY = DaemonSummary(state=DaemonCondition.NO_KEY, text="No key for Z.ai.")


def bar_place(chart: Chart, bar: int) -> QPoint:
    """The middle of a bar, in its viewport."""
    view = chart.getViewBox()
    return chart.mapFromScene(view.mapViewToScene(view.viewRect().center())) + QPoint(
        round((bar + 0.5 - chart.bar_count / 2) * view.width() / chart.bar_count), 0
    )


@pytest.fixture
def active(window: ChartsWindow, qtbot: QtBot) -> ChartsWindow:
    window.show_daemon(RUNNING)
    window.show_snapshot(full_snapshot())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QApplication.processEvents()
    return window


@pytest.mark.parametrize("holder", ["nothing", "search", "table", "chip", "tab"])
def test_escape_leaves_a_range_wherever_the_keyboard_is(
    active: ChartsWindow, qtbot: QtBot, holder: str
) -> None:
    widgets: dict[str, QWidget] = {
        "search": active.requests.search,
        "table": active.requests.table,
        "chip": active.filter_bar.chips[0],
        "tab": active.toolbar.export_button,
    }
    active.choose_span(NOW - timedelta(hours=2), NOW)
    active.show_page(REQUESTS if holder in ("search", "table") else 0)
    if holder in widgets:
        widgets[holder].setFocus()
    target = QApplication.focusWidget() or active

    with qtbot.waitSignal(active.span_chosen) as left:
        QTest.keyClick(target, Qt.Key.Key_Escape)

    assert left.args == [None, None]


def test_escape_without_a_range_does_nothing(active: ChartsWindow, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(active.span_chosen):
        QTest.keyClick(active, Qt.Key.Key_Escape)
    assert active.isVisible()


def test_click_on_a_bar_chooses_its_time(active: ChartsWindow, qtbot: QtBot) -> None:
    chart = active.overview.day
    with qtbot.waitSignal(active.span_chosen) as chosen:
        QTest.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=bar_place(chart, 5))
    assert chart.shown is not None
    assert chosen.args == list(chart.shown.edges[5:7])


def test_click_on_a_week_chooses_the_week_from_its_beginning_to_its_end(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    chart = active.overview.weeks
    with qtbot.waitSignal(active.span_chosen) as chosen:
        QTest.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=bar_place(chart, 3))
    assert chart.shown is not None
    week = chart.shown.weeks[3]
    assert chosen.args == [week.start, week.end]


def test_double_click_leads_out_of_the_range_that_was_there(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    chart = active.overview.day
    active.choose_span(NOW - timedelta(hours=9), NOW)
    asked: list[tuple[object, object]] = []
    active.span_chosen.connect(lambda start, end: asked.append((start, end)))
    place = bar_place(chart, 5)
    QTest.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked[-1] == (None, None)


def test_pointer_on_a_plan_s_chart_chooses_nothing_without_dragging(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    active.show_page(QUOTA)
    QApplication.processEvents()
    for chart in active.quota.charts:
        with qtbot.assertNotEmitted(active.span_chosen):
            QTest.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=bar_place(chart, 4))


@pytest.mark.parametrize("way", ["mouse", "key"])
def test_errors_lead_to_the_requests_that_they_count(
    active: ChartsWindow, qtbot: QtBot, way: str
) -> None:
    errors = active.overview.week_summary.errors
    with qtbot.waitSignal(active.span_chosen) as chosen:
        if way == "mouse":
            QTest.mouseClick(errors, Qt.MouseButton.LeftButton)
        else:
            QTest.keyClick(errors, Qt.Key.Key_Return)
    week = full_snapshot().week_summary
    assert chosen.args == [week.start, week.end]
    assert active.page == REQUESTS
    assert active.requests.status.currentText() == "Failed"


def test_alert_leads_to_the_requests_behind_it(active: ChartsWindow, qtbot: QtBot) -> None:
    left = Alert(key="client None", cause="It has left.", cure="Connect it.", is_of_client=True)
    kept = replace(ALERT, key="kept", since=NOW - timedelta(hours=1), reason="kept: images")
    active.requests.show_failed()
    active.show_daemon(replace(TROUBLE, alerts=(left, ALERT, kept)))
    with qtbot.waitSignal(active.span_chosen) as chosen:
        active.alerts.requests_button.click()
    assert chosen.args == [ALERT.since, WEEK_START + timedelta(days=7)]
    assert active.page == REQUESTS
    assert active.requests.search.text() == "served by anthropic"
    assert active.requests.status.currentIndex() == 0


def test_alert_that_is_not_about_requests_offers_none(active: ChartsWindow) -> None:
    left = Alert(key="client None", cause="It has left.", cure="Connect it.", is_of_client=True)
    active.show_daemon(replace(TROUBLE, alerts=(left,)))
    assert active.alerts.isVisible()
    assert not active.alerts.requests_button.isVisible()
    active.show_daemon(TROUBLE)
    assert active.alerts.requests_button.isVisible()


def test_range_is_claimed_only_where_it_counts(active: ChartsWindow) -> None:
    active.show_snapshot(chosen_snapshot())
    claims = []
    for page in range(4):
        active.show_page(page)
        QApplication.processEvents()
        claims.append(any("\N{EN DASH}" in button.text() for button in _visible_buttons(active)))
    assert claims == [True, True, True, False]


def test_other_weeks_are_a_key_away(active: ChartsWindow) -> None:
    asked: list[tuple[object, object]] = []
    active.span_chosen.connect(lambda start, end: asked.append((start, end)))
    for steps in (-1, -1, 1, 1, 1):
        active.shift_span(steps)
    week = timedelta(days=7)
    assert asked == [
        (WEEK_START - week, WEEK_START),
        (WEEK_START - 2 * week, WEEK_START - week),
        (WEEK_START - week, WEEK_START),
        (WEEK_START, WEEK_START + week),
    ]


def test_pausing_by_the_toolbar_keeps_the_keyboard_there(active: ChartsWindow) -> None:
    bar = active.toolbar
    bar.pause_button.setFocus()
    active.set_busy(True)
    active.set_busy(False)
    active.show_daemon(PAUSED)
    assert QApplication.focusWidget() is bar.resume_button
    active.set_busy(True)
    active.set_busy(False)
    active.show_daemon(RUNNING)
    assert QApplication.focusWidget() is bar.pause_button


def test_pausing_from_elsewhere_leaves_the_keyboard_alone(active: ChartsWindow) -> None:
    active.toolbar.export_button.setFocus()
    active.set_busy(True)
    active.show_daemon(PAUSED)
    active.set_busy(False)
    assert QApplication.focusWidget() is active.toolbar.export_button


def test_daemon_that_does_not_run_has_a_button_that_starts_it(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    active.show_daemon(STOPPED)
    assert active.toolbar.cure_button.text() == "Start"
    with qtbot.waitSignal(active.start_asked):
        active.toolbar.cure_button.click()


def test_missing_key_has_a_button_that_opens_the_settings(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    active.show_daemon(NO_KEY)
    with qtbot.waitSignal(active.settings_asked):
        active.toolbar.cure_button.click()


@pytest.mark.parametrize("daemon", [RUNNING, PAUSED])
def test_daemon_that_is_well_has_no_such_button(
    active: ChartsWindow, daemon: DaemonSummary
) -> None:
    active.show_daemon(daemon)
    assert not active.toolbar.cure_button.isVisible()


def test_demo_says_how_it_is_started_in_place_of_a_button(active: ChartsWindow) -> None:
    active.toolbar.is_demo = True
    active.show_daemon(STOPPED)
    assert not active.toolbar.cure_button.isVisible()
    assert active.toolbar.state.full_text.endswith("Start it: offramp demo")


@pytest.mark.parametrize("state", [FeedState.EMPTY, FeedState.MISSING])
def test_page_without_requests_offers_to_start_a_daemon_that_does_not_run(
    active: ChartsWindow, qtbot: QtBot, state: FeedState
) -> None:
    active.show_snapshot(empty_snapshot(state))
    active.show_daemon(STOPPED)
    assert active.notice.button.text() == NoticeAction.START.value
    with qtbot.waitSignal(active.start_asked):
        active.notice.button.click()
    active.show_daemon(RUNNING)
    assert active.notice.button.text() != NoticeAction.START.value


def test_page_without_requests_offers_to_connect_claude_code(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    active.show_snapshot(empty_snapshot())
    active.show_daemon(RUNNING)
    assert active.notice.button.text() == NoticeAction.CONNECT.value
    with qtbot.waitSignal(active.connect_asked):
        active.notice.button.click()


def test_claude_code_that_has_left_can_be_connected_again_by_a_button(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    left = Alert(key="client None", cause="It has left.", cure="Connect it.", is_of_client=True)
    active.show_daemon(replace(TROUBLE, alerts=(*TROUBLE.alerts, left)))
    with qtbot.waitSignal(active.connect_asked):
        active.alerts.connect_button.click()
    active.show_daemon(TROUBLE)
    assert active.alerts.isVisible()
    assert not active.alerts.connect_button.isVisible()


def test_passing_message_moves_nothing_and_goes_by_itself(
    active: ChartsWindow, qtbot: QtBot
) -> None:
    before = active.overview.mapTo(active, QPoint(0, 0))
    active.toast.timer.setInterval(1)
    active.show_passing("Exported to /tmp/offramp.png.")
    assert active.toast.text == "Exported to /tmp/offramp.png."
    QApplication.processEvents()
    assert active.overview.mapTo(active, QPoint(0, 0)) == before
    qtbot.waitUntil(lambda: not active.toast.text)


def test_long_passing_message_stays_within_the_window(active: ChartsWindow) -> None:
    active.resize(700, 500)
    active.show_passing("Exported to " + "/a long folder" * 40)
    assert active.rect().contains(active.toast.geometry())


def test_exported_page_holds_title_date_filter_and_legend(active: ChartsWindow) -> None:
    from offramp_dashboard.theme import LIGHT
    from offramp_dashboard.window import picture

    shown = chosen_snapshot()
    off = replace(shown.providers[-1], is_on=False)
    hidden = replace(shown, providers=(*shown.providers[:-1], off))
    notes = picture.notes_of(hidden, is_filtered=True)
    assert notes[0].startswith("10 Feb 2026 15:26")
    assert notes[1] == "tokens"
    assert notes[2].startswith("range ")
    assert notes[3] == f"without {off.name}"
    names = [entry.name for entry in picture.legend_of(hidden, LIGHT)]
    assert off.name not in names
    assert {model.name for model in hidden.models} <= set(names)
    active.show_snapshot(hidden)
    image = active.picture()
    assert image.height() > active.overview.height() * image.devicePixelRatio()


def _visible_buttons(window: ChartsWindow) -> list[QWidget]:
    from PySide6.QtWidgets import QPushButton

    return [each for each in window.findChildren(QPushButton) if each.isVisible()]


def test_turning_the_page_gives_the_keyboard_to_no_button(active: ChartsWindow) -> None:
    active.show_page(REQUESTS)
    active.requests.table.setFocus()
    active.show_page(QUOTA)
    QApplication.processEvents()
    assert QApplication.focusWidget() is active.centralWidget()
