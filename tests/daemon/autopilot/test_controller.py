"""The autopilot's decisions: where a conversation goes, why, and what can never happen."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.autopilot.controller import BudgetController, BudgetDecision
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, TIERS, PastWeek

if TYPE_CHECKING:
    from offramp_daemon.autopilot.work.history import Tier

OFFICE = PastWeek(
    opus=tuple(0.01 if hour % 24 in range(9, 17) else 0.0 for hour in range(HOURS_A_WEEK)),
    execution=tuple(0.02 if hour % 24 in range(9, 17) else 0.0 for hour in range(HOURS_A_WEEK)),
)

FRACTIONS = st.floats(0, 1.2)
HOURS = st.floats(0, 168)
ANY = st.floats(allow_nan=True, allow_infinity=True)


@cache
def rhythm() -> Rhythm:
    return Rhythm([OFFICE] * 4)


def known_cost() -> CostModel:
    cost = CostModel(guess=1.0)
    cost.observe(0.0, 0.0)
    cost.add_pending("opus", 0.1)
    cost.observe(0.1, 0.8)
    return cost


def reading(used: float, left_h: float, window_used: float | None = 0.0) -> PlanSnapshot:
    return PlanSnapshot(week_used=used, window_used=window_used, week_left_h=left_h)


def usual_work(left_h: float) -> list[float]:
    passed = int(HOURS_A_WEEK - left_h)
    both = [a + b for a, b in zip(OFFICE.opus, OFFICE.execution, strict=True)]
    return [*both[:passed], *[0.0] * (HOURS_A_WEEK - passed)]


def decide(
    controller: BudgetController, known: PlanSnapshot | None, cost: CostModel | None = None
) -> BudgetDecision:
    left_h = known.week_left_h if known else 100.0
    work = usual_work(left_h) if 0 <= left_h <= HOURS_A_WEEK else [0.0] * HOURS_A_WEEK
    return controller.decide(known, cost or known_cost(), tier="sonnet", work=work)


def test_a_week_with_room_gives_execution_to_claude_and_says_so() -> None:
    decision = decide(BudgetController(rhythm()), reading(0.3, 24.0))
    assert decision.is_claude
    assert decision.why.startswith("Sonnet on Claude: the week is ")
    assert decision.why.endswith(" % under pace")


def test_a_week_that_opus_needs_delegates() -> None:
    decision = decide(BudgetController(rhythm()), reading(0.8, 100.0))
    assert not decision.is_claude
    assert decision.why == "Sonnet on Z.ai: Opus needs the rest of the week"


def test_a_window_that_opus_needs_delegates() -> None:
    decision = decide(BudgetController(rhythm()), reading(0.1, 13.0, window_used=0.7))
    assert decision.why == "Sonnet on Z.ai: Opus needs the rest of the 5-hour window"


@pytest.mark.parametrize("used", [0.99, 1.0, 1.3])
def test_what_would_not_fit_without_opus_either_is_not_ascribed_to_it(used: float) -> None:
    decision = decide(BudgetController(rhythm()), reading(0.1, 24.0, window_used=used))
    assert decision.why == "Sonnet on Z.ai: too little of the 5-hour window is left"


def test_sentence_tells_the_weeks_room_though_the_window_has_less() -> None:
    free = decide(BudgetController(rhythm()), reading(0.3, 24.0))
    tight = decide(BudgetController(rhythm()), reading(0.3, 24.0, window_used=0.5))
    assert free.room is not None
    assert tight.room is not None
    assert tight.is_claude
    assert tight.room < free.room - 0.05
    assert tight.why == free.why


def test_sentence_names_the_service_that_the_work_goes_to() -> None:
    decision = BudgetController(rhythm()).decide(
        None, known_cost(), tier="haiku", work=(), delegate="cheap-one"
    )
    assert decision.why.startswith("Haiku on cheap-one: ")


def test_a_week_that_is_used_up_delegates() -> None:
    decision = decide(BudgetController(rhythm()), reading(1.02, 1.0))
    assert decision.why == "Sonnet on Z.ai: the Claude week is used up"


def test_without_a_fresh_reading_everything_is_delegated() -> None:
    decision = decide(BudgetController(rhythm()), None)
    assert (decision.is_claude, decision.room) == (False, None)
    assert decision.why == "Sonnet on Z.ai: Claude's figures are not known freshly enough"


@pytest.mark.parametrize(
    ("used", "left_h", "window"),
    [(0.0, 168.0, 0.0), (0.0, 160.0, 0.0), (0.4, 24.0, 0.0), (0.1, 24.0, 0.5)],
)
def test_without_known_costs_work_is_delegated(used: float, left_h: float, window: float) -> None:
    decision = decide(BudgetController(rhythm()), reading(used, left_h, window), CostModel())
    assert not decision.is_claude
    assert decision.why == (
        "Sonnet on Z.ai: it is not known yet how much of the Claude week requests use"
    )


@pytest.mark.parametrize("window", [None, 0.0, 0.49])
def test_while_hardly_anything_is_used_claude_gets_work_to_learn_its_cost(
    window: float | None,
) -> None:
    decision = decide(BudgetController(rhythm()), reading(0.39, 24.0, window), CostModel())
    assert decision.is_claude
    assert decision.why == "Sonnet on Claude: less than half of the week's pace is used"


@given(used=FRACTIONS, more=FRACTIONS, left_h=HOURS, less_h=HOURS, window=FRACTIONS)
def test_before_costs_are_known_use_never_brings_work_back_and_time_never_takes_it_away(
    used: float, more: float, left_h: float, less_h: float, window: float
) -> None:
    def is_claude(*figures: float) -> bool:
        return decide(BudgetController(rhythm()), reading(*figures), CostModel()).is_claude

    calm = is_claude(used, left_h, window)
    assert calm or not is_claude(used + more, left_h, window)
    assert calm or not is_claude(used, left_h, window + more)
    assert not calm or is_claude(used, max(left_h - less_h, 0.0), window)


def test_an_unknown_window_leaves_the_week_to_decide() -> None:
    assert decide(BudgetController(rhythm()), reading(0.3, 24.0, window_used=None)).is_claude


def test_conversations_on_claude_count_against_the_room() -> None:
    arguments = {"tier": "sonnet", "work": usual_work(24.0)}
    alone = BudgetController(rhythm()).decide(reading(0.3, 24.0), known_cost(), **arguments)
    beside = BudgetController(rhythm()).decide(
        reading(0.3, 24.0), known_cost(), running=[0.05, 0.001], **arguments
    )
    assert alone.room is not None
    assert beside.room is not None
    assert beside.room < alone.room - 0.05


@given(low=FRACTIONS, more=FRACTIONS, left_h=HOURS, window=st.none() | FRACTIONS)
def test_more_use_never_brings_work_back_to_claude(
    low: float, more: float, left_h: float, window: float | None
) -> None:
    calm = decide(BudgetController(rhythm()), reading(low, left_h, window))
    busy = decide(BudgetController(rhythm()), reading(low + more, left_h, window))
    assert calm.is_claude or not busy.is_claude


@given(used=FRACTIONS, low=FRACTIONS, more=FRACTIONS, left_h=HOURS)
def test_a_fuller_window_never_brings_work_back_to_claude(
    used: float, low: float, more: float, left_h: float
) -> None:
    calm = decide(BudgetController(rhythm()), reading(used, left_h, low))
    busy = decide(BudgetController(rhythm()), reading(used, left_h, low + more))
    assert calm.is_claude or not busy.is_claude


@given(used=FRACTIONS, left_h=HOURS, less_h=HOURS)
def test_in_a_week_as_usual_less_time_never_takes_work_away_from_claude(
    used: float, left_h: float, less_h: float
) -> None:
    """The week alone: what the next five hours hold depends on the time of day."""
    early = decide(BudgetController(rhythm()), reading(used, left_h, None))
    late = decide(BudgetController(rhythm()), reading(used, max(left_h - less_h, 0.0), None))
    assert late.is_claude or not early.is_claude


@given(used=FRACTIONS, left_h=HOURS, window=st.none() | FRACTIONS)
def test_the_same_figures_never_switch_back_and_forth(
    used: float, left_h: float, window: float | None
) -> None:
    controller = BudgetController(rhythm())
    ways = [decide(controller, reading(used, left_h, window)).is_claude for _ in range(5)]
    assert len(set(ways)) == 1


@given(
    used=st.floats(0.01, 1),
    left_h=st.floats(24, 150),
    steps=st.lists(st.floats(-0.004, 0.004), max_size=30),
)
def test_figures_that_waver_less_than_the_hysteresis_switch_once_at_most(
    used: float, left_h: float, steps: list[float]
) -> None:
    controller = BudgetController(rhythm())
    ways = [decide(controller, reading(used + step, left_h)).is_claude for step in steps]
    assert sum(a != b for a, b in pairwise(ways)) <= 1


@given(
    used=ANY,
    window=st.none() | ANY,
    left_h=st.floats(-10, 200),
    window_left_h=st.floats(-10, 200),
    tier=st.sampled_from(TIERS),
    running=st.lists(FRACTIONS, max_size=3),
    weeks=st.integers(0, 2),
)
def test_no_figure_breaks_it(
    used: float,
    window: float | None,
    left_h: float,
    window_left_h: float,
    tier: str,
    running: list[float],
    weeks: int,
) -> None:
    odd = PlanSnapshot(
        week_used=used, window_used=window, week_left_h=left_h, window_left_h=window_left_h
    )
    decision = BudgetController(Rhythm([OFFICE] * weeks)).decide(
        odd,
        known_cost(),
        tier=tier,  # type: ignore[arg-type] - drawn from the tiers themselves
        work=[0.0] * HOURS_A_WEEK,
        running=running,
    )
    assert decision.room is None or math.isfinite(decision.room)
    assert decision.why.startswith(f"{tier.title()} on ")
    if not 0 <= used < 1:
        assert not decision.is_claude


@pytest.mark.parametrize("left_h", [168.0, 100.0, 1.0, 0.0])
def test_minus_nothing_reads_as_nothing(left_h: float) -> None:
    assert decide(BudgetController(rhythm()), reading(-0.0, left_h)) == decide(
        BudgetController(rhythm()), reading(0.0, left_h)
    )


FLAT = tuple([1.0] * HOURS_A_WEEK)


def second(
    used: float,
    *,
    left_h: float = 80.0,
    hours: float | None = 0.0,
    costs: float = 1.0,
    is_peak: bool = False,
) -> DelegateBudget:
    """A delegate's plan of which one unit of weight takes so much."""
    cost = CostModel()
    cost.observe(0.0, 0.0)
    cost.add_pending("sonnet", 0.1 / costs)
    cost.observe(0.1, 0.8)
    return DelegateBudget(
        reading=PlanSnapshot(week_used=used, window_used=hours, week_left_h=left_h),
        cost=cost,
        times=FLAT,
        is_peak=is_peak,
    )


