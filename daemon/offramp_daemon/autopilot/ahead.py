"""Looks ahead for the plans in use: what their weeks will have used, for all who show it.

Nothing is forecast before the log holds a whole week, and it is known what requests take. In
`always` mode a delegate's week does not depend on Claude's figures, and is forecast without them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.control.api import PlanOutlook
from offramp_core.settings import ANTHROPIC
from offramp_daemon.autopilot.outlook import Situation, claude_week, delegate_week
from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H, PlanSnapshot

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_daemon.autopilot.outlook import Mode, WeekOutlook
    from offramp_daemon.autopilot.plans.claude_plan import ClaudePlan
    from offramp_daemon.autopilot.plans.delegate_plans import DelegatePlans
    from offramp_daemon.autopilot.work.current_week import CurrentWeek

_TIGHT = 0.8
"""A plan that is on pace for so much of its week is worth a closer look."""


def is_tight(claude: ClaudePlan, delegates: DelegatePlans, now: datetime) -> bool:
    """Return whether a plan's own pace says that it may run out."""
    paces = (claude.pace(now), *(delegates.pace(each, now) for each in delegates.backends()))
    return any(pace is not None and pace >= _TIGHT for pace in paces)


def outlooks(
    claude: ClaudePlan, delegates: DelegatePlans, mode: Mode, now: datetime
) -> tuple[PlanOutlook, ...]:
    """Return a forecast for each plan of which enough is known."""
    reading, week, cost = claude.reading(now), claude.week, claude.cost
    if week is None or week.history is None or not week.history.weeks:
        return ()
    is_known = reading is not None and cost.is_known
    if not is_known and mode != "always":
        return ()
    situation = Situation(
        reading=reading or _only_the_time(week, now),
        cost=cost,
        rhythm=week.rhythm(1 / cost.factor("opus")),
        work=week.work,
        mode=mode,
    )
    found = []
    if is_known:
        resets = now + timedelta(hours=situation.reading.week_left_h)
        found.append(_outlook(ANTHROPIC, claude_week(situation), now, resets))
    budgets = [
        (name, budget)
        for name in delegates.backends()
        if (budget := delegates.budget(name, now, week.start)) is not None
    ]
    if len(budgets) == 1:  # of several it is not known what each will get
        name, budget = budgets[0]
        if budget.cost.is_known:
            resets = now + timedelta(hours=budget.reading.week_left_h)
            found.append(_outlook(name, delegate_week(situation, budget), now, resets))
    return tuple(found)


def _only_the_time(week: CurrentWeek, now: datetime) -> PlanSnapshot:
    """Return what a delegate's forecast takes from Claude's week where it gets all work."""
    passed_h = (now - week.start) / timedelta(hours=1)
    left_h = min(max(WEEK_H - passed_h, 0.0), WEEK_H)
    return PlanSnapshot(week_used=0.0, window_used=None, week_left_h=left_h)


def _outlook(backend: str, found: WeekOutlook, now: datetime, resets: datetime) -> PlanOutlook:
    left_h = found.runs_out_h
    return PlanOutlook(
        backend=backend,
        at=now,
        resets=resets,
        low=found.low,
        likely=found.likely,
        high=found.high,
        runs_out=None if left_h is None else now + timedelta(hours=left_h),
    )
