"""The picture: every number a sum over the log, whatever the zone, the order and the filters."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usage_samples import boundaries, logs_before, nows, record

from offramp_core.usage.aggregation import fold
from offramp_core.usage.measure import Measure
from offramp_core.usage.prices import Savings
from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_dashboard.data.events.pauses import PausePeriod
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.snapshot import (
    FeedState,
    LogStatus,
    PauseMark,
    Snapshot,
)
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.usage_history import UsageHistory
from offramp_dashboard.data.usage.usage_table import GRID, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.usage.aggregation import UsageCells
    from offramp_core.usage.records import UsageRecord
    from offramp_dashboard.data.snapshot import Bars

BERLIN = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))
NOW = datetime(2026, 11, 28, 9, 41, 17, tzinfo=UTC)
"""A Saturday; the week began on Thursday, 2026-11-26 21:00 UTC."""
WEEK_START = datetime(2026, 11, 26, 21, tzinfo=UTC)
READY = LogStatus(state=FeedState.READY, log_dir="log")
REQUESTS = Selection(measure=Measure.REQUESTS)


def past_of(log: Sequence[UsageRecord], now: datetime = NOW) -> UsageHistory:
    past = UsageHistory()
    past.add(log, now)
    past.complete(None)
    return past


def picture_of(
    log: Sequence[UsageRecord],
    selection: Selection = REQUESTS,
    *,
    now: datetime = NOW,
    boundary: WeekBoundary = BERLIN,
    pauses: Sequence[PausePeriod] = (),
) -> Snapshot:
    source = SnapshotInput(
        past=past_of(log, now), boundary=boundary, log_status=READY, pauses=pauses
    )
    return compose(source, now, selection)


def totals(bars: Bars) -> list[int]:
    """What each bar comes to."""
    return [sum(values) for values in zip(*(one.values for one in bars.series), strict=True)] or [
        0
    ] * (len(bars.edges) - 1)


def counted(log: Sequence[UsageRecord], edges: Sequence[datetime]) -> list[int]:
    """The records in each bar, the slow and simple way."""
    return [sum(start <= one.ts < end for one in log) for start, end in itertools.pairwise(edges)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[UsageRecord], datetime, WeekBoundary]:
    now = draw(nows)
    return draw(logs_before(now)), now, draw(boundaries)


@settings(deadline=None)
@given(situations())
def test_bars_and_weeks_count_what_arrived_in_them(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary],
) -> None:
    log, now, boundary = situation
    seen = picture_of(log, now=now, boundary=boundary)
    assert totals(seen.recent) == counted(log, seen.recent.edges)
    assert totals(seen.day) == counted(log, seen.day.edges)
    assert totals(seen.split.bars) == counted(log, seen.split.bars.edges)
    for week in seen.weeks.weeks:
        inside = [one for one in log if week.start <= one.ts < week.end]
        assert sum(value for _, value in week.values) == len(inside)
        assert week.start.astimezone(boundary.zone).hour in (boundary.hour, boundary.hour + 1)
    assert sum(part.requests for part in seen.week_summary.parts) == sum(
        one.ts >= seen.week_summary.start for one in log
    )


@settings(deadline=None)
@given(situations())
def test_bars_follow_each_other_without_gap_or_overlap(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary],
) -> None:
    log, now, boundary = situation
    seen = picture_of(log, now=now, boundary=boundary)
    assert (len(seen.recent.edges), len(seen.day.edges)) == (61, 25)
    for bars in (seen.recent, seen.day, seen.split.bars):
        instants = [edge.timestamp() for edge in bars.edges]
        assert instants == sorted(set(instants))
        assert instants[-1] > now.timestamp()
    assert seen.recent.edges[-2].timestamp() <= now.timestamp()
    assert all(edge.minute == 0 for edge in seen.day.edges) or _changes_by_half(boundary)
    for earlier, later in itertools.pairwise(seen.weeks.weeks):
        assert earlier.end == later.start


def _changes_by_half(boundary: WeekBoundary) -> bool:
    return str(boundary.zone) == "Australia/Lord_Howe"


@settings(deadline=None)
@given(situations(), st.randoms(), st.integers(0, 40))
def test_order_of_reading_changes_nothing(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary], dice: object, cut: int
) -> None:
    """The latest first and the older months packed later, or all of it as it stands."""
    log, now, boundary = situation
    newest_first = sorted(log, key=lambda one: one.ts, reverse=True)
    in_parts = UsageHistory()
    in_parts.add(newest_first[:cut], now)
    older = newest_first[cut:]
    recent = now - timedelta(hours=4)
    in_parts.add([one for one in older if one.ts >= recent], now)
    in_parts.add_columns(pack(fold([one for one in older if one.ts < recent], GRID)))
    in_parts.complete(None)
    shuffled = list(log)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    source = SnapshotInput(past=in_parts, boundary=boundary, log_status=READY)
    assert compose(source, now, REQUESTS) == picture_of(shuffled, now=now, boundary=boundary)


@settings(deadline=None)
@given(situations(), st.sets(st.sampled_from(["anthropic", "zai", ""])))
def test_hidden_and_shown_providers_add_up(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary], hidden: set[str]
) -> None:
    log, now, boundary = situation
    others = {"anthropic", "zai", ""} - hidden
    whole = picture_of(log, Selection(), now=now, boundary=boundary)
    shown, rest = (
        picture_of(log, Selection(hidden_providers=frozenset(keys)), now=now, boundary=boundary)
        for keys in (hidden, others)
    )
    for name in ("recent", "day"):
        one, other, both = (totals(getattr(seen, name)) for seen in (shown, rest, whole))
        assert [a + b for a, b in zip(one, other, strict=True)] == both
    assert set(shown.week_summary.parts) | set(rest.week_summary.parts) == set(
        whole.week_summary.parts
    )
    kept = [one for one in log if (one.backend or "") not in hidden]
    assert shown.hides_everything == (bool(log) and not kept)
    assert {choice.key for choice in shown.providers if not choice.is_on} == hidden


@settings(deadline=None)
@given(situations(), st.sets(st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-6", ""])))
def test_hidden_models_are_in_no_number(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary], hidden: set[str]
) -> None:
    log, now, boundary = situation
    kept = [one for one in log if (one.model or "") not in hidden]
    selection = replace(REQUESTS, hidden_models=frozenset(hidden))
    filtered = picture_of(log, selection, now=now, boundary=boundary)
    alone = picture_of(kept, now=now, boundary=boundary)
    assert totals(filtered.recent) == totals(alone.recent)
    assert filtered.day == alone.day
    assert filtered.weeks == alone.weeks
    assert filtered.week_summary.parts == alone.week_summary.parts
    assert filtered.tokens == alone.tokens


@settings(deadline=None)
@given(
    situations(),
    st.timedeltas(timedelta(0), timedelta(days=80)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=80)),
)
def test_chosen_range_counts_what_is_in_its_bars(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary], ago: timedelta, length: timedelta
) -> None:
    log, now, boundary = situation
    start = now - ago
    selection = replace(REQUESTS, span=Span(start, start + length))
    seen = picture_of(log, selection, now=now, boundary=boundary)
    assert seen.chosen is not None or (log and start + length <= min(one.ts for one in log))
    if seen.chosen is None:
        return
    assert totals(seen.chosen) == counted(log, seen.chosen.edges)
    assert totals(seen.split.bars) == counted(log, seen.split.bars.edges)
    first = max(start, seen.first or start)
    assert seen.chosen.edges[0] <= first
    assert seen.chosen.edges[-1] >= min(start + length, now)
    assert len(seen.chosen.edges) <= 130


@pytest.mark.parametrize(
    ("length", "width"),
    [
        (timedelta(minutes=40), timedelta(minutes=3)),
        (timedelta(hours=6), timedelta(minutes=15)),
        (timedelta(days=3), timedelta(hours=1)),
        (timedelta(days=30), timedelta(days=1)),
        (timedelta(days=300), timedelta(days=7)),
    ],
)
def test_bars_of_a_range_are_as_wide_as_suits_it(length: timedelta, width: timedelta) -> None:
    log = [record(NOW - timedelta(days=500)), record(NOW)]
    seen = picture_of(log, Selection(span=Span(NOW - length, NOW)))
    assert seen.chosen is not None
    assert seen.chosen.edges[2] - seen.chosen.edges[1] == width


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW, NOW),
        (NOW, NOW - timedelta(hours=1)),
        (NOW + timedelta(days=1), NOW + timedelta(days=2)),
    ],
)
def test_range_with_nothing_in_it_chooses_nothing(start: datetime, end: datetime) -> None:
    assert picture_of([record(NOW)], Selection(span=Span(start, end))).chosen is None


def test_measure_decides_what_bars_count() -> None:
    log = [record(NOW), record(NOW, tokens=(1, 1, 1, 1))]
    assert totals(picture_of(log, REQUESTS).recent)[-1] == 2
    assert totals(picture_of(log, Selection(measure=Measure.TOKENS)).recent)[-1] == 437


def test_headline_compares_with_last_week_at_the_same_hour() -> None:
    last = WEEK_START - timedelta(days=7)
    elapsed = NOW - WEEK_START
    log = [
        record(last - timedelta(minutes=1)),
        record(last),
        record(last + elapsed - timedelta(hours=1), status="error"),
        record(last + elapsed + timedelta(hours=1)),
        record(NOW, backend="anthropic"),
    ]
    week_summary = picture_of(log).week_summary
    assert week_summary.last_week_parts is not None
    (before,) = week_summary.last_week_parts
    assert (before.requests, before.errors) == (2, 1)
    assert [part.backend for part in week_summary.parts] == ["anthropic"]
    assert week_summary.last_week_end is not None
    assert NOW - week_summary.last_week_end - timedelta(days=7) < timedelta(minutes=15)


@pytest.mark.parametrize("ago", [1, 2, 9])
def test_week_that_is_chosen_is_the_headline_beside_the_week_before_it(ago: int) -> None:
    before, chosen = BERLIN.latest_weeks(NOW, 12)[-2 - ago : 12 - ago]
    start, end = chosen.start, chosen.end
    log = [
        record(before.start + timedelta(hours=1)),
        record(start - timedelta(minutes=20), status="error"),
        record(start + timedelta(days=1), backend="anthropic"),
        record(end + timedelta(hours=1)),
        record(NOW),
    ]
    priced = SnapshotInput(
        past=past_of(log),
        boundary=BERLIN,
        log_status=READY,
        price=lambda usage: Savings(usd=usage.total().requests, priced_on=date(2026, 11, 1)),
    )
    seen = compose(priced, NOW, Selection(span=chosen)).week_summary
    assert not seen.is_current
    assert (seen.start, seen.end, seen.last_week_end) == (start, end, start)
    assert [(part.backend, part.requests) for part in seen.parts] == [("anthropic", 1)]
    assert seen.last_week_parts is not None
    assert [(part.requests, part.errors) for part in seen.last_week_parts] == [(2, 1)]
    assert seen.savings is not None
    assert seen.savings.usd == 1


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (WEEK_START, WEEK_START + timedelta(days=7)),
        (WEEK_START - timedelta(days=14), WEEK_START),
        (WEEK_START - timedelta(days=7), WEEK_START - timedelta(hours=1)),
        (WEEK_START - timedelta(days=6), WEEK_START + timedelta(days=1)),
        (WEEK_START - timedelta(weeks=90), WEEK_START - timedelta(weeks=89)),
    ],
    ids=["this week", "two weeks", "less than a week", "across two weeks", "before the log"],
)
def test_headline_stays_with_this_week_for_any_other_range(start: datetime, end: datetime) -> None:
    log = [record(NOW - timedelta(days=day)) for day in range(30)]
    seen = picture_of(log, Selection(span=Span(start, end))).week_summary
    assert seen == picture_of(log).week_summary
    assert seen.is_current


def test_same_hour_of_last_week_is_by_the_clock() -> None:
    """Clocks in Berlin went back on Sunday: Monday 10:00 a week ago was 169 hours before."""
    now = datetime(2026, 10, 26, 9, tzinfo=UTC)
    week_summary = picture_of([record(now - timedelta(days=10)), record(now)], now=now).week_summary
    assert week_summary.last_week_end == datetime(2026, 10, 19, 8, tzinfo=UTC)


def test_without_last_week_there_is_nothing_to_compare_with() -> None:
    assert picture_of([record(NOW)]).week_summary.last_week_parts is None
    assert picture_of([]).week_summary.last_week_parts is None


def test_unread_time_is_said_to_be_incomplete() -> None:
    past = UsageHistory()
    past.add([record(NOW), record(WEEK_START - timedelta(days=3))], NOW)
    source = SnapshotInput(past=past, boundary=BERLIN, log_status=READY)
    early = compose(source, NOW, REQUESTS)
    assert not early.recent.is_complete
    assert early.week_summary.last_week_parts is None
    past.complete(WEEK_START - timedelta(days=7))
    later = compose(source, NOW, REQUESTS)
    assert later.recent.is_complete
    assert later.day.is_complete
    assert not later.weeks.is_complete
    assert later.week_summary.last_week_parts is not None


def test_pace_without_earlier_weeks_is_a_straight_line_with_a_wide_band() -> None:
    elapsed = NOW - WEEK_START
    log = [record(WEEK_START + elapsed * part / 10) for part in range(10)]
    week = timedelta(days=7)
    pace = picture_of(log).weeks.pace
    to_come = 10 * (week / elapsed) - 10
    assert pace is not None
    assert pace.likely == round(10 + to_come)
    assert (pace.low, pace.high) == (round(10 + to_come / 2), round(10 + to_come * 1.5))


@pytest.mark.parametrize("busier", [1, 3])
def test_pace_follows_the_shape_of_earlier_weeks(busier: int) -> None:
    """Work lies on Monday to Wednesday: by Saturday 10:41 hardly anything of a week is done."""
    log = [record(WEEK_START - timedelta(weeks=7))]
    for ago in (1, 2, 3):
        start = WEEK_START - timedelta(weeks=ago)
        log += [record(start + timedelta(hours=12)) for _ in range(10)]
        log += [record(start + timedelta(days=4)) for _ in range(90)]
    log += [record(WEEK_START + timedelta(hours=12)) for _ in range(10 * busier)]

    pace = picture_of(log).weeks.pace

    straight = 10 * busier * 7 / 1.5
    assert pace is not None
    assert pace.likely == 100 if busier == 1 else 100 < pace.likely < 300
    assert pace.likely > straight or busier == 3
    assert pace.low < pace.likely < pace.high


def test_pace_of_a_week_without_requests_is_that_of_the_weeks_before() -> None:
    log = [record(WEEK_START - timedelta(weeks=7))]
    for ago in (1, 2, 3):
        log += [record(WEEK_START - timedelta(weeks=ago) + timedelta(days=4)) for _ in range(50)]
    pace = picture_of(log).weeks.pace
    assert pace is not None
    assert pace.likely == 50


def test_pace_is_not_told_too_early_or_of_nothing() -> None:
    early = WEEK_START + timedelta(hours=3)
    assert picture_of([record(early)], now=early).weeks.pace is None
    assert picture_of([]).weeks.pace is None


def test_series_tell_backends_apart_that_served_the_same_model() -> None:
    log = [
        record(NOW, backend="zai"),
        record(NOW, backend="anthropic"),
        record(NOW, backend="anthropic", model="claude-opus-4-6"),
        record(NOW, model=None, backend=None),
    ]
    day = picture_of(log).day
    assert [(one.key, one.name) for one in day.series] == [
        ("anthropic/claude-opus-4-6", "opus-4-6"),
        ("anthropic/claude-sonnet-4-5", "sonnet-4-5 (Claude)"),
        ("zai/claude-sonnet-4-5", "sonnet-4-5 (Z.ai)"),
        ("/", "no model"),
    ]


def test_snapshots_of_one_model_are_named_in_full() -> None:
    log = [record(NOW), record(NOW, model="claude-sonnet-4-5-20250929")]
    seen = picture_of(log)
    names = ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"]
    assert [one.name for one in seen.day.series] == names
    assert [choice.name for choice in seen.models] == names


def test_hidden_choice_stays_to_be_chosen_though_the_log_lost_it() -> None:
    selection = Selection(
        hidden_providers=frozenset({"gone"}), hidden_models=frozenset({"claude-old"})
    )
    seen = picture_of([record(NOW)], selection)
    assert [(one.key, one.is_on) for one in seen.providers] == [("gone", False), ("zai", True)]
    assert [(one.key, one.is_on) for one in seen.models] == [
        ("claude-sonnet-4-5", True),
        ("claude-old", False),
    ]


def test_model_has_the_backend_that_served_it_most() -> None:
    log = [record(NOW, backend="anthropic"), record(NOW), record(NOW)]
    assert [(choice.backend, choice.also) for choice in picture_of(log).models] == [
        ("zai", ("anthropic",))
    ]


def test_cache_hit_rate_is_of_all_input() -> None:
    log = [record(NOW, tokens=(100, 7, 100, 200)), record(NOW, backend="none", tokens=(0, 5, 0, 0))]
    rates = {one.backend: one.cache_hit_rate for one in picture_of(log).tokens.kinds}
    assert rates == {"zai": 0.5, "none": None}


def test_pauses_are_marked_where_they_reach_into_the_split() -> None:
    hour = timedelta(hours=1)
    pauses = [
        PausePeriod(NOW - timedelta(days=90), NOW - timedelta(days=89)),
        PausePeriod(NOW - 5 * hour, NOW - 4 * hour),
        PausePeriod(NOW - hour, NOW + hour),
    ]
    log = [record(NOW - timedelta(days=40)), record(NOW)]
    assert picture_of(log, pauses=pauses).split.pauses == (
        PauseMark(start=NOW - 5 * hour, end=NOW - 4 * hour),
        PauseMark(start=NOW - hour, end=None),
    )


def test_split_has_hours_for_a_short_history_and_days_for_a_long_one() -> None:
    short = picture_of([record(NOW)]).split.bars
    assert len(short.edges) == 25
    long = picture_of([record(NOW - timedelta(days=200)), record(NOW)]).split.bars
    assert 28 <= len(long.edges) - 1 <= 29
    assert {edge.hour for edge in long.edges} == {0}


def test_savings_are_of_this_week_and_of_what_is_shown() -> None:
    asked: list[int] = []

    def price(usage: UsageCells) -> Savings:
        asked.append(usage.total().tokens)
        return Savings(usd=1.5, priced_on=date(2026, 11, 1))

    log = [record(NOW), record(NOW, backend="anthropic"), record(WEEK_START - timedelta(days=1))]
    source = SnapshotInput(past=past_of(log), boundary=BERLIN, log_status=READY, price=price)
    seen = compose(source, NOW, Selection(hidden_providers=frozenset({"anthropic"})))
    assert asked == [433]
    assert seen.week_summary.savings == Savings(usd=1.5, priced_on=date(2026, 11, 1))


def test_nothing_at_all_still_makes_a_picture() -> None:
    seen = picture_of([])
    assert totals(seen.recent) == [0] * 60
    assert (seen.providers, seen.models, seen.first, seen.hides_everything) == ((), (), None, False)
    assert seen.week_summary.parts == ()


def test_recent_slots_are_let_go_as_time_goes_by() -> None:
    past = UsageHistory()
    for minutes in range(0, 60 * 24, 3):
        past.add([record(NOW + timedelta(minutes=minutes))], NOW + timedelta(minutes=minutes))
    assert past.recent_cells <= 81


WEEKLY_LOG = [
    record(WEEK_START - timedelta(hours=hours), tokens=(hours, 1, 0, 0))
    for hours in range(2, 24 * 7 * 5, 5)
]


@pytest.mark.parametrize(("first", "last"), [(3, 3), (4, 6), (3, 6), (6, 7)])
def test_weeks_that_are_dragged_count_what_their_bars_said(first: int, last: int) -> None:
    plain = picture_of(WEEKLY_LOG)
    weeks = plain.weeks.weeks[first : last + 1]
    span = Span(weeks[0].start, weeks[-1].end)
    seen = picture_of(WEEKLY_LOG, replace(REQUESTS, span=span))
    assert seen.chosen is not None
    assert seen.chosen.edges[0] == weeks[0].start
    assert seen.chosen.edges[-1] == min(weeks[-1].end, seen.chosen.edges[-1])
    assert sum(totals(seen.chosen)) == sum(value for week in weeks for _, value in week.values)


@settings(deadline=None)
@given(
    situations(),
    st.timedeltas(timedelta(0), timedelta(days=60)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
)
def test_range_is_the_same_in_every_chart_and_figure(
    situation: tuple[list[UsageRecord], datetime, WeekBoundary], ago: timedelta, length: timedelta
) -> None:
    log, now, boundary = situation
    span = Span(now - ago, now - ago + length)
    seen = picture_of(log, replace(REQUESTS, span=span), now=now, boundary=boundary)
    if seen.chosen is None:
        return
    edges = seen.chosen.edges
    assert seen.split.bars.edges == edges
    assert seen.tokens.start == edges[0]
    assert seen.requests == sum(totals(seen.chosen)) == sum(totals(seen.split.bars))
    # No wider than a slot on either side.
    assert span.start - edges[0] < timedelta(minutes=15)
    assert edges[-1] - span.end < timedelta(minutes=15)


def test_without_a_range_every_request_of_what_is_shown_is_counted() -> None:
    log = [record(NOW - timedelta(days=age)) for age in range(60)]
    log += [record(NOW, backend="anthropic", model="claude-opus-4-6") for _ in range(5)]
    assert picture_of(log).requests == 65
    hidden = replace(REQUESTS, hidden_providers=frozenset({"zai"}))
    assert picture_of(log, hidden).requests == 5