def choose(
    known: PlanSnapshot, budget: DelegateBudget | None, tier: Tier = "sonnet"
) -> BudgetDecision:
    return BudgetController(rhythm()).decide(
        known, known_cost(), tier=tier, work=usual_work(known.week_left_h), second=budget
    )


WAITING = reading(0.4, 100.0)
"""A week in which the autopilot would wait: there is plenty to fill it with later."""


def test_a_delegate_that_lasts_changes_nothing() -> None:
    assert choose(WAITING, second(0.1, costs=0.05)) == choose(WAITING, None)


@pytest.mark.parametrize("used", [0.7, 0.8, 0.97])
def test_a_delegate_that_will_not_last_gets_help_before_it_has_run_out(used: float) -> None:
    without, pressed = choose(WAITING, None), choose(WAITING, second(used, costs=2.0))
    assert without.room is not None
    assert pressed.room is not None
    assert pressed.room > without.room
    assert pressed.is_claude
    assert pressed.why == "Sonnet on Claude: Z.ai would run out"


def test_a_delegates_5_hours_count_like_its_week() -> None:
    at_noon = reading(0.4, 108.0)
    calm = choose(at_noon, second(0.1, costs=0.1))
    pressed = choose(at_noon, second(0.1, hours=0.99, costs=0.1))
    assert calm.room is not None
    assert pressed.room is not None
    assert pressed.room > calm.room


