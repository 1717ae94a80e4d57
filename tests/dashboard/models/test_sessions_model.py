"""The model of the table of sessions: which text stands in which cell, and when it changes."""

from __future__ import annotations

from datetime import datetime, timedelta

from PySide6.QtCore import Qt
from sample_sessions import session_row
from sample_snapshots import NOW, ZONE

from offramp_dashboard.models.session_columns import SessionColumn
from offramp_dashboard.models.sessions import SessionsModel


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def last_activity(model: SessionsModel) -> str:
    return model.text_at(0, SessionColumn.LAST)


def test_time_has_its_weekday_once_the_day_is_over() -> None:
    clock = Clock()
    model = SessionsModel(ZONE, clock)
    model.show_rows([session_row("one", 0)])
    today = last_activity(model)

    clock.now = NOW + timedelta(days=1)
    assert last_activity(model) == f"{NOW.astimezone(ZONE):%a} {today}"

    clock.now = NOW  # the clock was set back
    assert last_activity(model) == today


def test_cell_says_what_the_row_says_that_is_there_now() -> None:
    model = SessionsModel(ZONE, Clock())
    model.show_rows([session_row("one", 0, requests=4), session_row("two", 1, requests=6)])
    assert model.text_at(0, SessionColumn.REQUESTS) == "4"

    model.show_rows([session_row("one", 0, requests=8), session_row("two", 1, requests=6)])
    assert model.text_at(0, SessionColumn.REQUESTS) == "8"

    model.sort(SessionColumn.REQUESTS, Qt.SortOrder.AscendingOrder)
    assert [model.text_at(row, SessionColumn.REQUESTS) for row in range(2)] == ["6", "8"]


def test_more_rows_than_are_kept_are_all_shown() -> None:
    model = SessionsModel(ZONE, Clock())
    model.show_rows([session_row(str(number), number, requests=number) for number in range(2_500)])

    for _ in range(2):
        shown = [model.text_at(row, SessionColumn.SESSION) for row in range(2_500)]
        assert shown == [str(number) for number in range(2_500)]
