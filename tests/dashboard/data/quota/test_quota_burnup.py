"""How a window is used up: what was told, where nothing was, and what is never made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.quota import forecast
from offramp_core.quota.windows import PlanQuota, QuotaPoint, QuotaWindow
from offramp_dashboard.data.events.daemon_gaps import Absence
from offramp_dashboard.data.quota import quota_burnup
from offramp_dashboard.data.quota.quota_burnup import QuotaReport, QuotaSource

if TYPE_CHECKING:
    from offramp_dashboard.data.snapshot import BurnUp, Quota

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RESET = NOW + timedelta(hours=2)
START = RESET - timedelta(hours=5)
HOUR = timedelta(hours=1)


def window(name: str = "5h", **fields: Any) -> QuotaWindow:
    told = {"used": 0.4, "resets": RESET, "read_at": NOW, **fields}
    return QuotaWindow(name=name, **told)


def plan(*windows: QuotaWindow, backend: str = "anthropic", **fields: Any) -> PlanQuota:
    told: dict[str, Any] = {"account": "a", "read_at": NOW, **fields}
    return PlanQuota(backend=backend, windows=windows, **told)


def point(hours: float, used: float, **fields: Any) -> QuotaPoint:
    """So many hours after the 5-hour window's beginning."""
    told = {"backend": "anthropic", "account": "a", "window": "5h", "resets": RESET, **fields}
    return QuotaPoint(ts=START + hours * HOUR, used=used, **told)


def composed(
    *plans: PlanQuota, points: tuple[QuotaPoint, ...] = (), now: datetime = NOW, **fields: Any
) -> Quota:
    source = QuotaSource(
        report=QuotaReport(plans=plans), points=quota_burnup.grouped(points), **fields
    )
    return quota_burnup.compose(source, now, BERLIN)


def drawn(*plans: PlanQuota, **fields: Any) -> BurnUp:
    (found,) = composed(*plans, **fields).burn_ups
    return found


def course(found: BurnUp) -> list[tuple[float, float, bool]]:
    """Hours since the window's beginning, what was used, and whether it came after a gap."""
    return [((one.moment - found.start) / HOUR, one.used, one.is_after_gap) for one in found.points]


def test_window_goes_from_its_beginning_through_what_was_told_to_now() -> None:
    found = drawn(plan(window()), points=(point(0.1, 0.01), point(1, 0.2), point(2, 0.39)))

    assert course(found) == [
        (0, 0, False),
        (0.1, 0.01, False),
        (1, 0.2, False),
        (2, 0.39, False),
        (3, 0.4, False),
    ]
    assert (found.start, found.end) == (START, RESET)
    assert found.title == "Claude 5 hours"
    assert found.text == "40%, resets 15:00, on pace for 67%"
    assert found.forecast == pytest.approx(0.4 / 0.6)
    assert found.runs_out is None
    assert found.end.utcoffset() == HOUR  # on the user's clocks


def test_first_figure_of_a_window_that_was_joined_late_comes_after_a_gap() -> None:
    assert course(drawn(plan(window()), points=(point(2, 0.3),)))[1] == (2, 0.3, True)
    assert course(drawn(plan(window(read_at=NOW)))) == [(0, 0, False), (3, 0.4, False)]


def test_time_without_a_daemon_is_a_gap() -> None:
    away = Absence(START + 1.2 * HOUR, START + 1.8 * HOUR)
    found = drawn(
        plan(window()), points=(point(0.1, 0.01), point(1, 0.2), point(2, 0.39)), absences=(away,)
    )
    assert [is_after_gap for _, _, is_after_gap in course(found)] == [
        False,
        False,
        False,
        True,
        False,
    ]


def test_points_of_another_window_account_or_backend_are_left_out() -> None:
    others = (
        point(-1, 0.9),
        point(1, 0.9, resets=RESET - HOUR),
        point(1, 0.9, resets=None),
        point(1, 0.9, window="7d"),
        point(1, 0.9, backend="zai", resets=START + HOUR),
        point(1, 0.9, account="b"),
    )
    quota = composed(plan(window()), points=(*others, point(1, 0.2, resets=RESET - HOUR / 3600)))
    found = quota.burn_ups[0]
    assert [used for _, used, _ in course(found)] == [0, 0.2, 0.4]


