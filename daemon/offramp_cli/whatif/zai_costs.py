"""Learns from the user's own readings what requests cost in Z.ai's credits.

Each reading says how much of a window is used. What a window moved between two of them, times what
the plan holds, is what the requests in between cost together. Nothing is assumed: without enough
movement, or for a plan whose caps are not known, nothing is learnt. It reads no file.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from offramp_cli.whatif.second_plan import PEAK_TIMES, ZAI_PLANS, is_peak
from offramp_core.quota import windows
from offramp_core.services import zai

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offramp_cli.whatif.log_replay import LoggedRequest
    from offramp_cli.whatif.second_plan import ZaiPlan
    from offramp_core.quota.windows import PlanQuota, QuotaPoint

_ENOUGH: Final = 0.05
"""After so much movement, in parts of the week, a cost means something."""
_MOST_DIFFERENCE: Final = 3.0
"""A cap that is so many times another than the plan's usual one counts something else: tokens."""
_SAME_RESET: Final = timedelta(minutes=30)
_A_MONDAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZaiCosts:
    """What is known of one user's Z.ai plan."""

    plan: ZaiPlan
    credits_per_dollar: float
    """What a dollar of work at Claude's list price costs outside peak hours."""
    resets_at: datetime | None
    """Some reset of the plan's week."""

    def plans(self) -> tuple[ZaiPlan, ...]:
        """Return Z.ai's plans, the user's own one as its quota answer has it."""
        return tuple(self.plan if each.level == self.plan.level else each for each in ZAI_PLANS)


def monday_h(moment: datetime) -> float:
    """Return how many hours after a Monday 00:00 UTC that is."""
    return (moment - _A_MONDAY) / _HOUR


def learn(
    quota: PlanQuota | None, points: Iterable[QuotaPoint], requests: Sequence[LoggedRequest]
) -> ZaiCosts | None:
    """Return what the requests cost by those readings; None where they don't show it.

    `quota` is what was last read of the plan in use. Points and requests are in order of time.
    """
    plan = None if quota is None else _own_plan(quota)
    if quota is None or plan is None:
        return None
    served = [each for each in requests if each.backend == zai.NAME]
    mine = [each for each in points if (each.backend, each.account) == (zai.NAME, quota.account)]
    moved = spent = dollars = 0.0
    for name, cap in ((windows.WEEK, plan.week_credits), (windows.FIVE_HOURS, plan.window_credits)):
        for share, work in _moves([each for each in mine if each.window == name], served):
            spent += share * cap
            moved += share * cap / plan.week_credits
            dollars += work
    if moved < _ENOUGH or not dollars:
        return None
    week = windows.window_of(quota, windows.WEEK)
    return ZaiCosts(
        plan=plan,
        credits_per_dollar=spent / dollars,
        resets_at=None if week is None else week.resets,
    )


def _own_plan(quota: PlanQuota) -> ZaiPlan | None:
    """Return the plan with the caps that its own answer names; None if they are no credits."""
    level = (quota.level or "").casefold()
    known = next((each for each in ZAI_PLANS if each.level == level), None)
    if known is None:
        return None
    caps = []
    for name, usual in (
        (windows.FIVE_HOURS, known.window_credits),
        (windows.WEEK, known.week_credits),
    ):
        window = windows.window_of(quota, name)
        cap = usual if window is None or window.cap is None else window.cap
        if not usual / _MOST_DIFFERENCE <= cap <= usual * _MOST_DIFFERENCE:
            return None
        caps.append(cap)
    week = windows.window_of(quota, windows.WEEK)
    is_guess = known.is_guess and (week is None or week.cap is None)
    return replace(known, window_credits=caps[0], week_credits=caps[1], is_guess=is_guess)


def _moves(
    points: Sequence[QuotaPoint], served: Sequence[LoggedRequest]
) -> Iterable[tuple[float, float]]:
    """Yield what the window moved, and the work in between; at peak work counts double.

    What moved without any work here was another device's, and is left out.
    """
    times = [each.at for each in served]
    before: QuotaPoint | None = None
    for after in points:
        if before is None or not _is_same_window(before, after):
            before = after
            continue
        move = after.used - before.used
        if move <= 0:
            continue  # told late: another machine knew more before
        between = served[bisect_left(times, before.ts) : bisect_left(times, after.ts)]
        work = sum(
            each.weight * (PEAK_TIMES if is_peak(monday_h(each.at)) else 1.0) for each in between
        )
        before = after
        if work:
            yield move, work


def _is_same_window(before: QuotaPoint, after: QuotaPoint) -> bool:
    if before.resets is None or after.resets is None:
        return False
    return abs(after.resets - before.resets) < _SAME_RESET
