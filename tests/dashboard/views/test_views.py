"""Headline, filters, tokens and the table of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from sample_snapshots import NOW, chosen_snapshot, empty_snapshot, full_snapshot, single_snapshot

from offramp_core.usage.measure import Measure
from offramp_core.usage.records import RequestRecord
from offramp_dashboard.data.request_rows import RequestRow, row_of
from offramp_dashboard.data.snapshot import FilterOption
from offramp_dashboard.models.columns import Column
from offramp_dashboard.views.filter_bar import FilterBar
from offramp_dashboard.views.pages import summary_of
from offramp_dashboard.views.requests_view import RequestsView
from offramp_dashboard.views.style.series_fills import SeriesFills
from offramp_dashboard.views.tokens_view import TokensView
from offramp_dashboard.views.week_summary import WeekSummaryView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.models.requests import RequestsModel
    from offramp_dashboard.theme import Theme


@pytest.fixture
def week_summary(qtbot: QtBot) -> WeekSummaryView:
    view = WeekSummaryView()
    qtbot.addWidget(view)
    view.resize(1200, 110)
    return view


@pytest.fixture
def filter_bar(qtbot: QtBot) -> FilterBar:
    row = FilterBar()
    qtbot.addWidget(row)
    row.resize(900, 30)
    row.show()
    return row


@pytest.fixture
def table(qtbot: QtBot, requests_model: RequestsModel) -> RequestsView:
    view = RequestsView(requests_model)
    qtbot.addWidget(view)
    view.resize(900, 400)
    view.show()
    qtbot.waitExposed(view)
    return view


def _rows(count: int, *, since: int = 0) -> list[RequestRow]:
    found = []
    for place in range(since, since + count):
        is_zai = place % 3 != 0
        moment = (NOW - timedelta(hours=2) + timedelta(seconds=place)).astimezone(UTC)
        record = RequestRecord(
            ts=f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
            model="claude-sonnet-4-5" if is_zai else "claude-opus-4-6",
            backend="zai" if is_zai else "anthropic",
            input_tokens=place,
            output_tokens=10,
            status="error" if place % 10 == 0 else "success",
        )
        row = row_of(record)
        assert row is not None
        found.append(row)
    return found


def test_headline_says_the_share_and_the_parts(week_summary: WeekSummaryView) -> None:
    week_summary.show_snapshot(full_snapshot())

    assert week_summary.share_text == "68%"
    assert week_summary.split_text == "Claude 22.2M   ·   Z.ai 46.9M"
    assert (week_summary.requests.value, week_summary.requests.caption) == (
        "2,258",
        "\u2191 13% vs. this time last week",
    )
    assert (week_summary.tokens.value, week_summary.tokens.caption) == (
        "69.1M",
        "\u2191 11% vs. this time last week",
    )
    assert (week_summary.errors.value, week_summary.errors.caption) == (
        "12",
        "1%; 5 at this time last week",
    )


def test_headline_of_another_week_says_which_and_compares_with_the_one_before(
    week_summary: WeekSummaryView,
) -> None:
    full = full_snapshot()
    week_summary.show_snapshot(full)
    assert week_summary.week_text.startswith("This week, since ")
    week = replace(
        full.week_summary,
        start=full.week_summary.start - timedelta(days=14),
        end=full.week_summary.end - timedelta(days=14),
        is_current=False,
    )
    week_summary.show_snapshot(replace(full, week_summary=week))
    assert week_summary.week_text.startswith("Week of ")
    assert f"{week.start.day} " in week_summary.week_text
    figures = (week_summary.requests, week_summary.tokens, week_summary.errors)
    shown = " ".join([week_summary.week_text, *(figure.caption for figure in figures)])
    assert shown.count("the week before") == 3
    assert "this time last week" not in shown
    assert "left" not in shown
    assert summary_of(replace(full, week_summary=week)).startswith("Week of ")


def test_week_without_requests_says_so_in_its_own_words(week_summary: WeekSummaryView) -> None:
    full = full_snapshot()
    for is_current, text in ((True, "nothing this week yet"), (False, "nothing in that week")):
        week = replace(full.week_summary, parts=(), is_current=is_current)
        week_summary.show_snapshot(replace(full, week_summary=week))
        assert week_summary.share_caption == text


def test_headline_counts_requests_when_asked(week_summary: WeekSummaryView) -> None:
    week_summary.show_snapshot(full_snapshot(Measure.REQUESTS))

    assert week_summary.share_text == "82%"
    assert week_summary.split_text == "Claude 412   ·   Z.ai 1,846"


def test_savings_are_called_an_estimate_with_the_date_of_the_prices(
    week_summary: WeekSummaryView,
) -> None:
    full = full_snapshot()
    assert full.week_summary.savings is not None
    savings = replace(full.week_summary.savings, unpriced_tokens=1200)
    week_summary.show_snapshot(
        replace(full, week_summary=replace(full.week_summary, savings=savings))
    )

    assert week_summary.saved.value == "\u2248 $84"
    assert week_summary.saved.caption == "estimate, prices of 28 Jan 2026"
    assert "An estimate" in week_summary.saved.toolTip()
    assert "1,200 tokens" in week_summary.saved.toolTip()


def test_headline_of_nothing_has_no_number_it_does_not_know(week_summary: WeekSummaryView) -> None:
    week_summary.show_snapshot(empty_snapshot())

    assert week_summary.share_text == "\u2013"
    assert week_summary.requests.value == "0"
    assert week_summary.requests.caption == ""
    assert week_summary.saved.value == "\u2013"


def test_first_request_has_no_week_before(week_summary: WeekSummaryView) -> None:
    week_summary.show_snapshot(single_snapshot())

    assert week_summary.share_text == "100%"
    assert week_summary.requests.caption == ""


def test_chip_asks_for_only_itself_and_waits_for_the_picture(
    filter_bar: FilterBar, qtbot: QtBot
) -> None:
    filter_bar.show_snapshot(full_snapshot())
    zai, opus = filter_bar.chips[1], filter_bar.chips[2]

    with qtbot.waitSignal(filter_bar.provider_soloed) as caught:
        zai.click()
    assert caught.args == ["zai"]
    assert zai.isChecked()

    with qtbot.waitSignal(filter_bar.model_soloed) as caught:
        qtbot.keyClick(opus, Qt.Key.Key_Space)
    assert caught.args == ["claude-opus-4-6"]


def test_chip_takes_no_notice_of_a_key_that_an_earlier_click_was_made_with(
    filter_bar: FilterBar, qtbot: QtBot
) -> None:
    """The application remembers the keys of the last event, whichever window that came to."""
    filter_bar.show_snapshot(full_snapshot())
    zai = filter_bar.chips[1]
    qtbot.mouseClick(zai, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier)

    with qtbot.waitSignal(filter_bar.provider_soloed) as caught:
        zai.click()

    assert caught.args == ["zai"]


@pytest.mark.parametrize("modifier", ["ControlModifier", "ShiftModifier"])
def test_chip_with_control_held_asks_for_the_opposite_by_keyboard(
    filter_bar: FilterBar, qtbot: QtBot, modifier: str
) -> None:
    filter_bar.show_snapshot(full_snapshot())
    held = getattr(Qt.KeyboardModifier, modifier)

    with qtbot.waitSignal(filter_bar.provider_toggled) as caught:
        qtbot.keyClick(filter_bar.chips[1], Qt.Key.Key_Space, held)

    assert caught.args == ["zai", False]


@pytest.mark.parametrize("modifier", ["ControlModifier", "ShiftModifier"])
def test_chip_with_control_held_asks_for_the_opposite(
    filter_bar: FilterBar, qtbot: QtBot, modifier: str
) -> None:
    filter_bar.show_snapshot(full_snapshot())
    held = getattr(Qt.KeyboardModifier, modifier)

    with qtbot.waitSignal(filter_bar.provider_toggled) as caught:
        qtbot.mouseClick(filter_bar.chips[1], Qt.MouseButton.LeftButton, held)

    assert caught.args == ["zai", False]


def test_double_click_on_a_chip_counts_once(filter_bar: FilterBar, qtbot: QtBot) -> None:
    filter_bar.show_snapshot(full_snapshot())
    asked: list[str] = []
    filter_bar.model_soloed.connect(asked.append)
    chip = filter_bar.chips[2]
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    qtbot.mouseDClick(chip, Qt.MouseButton.LeftButton)
    assert asked == ["claude-opus-4-6"]


def test_headline_does_not_call_what_is_hidden_nothing(week_summary: WeekSummaryView) -> None:
    full = full_snapshot()

    def hiding(*keys: str) -> Snapshot:
        off = tuple(replace(one, is_on=one.key not in keys) for one in full.providers)
        parts = tuple(p for p in full.week_summary.parts if (p.backend or "") not in keys)
        summary = replace(full.week_summary, parts=parts)
        return replace(full, providers=off, week_summary=summary)

    week_summary.show_snapshot(hiding("zai"))
    assert week_summary.share_text == "22.2M"
    assert week_summary.share_caption == "tokens, Claude only"
    assert week_summary.saved.value == "\N{EN DASH}"
    assert week_summary.saved.caption == "Z.ai hidden"
    week_summary.show_snapshot(hiding("anthropic"))
    assert week_summary.share_text == "46.9M"
    assert week_summary.share_caption == "tokens, Z.ai only"
    assert week_summary.saved.value.startswith("\N{ALMOST EQUAL TO} $")


def test_share_of_some_models_says_that_it_is_of_them(week_summary: WeekSummaryView) -> None:
    full = full_snapshot()
    off = tuple(replace(one, is_on=place > 0) for place, one in enumerate(full.models))
    week_summary.show_snapshot(replace(full, models=off))
    assert week_summary.share_caption == "of shown tokens delegated"


def test_hidden_choice_is_off_and_says_so(filter_bar: FilterBar) -> None:
    full = full_snapshot()
    off = tuple(replace(choice, is_on=choice.key != "zai") for choice in full.providers)
    filter_bar.show_snapshot(replace(full, providers=off))

    assert not filter_bar.chips[1].isChecked()
    assert filter_bar.chips[1].accessibleName() == "provider Z.ai, hidden"


def test_model_that_two_providers_served_shows_how_it_is_drawn_for_each(
    filter_bar: FilterBar, theme: Theme
) -> None:
    full = full_snapshot()
    models = [*full.models[:2], replace(full.models[2], also=("anthropic",))]
    filter_bar.set_theme(theme)
    filter_bar.show_snapshot(replace(full, models=tuple(models)))
    sonnet, haiku = filter_bar.chips[3], filter_bar.chips[4]

    series_fills = SeriesFills.of(full)
    colours = [
        series_fills.fill(theme, backend, haiku.key).colour for backend in ("zai", "anthropic")
    ]
    image = haiku.grab().toImage()
    level = [image.pixelColor(x, image.height() // 2).name() for x in range(40)]
    assert [colour for colour in dict.fromkeys(level) if colour in colours] == colours
    assert "Its swatches: Z.ai, Claude" in haiku.toolTip()
    assert "swatches" not in sonnet.toolTip()


def test_chips_without_room_are_in_the_menu(filter_bar: FilterBar, qtbot: QtBot) -> None:
    full = full_snapshot()
    models = tuple(
        FilterOption(key=f"model-{n}", name=f"a-long-model-name-{n}", backend="zai", is_on=n != 11)
        for n in range(12)
    )
    filter_bar.show_snapshot(replace(full, models=models))

    shown = [chip for chip in filter_bar.chips if not chip.isHidden()]
    hidden = [chip for chip in filter_bar.chips if chip.isHidden()]
    assert hidden
    assert filter_bar.more.text() == f"{len(hidden)} more"
    assert sum(chip.sizeHint().width() for chip in shown) < filter_bar.width()

    menu = filter_bar.more.menu()
    menu.aboutToShow.emit()
    actions = menu.actions()
    assert [action.isChecked() for action in actions] == [True] * (len(actions) - 1) + [False]
    with qtbot.waitSignal(filter_bar.model_toggled) as caught:
        actions[-1].trigger()
    assert caught.args == ["model-11", True]

    filter_bar.resize(4000, 30)
    QApplication.processEvents()
    assert all(not chip.isHidden() for chip in filter_bar.chips)
    assert filter_bar.more.isHidden()


def test_new_model_comes_without_losing_the_keyboard(filter_bar: FilterBar, qtbot: QtBot) -> None:
    full = full_snapshot()
    filter_bar.show_snapshot(replace(full, models=full.models[:2]))
    filter_bar.activateWindow()
    qtbot.waitUntil(filter_bar.isActiveWindow)
    filter_bar.chips[1].setFocus()

    filter_bar.show_snapshot(full)

    assert len(filter_bar.chips) == 5
    assert filter_bar.chips[1].hasFocus()


def test_tokens_are_told_by_kind_and_backend(qtbot: QtBot) -> None:
    view = TokensView()
    qtbot.addWidget(view)
    view.show_tokens(full_snapshot().tokens, ("anthropic", "zai"))

    texts = view.texts()
    for text in ("Claude", "Z.ai", "41,650,300", "2,150,000", "84%", "92%", "46,861,100"):
        assert text in texts


def test_tokens_of_nothing_say_so(qtbot: QtBot) -> None:
    view = TokensView()
    qtbot.addWidget(view)
    view.show_tokens(full_snapshot().tokens, ())
    view.show_tokens(empty_snapshot().tokens, ())

    assert view.texts() == ["No tokens in this time"]

    view.show_tokens(chosen_snapshot().tokens, ())
    assert "Z.ai" in view.texts()


def test_search_and_status_narrow_the_table(
    table: RequestsView, requests_model: RequestsModel, qtbot: QtBot
) -> None:
    requests_model.reset(_rows(30))
    assert table.count_text == "30 requests"

    qtbot.keyClicks(table.search, "opus")
    assert table.count_text == "10 of 30 requests"

    table.status.setCurrentText("Failed")
    assert table.count_text == "1 of 30 requests"

    table.search.setText("nobody")
    assert table.count_text == "0 of 30 requests"


def test_filters_of_the_window_hold_for_the_table(
    table: RequestsView, requests_model: RequestsModel
) -> None:
    requests_model.reset(_rows(30))
    full = full_snapshot()
    off = tuple(replace(choice, is_on=choice.key != "zai") for choice in full.providers)

    table.show_snapshot(replace(full, providers=off))

    assert table.count_text == "10 requests"


def test_table_follows_the_newest(table: RequestsView, requests_model: RequestsModel) -> None:
    requests_model.reset(_rows(100))
    requests_model.add(_rows(3, since=100))

    assert table.table.verticalScrollBar().value() == 0
    assert table.to_newest.isHidden()
    assert requests_model.rows()[0].record.input_tokens == 102


def test_table_that_was_scrolled_stays_where_it_is(
    table: RequestsView, requests_model: RequestsModel, qtbot: QtBot
) -> None:
    requests_model.reset(_rows(100))
    QApplication.processEvents()
    bar = table.table.verticalScrollBar()
    bar.setValue(600)
    looked_at = table.table.indexAt(table.table.viewport().rect().center()).data()

    requests_model.add(_rows(5, since=100))
    QApplication.processEvents()

    assert table.table.indexAt(table.table.viewport().rect().center()).data() == looked_at
    assert not table.to_newest.isHidden()

    table.to_newest.click()
    assert bar.value() == 0
    assert table.to_newest.isHidden()


def test_header_sorts(table: RequestsView, requests_model: RequestsModel) -> None:
    requests_model.reset(_rows(30))

    table.table.sortByColumn(Column.INPUT, Qt.SortOrder.AscendingOrder)

    assert [row.record.input_tokens for row in requests_model.rows()] == list(range(30))
