"""Puts the daemon's decisions behind the simulation's seam: the mode `auto`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulated_controller import Band
from offramp_daemon.autopilot.controller import (
    ASK_EVERY_H,
    BudgetController,
    BudgetDecision,
    Tuning,
)
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.costs.delegate_model import DelegateModel
from offramp_daemon.autopilot.costs.plan_change import Shares, growth
from offramp_daemon.autopilot.outlook import (
    Situation,
    WeekOutlook,
    claude_week,
    delegate_week,
)
from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
from offramp_daemon.autopilot.plans.plan_snapshot import WINDOW_H, PlanSnapshot
from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_controller import Controller
    from offramp_cli.whatif.simulated_plan import PlanReading
    from offramp_cli.whatif.simulation import Request, SimulatedWeek

_WARM_H = 5 / 60
_STALE_H = 24.0
_SAME_RESET_H = 0.5
_MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
"""Any Monday: only how hours lie in the week counts."""


def make(week: SimulatedWeek, tuning: Tuning | None = None) -> Controller:
    """Return the controller of a user with that history, at the beginning of that week."""
    return _AutoMode(week, tuning)


@dataclass(slots=True)
class _Conversation:
    is_claude: bool = False
    last_h: float = 0.0
    taken: float = 0.0


@dataclass(slots=True)
class _Heard:
    """The last figures of a plan, and when they came."""

    reading: PlanReading
    at_h: float

    def is_followed(self, reading: PlanReading, at_h: float) -> tuple[bool, bool]:
        """Return whether figures are of another week, and of another 5-hour window."""
        passed_h = at_h - self.at_h
        is_new_week = reading.week_left_h > self.reading.week_left_h - passed_h + _SAME_RESET_H
        left_h = self.reading.window_left_h - passed_h
        return is_new_week, abs(reading.window_left_h - left_h) > _SAME_RESET_H

    def snapshot(self, now_h: float) -> PlanSnapshot | None:
        """Return the figures at this time; the 5-hour window, or the week, may be over."""
        passed_h = now_h - self.at_h
        week_left_h = self.reading.week_left_h - passed_h
        if passed_h > _STALE_H or week_left_h <= 0:
            return None
        left_h = self.reading.window_left_h - passed_h
        is_open = left_h > 0
        return PlanSnapshot(
            week_used=self.reading.week_used,
            window_used=self.reading.window_used if is_open else 0.0,
            week_left_h=week_left_h,
            window_left_h=left_h if is_open else WINDOW_H,
        )


class _AutoMode:
    def __init__(self, week: SimulatedWeek, tuning: Tuning | None) -> None:
        rhythm = Rhythm(week.history, week_weight=week.week_weight)
        self._controller = BudgetController(rhythm, tuning)
        self._cost = CostModel(guess=1 / week.week_weight)
        self._second = DelegateModel()
        self._start = _MONDAY + timedelta(hours=week.monday_h)
        self._times = self._second.peak.of_week(self._start)
        self._work = [0.0] * HOURS_A_WEEK
        self._conversations: dict[int, _Conversation] = {}
        self._claude: _Heard | None = None
        self._asked_h = -ASK_EVERY_H
        self._zai: _Heard | None = None

    def answered(self, request: Request, *, is_claude: bool) -> None:
        self._work[int(request.at_h)] += request.weight
        if is_claude:
            self._cost.add_pending(request.tier, request.weight)
        else:
            self._second.add_answer(request.tier, request.weight, self._moment(request.at_h))
        if request.tier != "opus":
            known = self._conversations.setdefault(request.conversation, _Conversation())
            known.is_claude, known.last_h = is_claude, request.at_h
            known.taken += request.weight

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        last, self._claude = self._claude, _Heard(reading, at_h)
        if last is not None:
            is_new_week, is_new_window = last.is_followed(reading, at_h)
            before = _shares(last.reading, knows_window=not is_new_window)
            grown = None if is_new_week else growth(before, _shares(reading))
            if grown is not None:
                self._cost = self._cost.resized(grown)
        self._cost.observe(reading.week_used, reading.window_used)

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        last, self._zai = self._zai, _Heard(reading, at_h)
        news = (True, True) if last is None else last.is_followed(reading, at_h)
        self._second.observe(_shares(reading), is_new_week=news[0], is_new_window=news[1])
        self._times = self._second.peak.of_week(self._start)

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
        return self._controller.decide(
            None if self._claude is None else self._claude.snapshot(now_h),
            self._cost,
            tier=tier,
            work=self._work,
            running=running,
            second=self._budget(now_h),
            may_ask=self._may_ask(now_h),
        )

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        reading = None if self._claude is None else self._claude.snapshot(at_h)
        if reading is None or not self._cost.is_known:
            return None, None
        situation = Situation(
            reading=reading,
            cost=self._cost,
            rhythm=self._controller.rhythm,
            work=self._work,
            mode="auto",
        )
        budget = self._budget(at_h)
        if budget is None or not budget.cost.is_known:
            return _band(claude_week(situation)), None
        return _band(claude_week(situation)), _band(delegate_week(situation, budget))

    def _budget(self, now_h: float) -> DelegateBudget | None:
        known = None if self._zai is None else self._zai.snapshot(now_h)
        if known is None:
            return None
        return DelegateBudget(
            reading=known,
            cost=self._second.cost,
            times=self._times,
            is_peak=self._second.peak.is_peak(self._moment(now_h)),
        )

    def _may_ask(self, now_h: float) -> bool:
        """Return whether it is time to have Claude say how much is used, which needs a request."""
        if now_h - self._asked_h < ASK_EVERY_H:
            return False
        self._asked_h = now_h
        return True

    def _moment(self, at_h: float) -> datetime:
        return self._start + timedelta(hours=at_h)


def _band(outlook: WeekOutlook) -> Band:
    return Band(outlook.low, outlook.high)


def _shares(reading: PlanReading, *, knows_window: bool = True) -> Shares:
    return Shares(
        week_used=reading.week_used,
        window_used=reading.window_used if knows_window else None,
        week_cap=reading.week_cap,
    )
