"""The window as a whole: every state at every size, keys, names, and what it asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from layout_checks import cut_off, overlapping_labels, overlaps, without_name
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel
from sample_snapshots import (
    ALERT,
    NO_QUOTA,
    NOW,
    PAUSED,
    RUNNING,
    SPENT,
    STOPPED,
    TROUBLE,
    chosen_snapshot,
    empty_snapshot,
    filtered_snapshot,
    full_snapshot,
    loading_snapshot,
    single_snapshot,
)

from offramp_core.usage.measure import Measure
from offramp_dashboard.data.pause_choices import PauseChoice
from offramp_dashboard.data.snapshot import FeedState
from offramp_dashboard.theme import ThemeChoice
from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.window.main_window import PAGES

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.data.snapshot import Alert, DaemonSummary
    from offramp_dashboard.window.main_window import ChartsWindow
    from offramp_dashboard.window.styling import Styling

SIZES = ((900, 600), (1280, 800), (1920, 1200))
SNAPSHOTS = {
    "full": full_snapshot(),
    "requests": full_snapshot(Measure.REQUESTS),
    "huge": full_snapshot(scale=9e6),
    "single": single_snapshot(),
    "loading": loading_snapshot(),
    "chosen": chosen_snapshot(),
    "spent": replace(full_snapshot(), quota=SPENT),
    "no quota": replace(full_snapshot(), quota=NO_QUOTA),
    "filtered": filtered_snapshot(),
    "empty": empty_snapshot(),
    "missing": empty_snapshot(FeedState.MISSING),
    "unreadable": empty_snapshot(FeedState.UNREADABLE, "The request log can't be read: denied."),
}
LIGHT = ThemeChoice.LIGHT
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SNAPSHOTS)
def test_nothing_overlaps_or_is_cut_off(
    window: ChartsWindow, styling: Styling, qtbot: QtBot, size: tuple[int, int], name: str
) -> None:
    styling.choose(ThemeChoice.DARK if name in ("requests", "chosen", "missing") else LIGHT)
    window.show_daemon(STOPPED if name in ("empty", "missing") else PAUSED)
    window.resize(*size)
    for page in range(len(PAGES)):
        window.show_page(page)
        window.show_snapshot(SNAPSHOTS[name])
        QApplication.processEvents()

        assert (window.width(), window.height()) == size
        assert overlaps(window) == []
        # Layouts within layouts take a turn of the event loop each.
        qtbot.waitUntil(lambda: cut_off(window) == [])
        for chart in window.findChildren(Chart):
            if chart.isVisibleTo(window):
                assert overlapping_labels(chart) == []
                assert chart.height() >= 90


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_everything_the_keyboard_reaches_has_a_name(window: ChartsWindow, name: str) -> None:
    for page in range(len(PAGES)):
        window.show_page(page)
        window.show_snapshot(SNAPSHOTS[name])
        QApplication.processEvents()

        assert without_name(window) == []


def test_tab_reaches_every_control_of_the_page(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_daemon(RUNNING)
    window.show_snapshot(full_snapshot())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    wanted = {
        window.toolbar.pause_button,
        window.toolbar.export_button,
        window.toolbar.settings_button,
        *window.filter_bar.chips,
        *window.overview.charts,
    }

    for _ in range(60):
        focused = QApplication.focusWidget()
        wanted.discard(focused)  # type: ignore[arg-type]  # any widget will do
        qtbot.keyClick(focused or window, Qt.Key.Key_Tab)

    assert wanted == set()


@pytest.mark.parametrize(
    ("name", "title", "button"),
    [
        ("empty", "No requests yet", "Connect Claude Code…"),
        ("missing", "There is no log yet", "Read again"),
        ("unreadable", "The log can't be read", "Read again"),
        ("filtered", "Nothing matches the filters", "Show everything"),
    ],
)
def test_states_without_charts_say_what_is_and_what_to_do(
    window: ChartsWindow, name: str, title: str, button: str
) -> None:
    window.show_snapshot(SNAPSHOTS[name])

    assert window.notice.isVisibleTo(window)
    assert not window.overview.isVisibleTo(window)
    assert window.notice.title == title
    assert window.notice.text
    assert window.notice.button.isVisibleTo(window) is bool(button)
    assert window.notice.button.text() == button


def test_ways_out_of_a_state_are_asked_for(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_snapshot(SNAPSHOTS["missing"])
    with qtbot.waitSignal(window.refresh_asked):
        window.notice.button.click()

    window.show_snapshot(SNAPSHOTS["filtered"])
    with qtbot.waitSignal(window.show_all_asked):
        window.notice.button.click()

    window.show_snapshot(SNAPSHOTS["full"])
    assert window.overview.isVisibleTo(window)


def test_short_reading_shows_no_progress_and_long_reading_does(
    window: ChartsWindow, qtbot: QtBot
) -> None:
    window.show_snapshot(loading_snapshot(0.1))
    assert window.progress.isHidden()

    qtbot.waitUntil(lambda: not window.progress.isHidden())
    window.show_snapshot(loading_snapshot(0.6))
    assert window.progress.value() == 600

    window.show_snapshot(full_snapshot())
    assert window.progress.isHidden()


def test_torn_lines_are_mentioned_once(window: ChartsWindow) -> None:
    from dataclasses import replace

    full = full_snapshot()
    torn = replace(full, log_status=replace(full.log_status, torn_lines=3))
    window.show_snapshot(torn)
    assert window.banner.text == "Skipped 3 lines of the log that can't be read as a request."

    window.banner.dismissed.emit()
    window.banner.hide()
    window.show_snapshot(torn)
    assert window.banner.text == ""


@pytest.mark.parametrize(
    ("daemon", "text", "can_pause", "can_resume"),
    [
        (RUNNING, "Running: delegation is on.", True, False),
        (PAUSED, "Paused until 16:26: everything goes to Claude.", False, True),
        (TROUBLE, "Running, but delegation does not work for Sonnet 5.5.", True, False),
        (STOPPED, "The daemon is not running.", False, False),
    ],
)
def test_daemon_is_said_in_words(
    window: ChartsWindow, daemon: object, text: str, can_pause: bool, can_resume: bool
) -> None:
    window.show_daemon(daemon)  # type: ignore[arg-type]  # parametrised

    assert window.toolbar.state.full_text == text
    pause = window.toolbar.pause_button
    assert (pause.isVisibleTo(window) and pause.isEnabled()) is can_pause
    assert window.toolbar.resume_button.isVisibleTo(window) is can_resume
    assert all(action.isEnabled() is can_pause for action in window.menus.pause_actions)


def with_alerts(*alerts: Alert) -> DaemonSummary:
    return replace(TROUBLE, alerts=alerts)


def test_alert_shows_with_its_cure_until_it_is_over(window: ChartsWindow) -> None:
    window.show_daemon(TROUBLE)
    window.show_message("Exported.")
    assert window.alerts.isVisibleTo(window)
    assert window.alerts.text == f"{ALERT.cause}\n{ALERT.cure}"

    window.show_daemon(RUNNING)
    assert not window.alerts.isVisibleTo(window)


def test_alert_that_was_put_away_stays_away_while_its_number_grows(
    window: ChartsWindow,
) -> None:
    window.show_daemon(TROUBLE)
    window.alerts.button.click()
    window.show_daemon(with_alerts(replace(ALERT, cause="21 since 09:00.")))
    assert not window.alerts.isVisibleTo(window)

    another = replace(ALERT, key="another", cause="Another cause.")
    window.show_daemon(with_alerts(ALERT, another))
    assert window.alerts.text == f"Another cause.\n{another.cure}"

    window.show_daemon(RUNNING)
    window.show_daemon(TROUBLE)
    assert window.alerts.text.startswith(ALERT.cause)


def test_of_many_alerts_the_rest_is_counted(window: ChartsWindow) -> None:
    many = [replace(ALERT, key=str(number), cause=f"Cause {number}.") for number in range(5)]
    window.show_daemon(with_alerts(*many))
    assert window.alerts.text.splitlines()[::2] == [
        "Cause 0.",
        "Cause 1.",
        "Cause 2.",
        "2 more: offramp status",
    ]
    window.show_daemon(with_alerts(many[4]))
    assert window.alerts.text.splitlines()[0] == "Cause 4."


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_alerts_leave_room_for_all_else(
    window: ChartsWindow, styling: Styling, qtbot: QtBot, size: tuple[int, int]
) -> None:
    styling.choose(ThemeChoice.DARK)
    window.resize(*size)
    window.show_snapshot(full_snapshot())
    window.show_daemon(with_alerts(*(replace(ALERT, key=str(each)) for each in range(4))))
    QApplication.processEvents()

    assert (window.width(), window.height()) == size
    assert overlaps(window) == []
    qtbot.waitUntil(lambda: cut_off(window) == [])


@pytest.mark.parametrize("place", range(4))
def test_each_pause_of_the_menu_is_asked_for(
    window: ChartsWindow, qtbot: QtBot, place: int
) -> None:
    window.show_daemon(RUNNING)

    with qtbot.waitSignal(window.pause_asked) as caught:
        window.menus.pause_actions[place].trigger()

    assert caught.args == [list(PauseChoice)[place]]


def test_command_under_way_blocks_a_second_one(window: ChartsWindow) -> None:
    window.show_daemon(RUNNING)

    window.set_busy(True)
    assert not window.toolbar.pause_button.isEnabled()

    window.set_busy(False)
    assert window.toolbar.pause_button.isEnabled()


def test_shortcuts_turn_pages(window: ChartsWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    for key, page in ((Qt.Key.Key_2, 1), (Qt.Key.Key_3, 2), (Qt.Key.Key_1, 0)):
        qtbot.keyClick(window, key, CTRL)
        assert window.page == page


@pytest.mark.parametrize(
    ("key", "signal"),
    [
        (Qt.Key.Key_R, "refresh_asked"),
        (Qt.Key.Key_Comma, "settings_asked"),
        (Qt.Key.Key_W, "closing"),
    ],
)
def test_shortcuts_ask(window: ChartsWindow, qtbot: QtBot, key: Qt.Key, signal: str) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    with qtbot.waitSignal(getattr(window, signal)):
        qtbot.keyClick(window, key, CTRL)


def test_filter_shortcut_goes_where_the_page_filters(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_snapshot(full_snapshot())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    qtbot.keyClick(window, Qt.Key.Key_F, CTRL)
    assert window.filter_bar.chips[0].hasFocus()

    window.show_page(2)
    qtbot.keyClick(window, Qt.Key.Key_F, CTRL)
    assert window.requests.search.hasFocus()


def test_ranges_nest_and_lead_back_one_by_one(window: ChartsWindow) -> None:
    asked: list[tuple[object, object]] = []
    window.span_chosen.connect(lambda start, end: asked.append((start, end)))
    outer = (NOW - timedelta(days=3), NOW)
    inner = (NOW - timedelta(days=1), NOW)

    window.choose_span(*outer)
    window.choose_span(*inner)
    window.go_back()
    window.go_back()
    window.go_back()

    assert asked == [outer, inner, outer, (None, None), (None, None)]


def test_dragging_in_any_chart_chooses_its_times(window: ChartsWindow, qtbot: QtBot) -> None:
    snapshot = full_snapshot()
    window.show_snapshot(snapshot)
    overview = window.overview

    for chart, first, last in (
        (overview.day, snapshot.day.edges[2], snapshot.day.edges[5]),
        (overview.recent, snapshot.recent.edges[2], snapshot.recent.edges[5]),
        (overview.split, snapshot.split.bars.edges[2], snapshot.split.bars.edges[5]),
        (overview.weeks, snapshot.weeks.weeks[2].start, snapshot.weeks.weeks[4].end),
    ):
        with qtbot.waitSignal(window.span_chosen) as caught:
            chart.range_dragged.emit(2, 4)
        assert caught.args == [first, last]


def test_range_takes_the_place_of_the_last_24_hours(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_snapshot(chosen_snapshot())

    assert window.overview.day_card.title == "Your range"
    assert window.overview.day.shown == chosen_snapshot().chosen
    with qtbot.waitSignal(window.span_chosen):
        window.menus.back_asked.emit()

    window.show_snapshot(full_snapshot())
    assert window.overview.day_card.title == "Last 24 hours"


def test_hidden_window_says_so(window: ChartsWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.shown_changed) as caught:
        window.hide()
    assert caught.args == [False]

    with qtbot.waitSignal(window.shown_changed) as caught:
        window.show()
    assert caught.args == [True]


def test_only_the_page_that_is_seen_draws(window: ChartsWindow) -> None:
    window.show_page(0)
    window.show_snapshot(full_snapshot())

    assert window.history.weeks.shown is None
    window.show_page(1)
    assert window.history.weeks.shown == full_snapshot().weeks


def test_week_is_told_to_a_screen_reader(window: ChartsWindow) -> None:
    window.show_snapshot(full_snapshot())

    assert window.accessibleDescription() == ("This week: Claude 412 requests, Z.ai 1,846 requests")


def test_figures_notes_are_read_in_full_in_the_smallest_window(window: ChartsWindow) -> None:
    window.resize(*SIZES[0])
    window.show_snapshot(full_snapshot())
    QApplication.processEvents()

    week_summary = window.overview.week_summary
    for figure in (week_summary.requests, week_summary.tokens, week_summary.errors):
        label = next(one for one in figure.findChildren(QLabel) if one.text() == figure.caption)
        assert label.heightForWidth(label.width()) <= label.height()