def test_renewed_credential_goes_on_where_the_earlier_one_was() -> None:
    points = (
        point(0.5, 0.1, account="first"),
        point(1, 0.2, account="second"),
        point(1.5, 0.3),
        point(1, 0.9, account="of somebody else"),
    )
    found = drawn(plan(window()), points=points)
    assert [used for _, used, _ in course(found)] == [0, 0.1, 0.2, 0.3, 0.4]


def test_without_a_daemon_the_last_account_of_the_history_is_shown() -> None:
    points = (point(1, 0.9, account="b"), point(2, 0.25))
    found = drawn(points=points)
    assert found.used == 0.25
    assert found.told_at == START + 2 * HOUR
    assert "as of 1 h ago" in found.text


def test_what_the_daemon_tells_wins_over_the_history() -> None:
    assert drawn(plan(window()), points=(point(2, 0.3),)).used == 0.4


@pytest.mark.parametrize(
    ("one", "remark"),
    [
        (window(resets=NOW - HOUR), "Claude 5 hours: unknown since its reset 12:00"),
        (window(used=None), "Claude 5 hours: not known yet, resets 15:00"),
        (window(used=0.0, resets=None), "Claude 5 hours 0%"),
        (window("tokens"), "Claude tokens 40%, resets 15:00"),
    ],
)
def test_window_that_can_not_be_drawn_is_told_in_words(one: QuotaWindow, remark: str) -> None:
    quota = composed(plan(one))
    assert quota.burn_ups == ()
    assert quota.remarks == (remark,)


def test_window_whose_pace_is_too_high_runs_out_before_its_reset() -> None:
    found = drawn(plan(window(used=0.9)))
    assert found.forecast == pytest.approx(1.5)
    assert found.runs_out == START + 3 * HOUR / 0.9


def test_spent_window_has_no_forecast() -> None:
    found = drawn(plan(window(used=1.02, status="rejected")))
    assert found.is_spent
    assert (found.forecast, found.runs_out) == (None, None)
    assert found.text == "used up, resets 15:00"


def test_week_is_laid_over_the_one_before() -> None:
    week = timedelta(days=7)
    end = NOW + timedelta(days=3)
    earlier = end - week
    points = (
        point(0, 0.01, window="7d", resets=earlier),
        QuotaPoint(
            ts=earlier - timedelta(days=2),
            backend="anthropic",
            account="a",
            window="7d",
            used=0.7,
            resets=earlier,
        ),
    )
    found = drawn(plan(window("7d", resets=end)), points=points[1:])
    assert [(one.moment, one.used) for one in found.before] == [
        (end - week, 0),
        (end - timedelta(days=2), 0.7),
    ]


def test_plans_come_in_order_and_windows_by_length() -> None:
    quota = composed(
        plan(window("7d", resets=NOW + timedelta(days=2)), window(), backend="zai"),
        plan(window("7d_opus", resets=NOW + timedelta(days=2)), window()),
    )
    assert [one.title for one in quota.burn_ups] == [
        "Claude 5 hours",
        "Claude week for Opus",
        "Z.ai 5 hours",
        "Z.ai week",
    ]


@pytest.mark.parametrize(
    ("since", "is_asked", "parts"),
    [
        (None, True, ("none has passed through Offramp yet", "is asked for its quota")),
        (NOW - 2 * HOUR, False, ("none has come since 11:00", "switched off")),
        (NOW - 2 * HOUR, None, ("none has come since 11:00",)),
    ],
)
def test_nothing_known_says_when_figures_come(
    since: datetime | None, is_asked: bool | None, parts: tuple[str, ...]
) -> None:
    source = QuotaSource(
        report=QuotaReport(since=since), asked={} if is_asked is None else {"zai": is_asked}
    )
    quota = quota_burnup.compose(source, NOW, BERLIN)
    assert quota.burn_ups == ()
    for remark, part in zip(quota.remarks, parts, strict=True):
        assert part in remark


