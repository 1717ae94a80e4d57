"""The quota on the screen: exact figures under the pointer, a card for each window, the meters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from sample_snapshots import (
    BOTH_PLANS,
    DETOUR,
    NO_QUOTA,
    NOW,
    ONE_WINDOW,
    RUNNING,
    SPENT,
    empty_snapshot,
    filtered_snapshot,
    full_snapshot,
    quota_of,
)

from offramp_dashboard.data.snapshot import AheadPoint
from offramp_dashboard.theme import DARK, LIGHT
from offramp_dashboard.views.quota.quota_chart import QuotaChart
from offramp_dashboard.views.quota.quota_meters import QuotaStrip

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.data.snapshot import BurnUp, Quota, Snapshot
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.window.main_window import ChartsWindow

OVERVIEW, QUOTA = 0, 3


def of(quota: Quota, title: str) -> BurnUp:
    return next(one for one in quota.burn_ups if one.title == title)


def ahead_of(burn_up: BurnUp, likely: float) -> tuple[AheadPoint, ...]:
    now, used = burn_up.now, burn_up.used
    return (
        AheadPoint(moment=now, likely=used, low=used, high=used),
        AheadPoint(moment=burn_up.end, likely=likely, low=likely / 2, high=likely * 2),
    )


def snapshot(quota: Quota) -> Snapshot:
    return replace(full_snapshot(), quota=quota)


@pytest.fixture
def chart(qtbot: QtBot, theme: Theme) -> QuotaChart:
    made = QuotaChart("Quota")
    qtbot.addWidget(made)
    made.resize(600, 240)
    made.set_theme(theme)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.mark.parametrize(
    ("bar", "title", "rows", "note"),
    [
        (0, "12:00 \u2013 12:05", {"used": "0%", "at even pace": "2%"}, ""),
        (24, "14:00 \u2013 14:05", {"used": "31%", "at even pace": "42%"}, ""),
        (
            27,
            "14:15 \u2013 14:20",
            {"used": "32% \u2013 34%", "at even pace": "47%"},
            "no data (daemon off)",
        ),
        (
            41,
            "15:25 \u2013 15:30",
            {"used": "41%", "at even pace": "70%"},
            "last reading 15:22",
        ),
        (
            59,
            "16:55 \u2013 17:00",
            {"expected": "≈ 60%", "in 4 of 5 cases": "50% to 69%", "at even pace": "100%"},
            "",
        ),
    ],
)
def test_pointer_tells_what_is_known_of_that_time(
    chart: QuotaChart, bar: int, title: str, rows: dict[str, str], note: str
) -> None:
    chart.show_burn_up(of(BOTH_PLANS, "Claude 5 hours"))

    readout = chart.readout(bar)

    assert readout.title == title
    assert {row.name: row.value for row in readout.rows} == rows
    assert readout.note == note


def test_short_window_counts_in_five_minutes_and_a_week_in_hours(chart: QuotaChart) -> None:
    chart.show_burn_up(of(BOTH_PLANS, "Claude 5 hours"))
    assert chart.bar_count == 60
    assert chart.shown_labels()[1:3] == ["13:00", "14:00"]
    chart.show_burn_up(of(BOTH_PLANS, "Claude week"))
    assert chart.bar_count == 168
    assert "Mon" in chart.shown_labels()


def test_odd_beginning_has_marks_at_round_times(chart: QuotaChart) -> None:
    odd = quota_of(("zai", {"5h": 0.4}), ends={"5h": NOW + timedelta(hours=2, minutes=7)})
    chart.show_burn_up(odd.burn_ups[0])
    assert {label.rpartition(":")[2] for label in chart.shown_labels()} <= {"00", "30", "15", "45"}
    assert len(chart.shown_labels()) >= 3


@pytest.mark.parametrize(
    ("title", "highest"),
    [("Claude 5 hours", 141), ("Claude week", 102), ("Z.ai week", 130), ("Z.ai 5 hours", 100)],
)
def test_chart_is_as_high_as_what_is_used_or_expected(
    chart: QuotaChart, title: str, highest: int
) -> None:
    chart.show_burn_up(of(SPENT, title))
    assert chart.highest == highest
    assert [tick.label for tick in chart.count_levels()][-1] in ("100%", "125%")


def test_forecast_beyond_measure_does_not_flatten_the_chart(chart: QuotaChart) -> None:
    burn_up = of(BOTH_PLANS, "Claude week")
    chart.show_burn_up(
        replace(burn_up, ahead=ahead_of(burn_up, 40.0), runs_out=NOW + timedelta(hours=1))
    )
    assert chart.highest == 150
    chart.show_burn_up(replace(burn_up, used=5e6, ahead=()))
    assert chart.highest == 1000


def test_screen_reader_hears_the_whole_sentence(chart: QuotaChart) -> None:
    chart.show_burn_up(of(BOTH_PLANS, "Claude week"))
    assert chart.accessibleDescription() == ("Claude week 63%, resets Thu 22:00, on pace for 93%")


def painted(chart: QuotaChart) -> set[str]:
    image = chart.grab().toImage()
    return {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }


def test_spent_window_is_drawn_in_the_colour_of_what_went_wrong(chart: QuotaChart) -> None:
    chart.show_burn_up(of(BOTH_PLANS, "Claude 5 hours"))
    assert LIGHT.danger not in painted(chart)
    chart.show_burn_up(of(SPENT, "Z.ai 5 hours"))
    assert LIGHT.danger in painted(chart)
    chart.set_theme(DARK)
    assert DARK.danger in painted(chart)


def test_each_window_has_a_card_with_its_sentence(window: ChartsWindow) -> None:
    window.show_page(QUOTA)
    window.show_snapshot(snapshot(BOTH_PLANS))
    assert [(card.title, card.subtitle) for card in window.quota.cards] == [
        ("Claude 5 hours", "41%, resets 17:00, on pace for 60%"),
        ("Claude week", "63%, resets Thu 22:00, on pace for 93%"),
        ("Z.ai 5 hours", "59%, resets 17:00, on pace for 86%"),
        ("Z.ai week", "23%, resets Thu 22:00, on pace for 34%"),
    ]
    assert window.quota.notice.isHidden()


def test_cards_come_and_go_with_the_windows(window: ChartsWindow, qtbot: QtBot) -> None:
    window.show_page(QUOTA)
    for quota in (SPENT, ONE_WINDOW, NO_QUOTA, BOTH_PLANS):
        window.show_snapshot(snapshot(quota))
        qtbot.waitUntil(
            lambda: len(window.quota.findChildren(QuotaChart)) == len(window.quota.cards)
        )
        assert [card.title for card in window.quota.cards] == [one.title for one in quota.burn_ups]
        assert len(window.quota.charts) == len(quota.burn_ups)


def test_window_that_is_not_drawn_has_a_line_below(window: ChartsWindow) -> None:
    window.show_page(QUOTA)
    window.show_snapshot(snapshot(ONE_WINDOW))
    (line,) = (label.full_text for label in window.quota.remarks if not label.isHidden())
    assert "is asked for its quota" in line


@pytest.mark.parametrize("made", [full_snapshot(), empty_snapshot(), filtered_snapshot()])
def test_nothing_known_says_when_figures_come(window: ChartsWindow, made: Snapshot) -> None:
    window.show_page(QUOTA)
    window.show_snapshot(replace(made, quota=NO_QUOTA))
    assert window.quota.notice.isVisible()
    assert window.quota.notice.title == "No quota is known yet"
    assert "none has come since Mon 09:26" in window.quota.notice.text


def test_filters_are_not_offered_where_they_count_for_nothing(window: ChartsWindow) -> None:
    window.show_snapshot(full_snapshot())
    assert window.filter_bar.isVisible()
    window.show_page(QUOTA)
    assert not window.filter_bar.isVisible()
    window.show_page(OVERVIEW)
    assert window.filter_bar.isVisible()


def test_dragging_over_a_window_shows_what_was_used_then(
    window: ChartsWindow, qtbot: QtBot
) -> None:
    window.show_page(QUOTA)
    window.show_snapshot(snapshot(BOTH_PLANS))
    QApplication.processEvents()
    chart = window.quota.charts[0]
    assert isinstance(chart, QuotaChart)
    with qtbot.waitSignal(window.span_chosen) as told:
        chart.range_dragged.emit(12, 23)
    assert told.args == [NOW.replace(hour=13, minute=0), NOW.replace(hour=14, minute=0)]
    assert window.page == OVERVIEW


def test_meters_on_the_overview_say_what_matters_and_lead_to_the_page(
    window: ChartsWindow, qtbot: QtBot
) -> None:
    window.show_snapshot(snapshot(SPENT))
    strip = window.overview.quota
    shown = [meter.text for meter in strip.meters if meter.isVisible()]
    assert shown == [
        "Claude 5 hours 97%, resets 17:00, runs out about 15:30",
        "Claude week used up, resets Thu 22:00",
        "Z.ai 5 hours used up, resets 17:00",
        "Z.ai week 88%, resets Thu 22:00, runs out about Wed 07:00",
    ]
    with qtbot.waitSignal(strip.clicked):
        QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    assert window.page == QUOTA


def test_meters_are_not_there_while_nothing_is_known(window: ChartsWindow) -> None:
    window.show_snapshot(snapshot(ONE_WINDOW))
    assert window.overview.quota.isVisible()
    window.show_snapshot(snapshot(NO_QUOTA))
    assert not window.overview.quota.isVisible()


def test_mark_of_a_meter_stands_at_even_pace(qtbot: QtBot, theme: Theme) -> None:
    strip = QuotaStrip()
    qtbot.addWidget(strip)
    strip.set_theme(theme)
    strip.resize(800, 44)
    strip.show_quota(ONE_WINDOW)
    bar = strip.meters[0].bar
    qtbot.waitUntil(lambda: bar.width() > 400)
    image = bar.grab().toImage()
    row = [image.pixelColor(x, 0).name() for x in range(image.width())]
    mark = row.index(theme.text) / image.width()
    burn_up = ONE_WINDOW.burn_ups[0]
    even = (NOW - burn_up.start) / (burn_up.end - burn_up.start)
    assert mark == pytest.approx(even, abs=0.01)


def test_detour_is_told_above_the_charts_until_it_is_over(window: ChartsWindow) -> None:
    window.show_daemon(DETOUR)
    assert window.detour.text == DETOUR.detour
    window.show_message("Exported.")
    assert window.detour.text == DETOUR.detour
    window.show_daemon(RUNNING)
    assert window.detour.text == ""


def test_detour_that_was_put_away_stays_away_until_there_is_another(window: ChartsWindow) -> None:
    window.show_daemon(DETOUR)
    window.detour.hide()
    window.show_daemon(replace(DETOUR, text="Running: delegation is on."))
    assert window.detour.text == ""
    window.show_daemon(replace(DETOUR, detour="Z.ai is overloaded: its requests go on."))
    assert window.detour.text == "Z.ai is overloaded: its requests go on."


def test_quota_page_keeps_its_charts_while_only_time_goes_by(window: ChartsWindow) -> None:
    window.show_page(QUOTA)
    window.show_snapshot(snapshot(SPENT))
    charts, cards = list(window.quota.charts), list(window.quota.cards)
    later = [replace(one, now=one.now + timedelta(seconds=1)) for one in SPENT.burn_ups]
    window.show_snapshot(snapshot(replace(SPENT, burn_ups=tuple(later))))
    assert (list(window.quota.charts), list(window.quota.cards)) == (charts, cards)
