"""How far the delegate's plan is from lasting: its windows against the work that is to come.

Amounts are parts of the delegate's week or 5-hour window; hours count from the reset of Claude's
week. Where nothing is known of the plan, it is taken to have no limit. It changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.autopilot.costs.cost_model import CostModel
    from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
    from offramp_daemon.autopilot.work.forecast import Load

_LEAST_LEFT = 0.005
"""A plan with less left than this is as good as spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateBudget:
    """What is known of the plan that execution work is delegated to."""

    reading: PlanSnapshot
    cost: CostModel
    """What requests take of its week outside peak hours."""
    times: Sequence[float]
    """How many times that they take in each hour of Claude's week."""
    is_peak: bool = False
    """Whether requests cost clearly more at this moment than at others."""

    def week_pressure(self, load: Load | None, claude_takes: float) -> float:
        """Return what `load`, all that is to come, would use of the rest of its week, beside that.

        `claude_takes` is the weight of execution work that Claude has room for until then.
        """
        if load is None or load.weight <= 0:
            return 0.0
        stays = max(1 - claude_takes / load.weight, 0.0)
        left = max(1 - self.reading.week_used, _LEAST_LEFT)
        return load.priced * self.cost.common * stays / left

    def window_pressure(self, load: Load | None) -> float:
        """Return what `load` would use of the 5-hour window's rest, beside it."""
        used = self.reading.window_used
        if load is None or used is None:
            return 0.0
        left = max((1 - used) * self.cost.five_hour_part, _LEAST_LEFT)
        return load.priced * self.cost.common / left
