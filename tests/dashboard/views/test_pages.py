"""What the pages say beside their charts: the week that was chosen, and how it compares."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sample_snapshots import chosen_snapshot, full_snapshot

from offramp_dashboard.views import pages
from offramp_dashboard.views.charts.weeks_chart import week_name, week_total
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_dashboard.data.snapshot import Snapshot

FULL = full_snapshot()
WEEKS = FULL.weeks.weeks


def of_range(start: datetime, end: datetime) -> Snapshot:
    chosen = chosen_snapshot().chosen
    assert chosen is not None
    edges = (start, *chosen.edges[1:-1], end)
    return replace(FULL, chosen=replace(chosen, edges=edges))


def test_chosen_week_is_compared_with_the_one_before_it() -> None:
    week, before = WEEKS[5], WEEKS[4]
    snapshot = of_range(week.start, week.end)

    assert pages.chosen_week(snapshot) is week
    change = number_text.change_text(week_total(week), week_total(before), week_name(before))
    total = number_text.short(week_total(week))
    assert pages.weeks_subtitle(snapshot) == f"{week_name(week)}: {total} tokens, {change}"


def test_running_week_that_is_chosen_is_compared_with_none() -> None:
    week = WEEKS[-1]
    snapshot = of_range(week.start, FULL.taken + timedelta(minutes=3))

    assert pages.chosen_week(snapshot) is week
    assert pages.weeks_subtitle(snapshot).startswith("This week: ")
    assert "vs." not in pages.weeks_subtitle(snapshot)


def test_oldest_week_that_is_shown_has_none_before_it() -> None:
    snapshot = of_range(WEEKS[0].start, WEEKS[0].end)
    assert pages.weeks_subtitle(snapshot).endswith(" tokens")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (WEEKS[3].start, WEEKS[4].end),
        (WEEKS[3].start, WEEKS[3].end - timedelta(hours=1)),
        (WEEKS[3].start + timedelta(hours=1), WEEKS[3].end),
        (WEEKS[-1].start, FULL.taken - timedelta(hours=1)),
    ],
    ids=["two weeks", "cut at its end", "cut at its start", "not up to now"],
)
def test_range_that_is_not_one_week_is_none(start: datetime, end: datetime) -> None:
    snapshot = of_range(start, end)

    assert pages.chosen_week(snapshot) is None
    assert pages.weeks_subtitle(snapshot) == pages.weeks_subtitle(FULL)


def test_weeks_are_not_compared_while_they_are_being_read() -> None:
    snapshot = of_range(WEEKS[5].start, WEEKS[5].end)
    reading = replace(snapshot, weeks=replace(snapshot.weeks, is_complete=False))
    assert pages.weeks_subtitle(reading) == "older history is still being read"
