"""Weeks driven through every mode, made up and from a log, and how they are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from offramp_cli.whatif.comparison import contest, summaries
from offramp_cli.whatif.log_replay import LoggedRequest, RequestReader, weeks_of
from offramp_cli.whatif.second_plan import LITE, PRO, PlanChange, SecondPlan, ZaiPlan
from offramp_cli.whatif.simulated_controller import Band
from offramp_cli.whatif.simulation import BAND_HOURS, Request, SimulatedWeek, run
from offramp_core.usage import records
from offramp_daemon.autopilot.controller import BudgetDecision
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, PastWeek
from synthetic_weeks import make_week

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_plan import PlanReading

END = datetime(2026, 2, 5, 22, tzinfo=UTC)
SEEDS = range(24)


def week(*requests: Request) -> SimulatedWeek:
    return SimulatedWeek(requests=requests, history=(), five_hour_part=1.0)


def two_plans(
    *requests: Request,
    plan: ZaiPlan = LITE,
    resets_h: float = 168.0,
    used: float = 0.0,
    tells_credits: bool = True,
) -> SimulatedWeek:
    second = SecondPlan(plan=plan, resets_h=resets_h, used=used, tells_credits=tells_credits)
    return replace(week(*requests), second=second)


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


def test_both_are_short_only_when_each_refuses_what_the_other_does() -> None:
    small = replace(LITE, window_credits=1.0, week_credits=1.0)
    steps = [
        Request(1, 1, "sonnet", 0.1, 0.1, 2.0),
        Request(1.5, 2, "sonnet", 0.1, 1.0, 2.0),
        Request(2, 3, "sonnet", 0.1, 0.1, 2.0),
    ]
    outcome = run(two_plans(*steps, plan=small), "always")
    assert (outcome.is_short, outcome.is_over, outcome.blocked_h) == (True, True, 1)
    assert outcome.is_zai_early  # the second request found room on Claude
    assert outcome.switches == 1
    assert run(two_plans(*steps[:2], plan=small), "always").is_short is False


def test_a_full_plan_is_not_early_when_opus_needs_what_claude_has_left() -> None:
    small = replace(LITE, window_credits=9.0, week_credits=1.0)
    work = [Request(1, 1, "sonnet", 0.1, 0.1, 2.0), Request(2, 2, "sonnet", 0.1, 0.1, 2.0)]
    opus = Request(9, 3, "opus", 0.97, 0.97)
    assert run(two_plans(*work, plan=small), "always").is_zai_early
    outcome = run(two_plans(*work, opus, plan=small), "always")
    assert not outcome.is_zai_early
    assert outcome.zai_spent_h == 2


def test_a_full_five_hours_at_zai_are_counted_apart_from_its_week() -> None:
    small = replace(LITE, window_credits=1.0, week_credits=9.0)
    work = [Request(at_h, at_h, "sonnet", 0.01, 0.01, 1.5) for at_h in (1, 2, 7)]
    outcome = run(two_plans(*work, plan=small), "always")
    assert (outcome.zai_window_h, outcome.is_zai_early, outcome.zai_spent_h) == (1, False, None)
    assert outcome.delegated == pytest.approx(0.02)


@pytest.mark.parametrize(("monday_h", "is_refused"), [(0.0, False), (6.0, True)])
def test_a_request_costs_double_at_peak(monday_h: float, *, is_refused: bool) -> None:
    work = [Request(1, 1, "sonnet", 0.1, 0.1, 600.0), Request(2, 2, "sonnet", 0.1, 0.1, 600.0)]
    work.append(Request(3, 3, "sonnet", 0.1, 0.1, 600.0))
    each = replace(two_plans(*work), monday_h=monday_h)
    assert (run(each, "always").zai_window_h > 0) is is_refused


def test_zais_week_begins_again_at_its_own_reset() -> None:
    small = replace(LITE, window_credits=9.0, week_credits=1.0)
    work = [Request(at_h, at_h, "sonnet", 0.1, 0.1, 2.0) for at_h in (1, 20, 60)]
    outcome = run(two_plans(*work, plan=small, resets_h=50.0), "always")
    assert outcome.delegated == pytest.approx(0.2)
    assert run(two_plans(*work, plan=small, used=1.0), "always").delegated == 0.0


def test_a_larger_plan_keeps_what_is_used_and_a_fresh_one_begins_again() -> None:
    work = [Request(at_h, at_h, "sonnet", 0.1, 0.1, 1_500.0) for at_h in (1, 20, 60)]
    small = replace(LITE, week_credits=1_500.0)
    each = two_plans(*work, plan=small)
    for change, delegated in (
        (None, 0.1),
        (PlanChange(at_h=10, zai=replace(LITE, week_credits=2_000.0)), 0.2),
        (PlanChange(at_h=10, zai=small, is_fresh=True), 0.2),
        (PlanChange(at_h=10, zai=PRO), 0.3),
    ):
        outcome = run(replace(each, change=change), "always")
        assert outcome.delegated == pytest.approx(delegated)


def test_a_larger_claude_plan_holds_more_of_the_week() -> None:
    steps = [request(at_h, at_h, "opus", 0.6) for at_h in (1, 9, 20)]
    assert run(week(*steps), "always").is_over
    grown = replace(week(*steps), change=PlanChange(at_h=5, claude_size=2.0))
    outcome = run(grown, "always")
    assert not outcome.is_over
    assert outcome.used == pytest.approx(0.9)


class Recorder:
    """Delegates everything, and keeps what it is told."""

    def __init__(self) -> None:
        self.zai: list[tuple[float, PlanReading]] = []
        self.answers: list[bool] = []
        self.asked: list[float] = []

    def answered(self, request: Request, *, is_claude: bool) -> None:
        del request
        self.answers.append(is_claude)

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        assert reading.week_used >= 0
        assert at_h >= 0

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        self.zai.append((at_h, reading))

    def choose(self, request: Request) -> BudgetDecision:
        self.asked.append(request.at_h)
        return BudgetDecision(is_claude=False, room=None, why="")

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        del at_h
        return Band(0.0, 0.5), Band(0.1, 0.9)


def test_a_controller_hears_of_zais_quota_every_five_minutes_of_use() -> None:
    recorder = Recorder()
    work = [Request(minute / 60, 1, "sonnet", 0.01, 0.01, 10.0) for minute in (6, 7, 8, 12, 30)]
    run(two_plans(*work), "auto", recorder)
    assert [round(at_h * 60) for at_h, _ in recorder.zai] == [0, 6, 12, 30]
    assert [reading.week_used for _, reading in recorder.zai] == pytest.approx(
        [0.0, 0.001, 0.004, 0.005]
    )
    assert recorder.answers == [False] * 5
    assert recorder.asked == [0.1, 0.5]  # at the start and when it was cold


def test_a_controller_hears_of_zais_quota_soon_after_a_refusal() -> None:
    recorder = Recorder()
    small = replace(LITE, window_credits=1.0)
    work = [Request(minute / 60, minute, "sonnet", 0.01, 0.01, 1.0) for minute in (1, 2, 3)]
    run(two_plans(*work, plan=small), "auto", recorder)
    assert [round(at_h * 60) for at_h, _ in recorder.zai] == [0, 3]
    assert recorder.zai[-1][1].window_used == 1.0
    assert recorder.answers == [False, True, True]


def test_an_account_that_tells_percents_has_no_cap_and_whole_percents() -> None:
    recorder = Recorder()
    work = [Request(0.1, 1, "sonnet", 0.01, 0.01, 150.0)]
    run(two_plans(*work, tells_credits=False), "auto", recorder)
    last = recorder.zai[-1][1]
    assert (last.week_cap, last.week_used, last.window_used) == (None, 0.01, 0.07)


def test_forecasts_are_held_against_what_came_true_at_each_plans_reset() -> None:
    work = [Request(at_h, at_h, "sonnet", 0.01, 0.01, 1_000.0) for at_h in range(1, 160, 10)]
    outcome = run(two_plans(*work, resets_h=100.0), "auto", Recorder())
    bands = outcome.bands
    assert [each.at_h for each in bands if each.is_claude] == list(BAND_HOURS)
    assert {each.truth for each in bands if each.is_claude} == {outcome.used}
    zai = [each for each in bands if not each.is_claude]
    assert [each.at_h for each in zai] == [24, 48, 84]  # the week after has not ended
    assert {each.truth for each in zai} == {1.0}


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
        learnt.add_pending(tier, 1.0 if tier == "opus" else 2.0)
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
