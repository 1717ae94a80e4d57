"""Weeks driven through every mode, made up and from a log, and how they are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offramp_cli.whatif.comparison import contest, summaries
from offramp_cli.whatif.log_replay import LoggedRequest, RequestReader, weeks_of
from offramp_cli.whatif.simulation import Request, SimulatedWeek, run
from offramp_core.usage import records
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import HOURS_A_WEEK, PastWeek
from synthetic_weeks import make_week

END = datetime(2026, 2, 5, 22, tzinfo=UTC)
SEEDS = range(24)


def week(*requests: Request) -> SimulatedWeek:
    return SimulatedWeek(requests=requests, history=(), five_hour_part=1.0)


def request(at_h: float, conversation: int, tier: str = "sonnet", cost: float = 0.1) -> Request:
    return Request(at_h, conversation, tier, cost, cost)  # type: ignore[arg-type] - a tier


def test_always_delegates_all_execution_work_and_never_none() -> None:
    both = week(request(1, 1), request(2, 2, "opus"))
    always, never = run(both, "always"), run(both, "never")
    assert (always.used, always.delegated) == (0.1, 0.1)
    assert (never.used, never.delegated) == (0.2, 0.0)


def test_linear_gives_claude_what_keeps_it_to_an_even_pace() -> None:
    outcome = run(week(request(1, 1), request(2, 2), request(50, 3)), "linear")
    assert outcome.used == pytest.approx(0.2)
    assert outcome.delegated == pytest.approx(0.1)


def test_a_full_week_that_refuses_nothing_is_full_but_not_over() -> None:
    outcome = run(week(request(1, 1, "opus", 1.0)), "always")
    assert (outcome.is_full, outcome.is_over, outcome.blocked_h) == (True, False, 0)


def test_a_full_week_that_refuses_opus_is_over() -> None:
    outcome = run(week(request(1, 1, "opus", 1.0), request(9, 2, "opus")), "auto")
    assert (outcome.is_full, outcome.is_over, outcome.blocked_h) == (True, True, 1)


def test_a_conversation_that_the_plan_refuses_goes_on_elsewhere() -> None:
    steps = [request(1, 1, cost=0.01), request(1.01, 2, "opus", 1.0), request(1.02, 1)]
    outcome = run(week(*steps), "linear")
    assert outcome.switches == 1
    assert not outcome.is_over


def test_the_first_requests_are_delegated_until_costs_are_known() -> None:
    assert run(week(request(1, 1)), "auto").delegated == 0.1


def test_weeks_of_opus_beyond_the_plan_stand_apart() -> None:
    beyond = contest(week(request(1, 1, "opus", 0.7), request(9, 2, "opus", 0.7)))
    assert beyond.is_apart
    assert all(line.weeks == 0 and line.used_median is None for line in summaries([beyond]))


def test_auto_uses_more_than_always_and_is_over_less_than_linear() -> None:
    contests = [contest(make_week(seed).simulated()) for seed in SEEDS]
    lines = {line.mode: line for line in summaries(contests)}
    always, auto, linear = lines["always"], lines["auto"], lines["linear"]
    assert auto.enough_used_median is not None
    assert always.enough_used_median is not None
    assert auto.enough_used_median > always.enough_used_median + 0.2
    assert auto.weeks_over <= linear.weeks_over
    assert auto.delegated < always.delegated
    assert auto.switches_per_conversation_h < 2


def logged(days_ago: float, tier: str = "opus", cost: float = 2.0) -> LoggedRequest:
    return LoggedRequest(
        at=END - timedelta(days=days_ago),
        conversation=1,
        tier=tier,  # type: ignore[arg-type] - a tier
        weight=cost,
    )


def test_a_log_is_cut_into_whole_weeks_with_those_before_as_history() -> None:
    replay = weeks_of([logged(1, cost=6.0), logged(8), logged(16), logged(-1)], end=END)
    weeks = replay.weeks
    assert replay.worth == pytest.approx(6.0)  # the busiest week
    assert [each.opus for each in weeks] == [pytest.approx(2 / 6), pytest.approx(1.0)]
    assert [len(each.history) for each in weeks] == [0, 1]
    assert weeks[1].requests[0].at_h == pytest.approx(6 * 24)


def test_a_weeks_worth_sets_what_requests_cost() -> None:
    replay = weeks_of([logged(1), logged(8)], end=END, week_worth=40.0)
    assert replay.worth == pytest.approx(40.0)
    assert replay.weeks[0].requests[0].cost == pytest.approx(0.05)


def test_a_log_without_a_whole_week_makes_none() -> None:
    for requests in ([], [logged(2)]):
        replay = weeks_of(requests, end=END)
        assert (replay.weeks, replay.worth) == ((), 0.0)


def test_what_was_learnt_of_the_plan_sets_what_requests_of_each_tier_cost() -> None:
    learnt = CostModel()
    for percent in range(21):
        tier = "opus" if percent % 2 else "sonnet"
        learnt.note(tier, 1.0 if tier == "opus" else 2.0)
        learnt.observe(percent / 100, min(percent / 20, 1.0))
    replay = weeks_of([logged(1), logged(2, "sonnet"), logged(8)], end=END, learnt=learnt)
    costs = {each.tier: each.cost for each in replay.weeks[0].requests}
    assert costs == {
        "opus": pytest.approx(2 * learnt.factor("opus")),
        "sonnet": pytest.approx(2 * learnt.factor("sonnet")),
    }
    assert costs["opus"] > 1.2 * costs["sonnet"]
    assert replay.worth == pytest.approx(4 / sum(costs.values()))
    assert replay.five_hour_part == learnt.five_hour_part
    assert replay.weeks[0].five_hour_part == learnt.five_hour_part
    told = weeks_of([logged(1), logged(8)], end=END, week_worth=40.0, learnt=learnt)
    assert told.worth == pytest.approx(40.0)


def record(minute: int, session: str | None = None, **fields: object) -> records.RequestRecord:
    values = {"model": "claude-sonnet-4-5", "output_tokens": 100, "status": "success", **fields}
    ts = records.format_timestamp(END + timedelta(minutes=minute))
    return records.RequestRecord(
        ts=ts,
        backend="zai",
        session_id=session,
        **values,  # type: ignore[arg-type] - plain fields
    )


def test_conversations_are_told_by_session_and_else_by_pauses() -> None:
    reader = RequestReader()
    found = [
        reader.request(each)
        for each in (record(0, "a"), record(500, "a"), record(501), record(520), record(600))
    ]
    numbers = [each.conversation for each in found if each]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3] != numbers[4]


def test_records_that_cost_nothing_or_have_no_time_are_left_out() -> None:
    reader = RequestReader()
    assert reader.request(record(0, output_tokens=0)) is None
    odd = records.RequestRecord(
        ts="soon", model="opus", backend=None, output_tokens=9, status="success"
    )
    assert reader.request(odd) is None


def test_a_rhythm_expects_the_hours_that_were_busy_and_more_in_a_busy_week() -> None:
    hours = tuple(1.0 if hour % 24 == 10 else 0.0 for hour in range(HOURS_A_WEEK))
    rhythm = Rhythm([PastWeek(opus=hours, execution=hours)] * 3)
    quiet = rhythm.expected(0.0, 168.0, [0.0] * HOURS_A_WEEK)
    assert quiet.opus == pytest.approx(7, rel=0.05)
    assert rhythm.expected(9, 12, []).opus > 5 * rhythm.expected(20, 23, []).opus
    busy = [3.0 if hour % 24 == 10 else 0.0 for hour in range(84)]
    idle = [0.0] * 84
    assert rhythm.expected(84, 168, busy).opus > 1.3 * rhythm.expected(84, 168, idle).opus


def test_auto_switches_at_most_twice_a_conversation_hour() -> None:
    for seed in SEEDS:
        outcome = run(make_week(seed).simulated(), "auto")
        assert outcome.switches <= 2 * max(outcome.conversation_h, 1)


def test_weeks_of_work_without_opus_make_little_of_it_expected() -> None:
    work = (0.002,) * HOURS_A_WEEK
    none = (0.0,) * HOURS_A_WEEK
    without = Rhythm([PastWeek(opus=none, execution=work)] * 5)
    unknown = Rhythm([])
    assert 0 < without.expected(0, 168, none).opus < unknown.expected(0, 168, none).opus / 2
    assert Rhythm([PastWeek(opus=none, execution=none)]).expected(0, 168, none) == (
        unknown.expected(0, 168, none)
    )
