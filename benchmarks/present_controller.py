"""The controller of version 0.1, for comparison: it knew Claude's week and took Z.ai for endless.

It is kept as it decided then, without its sentences; nothing here is developed further. Rhythm and
costs are those of that version, too: `present_forecast` and `present_costs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.work.history import HOURS_A_WEEK
from present_costs import CostModel
from present_forecast import Rhythm

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_controller import Band
    from offramp_cli.whatif.simulated_plan import PlanReading
    from offramp_cli.whatif.simulation import Request, SimulatedWeek

_WEEK_H = 168.0
_WINDOW_H = 5.0
_WARM_H = 5 / 60
_STALE_H = 24.0
_CONVERSATION = 0.006
_CONVERSATION_SPREAD = 1.3
_USUAL_SPREAD = 0.05
_CALM_PART = 0.5
_TO_LEARN = 0.03
_CALM_H = 24.0
_GROWTH = 1.4
_BASE = 0.003
_RESERVE = 0.28
_PATIENCE = 0.32
_POWER = 0.36
_SPREAD_POWER = 0.29
_PLENTY_FROM = 0.5
_PLENTY_OVER = 2.0
_SUPPLY = 0.58
_LEAST = 0.042
_MARGIN = 0.004
_HYSTERESIS = 0.01


@dataclass(frozen=True, slots=True)
class _Choice:
    is_claude: bool
    why: str = ""


@dataclass(slots=True)
class _Conversation:
    is_claude: bool = False
    last_h: float = 0.0
    taken: float = 0.0


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is known when it decides."""

    now_h: float
    week_used: float
    window_used: float
    window_left_h: float
    running: tuple[float, float]
    """What the conversations on Claude, and one more, may still take, and its deviation."""


class PresentController:
    """One week's controller."""

    def __init__(self, week: SimulatedWeek) -> None:
        """Begin the week, knowing those before."""
        self._rhythm = Rhythm(week.history, week_weight=week.week_weight)
        self._cost = CostModel(guess=1 / week.week_weight)
        self._work = [0.0] * HOURS_A_WEEK
        self._conversations: dict[int, _Conversation] = {}
        self._reading: PlanReading | None = None
        self._read_h = 0.0
        self._was_claude = False

    def answered(self, request: Request, *, is_claude: bool) -> None:
        """Count the work, and what Claude did of it."""
        self._work[int(request.at_h)] += request.weight
        if is_claude:
            self._cost.add_pending(request.tier, request.weight)
        if request.tier != "opus":
            known = self._conversations.setdefault(request.conversation, _Conversation())
            known.is_claude, known.last_h = is_claude, request.at_h
            known.taken += request.weight

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        """Learn what requests cost."""
        self._reading, self._read_h = reading, at_h
        self._cost.observe(reading.week_used, reading.window_used)

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        """It never looked at Z.ai's quota."""

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        """It had no forecast to show."""
        return None, None

    def choose(self, request: Request) -> _Choice:
        """Return Claude if it has room beside the Opus work to come and a reserve."""
        moment = self._moment(request)
        if moment is None or moment.week_used >= 1:
            self._was_claude = False
        elif not self._cost.is_known:
            if _is_calm(moment):
                return _Choice(is_claude=True)
            self._was_claude = False
        else:
            room = min(self._week_room(moment), self._window_room(moment))
            left_h = _WEEK_H - moment.now_h
            wanted = 0.0 if self._was_claude else _HYSTERESIS * min(1.0, left_h / _CALM_H)
            self._was_claude = room >= wanted
        return _Choice(self._was_claude)

    def _moment(self, request: Request) -> _Moment | None:
        now_h, last = request.at_h, self._reading
        if request.conversation in self._conversations:
            self._conversations[request.conversation].last_h = now_h
        if last is None or now_h - self._read_h > _STALE_H:
            return None
        factor = self._cost.factor(request.tier) if self._cost.is_known else 0.0
        sizes = [
            max(_CONVERSATION, each.taken * factor)
            for each in self._conversations.values()
            if each.is_claude and now_h - each.last_h < _WARM_H
        ]
        sizes.append(_CONVERSATION)
        deviation = _CONVERSATION_SPREAD * math.sqrt(sum(size * size for size in sizes))
        left_h = last.window_left_h - (now_h - self._read_h)
        return _Moment(
            now_h,
            last.week_used,
            last.window_used if left_h > 0 else 0.0,
            left_h if left_h > 0 else _WINDOW_H,
            (sum(sizes), deviation),
        )

    def _week_room(self, moment: _Moment) -> float:
        factor = self._cost.factor("opus")
        expected = self._rhythm.expected(moment.now_h, _WEEK_H, self._work)
        opus, supply = expected.opus * factor, expected.execution * factor
        mean = opus * _GROWTH + _BASE
        spread = self._rhythm.spread * factor / _USUAL_SPREAD
        free = max(1 - moment.week_used - opus, 0.02)
        plenty = min(max((supply / free - _PLENTY_FROM) / _PLENTY_OVER, 0.0), 1.0)
        reserve = _RESERVE + _PATIENCE * plenty
        reserve *= math.pow(mean, _POWER) * math.pow(spread, _SPREAD_POWER)
        reserve = min(reserve, _SUPPLY * supply + _LEAST)
        return 1 - moment.week_used - mean - reserve - moment.running[0] - _MARGIN

    def _window_room(self, moment: _Moment) -> float:
        factor = self._cost.factor("opus")
        expected = self._rhythm.expected(
            moment.now_h, moment.now_h + moment.window_left_h, self._work
        )
        opus = expected.opus * factor
        promised, deviation = moment.running
        deviation = math.hypot(math.sqrt(opus * self._rhythm.spread * factor), deviation)
        kept = opus + promised + deviation + _MARGIN
        return (1 - moment.window_used) * self._cost.five_hour_part - kept


def _is_calm(moment: _Moment) -> bool:
    """Return whether so little is used that work may go to Claude to learn what it takes."""
    if not moment.window_used < _CALM_PART:
        return False
    return moment.week_used + _TO_LEARN <= _CALM_PART * moment.now_h / _WEEK_H
