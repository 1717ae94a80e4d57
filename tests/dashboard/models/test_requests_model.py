"""The table of requests: sorted and filtered, live, and nobody loses his place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QItemSelectionModel, QLocale, QModelIndex, QPersistentModelIndex, Qt

from offramp_core.usage.records import RequestRecord, format_timestamp
from offramp_dashboard.data.request_rows import RequestFilter, RequestRow, row_of
from offramp_dashboard.models.requests import (
    BACKEND_ROLE,
    RAW_ROLE,
    ROW_ROLE,
    Column,
    RequestsModel,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.modeltest import ModelTester
    from pytestqt.qtbot import QtBot

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DOWN, UP = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder


def row(number: int = 0, **fields: Any) -> RequestRow:
    """A request `number` minutes ago; its `input_tokens` tell which."""
    values: dict[str, Any] = {
        "model": "claude-sonnet-4-5-20250929",
        "backend": "zai",
        "status": "success",
        "input_tokens": number,
        "reason": "route sonnet",
        "http_status": 200,
    }
    ts = format_timestamp(NOW - timedelta(minutes=number))
    found = row_of(RequestRecord(ts=ts, **{**values, **fields}))
    assert found is not None
    return found


def numbers(model: RequestsModel) -> list[int]:
    """Which requests are shown, in their order."""
    return [model.index(place, Column.INPUT).data(RAW_ROLE) for place in range(model.rowCount())]


def texts(model: RequestsModel, place: int) -> list[str]:
    return [model.index(place, column).data() for column in Column]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedStates))
    yield
    QLocale.setDefault(before)


@pytest.fixture
def model(qtmodeltester: ModelTester) -> Iterator[RequestsModel]:
    made = RequestsModel(UTC, lambda: NOW)
    yield made
    qtmodeltester.check(made, force_py=True)


def test_newest_request_comes_first(model: RequestsModel) -> None:
    model.reset([row(3), row(1), row(2)])
    assert numbers(model) == [1, 2, 3]
    model.add([row(0)])
    assert numbers(model) == [0, 1, 2, 3]


def test_cells_say_what_the_record_says(model: RequestsModel) -> None:
    one = row(
        5,
        input_tokens=1250,
        output_tokens=89_000,
        cache_read_input_tokens=1_000_000,
        cache_creation_input_tokens=24,
        served_model="glm-4.7",
    )
    model.reset([one])
    assert texts(model, 0) == [
        *("11:55:00", "sonnet-4-5", "Z.ai", "glm-4.7", "1,250", "89,000", "1,000,024"),
        *("ok", "", "route sonnet"),
    ]
    cell = model.index(0, Column.CACHE)
    assert cell.data(RAW_ROLE) == 1_000_024
    assert cell.data(ROW_ROLE) is one
    assert (cell.data(BACKEND_ROLE), cell.data(ROW_ROLE).record.status) == ("zai", "success")
    assert cell.data(Qt.ItemDataRole.ToolTipRole) == "1,000,000 read, 24 written"
    assert cell.data(Qt.ItemDataRole.AccessibleTextRole) == "Cache: 1,000,024"
    assert cell.data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    asked = model.index(0, Column.MODEL).data(Qt.ItemDataRole.ToolTipRole)
    assert asked == "claude-sonnet-4-5-20250929, served by glm-4.7"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "error", "http_status": 429}, "error 429"),
        ({"status": "error", "http_status": 200}, "error"),
        ({"status": "cancelled", "http_status": None}, "cancelled"),
    ],
)
def test_failures_say_how_they_ended(
    model: RequestsModel, fields: dict[str, Any], text: str
) -> None:
    model.reset([row(**fields)])
    assert model.index(0, Column.STATUS).data() == text


def test_names_without_a_value_and_with_control_characters_are_readable(
    model: RequestsModel,
) -> None:
    model.reset([row(model=None, backend=None, reason=None), row(1, model="a\x1b[31m\n")])
    assert texts(model, 0)[1:3] == ["no model", "unsent"]
    assert texts(model, 0)[Column.REASON] == ""
    assert texts(model, 1)[1] == "a?[31m?"


def test_times_of_other_days_have_their_date_and_zone(model: RequestsModel) -> None:
    model.reset([row(60 * 24), row(60 * 24 * 300)])
    assert [texts(model, place)[0] for place in (0, 1)] == ["Wed 12:00", "2026-01-30 12:00"]
    tip = model.index(0, Column.TIME).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == "2026-11-25 12:00:00 UTC"


@pytest.mark.parametrize("ts", ["yesterday", "2026-11-26T12:00:00", "0001-01-01T00:00:00Z", ""])
def test_record_without_a_usable_time_has_no_row(ts: str) -> None:
    assert row_of(RequestRecord(ts=ts, model=None, backend=None, status="success")) is None


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (RequestFilter(), [0, 1, 2]),
        (RequestFilter(text="OPUS"), [1]),
        (RequestFilter(text=" z.ai "), [0, 2]),
        (RequestFilter(text="429"), [2]),
        (RequestFilter(text="route sonnet"), [0, 2]),
        (RequestFilter(text="nothing like it"), []),
        (RequestFilter(statuses=frozenset({"error"})), [2]),
        (RequestFilter(statuses=frozenset({"error", "success"})), [0, 1, 2]),
        (RequestFilter(hidden_providers=frozenset({"zai"})), [1]),
        (RequestFilter(hidden_models=frozenset({"claude-opus-4-6"})), [0, 2]),
        (RequestFilter(text="sonnet", statuses=frozenset({"success"})), [0]),
    ],
)
def test_filter_shows_what_passes_every_part_of_it(
    model: RequestsModel, qtbot: QtBot, wanted: RequestFilter, left: list[int]
) -> None:
    model.reset(
        [
            row(0),
            row(1, model="claude-opus-4-6", backend="anthropic", reason="default"),
            row(2, status="error", http_status=429),
        ]
    )
    counts: list[tuple[int, int]] = []
    model.counted.connect(lambda shown, all_rows: counts.append((shown, all_rows)))
    model.set_filter(wanted)
    assert numbers(model) == left
    assert counts == ([] if wanted == RequestFilter() else [(len(left), 3)])


def test_new_requests_pass_the_filter_or_stay_away(model: RequestsModel) -> None:
    model.set_filter(RequestFilter(text="opus"))
    model.add([row(1), row(2, model="claude-opus-4-6")])
    assert numbers(model) == [2]
    model.set_filter(RequestFilter())
    assert numbers(model) == [1, 2]


def test_selected_request_stays_selected_while_others_come_and_go(model: RequestsModel) -> None:
    model.reset([row(number) for number in range(1, 8)])
    selection = QItemSelectionModel(model)
    held = model.index(3, Column.TIME)
    selection.setCurrentIndex(
        held,
        QItemSelectionModel.SelectionFlag.SelectCurrent | QItemSelectionModel.SelectionFlag.Rows,
    )
    chosen = held.data(ROW_ROLE)
    model.add([row(0), row(5, reason="late")])
    model.sort(Column.INPUT, UP)
    model.set_filter(RequestFilter(text="route"))
    model.sort(Column.TIME, UP)
    (kept,) = selection.selectedRows()
    assert kept.data(ROW_ROLE) is chosen
    assert selection.currentIndex().row() == kept.row()
    model.set_filter(RequestFilter(text="late"))
    assert selection.selectedRows() == []


def test_new_request_tells_views_of_one_inserted_row(model: RequestsModel) -> None:
    model.reset([row(number) for number in range(2, 5)])
    told: list[tuple[int, int]] = []
    model.rowsInserted.connect(lambda _parent, first, last: told.append((first, last)))
    model.modelReset.connect(lambda: told.append((-1, -1)))
    model.add([row(1)])
    model.add([])
    assert told == [(0, 0)]


@pytest.mark.parametrize("column", list(Column))
@pytest.mark.parametrize("order", [DOWN, UP])
def test_every_column_sorts_by_its_value(
    model: RequestsModel, column: Column, order: Qt.SortOrder
) -> None:
    model.reset(
        [
            row(1, output_tokens=900, model="claude-opus-4-6", cache_read_input_tokens=5),
            row(2, output_tokens=1000, backend="anthropic", status="error", http_status=500),
            row(3, output_tokens=20, reason="kept: images"),
            row(4, output_tokens=900),
        ]
    )
    model.sort(column, order)
    values = [model.index(place, column).data(RAW_ROLE) for place in range(4)]
    assert values == sorted(values, reverse=order == DOWN)


rows = st.lists(
    st.builds(
        row,
        st.integers(0, 50),
        output_tokens=st.integers(0, 3),
        model=st.sampled_from(["a", "b", None]),
        status=st.sampled_from(["success", "error"]),
    ),
    max_size=15,
)


@settings(deadline=None)
@given(rows, st.lists(rows, max_size=4), st.sampled_from(list(Column)), st.sampled_from([UP, DOWN]))
def test_rows_that_come_later_stand_where_sorting_would_put_them(
    first: list[RequestRow], later: list[list[RequestRow]], column: Column, order: Qt.SortOrder
) -> None:
    grown, whole = RequestsModel(UTC, lambda: NOW), RequestsModel(UTC, lambda: NOW)
    for model in (grown, whole):
        model.set_filter(RequestFilter(statuses=frozenset({"success"})))
        model.sort(column, order)
    grown.reset(first)
    for part in later:
        grown.add(part)
    everything = [*first, *(one for part in later for one in part)]
    whole.reset(everything)

    def keys(model: RequestsModel) -> list[tuple[Any, datetime]]:
        return [
            (model.index(place, column).data(RAW_ROLE), one.moment)
            for place, one in enumerate(model.rows())
        ]

    assert keys(grown) == keys(whole)
    assert set(map(id, grown.rows())) == set(map(id, whole.rows()))


def test_oldest_rows_go_when_there_are_too_many(qtbot: QtBot) -> None:
    model = RequestsModel(UTC, lambda: NOW, most_rows=5)
    model.reset([row(number) for number in range(3, 8)], has_more=True)
    held = QPersistentModelIndex(model.index(4, 0))
    model.add([row(1), row(2)])
    assert numbers(model) == [1, 2, 3, 4, 5]
    assert not held.isValid()
    assert not model.canFetchMore(QModelIndex())


def test_very_many_at_once_are_put_in_order_as_a_whole(model: RequestsModel) -> None:
    model.set_filter(RequestFilter(text="route"))
    model.reset([row(number) for number in range(2000, 2003)], has_more=True)
    held = QPersistentModelIndex(model.index(1, Column.INPUT))
    single: list[str] = []
    model.rowsInserted.connect(lambda *_: single.append("inserted"))
    model.rowsRemoved.connect(lambda *_: single.append("removed"))

    model.add([row(number, reason="" if number % 2 else "route") for number in range(1500)])

    assert numbers(model) == [*range(0, 1500, 2), 2000, 2001, 2002]
    assert held.data(RAW_ROLE) == 2001
    assert single == []


def test_more_at_once_than_are_kept_leave_the_newest(qtbot: QtBot) -> None:
    model = RequestsModel(UTC, lambda: NOW, most_rows=600)
    model.reset([row(number) for number in range(2000, 2003)], has_more=True)
    held = QPersistentModelIndex(model.index(1, 0))

    with qtbot.waitSignal(model.counted) as counted:
        model.add([row(number) for number in range(1000)])

    assert numbers(model) == list(range(600))
    assert counted.args == [600, 600]
    assert not held.isValid()
    assert not model.canFetchMore(QModelIndex())


def test_scrolling_to_the_end_asks_once_for_earlier_requests(qtbot: QtBot) -> None:
    model = RequestsModel(UTC, lambda: NOW, page=2, most_rows=5)
    model.reset([row(0), row(1)], has_more=True)
    with qtbot.waitSignal(model.more_wanted) as asked:
        model.fetchMore(QModelIndex())
    assert asked.args == [2]
    assert not model.canFetchMore(QModelIndex())
    model.append([row(2), row(3)], has_more=True)
    assert numbers(model) == [0, 1, 2, 3]
    with qtbot.waitSignal(model.more_wanted) as asked:
        model.fetchMore(QModelIndex())
    assert asked.args == [1]
    model.append([row(4)], has_more=True)
    assert not model.canFetchMore(QModelIndex())


def test_end_of_the_log_is_not_asked_beyond(model: RequestsModel) -> None:
    model.reset([row(0)], has_more=True)
    model.append([row(1)], has_more=False)
    assert not model.canFetchMore(QModelIndex())


def test_header_names_and_explains_each_column(model: RequestsModel) -> None:
    across = Qt.Orientation.Horizontal
    assert [model.headerData(column, across) for column in (Column.TIME, Column.CACHE)] == [
        "Time \N{BLACK DOWN-POINTING TRIANGLE}",
        "Cache",
    ]
    for column in Column:
        assert model.headerData(column, across, Qt.ItemDataRole.ToolTipRole)
        assert model.headerData(column, Qt.Orientation.Vertical) is None


def test_times_are_worded_anew_on_another_day(qtbot: QtBot) -> None:
    now = [NOW]
    model = RequestsModel(UTC, lambda: now[0])
    model.reset([row(0)])
    assert model.index(0, 0).data() == "12:00:00"
    now[0] += timedelta(days=1)
    with qtbot.waitSignal(model.dataChanged):
        model.refresh_times()
    assert model.index(0, 0).data() == "Thu 12:00"


def test_model_that_looks_like_html_is_no_html_in_a_tip(model: RequestsModel) -> None:
    model.reset([row(model="<b>claude</b>"), row(1, model="a&b")])
    tips = [model.index(place, Column.MODEL).data(Qt.ItemDataRole.ToolTipRole) for place in (0, 1)]
    assert tips == ["<span>&lt;b&gt;claude&lt;/b&gt;</span>", "a&b"]
