"""Says how long each of Z.ai's plans would have lasted for the user's own work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_cli.whatif.second_plan import PEAK_TIMES, is_peak
from offramp_cli.whatif.simulated_plan import SimulatedPlan
from offramp_cli.whatif.zai_costs import monday_h

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from offramp_cli.whatif.log_replay import LoggedRequest
    from offramp_cli.whatif.second_plan import ZaiPlan
    from offramp_cli.whatif.zai_costs import ZaiCosts

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)

UNKNOWN = (
    "Z.ai's plans: your own readings don't show yet what your requests cost in credits, so nothing "
    "can be said about when a plan would have run out. Until then Z.ai counts as unlimited."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What became of one plan, had all execution work gone to it."""

    plan: ZaiPlan
    weeks: int
    """Whole weeks of the plan with work in them."""
    ran_out: tuple[datetime, ...]
    """When the week's quota was used up, in the weeks in which it refused something."""
    window_hours: int
    """Hours in which its 5-hour window was full."""

    def sentence(self, zone: tzinfo) -> str:
        """Return it in words."""
        if not self.weeks:
            return f"{self.plan.title}: your log has no whole week of work to judge it by."
        full = "hour" if self.window_hours == 1 else "hours"
        window = (
            f" Its 5-hour limit would have refused work in {self.window_hours} {full}."
            if self.window_hours
            else ""
        )
        if self.plan.is_guess:
            window += (
                f" ({self.plan.title}'s limits are a guess: {self.plan.window_credits:,.0f} "
                f"credits per 5 hours and {self.plan.week_credits:,.0f} a week.)"
            )
        if not self.ran_out:
            return f"{self.plan.title} lasts: its week would never have run out.{window}"
        last = self.ran_out[-1].astimezone(zone)
        return (
            f"With {self.plan.title} you would have run out in {len(self.ran_out)} of "
            f"{self.weeks} weeks, the last time on {last:%A %Y-%m-%d} at {last:%H:%M}.{window}"
        )


def lasting(
    requests: Sequence[LoggedRequest], costs: ZaiCosts, *, since: datetime, end: datetime
) -> tuple[Lasting, ...]:
    """Return how long each plan would have lasted, in the plan's whole weeks between the two.

    `end` is a reset where the plan's own is not known. Requests are in order of time.
    """
    anchor = costs.resets_at or end
    first = anchor - (anchor - since) // _WEEK * _WEEK  # the first reset from `since` on
    last = anchor + (end - anchor) // _WEEK * _WEEK
    work = [each for each in requests if each.tier != "opus" and first <= each.at < last]
    return tuple(_lasting(plan, work, first, costs.credits_per_dollar) for plan in costs.plans())


def _lasting(plan: ZaiPlan, work: Iterable[LoggedRequest], first: datetime, rate: float) -> Lasting:
    ran_out: dict[int, datetime] = {}
    weeks: set[int] = set()
    window_hours: set[int] = set()
    simulated = SimulatedPlan(window_cap=plan.window_credits, week_cap=plan.week_credits)
    for each in work:
        at_h = (each.at - first) / _HOUR
        is_refused = simulated.refuses(at_h)
        weeks.add(simulated.week)
        if not is_refused:
            times = PEAK_TIMES if is_peak(monday_h(each.at)) else 1.0
            simulated.take(at_h, each.weight * rate * times)
        elif simulated.is_spent:
            ran_out.setdefault(simulated.week, each.at)
        else:
            window_hours.add(int(at_h))
    return Lasting(
        plan=plan,
        weeks=len(weeks),
        ran_out=tuple(ran_out.values()),
        window_hours=len(window_hours),
    )
