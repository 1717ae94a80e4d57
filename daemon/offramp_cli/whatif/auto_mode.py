"""Puts the daemon's decisions behind the simulation's seam: the mode `auto`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.controller import BudgetController, BudgetDecision
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import HOURS_A_WEEK
from offramp_daemon.autopilot.plan_snapshot import WEEK_H, WINDOW_H, PlanSnapshot

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_controller import Band, Controller
    from offramp_cli.whatif.simulated_plan import PlanReading
    from offramp_cli.whatif.simulation import Request, SimulatedWeek

_WARM_H = 5 / 60
_STALE_H = 24.0


def make(week: SimulatedWeek) -> Controller:
    """Return the controller of a user with that history, at the beginning of that week."""
    return _AutoMode(week)


@dataclass(slots=True)
class _Conversation:
    is_claude: bool = False
    last_h: float = 0.0
    taken: float = 0.0


class _AutoMode:
    def __init__(self, week: SimulatedWeek) -> None:
        self._controller = BudgetController(Rhythm(week.history, week_weight=week.week_weight))
        self._cost = CostModel(guess=1 / week.week_weight)
        self._work = [0.0] * HOURS_A_WEEK
        self._conversations: dict[int, _Conversation] = {}
        self._reading: PlanReading | None = None
        self._read_h = 0.0

    def answered(self, request: Request, *, is_claude: bool) -> None:
        self._work[int(request.at_h)] += request.weight
        if is_claude:
            self._cost.add_pending(request.tier, request.weight)
        if request.tier != "opus":
            known = self._conversations.setdefault(request.conversation, _Conversation())
            known.is_claude, known.last_h = is_claude, request.at_h
            known.taken += request.weight

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        self._reading, self._read_h = reading, at_h
        self._cost.observe(reading.week_used, reading.window_used)

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        pass

    def choose(self, request: Request) -> BudgetDecision:
        now_h, tier = request.at_h, request.tier
        factor = self._cost.factor(tier) if self._cost.is_known else 0.0
        if request.conversation in self._conversations:
            self._conversations[request.conversation].last_h = now_h
        running = [
            each.taken * factor
            for each in self._conversations.values()
            if each.is_claude and now_h - each.last_h < _WARM_H
        ]
        reading = self._reading_at(now_h)
        return self._controller.decide(
            reading, self._cost, tier=tier, work=self._work, running=running
        )

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        return None, None

    def _reading_at(self, now_h: float) -> PlanSnapshot | None:
        """Return the last figures at this time; the 5-hour window may be over."""
        last = self._reading
        if last is None or now_h - self._read_h > _STALE_H:
            return None
        left_h = last.window_left_h - (now_h - self._read_h)
        is_open = left_h > 0
        return PlanSnapshot(
            week_used=last.week_used,
            window_used=last.window_used if is_open else 0.0,
            week_left_h=WEEK_H - now_h,
            window_left_h=left_h if is_open else WINDOW_H,
        )