def test_at_peak_hours_claude_is_preferred_as_far_as_its_week_allows() -> None:
    usual, peak = (
        choose(WAITING, second(0.1, costs=0.05, is_peak=is_peak)) for is_peak in (False, True)
    )
    assert usual.room is not None
    assert peak.room is not None
    assert peak.room > usual.room
    full = choose(reading(0.97, 100.0), second(0.1, costs=0.05, is_peak=True))
    assert not full.is_claude


def test_the_last_of_the_delegates_week_is_kept_while_claude_answers() -> None:
    tight = reading(0.75, 100.0)
    assert not choose(tight, None).is_claude
    assert choose(tight, second(0.99, costs=2.0)).why == "Sonnet on Claude: Z.ai would run out"
    assert not choose(reading(1.0, 100.0), second(0.99, costs=2.0)).is_claude
    assert not choose(reading(0.75, 100.0, 0.99), second(0.99, costs=2.0)).is_claude


@pytest.mark.parametrize("used", [1.0, 1.4])
def test_a_delegates_week_that_is_used_up_is_said_to_be(used: float) -> None:
    tight = reading(0.75, 100.0)
    known = second(used, costs=2.0)
    unknown = dataclasses.replace(known, cost=CostModel())
    for budget in (known, unknown):
        assert choose(tight, budget).why == "Sonnet on Claude: Z.ai's week is used up"