def test_saved_plan_is_drawn_though_an_api_key_was_used_since() -> None:
    key = plan(window("tokens"), account="key")
    used_before = plan(window(read_at=NOW - HOUR), read_at=NOW - HOUR)
    quota = composed(saved_plans=(key, used_before))
    assert [found.title for found in quota.burn_ups] == ["Claude 5 hours"]
    assert composed(saved_plans=(key,)).burn_ups == ()


def test_why_nothing_newer_is_known_is_told() -> None:
    quota = composed(plan(backend="zai", problem="it refused the key."))
    assert "Z.ai: it refused the key." in quota.remarks


figures = st.floats(0, 3)
hours = st.floats(-1, 6)


@given(
    told=st.lists(st.tuples(hours, figures, st.sampled_from("ab")), max_size=12),
    used=st.none() | figures,
    ahead=st.floats(-1, 6),
)
def test_no_number_is_made_up_and_the_course_never_goes_back_in_time(
    told: list[tuple[float, float, str]], used: float | None, ahead: float
) -> None:
    points = tuple(point(when, figure, account=account) for when, figure, account in told)
    quota = composed(
        plan(window(used=used, resets=RESET)), points=points, now=NOW + (ahead - 2) * HOUR
    )
    known = {0.0, used, *(figure for _, figure, _ in told)}
    for found in quota.burn_ups:
        assert {one.used for one in found.points} <= known
        moments = [one.moment.timestamp() for one in found.points]
        assert moments == sorted(moments)
        assert found.start.timestamp() <= moments[0]
        assert moments[-1] <= found.end.timestamp()


def test_without_a_daemon_there_is_no_forecast_and_the_figure_tells_its_time() -> None:
    source = QuotaSource(report=QuotaReport(plans=(plan(window()),), is_live=False))
    (found,) = quota_burnup.compose(source, NOW, BERLIN).burn_ups
    assert found.text == "40%, resets 15:00 (as of 13:00)"
    assert found.ahead == ()
    assert found.runs_out is None


def test_forecast_follows_the_days_before() -> None:
    """Until now as today, and nothing after: the two hours that are left add nothing."""
    before = tuple(
        QuotaPoint(
            ts=START - timedelta(days=ago) + hours * HOUR,
            backend="anthropic",
            account="a",
            window="5h",
            used=used,
            resets=RESET - timedelta(days=ago),
        )
        for ago in (3, 2, 1)
        for hours, used in ((0.5, 0.01), (1, 0.1), (2, 0.4))
    )
    source = QuotaSource(
        report=QuotaReport(plans=(plan(window()),)), past=forecast.past_uses(before)
    )
    (found,) = quota_burnup.compose(source, NOW, BERLIN).burn_ups
    assert found.forecast == pytest.approx(0.4)
    assert found.text == "40%, resets 15:00, on pace for 40%"
    assert [one.moment for one in (found.ahead[0], found.ahead[-1])] == [NOW, RESET]


@pytest.mark.parametrize(("their_end", "is_same"), [(0.0, True), (3.0, False)])
def test_points_of_another_machine_are_those_of_the_same_plan_only(
    their_end: float, is_same: bool
) -> None:
    week_end = RESET + 50 * HOUR
    theirs: dict[str, Any] = {"account": "b"}
    points = (
        point(0.1, 0.01),
        point(0.5, 0.1, **theirs),
        point(0.5, 0.2, window="7d", **theirs | {"resets": week_end + their_end * HOUR}),
        point(1, 0.2),
        point(2, 0.3, **theirs),
        point(2.5, 0.39),
    )
    week = window("7d", used=0.3, resets=week_end)
    found = composed(plan(window(), week), points=points)
    (five_hours,) = (each for each in found.burn_ups if each.window == "5h")
    used = [one.used for one in five_hours.points]
    assert used == ([0, 0.01, 0.1, 0.2, 0.3, 0.39, 0.4] if is_same else [0, 0.01, 0.2, 0.39, 0.4])
