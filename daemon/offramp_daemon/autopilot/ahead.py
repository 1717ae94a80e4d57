"""Looks ahead for the plans in use: what their weeks will have used, for all who show it.

Nothing is forecast before the log holds a whole week, and it is known what requests take.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.control.api import PlanOutlook
from offramp_core.settings import ANTHROPIC
from offramp_daemon.autopilot.outlook import Situation, claude_week, delegate_week

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_daemon.autopilot.claude_plan import ClaudePlan
    from offramp_daemon.autopilot.delegate_plans import DelegatePlans
    from offramp_daemon.autopilot.outlook import Mode, WeekOutlook

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
    if reading is None or week is None or not cost.is_known:
        return ()
    if week.history is None or not week.history.weeks:
        return ()
    situation = Situation(
        reading=reading,
        cost=cost,
        rhythm=week.rhythm(1 / cost.factor("opus")),
        work=week.work,
        mode=mode,
    )
    resets = now + timedelta(hours=reading.week_left_h)
    found = [_outlook(ANTHROPIC, claude_week(situation), now, resets)]
    names = delegates.backends()
    if len(names) == 1:  # of several it is not known what each will get
        budget = delegates.budget(names[0], now, week.start)
        if budget is not None and budget.cost.is_known:
            resets = now + timedelta(hours=budget.reading.week_left_h)
            found.append(_outlook(names[0], delegate_week(situation, budget), now, resets))
    return tuple(found)


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
