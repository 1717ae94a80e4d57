"""Charts: exact numbers under pointer and keys, ranges, words where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest
import sample_snapshots
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from sample_snapshots import full_snapshot

from offramp_dashboard.theme import DARK, Theme
from offramp_dashboard.views.charts.bars_chart import BarsChart
from offramp_dashboard.views.charts.split_chart import SplitChart
from offramp_dashboard.views.charts.weeks_chart import WeeksChart, week_name, week_total
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.series_fills import SeriesFills

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.data.snapshot import WeekColumn
    from offramp_dashboard.views.charts.chart import Chart

C = TypeVar("C", bound="Chart")

SNAPSHOT = full_snapshot()
SHADES = SeriesFills.of(SNAPSHOT)


@pytest.fixture
def day(qtbot: QtBot, theme: Theme) -> BarsChart:
    return _shown(BarsChart("Last 24 hours", empty_text="Nothing in 24 hours"), qtbot, theme)


@pytest.fixture
def weeks(qtbot: QtBot, theme: Theme) -> WeeksChart:
    chart = _shown(WeeksChart("Weeks"), qtbot, theme)
    chart.show_weeks(SNAPSHOT.weeks, SHADES, SNAPSHOT.taken)
    return chart


@pytest.fixture
def split(qtbot: QtBot, theme: Theme) -> SplitChart:
    chart = _shown(SplitChart("Split"), qtbot, theme)
    chart.show_split(SNAPSHOT.split, SHADES)
    return chart


def _shown(chart: C, qtbot: QtBot, theme: Theme) -> C:
    qtbot.addWidget(chart)
    chart.resize(600, 240)
    chart.set_theme(theme)
    chart.show()
    qtbot.waitExposed(chart)
    return chart


def _place(chart: Chart, bar: int) -> QPointF:
    view = chart.getViewBox()
    middle = view.mapViewToScene(QPointF(bar + 0.5, 0))
    return QPointF(chart.mapFromScene(middle).x(), view.sceneBoundingRect().center().y())


def _mouse(chart: Chart, kind: QEvent.Type, bar: int, *, is_held: bool = False) -> None:
    place = _place(chart, bar)
    button = Qt.MouseButton.LeftButton
    held = button if is_held or kind is QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
    caused = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else button
    event = QMouseEvent(
        kind, place, chart.mapToGlobal(place), caused, held, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(chart.viewport(), event)


def test_hover_shows_a_bars_exact_numbers(day: BarsChart) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    _mouse(day, QEvent.Type.MouseMove, 22)

    readout = day.panel.readout
    assert readout is not None
    assert readout.title == "14:00 \u2013 15:00"
    shown = {row.name: row.value for row in readout.rows}
    assert shown["tokens"] == f"{sum(s.values[22] for s in SNAPSHOT.day.series):,}"
    for series in SNAPSHOT.day.series:
        assert shown[series.name] == f"{series.values[22]:,}"


def test_bar_that_is_not_over_says_so(day: BarsChart) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    assert day.readout(23).note == "not over yet"
    assert day.readout(22).note == ""


def test_pointer_that_leaves_takes_the_panel_along(day: BarsChart) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)
    _mouse(day, QEvent.Type.MouseMove, 3)

    QApplication.sendEvent(day, QEvent(QEvent.Type.Leave))

    assert day.panel.readout is None
    assert day.current is None


def test_new_numbers_reach_an_open_panel(day: BarsChart) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)
    _mouse(day, QEvent.Type.MouseMove, 23)
    grown = tuple(
        replace(each, values=(*each.values[:-1], each.values[-1] + 1))
        for each in SNAPSHOT.day.series
    )

    day.show_bars(replace(SNAPSHOT.day, series=grown), SHADES)

    assert day.panel.readout is not None
    total = sum(each.values[23] for each in grown)
    assert day.panel.readout.rows[-1].value == f"{total:,}"


def test_dragging_chooses_a_range_either_way(day: BarsChart, qtbot: QtBot) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    for first, last in ((5, 9), (9, 5)):
        with qtbot.waitSignal(day.range_dragged) as caught:
            _mouse(day, QEvent.Type.MouseButtonPress, first)
            _mouse(day, QEvent.Type.MouseMove, 7, is_held=True)
            assert day.marked_bars()[0][:2] == tuple(sorted((first, 7)))
            _mouse(day, QEvent.Type.MouseMove, last, is_held=True)
            _mouse(day, QEvent.Type.MouseButtonRelease, last)
        assert caught.args == [5, 9]


def test_a_click_chooses_its_bar(day: BarsChart, qtbot: QtBot) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    with qtbot.waitSignal(day.range_dragged) as caught:
        _mouse(day, QEvent.Type.MouseButtonPress, 5)
        _mouse(day, QEvent.Type.MouseButtonRelease, 5)
    assert caught.args == [5, 5]


def test_low_chart_has_a_scale_with_more_than_its_zero(day: BarsChart) -> None:
    for height in (70, 96, 130, 400):
        day.resize(500, height)
        for factor in (1, 3, 7, 11):
            scaled = tuple(
                replace(each, values=tuple(value * factor for value in each.values))
                for each in SNAPSHOT.day.series
            )
            day.show_bars(replace(SNAPSHOT.day, series=scaled), SHADES)
            levels = day.count_levels()
            assert len(levels) >= 2
            assert levels[-1].position <= day.highest


def test_keys_walk_along_the_bars_and_say_them(day: BarsChart, qtbot: QtBot) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    qtbot.keyClick(day, Qt.Key.Key_End)
    qtbot.keyClick(day, Qt.Key.Key_Left)

    assert day.current == 22
    assert day.panel.readout is not None
    assert "14:00" in day.accessibleDescription()

    qtbot.keyClick(day, Qt.Key.Key_Home)
    qtbot.keyClick(day, Qt.Key.Key_Left)
    assert day.current == 0


def test_keys_choose_a_range_and_lead_out_of_it(day: BarsChart, qtbot: QtBot) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(day, Qt.Key.Key_Home)

    with qtbot.waitSignal(day.range_dragged) as caught:
        for _ in range(3):
            qtbot.keyClick(day, Qt.Key.Key_Right, shift)
        qtbot.keyClick(day, Qt.Key.Key_Return)
    assert caught.args == [0, 3]

    with qtbot.waitSignal(day.back_asked):
        qtbot.keyClick(day, Qt.Key.Key_Escape)


def test_escape_gives_up_a_range_before_it_leads_back(day: BarsChart, qtbot: QtBot) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)
    qtbot.keyClick(day, Qt.Key.Key_Home)
    qtbot.keyClick(day, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)

    with qtbot.assertNotEmitted(day.back_asked):
        qtbot.keyClick(day, Qt.Key.Key_Escape)

    assert day.marked_bars() == []


def test_chart_of_nothing_says_so_and_keeps_its_axis(day: BarsChart) -> None:
    day.show_bars(replace(SNAPSHOT.day, series=()), SHADES)

    assert day.highest == 0
    assert day.empty_text == "Nothing in 24 hours"
    assert day.shown_labels()
    assert day.readout(3).rows[0].value == "0"


def test_one_model_at_two_backends_has_two_fills(theme: Theme) -> None:
    opus = SHADES.fill(theme, "anthropic", "claude-opus-4-6")
    sonnet = SHADES.fill(theme, "anthropic", "claude-sonnet-4-5")

    assert opus != sonnet
    assert sonnet != SHADES.fill(theme, "zai", "claude-sonnet-4-5")


def test_week_that_runs_shows_its_pace(weeks: WeeksChart) -> None:
    readout = weeks.readout(7)

    assert SNAPSHOT.weeks.pace is not None
    expected = number_text.short(SNAPSHOT.weeks.pace.likely)
    assert [(row.name, row.value) for row in readout.rows[-2:]] == [
        ("expected", f"≈ {expected}"),
        (
            "in 4 of 5 weeks",
            f"{number_text.short(SNAPSHOT.weeks.pace.low)} \N{EN DASH} "
            f"{number_text.short(SNAPSHOT.weeks.pace.high)}",
        ),
    ]
    assert readout.note == "since Thu 22:00"
    assert weeks.highest == SNAPSHOT.weeks.pace.likely
    assert weeks.shown_labels()[-1] == "This week"


def test_week_without_a_pace_shows_none(weeks: WeeksChart) -> None:
    weeks.show_weeks(replace(SNAPSHOT.weeks, pace=None), SHADES, SNAPSHOT.taken)

    assert "expected" not in [row.name for row in weeks.readout(7).rows]


def test_split_says_shares_and_pauses(split: SplitChart) -> None:
    paused = split.readout(16)

    assert [row.value.split()[-1] for row in split.readout(6).rows] != []
    assert paused.note.startswith("paused Sat 05:00")
    assert split.readout(2).note == ""
    assert "paused 2 times" in split.accessibleDescription()
    percents = [int(row.value.split()[-1].strip("%")) for row in split.readout(7).rows]
    assert 99 <= sum(percents) <= 101


def test_pause_without_an_end_lasts_until_now(split: SplitChart) -> None:
    mark = replace(SNAPSHOT.split.pauses[0], end=None)
    split.show_split(replace(SNAPSHOT.split, pauses=(mark,)), SHADES)

    assert split.readout(56).note.endswith("now")


@pytest.mark.parametrize("width", [240, 320, 480, 900])
def test_labels_never_touch(day: BarsChart, width: int, qtbot: QtBot) -> None:
    from layout_checks import overlapping_labels

    day.show_bars(SNAPSHOT.recent, SHADES)
    day.resize(width, 180)
    qtbot.waitExposed(day)

    assert day.shown_labels()
    assert overlapping_labels(day) == []


def test_theme_changes_the_ground(day: BarsChart) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)
    day.set_theme(DARK)

    image = day.grab().toImage()
    assert image.pixelColor(image.width() - 8, 6).name() == DARK.card


def test_bars_are_drawn_in_their_backends_colours(day: BarsChart, theme: Theme) -> None:
    day.show_bars(SNAPSHOT.day, SHADES)

    image = day.grab().toImage()
    colours = {
        image.pixelColor(x, y).name()
        for x in range(0, image.width(), 3)
        for y in range(0, image.height(), 3)
    }
    assert theme.of_backend("zai") in colours
    assert theme.of_backend("anthropic") in colours


def test_single_request_is_seen(day: BarsChart, theme: Theme) -> None:
    snapshot = sample_snapshots.single_snapshot()
    day.show_bars(snapshot.recent, SeriesFills.of(snapshot))

    image = day.grab().toImage()
    colours = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }
    assert theme.of_backend("zai") in colours


def test_week_is_compared_with_the_one_that_was_chosen(weeks: WeeksChart) -> None:
    columns = SNAPSHOT.weeks.weeks
    chosen, other = columns[3], columns[5]
    weeks.show_weeks(SNAPSHOT.weeks, SHADES, SNAPSHOT.taken, compared=chosen)
    name, before, now = week_name(chosen), week_total(chosen), week_total(other)

    assert [(row.name, row.value) for row in weeks.readout(5).rows][-2:] == [
        (name, number_text.exact(before)),
        ("difference", number_text.change_text(now, before, name)),
    ]
    assert "difference" in weeks.readout(5).as_text()
    assert [(first, last) for first, last, _ in weeks.marked_bars()] == [(3, 3)]


@pytest.mark.parametrize(("chosen", "seen"), [(3, 7), (7, 3)])
def test_week_that_is_not_over_is_shown_beside_another_without_a_difference(
    weeks: WeeksChart, chosen: int, seen: int
) -> None:
    column = SNAPSHOT.weeks.weeks[chosen]
    weeks.show_weeks(SNAPSHOT.weeks, SHADES, SNAPSHOT.taken, compared=column)

    names = [row.name for row in weeks.readout(seen).rows]
    assert week_name(column) in names
    assert "difference" not in names


@pytest.mark.parametrize("compared", [None, SNAPSHOT.weeks.weeks[5]])
def test_week_is_not_compared_with_none_or_itself(
    weeks: WeeksChart, compared: WeekColumn | None
) -> None:
    weeks.show_weeks(SNAPSHOT.weeks, SHADES, SNAPSHOT.taken)
    alone = weeks.readout(5)
    weeks.show_weeks(SNAPSHOT.weeks, SHADES, SNAPSHOT.taken, compared=compared)

    assert weeks.readout(5) == alone
