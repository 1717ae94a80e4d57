"""What requests cost in Z.ai's credits, by the user's readings, and which plan lasts for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from offramp_cli.whatif.log_replay import LoggedRequest, weeks_of
from offramp_cli.whatif.plan_advice import Lasting, lasting
from offramp_cli.whatif.second_plan import LITE, MAX, PRO
from offramp_cli.whatif.zai_costs import ZaiCosts, learn
from offramp_core.quota.windows import FIVE_HOURS, WEEK, PlanQuota, QuotaPoint, QuotaWindow

SATURDAY = datetime(2026, 2, 7, tzinfo=UTC)
RESET = SATURDAY + timedelta(days=5)


def request(hours: float, dollars: float = 1.0, **fields: object) -> LoggedRequest:
    values: dict[str, object] = {"tier": "sonnet", "backend": "zai", "conversation": 1, **fields}
    return LoggedRequest(
        at=SATURDAY + timedelta(hours=hours),
        weight=dollars,
        **values,  # type: ignore[arg-type] - plain fields
    )


def point(hours: float, used: float, window: str = WEEK, **fields: object) -> QuotaPoint:
    values: dict[str, object] = {"backend": "zai", "account": "mine", "resets": RESET, **fields}
    return QuotaPoint(
        ts=SATURDAY + timedelta(hours=hours),
        window=window,
        used=used,
        **values,  # type: ignore[arg-type] - plain fields
    )


def quota(level: str | None = "lite", cap: float | None = None) -> PlanQuota:
    week = QuotaWindow(name=WEEK, used=0.1, resets=RESET, cap=cap, read_at=SATURDAY)
    return PlanQuota(backend="zai", account="mine", level=level, windows=(week,), read_at=SATURDAY)


def test_what_a_window_moved_is_what_the_requests_between_cost() -> None:
    points = [point(0, 0.0), point(2, 0.04), point(4, 0.1)]
    costs = learn(quota(), points, [request(1, 4.0), request(3, 6.0)])
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(100.0)
    assert (costs.plan, costs.resets_at) == (LITE, RESET)
    of_max = learn(quota("MAX"), points, [request(1, 4.0), request(3, 6.0)])
    assert of_max is not None
    assert of_max.credits_per_dollar == pytest.approx(1_400.0)


def test_the_cap_in_zais_own_answer_counts_before_the_usual_one() -> None:
    points = [point(0, 0.0), point(2, 0.1)]
    costs = learn(quota(cap=12_000.0), points, [request(1, 10.0)])
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(120.0)
    assert [each.week_credits for each in costs.plans()] == [
        12_000.0,
        PRO.week_credits,
        MAX.week_credits,
    ]


@pytest.mark.parametrize("cap", [5.0, 40_000_000.0])
def test_a_cap_that_counts_something_else_than_credits_teaches_nothing(cap: float) -> None:
    points = [point(0, 0.0), point(2, 0.1)]
    assert learn(quota(cap=cap), points, [request(1, 10.0)]) is None


def test_a_reading_that_comes_late_moves_nothing_twice() -> None:
    points = [point(0, 0.0), point(2, 0.1), point(2.1, 0.05), point(2.2, 0.1), point(4, 0.2)]
    costs = learn(quota(), points, [request(1, 10.0), request(3, 10.0)])
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(100.0)


def test_work_at_peak_counts_double() -> None:
    monday_7_h = 2 * 24 + 7
    points = [point(monday_7_h - 1, 0.0), point(monday_7_h + 1, 0.1)]
    costs = learn(quota(), points, [request(monday_7_h, 5.0)])
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(100.0)


def test_a_five_hour_window_shows_costs_where_no_week_does() -> None:
    points = [point(0, 0.0, FIVE_HOURS), point(2, 0.5, FIVE_HOURS)]
    costs = learn(quota(), points, [request(1, 10.0)])
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(100.0)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [point(0, 0.0)],
        [point(0, 0.0), point(2, 0.04)],
        [point(0, 0.5), point(2, 0.1)],
        [point(0, 0.0), point(2, 0.5, resets=RESET + timedelta(days=7))],
        [point(0, 0.0, resets=None), point(2, 0.5, resets=None)],
        [point(0, 0.0, account="other"), point(2, 0.5, account="other")],
        [point(0, 0.0, backend="anthropic"), point(2, 0.5, backend="anthropic")],
        [point(1.5, 0.0), point(2, 0.5)],
    ],
    ids=str,
)
def test_readings_that_show_no_cost_teach_nothing(points: list[QuotaPoint]) -> None:
    assert learn(quota(), points, [request(1, 10.0)]) is None


@pytest.mark.parametrize("level", [None, "", "team"])
def test_a_plan_whose_caps_are_not_known_teaches_nothing(level: str | None) -> None:
    assert learn(quota(level), [point(0, 0.0), point(2, 0.5)], [request(1, 10.0)]) is None
    assert learn(None, [point(0, 0.0), point(2, 0.5)], [request(1, 10.0)]) is None


def test_what_claude_served_costs_no_credits() -> None:
    points = [point(0, 0.0), point(2, 0.1)]
    served = [request(1, 10.0), request(1.5, 90.0, backend="anthropic")]
    costs = learn(quota(), points, served)
    assert costs is not None
    assert costs.credits_per_dollar == pytest.approx(100.0)


COSTS = ZaiCosts(plan=LITE, credits_per_dollar=100.0, resets_at=RESET)


def plans(*requests: LoggedRequest, costs: ZaiCosts = COSTS) -> dict[str, Lasting]:
    found = lasting(
        requests, costs, since=RESET - timedelta(days=21), end=RESET + timedelta(days=1)
    )
    return {each.plan.title: each for each in found}


def test_a_plan_that_would_have_run_out_says_when_and_a_larger_one_lasts() -> None:
    work = [request(6 * number, 18.0) for number in range(8)]
    found = plans(*work)
    assert [moment - SATURDAY for moment in found["Lite"].ran_out] == [timedelta(hours=36)]
    assert found["Lite"].sentence(UTC) == (
        "With Lite you would have run out in 1 of 1 weeks, the last time on Sunday 2026-02-08 at "
        "12:00."
    )
    assert found["Max"].ran_out == ()
    assert found["Max"].sentence(UTC) == "Max lasts: its week would never have run out."


def test_each_week_of_the_plan_begins_at_its_own_reset() -> None:
    steps = [request(6 * number - back * 168, 18.0) for back in (1, 0) for number in range(8)]
    assert [each.weeks for each in plans(*steps).values()] == [2, 2, 2]
    assert len(plans(*steps)["Lite"].ran_out) == 2
    moved = replace(COSTS, resets_at=SATURDAY + timedelta(hours=24))
    assert len(plans(*steps, costs=moved)["Lite"].ran_out) == 1


def test_a_full_five_hour_window_is_said_apart() -> None:
    found = plans(request(1, 21.0), request(2), request(3))["Lite"]
    assert (found.ran_out, found.window_hours) == ((), 2)
    assert "Its 5-hour limit would have refused work in 2 hours." in found.sentence(UTC)


def test_opus_and_weeks_that_are_not_whole_do_not_count() -> None:
    opus = request(1, 500.0, tier="opus")
    later = request(24 * 5 + 1, 500.0)
    assert [each.weeks for each in plans(opus, later).values()] == [0, 0, 0]


def test_the_replay_charges_zais_plan_and_carries_over_what_its_week_has_used() -> None:
    end = SATURDAY + timedelta(days=7)
    work = [request(-24 * 14 + 1), request(-30, 20.0), request(-1, 7.0), request(5, 3.0)]
    costs = replace(COSTS, plan=PRO, resets_at=SATURDAY - timedelta(hours=24))
    last = weeks_of(work, end=end, zai=costs).weeks[-1]
    assert [each.credits for each in last.requests] == [pytest.approx(300.0)]
    assert last.monday_h == 5 * 24
    assert last.second is not None
    assert (last.second.plan, last.second.resets_h) == (PRO, 6 * 24)
    assert last.second.used == pytest.approx(700.0)
    assert weeks_of(work, end=end).weeks[-1].second is None


def test_a_larger_plan_holds_more_of_the_same_work() -> None:
    work = [request(6 * number, 60.0) for number in range(20)]
    hours = [len(each.ran_out) + each.window_hours for each in plans(*work).values()]
    assert hours == sorted(hours, reverse=True)
    assert MAX.week_credits > 20 * 60 * 100


def test_without_a_whole_week_of_work_no_plan_is_said_to_last() -> None:
    opus = request(1, 500.0, tier="opus")
    later = request(24 * 5 + 1, 500.0)
    for found in plans(opus, later).values():
        assert "lasts" not in found.sentence(UTC)
        assert "no whole week" in found.sentence(UTC)


def test_limits_that_are_a_guess_are_said_to_be_one() -> None:
    found = plans(request(1))
    assert "guess" in found["Pro"].sentence(UTC)
    assert "guess" not in found["Lite"].sentence(UTC) + found["Max"].sentence(UTC)
    points = [point(0, 0.0), point(2, 0.1)]
    told = learn(quota("pro", cap=50_000.0), points, [request(1, 10.0)])
    assert told is not None
    own = plans(request(1), costs=told)["Pro"].sentence(UTC)
    assert "guess" not in own
