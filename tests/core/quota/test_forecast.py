"""The forecast follows how the user's earlier weeks and days went, and says how sure it is."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.control.api import PlanOutlook
from offramp_core.quota import forecast
from offramp_core.quota.windows import QuotaPoint, QuotaWindow
from offramp_core.usage.outlook import EarlierSpan, outlook

BERLIN = ZoneInfo("Europe/Berlin")
RESET = datetime(2026, 11, 26, 21, tzinfo=UTC)
"""A Thursday."""
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
MONDAY = RESET - timedelta(days=3, hours=9)
"""12:00 UTC of the week that ends at `RESET`."""


def week(used: float, **fields: object) -> QuotaWindow:
    told = {"name": "7d", "used": used, "resets": RESET, "read_at": MONDAY, **fields}
    return QuotaWindow(**told)  # type: ignore[arg-type]  # a test's own fields


def point(moment: datetime, used: float, resets: datetime, window: str = "7d") -> QuotaPoint:
    return QuotaPoint(
        ts=moment, backend="anthropic", account="a", window=window, used=used, resets=resets
    )


def office_weeks(*endings: float) -> forecast.PastUse:
    """Weeks, the latest last, that stand at 30% on Monday noon and go on to their endings."""
    points = []
    for ago, ending in zip(range(len(endings), 0, -1), endings, strict=True):
        end = RESET - ago * WEEK
        start = end - WEEK
        points += [point(start + HOUR * h, 0.30 * h / 12, end) for h in range(1, 13)]
        monday = end - (RESET - MONDAY)
        steps = [(monday + HOUR * (6 + 24 * d), d + 1) for d in range(3)]
        points += [point(at, 0.3 + (ending - 0.3) * part / 3, end) for at, part in steps]
    return forecast.PastUse(points)


def test_flat_weekend_does_not_make_monday_forecast_too_little() -> None:
    found = forecast.expect(week(0.30), MONDAY, office_weeks(0.87, 0.87, 0.87), BERLIN)

    assert found is not None
    assert found.is_learnt
    assert found.at_reset.likely == pytest.approx(0.87)
    assert found.at_reset.low < 0.87 < found.at_reset.high
    assert found.runs_out is None


def test_busier_week_is_expected_to_stay_busier() -> None:
    found = forecast.expect(week(0.45), MONDAY, office_weeks(0.8, 0.8, 0.8), BERLIN)
    assert found is not None
    assert 0.95 < found.at_reset.likely < 1.3


def test_weeks_that_differ_make_a_wider_band() -> None:
    even = forecast.expect(week(0.3), MONDAY, office_weeks(0.8, 0.8, 0.8, 0.8), BERLIN)
    uneven = forecast.expect(week(0.3), MONDAY, office_weeks(0.5, 0.9, 0.6, 1.0), BERLIN)
    assert even is not None
    assert uneven is not None
    assert even.at_reset.high - even.at_reset.low < uneven.at_reset.high - uneven.at_reset.low


def test_week_that_will_not_last_says_when_it_runs_out() -> None:
    found = forecast.expect(week(0.6), MONDAY, office_weeks(0.87, 0.87, 0.87), BERLIN)
    assert found is not None
    assert found.runs_out is not None
    assert MONDAY < found.runs_out < RESET
    reached = [one.moment for one in found.course if one.outlook.likely >= 1]
    assert found.runs_out <= reached[0]


def test_without_earlier_weeks_it_is_a_straight_line() -> None:
    for past in (None, forecast.PastUse(())):
        found = forecast.expect(week(0.3), MONDAY, past, BERLIN)
        assert found is not None
        assert not found.is_learnt
        passed = 1 - (RESET - MONDAY) / WEEK
        assert found.at_reset.likely == pytest.approx(0.3 / passed)


@pytest.mark.parametrize(
    "window",
    [
        week(1.0),
        week(1.2, status="rejected"),
        QuotaWindow(name="7d", used=None, resets=RESET, read_at=MONDAY),
        QuotaWindow(name="7d", used=0.3, resets=MONDAY - HOUR, read_at=MONDAY),
        QuotaWindow(name="requests", used=0.3, resets=RESET, read_at=MONDAY),
        QuotaWindow(name="7d", used=0.3, resets=None, read_at=MONDAY),
        QuotaWindow(name="7d", used=0.01, resets=MONDAY + timedelta(days=6.9), read_at=MONDAY),
    ],
)
def test_window_of_which_too_little_is_known_has_no_forecast(window: QuotaWindow) -> None:
    assert forecast.expect(window, MONDAY, None, BERLIN) is None


def test_hours_are_compared_with_the_same_hours_of_working_days() -> None:
    """Work ends at 18:00 on working days; on weekends it goes on until 20:00."""
    points = []
    for ago in range(14, 0, -1):
        day = (MONDAY - timedelta(days=ago)).replace(hour=0)
        is_weekend = day.isoweekday() >= 6
        end = day.replace(hour=20)
        points += [
            point(day.replace(hour=15) + step * HOUR / 4, step / 40, end, "5h")
            for step in range(1, 21 if is_weekend else 13)
        ]
    now = MONDAY.replace(hour=18)
    window = QuotaWindow(name="5h", used=0.3, resets=MONDAY.replace(hour=20), read_at=now)

    found = forecast.expect(window, now, forecast.PastUse(points), UTC)

    assert found is not None
    assert found.is_learnt
    assert found.at_reset.likely == pytest.approx(0.3)


def test_past_counts_on_through_resets_renewed_names_and_unwatched_beginnings() -> None:
    first, second = RESET - 2 * WEEK, RESET - WEEK
    past = forecast.PastUse(
        [
            point(first - HOUR, 0.5, first),
            point(first - HOUR / 2, 0.4, first + timedelta(seconds=2)),
            point(second - 84 * HOUR, 0.4, second),
        ]
    )
    assert past.until(first - HOUR / 4) == pytest.approx(0.5)
    assert past.until(second - 126 * HOUR) == pytest.approx(0.7)
    assert past.until(second) == pytest.approx(0.9)


@given(
    st.lists(st.floats(0, 2), min_size=0, max_size=6),
    st.floats(0, 0.99),
    st.floats(0.0, 6.99),
)
def test_course_begins_now_never_falls_and_keeps_to_its_band(
    endings: list[float], used: float, days: float
) -> None:
    now = RESET - WEEK + timedelta(days=days)
    found = forecast.expect(week(used, read_at=now), now, office_weeks(*endings), BERLIN)
    if found is None:
        return
    assert found.course[0].moment == now.replace(second=0, microsecond=0)
    assert found.course[-1].moment == RESET
    likely = [one.outlook.likely for one in found.course]
    assert likely[0] == used
    for line in ("low", "high"):
        values = [getattr(one.outlook, line) for one in found.course]
        assert values == sorted(values)
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(likely))
    for one in found.course:
        low, high = one.outlook.low, one.outlook.high
        assert used - 1e-9 <= low <= one.outlook.likely <= high


def test_who_looks_at_different_seconds_of_a_minute_sees_the_same_forecast() -> None:
    past = office_weeks(0.7, 0.9, 0.8)
    seconds = [MONDAY + timedelta(seconds=s) for s in (0, 0.4, 31, 59.999)]
    found = [forecast.expect(week(0.30), now, past, BERLIN) for now in seconds]
    pasts = {("anthropic", "7d"): past}
    found += [
        forecast.expect_in_plan("anthropic", week(0.30), now, pasts, (), BERLIN) for now in seconds
    ]

    assert found[0] is not None
    assert all(one == found[0] for one in found)
    assert forecast.expect(week(0.30), MONDAY + timedelta(minutes=1), past, BERLIN) != found[0]


def told(low: float, likely: float, high: float, **fields: object) -> PlanOutlook:
    """What the daemon expects of Claude's week."""
    known = {"backend": "anthropic", "at": MONDAY, "resets": RESET, **fields}
    return PlanOutlook(low=low, likely=likely, high=high, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("past", [None, office_weeks(0.87, 0.92)])
def test_daemons_outlook_is_where_the_forecast_ends(past: forecast.PastUse | None) -> None:
    found = forecast.expect(week(0.30), MONDAY, past, BERLIN, told(0.5, 0.6, 0.8))

    assert found is not None
    end = found.at_reset
    assert (end.low, end.likely, end.high) == pytest.approx((0.5, 0.6, 0.8))
    assert found.runs_out is None
    likely = [one.outlook.likely for one in found.course]
    assert likely == sorted(likely)


def test_daemons_outlook_says_when_the_week_runs_out_and_the_curve_is_full_then() -> None:
    runs_out = MONDAY + timedelta(days=2, hours=5)
    outlook_now = told(0.9, 1.0, 1.0, runs_out=runs_out)
    found = forecast.expect(week(0.30), MONDAY, office_weeks(0.6, 0.7), BERLIN, outlook_now)

    assert found is not None
    assert found.runs_out == runs_out
    for one in found.course:
        assert (one.outlook.likely >= 1) is (one.moment >= runs_out)


@pytest.mark.parametrize("past", [None, office_weeks(0.6, 0.7)])
def test_daemons_outlook_whose_end_is_past_by_now_runs_out_from_now_on(
    past: forecast.PastUse | None,
) -> None:
    outlook_now = told(0.9, 1.0, 1.0, runs_out=MONDAY - timedelta(minutes=10))
    found = forecast.expect(week(0.99), MONDAY, past, BERLIN, outlook_now)

    assert found is not None
    assert found.runs_out == MONDAY


def test_daemons_outlook_whose_end_is_past_by_now_runs_out_no_more_where_all_is_used() -> None:
    window = msgspec.structs.replace(week(1.0), status="allowed")
    outlook_now = told(0.9, 1.0, 1.0, runs_out=MONDAY - timedelta(minutes=10))
    found = forecast.expect(window, MONDAY, None, BERLIN, outlook_now)

    assert found is not None
    assert found.runs_out is None


def test_daemons_outlook_of_a_week_that_has_only_begun_is_shown() -> None:
    start = RESET - WEEK
    found = forecast.expect(week(0.0), start, None, BERLIN, told(0.4, 0.5, 0.6, at=start))

    assert found is not None
    assert found.at_reset.likely == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("backend", "window", "at"),
    [
        ("zai", week(0.3), MONDAY),
        ("anthropic", week(0.3, name="5h"), MONDAY),
        ("anthropic", week(0.3, resets=RESET + WEEK), MONDAY),
        ("anthropic", week(0.3, resets=None), MONDAY),
        ("anthropic", week(0.3), MONDAY - HOUR),
    ],
)
def test_daemons_outlook_counts_for_its_own_week_while_it_is_fresh(
    backend: str, window: QuotaWindow, at: datetime
) -> None:
    outlooks = (told(0.4, 0.5, 0.6, at=at),)
    assert forecast.daemons_outlook(outlooks, backend, window, MONDAY) is None
    fresh = (told(0.4, 0.5, 0.6),)
    assert forecast.daemons_outlook(fresh, "anthropic", week(0.3), MONDAY) == fresh[0]


def test_outlook_of_spans_without_anything_is_not_told() -> None:
    assert outlook(5, []) is None
    assert outlook(5, [EarlierSpan(0, 0, 0)]) is None
