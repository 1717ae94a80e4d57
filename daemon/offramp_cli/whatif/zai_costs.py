"""Learns from the user's own readings what requests cost in Z.ai's credits.

Each reading says how much of a window is used. What a window moved between two of them, times what
the plan holds, is what the requests in between cost together. Nothing is assumed: without enough
movement, or for a plan whose caps are not known, nothing is learnt. It reads no file.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
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


def monday_h(moment: datetime) -> float:
    """Return how many hours after a Monday 00:00 UTC that is."""
    return (moment - _A_MONDAY) / _HOUR


def learn(
    quota: PlanQuota | None, points: Iterable[QuotaPoint], requests: Sequence[LoggedRequest]
) -> ZaiCosts | None:
    """Return what the requests cost by those readings; None where they don't show it.

    `quota` is what was last read of the plan in use. Points and requests are in order of time.
    """
    plan = next((each for each in ZAI_PLANS if quota and each.level == _level(quota)), None)
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


def _level(quota: PlanQuota) -> str:
    return (quota.level or "").casefold()


def _moves(
    points: Sequence[QuotaPoint], served: Sequence[LoggedRequest]
) -> Iterable[tuple[float, float]]:
    """Yield what the window moved, and the work in between; at peak work counts double.

    What moved without any work here was another device's, and is left out.
    """
    times = [each.at for each in served]
    for before, after in pairwise(points):
        move = after.used - before.used
        if move <= 0 or not _is_same_window(before, after):
            continue
        between = served[bisect_left(times, before.ts) : bisect_left(times, after.ts)]
        work = sum(
            each.weight * (PEAK_TIMES if is_peak(monday_h(each.at)) else 1.0)
            for each in between
            if each.tier != "opus"
        )
        if work:
            yield move, work


def _is_same_window(before: QuotaPoint, after: QuotaPoint) -> bool:
    if before.resets is None or after.resets is None:
        return False
    return abs(after.resets - before.resets) < _SAME_RESET
