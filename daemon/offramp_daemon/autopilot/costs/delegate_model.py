"""Learns what requests take of a delegate's plan, from the moves of the plan's own figures.

Weights are priced by the hour before they are compared with the moves: what is learnt is the cost
outside peak hours. The figures come when the service is asked, every few minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.costs.peak_hours import PeakHours, scheduled
from offramp_daemon.autopilot.costs.plan_change import Shares, growth

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_daemon.autopilot.work.history import Tier

MOST_AT_ONCE = 0.5
"""Of a small plan minutes of work may take much, and the figures come only every few minutes."""
_WORKING_DAYS = 5


@dataclass(slots=True)
class DelegateModel:
    """What is known of one account's plan at a delegate."""

    cost: CostModel = field(default_factory=lambda: CostModel(most_at_once=MOST_AT_ONCE))
    peak: PeakHours = field(default_factory=PeakHours)
    _by_hour: dict[int, float] = field(default_factory=dict)
    """What was answered since the figures moved last, by UTC hour of working days."""
    _before: Shares | None = None

    def add_answer(self, tier: Tier, weight: float, moment: datetime) -> None:
        """Take a request of that weight into account that the delegate answered then."""
        self.cost.add_pending(tier, weight * self.peak.times(moment))
        utc = moment.astimezone(UTC)
        if utc.weekday() < _WORKING_DAYS:
            priced = weight * scheduled(utc.weekday(), utc.hour)
            self._by_hour[utc.hour] = self._by_hour.get(utc.hour, 0.0) + priced

    def observe(self, shares: Shares, *, is_new_week: bool, is_new_window: bool) -> None:
        """Learn from what the service says of the plan, after what was added."""
        before, self._before = self._before, shares
        if before is not None and not is_new_week:
            if is_new_window:
                before = Shares(week_used=before.week_used, week_cap=before.week_cap)
            grown = growth(before, shares)
            if grown is not None:
                self.cost = self.cost.resized(grown)
        moved = self.cost.moved
        self.cost.observe(shares.week_used, shares.window_used)
        move = self.cost.moved - moved
        if move > 0:
            common = self.cost.common
            self.peak.learn(move, {hour: weight * common for hour, weight in self._by_hour.items()})
        if not self.cost.has_pending:  # learnt, or dropped, and so are their hours
            self._by_hour.clear()

    def break_off(self) -> None:
        """Start again with the next figures: what was added so far may not be all they cover."""
        self.cost.break_off()
        self._by_hour.clear()
        self._before = None