def test_the_last_of_a_week_that_resets_in_a_moment_is_used() -> None:
    tight = reading(0.75, 100.0)
    assert not choose(tight, second(0.99, left_h=0.01, costs=0.05)).is_claude


def test_a_delegate_of_unknown_costs_has_no_limit_until_it_is_nearly_used_up() -> None:
    unknown = dataclasses.replace(second(0.5), cost=CostModel())
    assert choose(WAITING, unknown) == choose(WAITING, None)
    nearly = dataclasses.replace(second(0.97), cost=CostModel())
    assert choose(reading(0.75, 100.0), nearly).is_claude


def test_where_both_are_short_sonnet_comes_before_haiku() -> None:
    for used in range(30, 100):
        known, budget = reading(used / 100, 100.0), second(0.6, costs=3.0)
        haiku, sonnet = choose(known, budget, "haiku"), choose(known, budget)
        if haiku.is_claude != sonnet.is_claude:
            assert sonnet.is_claude
            assert haiku.why == "Haiku on Z.ai: Sonnet needs the rest of the week"
            return
    pytest.fail("they were never told apart")


@given(FRACTIONS, HOURS, FRACTIONS, st.floats(0, 168), ANY, st.booleans())
def test_whatever_the_delegates_figures_are_a_decision_is_made(
    used: float, left_h: float, z_used: float, z_left_h: float, hours: float, is_peak: bool
) -> None:
    budget = second(z_used, left_h=z_left_h, hours=hours, is_peak=is_peak)
    decision = choose(reading(used, left_h), budget)
    assert decision.why.startswith(("Sonnet on Claude: ", "Sonnet on Z.ai: "))
    if used >= 1:
        assert not decision.is_claude


def test_users_without_opus_have_a_conversation_ask_claude_how_much_is_used() -> None:
    quiet = dataclasses.replace(OFFICE, opus=(0.0,) * HOURS_A_WEEK)
    for weeks, may_ask, is_claude in (
        ([quiet], True, True),
        ([quiet], False, False),
        ([OFFICE], True, False),
        ([], True, False),
    ):
        decision = BudgetController(Rhythm(weeks)).decide(
            None, known_cost(), tier="haiku", work=(), may_ask=may_ask
        )
        assert decision.is_claude is is_claude
        if is_claude:
            assert decision.why == "Haiku on Claude: it shows how much of the week is used"
