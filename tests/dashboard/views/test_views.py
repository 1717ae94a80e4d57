"""Headline, filters, tokens and the table of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from sample_pictures import NOW, chosen_picture, empty_picture, full_picture, single_picture

from offramp_core.usage.records import RequestRecord
from offramp_dashboard.data.request_rows import RequestRow, row_of
from offramp_dashboard.data.snapshot import Choice, Measure
from offramp_dashboard.models.requests import Column, RequestsModel
from offramp_dashboard.views.filter_bar import Chips
from offramp_dashboard.views.requests_view import RequestsView
from offramp_dashboard.views.series_fills import Shades
from offramp_dashboard.views.tokens_view import TokensView
from offramp_dashboard.views.week_summary import HeadlineView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.theme import Theme


@pytest.fixture
def headline(qtbot: QtBot) -> HeadlineView:
    view = HeadlineView()
    qtbot.addWidget(view)
    view.resize(1200, 110)
    return view


@pytest.fixture
def chips(qtbot: QtBot) -> Chips:
    row = Chips()
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


def test_headline_says_the_share_and_the_parts(headline: HeadlineView) -> None:
    headline.show_picture(full_picture())

    assert headline.share_text == "68%"
    assert headline.split_text == "Z.ai 46.9M   ·   Claude 22.2M"
    assert (headline.requests.value, headline.requests.note) == (
        "2,258",
        "\u2191 13% on last week by now",
    )
    assert (headline.tokens.value, headline.tokens.note) == (
        "69.1M",
        "\u2191 11% on last week by now",
    )
    assert (headline.errors.value, headline.errors.note) == ("12", "1%, 5 last week by now")


def test_headline_counts_requests_when_asked(headline: HeadlineView) -> None:
    headline.show_picture(full_picture(Measure.REQUESTS))

    assert headline.share_text == "82%"
    assert headline.split_text == "Z.ai 1,846   ·   Claude 412"


def test_savings_are_called_an_estimate_with_the_date_of_the_prices(
    headline: HeadlineView,
) -> None:
    full = full_picture()
    assert full.headline.savings is not None
    savings = replace(full.headline.savings, unpriced_tokens=1200)
    headline.show_picture(replace(full, headline=replace(full.headline, savings=savings)))

    assert headline.saved.value == "\u2248 $84"
    assert headline.saved.note == "estimate, 28 Jan 2026"
    assert "An estimate" in headline.saved.toolTip()
    assert "1,200 tokens" in headline.saved.toolTip()


def test_headline_of_nothing_has_no_number_it_does_not_know(headline: HeadlineView) -> None:
    headline.show_picture(empty_picture())

    assert headline.share_text == "\u2013"
    assert headline.requests.value == "0"
    assert headline.requests.note == ""
    assert headline.saved.value == "\u2013"


def test_first_request_has_no_week_before(headline: HeadlineView) -> None:
    headline.show_picture(single_picture())

    assert headline.share_text == "100%"
    assert headline.requests.note == ""


def test_chip_asks_for_the_opposite_and_waits_for_the_picture(chips: Chips, qtbot: QtBot) -> None:
    chips.show_picture(full_picture())
    zai, opus = chips.chips[1], chips.chips[2]

    with qtbot.waitSignal(chips.provider_toggled) as caught:
        zai.click()
    assert caught.args == ["zai", False]
    assert zai.isChecked()

    with qtbot.waitSignal(chips.model_toggled) as caught:
        qtbot.keyClick(opus, Qt.Key.Key_Space)
    assert caught.args == ["claude-opus-4-6", False]


def test_hidden_choice_is_off_and_says_so(chips: Chips) -> None:
    full = full_picture()
    off = tuple(replace(choice, is_on=choice.key != "zai") for choice in full.providers)
    chips.show_picture(replace(full, providers=off))

    assert not chips.chips[1].isChecked()
    assert chips.chips[1].accessibleName() == "provider Z.ai, hidden"


def test_model_that_two_providers_served_shows_how_it_is_drawn_for_each(
    chips: Chips, theme: Theme
) -> None:
    full = full_picture()
    models = [*full.models[:2], replace(full.models[2], also=("anthropic",))]
    chips.set_theme(theme)
    chips.show_picture(replace(full, models=tuple(models)))
    sonnet, haiku = chips.chips[3], chips.chips[4]

    shades = Shades.of(full)
    colours = [shades.fill(theme, backend, haiku.key).colour for backend in ("zai", "anthropic")]
    image = haiku.grab().toImage()
    level = [image.pixelColor(x, image.height() // 2).name() for x in range(40)]
    assert [colour for colour in dict.fromkeys(level) if colour in colours] == colours
    assert "Its swatches: Z.ai, Claude" in haiku.toolTip()
    assert "swatches" not in sonnet.toolTip()


def test_chips_without_room_are_in_the_menu(chips: Chips, qtbot: QtBot) -> None:
    full = full_picture()
    models = tuple(
        Choice(key=f"model-{n}", name=f"a-long-model-name-{n}", backend="zai", is_on=n != 11)
        for n in range(12)
    )
    chips.show_picture(replace(full, models=models))

    shown = [chip for chip in chips.chips if not chip.isHidden()]
    hidden = [chip for chip in chips.chips if chip.isHidden()]
    assert hidden
    assert chips.more.text() == f"{len(hidden)} more"
    assert sum(chip.sizeHint().width() for chip in shown) < chips.width()

    menu = chips.more.menu()
    menu.aboutToShow.emit()
    actions = menu.actions()
    assert [action.isChecked() for action in actions] == [True] * (len(actions) - 1) + [False]
    with qtbot.waitSignal(chips.model_toggled) as caught:
        actions[-1].trigger()
    assert caught.args == ["model-11", True]

    chips.resize(4000, 30)
    QApplication.processEvents()
    assert all(not chip.isHidden() for chip in chips.chips)
    assert chips.more.isHidden()


def test_new_model_comes_without_losing_the_keyboard(chips: Chips, qtbot: QtBot) -> None:
    full = full_picture()
    chips.show_picture(replace(full, models=full.models[:2]))
    chips.activateWindow()
    qtbot.waitUntil(chips.isActiveWindow)
    chips.chips[1].setFocus()

    chips.show_picture(full)

    assert len(chips.chips) == 5
    assert chips.chips[1].hasFocus()


def test_tokens_are_told_by_kind_and_backend(qtbot: QtBot) -> None:
    view = TokensView()
    qtbot.addWidget(view)
    view.show_tokens(full_picture().tokens, ("anthropic", "zai"))

    texts = view.texts()
    for text in ("Claude", "Z.ai", "41,650,300", "2,150,000", "84%", "92%", "46,861,100"):
        assert text in texts


def test_tokens_of_nothing_say_so(qtbot: QtBot) -> None:
    view = TokensView()
    qtbot.addWidget(view)
    view.show_tokens(full_picture().tokens, ())
    view.show_tokens(empty_picture().tokens, ())

    assert view.texts() == ["No tokens in this time"]

    view.show_tokens(chosen_picture().tokens, ())
    assert "Z.ai" in view.texts()


def test_search_and_status_narrow_the_table(
    table: RequestsView, requests_model: RequestsModel, qtbot: QtBot
) -> None:
    requests_model.reset(_rows(30))
    assert table.count_text == "latest 30"

    qtbot.keyClicks(table.search, "opus")
    assert table.count_text == "10 of 30"

    table.status.setCurrentText("Failed")
    assert table.count_text == "1 of 30"

    table.search.setText("nobody")
    assert table.count_text == "0 of 30"


def test_filters_of_the_window_hold_for_the_table(
    table: RequestsView, requests_model: RequestsModel
) -> None:
    requests_model.reset(_rows(30))
    full = full_picture()
    off = tuple(replace(choice, is_on=choice.key != "zai") for choice in full.providers)

    table.show_picture(replace(full, providers=off))

    assert table.count_text == "10 of 30"


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
