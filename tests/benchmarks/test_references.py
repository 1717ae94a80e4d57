"""What the autopilot is compared with: perfect knowledge, the first version, and forecasts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bands import band_lines
from capacity import needs_of_claude
from foresight import Foresight
from offramp_cli.whatif.drive import BandCheck
from offramp_cli.whatif.second_plan import LITE, PRO, PlanChange, SecondPlan
from offramp_cli.whatif.simulated_controller import Band
from offramp_cli.whatif.simulation import Request, SimulatedWeek, run
from present_controller import PresentController
from synthetic_weeks import make_week
from two_plan_weeks import make_old_week, make_two_plan_week

SEEDS = range(0, 300, 20)


def week(*requests: Request, credits_used: float = 0.0) -> SimulatedWeek:
    return SimulatedWeek(
        requests=requests,
        history=(),
        five_hour_part=1.0,
        second=SecondPlan(plan=LITE, resets_h=168.0, used=credits_used),
    )


def work(at_h: float, cost: float, credits_: float) -> Request:
    return Request(at_h, int(at_h), "sonnet", cost, cost, credits_)


def test_claude_has_to_do_what_zais_quota_does_not_hold() -> None:
    each = week(work(1, 0.5, 900), work(20, 0.5, 900), Request(40, 40, "opus", 0.3, 0.3))
    assert needs_of_claude(each) == pytest.approx(0.3)
    used = replace(each, second=SecondPlan(plan=LITE, resets_h=168.0, used=8_100.0))
    assert needs_of_claude(used) == pytest.approx(0.3 + 0.5)  # nine tenths of 10,000 count


def test_a_five_hour_window_holds_no_more_than_its_own_part() -> None:
    both = week(work(1, 0.2, 1_800), work(2, 0.2, 1_800))
    apart = week(work(1, 0.2, 1_800), work(12, 0.2, 1_800))
    assert needs_of_claude(both) == pytest.approx(0.2)
    assert needs_of_claude(apart) == pytest.approx(0.0)


def test_work_at_peak_takes_twice_the_room() -> None:
    each = week(work(1, 0.2, 1_800))
    assert needs_of_claude(each) == pytest.approx(0.0)
    assert needs_of_claude(replace(each, monday_h=6.0)) == pytest.approx(0.1)


def test_a_plan_that_changes_holds_what_it_holds_then() -> None:
    steps = [work(at_h, 0.1, 1_800) for at_h in range(1, 100, 12)]
    each = week(*steps)
    assert needs_of_claude(each) == pytest.approx(0.4)
    grown = replace(each, change=PlanChange(at_h=45, zai=PRO))
    assert needs_of_claude(grown) == pytest.approx(0.0)
    fresh = replace(each, change=PlanChange(at_h=45, zai=LITE, is_fresh=True))
    assert needs_of_claude(fresh) == pytest.approx(0.0)
    small = replace(each, change=PlanChange(at_h=45, claude_size=0.5))
    assert needs_of_claude(small) == pytest.approx(0.8)


def test_without_a_limit_claude_has_to_do_only_opus() -> None:
    for seed in SEEDS:
        each = make_old_week(seed, None).week
        assert needs_of_claude(each) == pytest.approx(each.opus)


@pytest.mark.parametrize("seed", SEEDS)
def test_foresight_keeps_to_both_plans_where_that_can_be_done(seed: int) -> None:
    each = make_two_plan_week(seed).week
    if max(needs_of_claude(each), each.opus) >= 0.95:
        return
    outcome = run(each, "auto", Foresight(each))
    assert not outcome.is_over
    assert not outcome.is_zai_early


def test_foresight_uses_more_of_claudes_week_than_the_first_version() -> None:
    weeks = [make_week(seed).simulated() for seed in range(12)]
    foresight = sum(run(each, "auto", Foresight(each)).used for each in weeks)
    present = sum(run(each, "auto", PresentController(each)).used for each in weeks)
    assert foresight > present


def test_the_first_version_decides_as_it_always_did() -> None:
    used = [
        run(each, "auto", PresentController(each)).used
        for each in (make_week(seed).simulated() for seed in (0, 1, 7))
    ]
    assert used == pytest.approx([0.944, 0.800, 0.811], abs=0.005)


def check(low: float, high: float, truth: float, *, is_claude: bool = True) -> BandCheck:
    return BandCheck(is_claude, 24.0, Band(low, high), truth)


def test_bands_come_true_with_their_ends_included() -> None:
    checks = [check(0.2, 0.4, truth) for truth in (0.1, 0.2, 0.3, 0.4, 0.5)]
    lines = band_lines(("Lite", each) for each in checks)
    assert {line.plan for line in lines} == {"Claude"}
    assert [line.hour for line in lines] == [None, 24.0]
    assert (lines[0].true, lines[0].below, lines[0].above) == (3, 1, 1)
    assert lines[0].width == pytest.approx(0.2)
    assert "60.0%" in lines[0].row()


def test_bands_of_zais_plans_are_counted_apart_and_together() -> None:
    each = check(0.2, 0.4, 0.3, is_claude=False)
    lines = band_lines([("Lite", each), ("Max", each)])
    totals = {line.plan: line.forecasts for line in lines if line.hour is None}
    assert totals == {"Z.ai": 2, "Z.ai Lite": 1, "Z.ai Max": 1}
