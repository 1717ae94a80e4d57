"""Decides where a conversation of execution work goes, so that the Claude plan lasts its week.

It gives Claude all that fits beside the Opus work that is still to come, with a reserve for how
far off that forecast may be: as the week goes on, the forecast covers less and the reserve melts.
While there is execution work enough to come to fill the week with later, the reserve is larger:
waiting costs nothing then. The same holds within the 5-hour window. Without figures that can be
trusted it delegates everything; while only what requests cost is unknown, and hardly anything is
used, it lets Claude have work to learn that. It decides, explains itself, and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.services import DELEGATE
from offramp_daemon.autopilot.plan_snapshot import WEEK_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.autopilot.cost_model import CostModel
    from offramp_daemon.autopilot.forecast import Rhythm
    from offramp_daemon.autopilot.history import Tier
    from offramp_daemon.autopilot.plan_snapshot import PlanSnapshot

_CONVERSATION = 0.006
"""What a conversation of which nothing is known takes of the week."""
_CONVERSATION_SPREAD = 1.3
"""A conversation's deviation beside its mean."""
_USUAL_SPREAD = 0.05
_CALM_PART = 0.5
"""At so much of an even pace, or less, nothing can go wrong soon."""
_TO_LEARN = 0.03
"""About what it takes of the week to learn that."""
_CALM = "less than half of the week's pace is used"
_COST_UNKNOWN = "it is not known yet how much of the Claude week requests use"
_CALM_H = 24.0
"""In the week's last hours going back to Claude takes less and less: what stays is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How careful it is; amounts are parts of the week."""

    growth: float = 1.4
    """How much of the Opus work that is expected is kept: busy weeks are busier than that."""
    base: float = 0.003
    reserve: float = 0.28
    """What is kept beyond: this times the power below of what is expected."""
    patience: float = 0.32
    """How much more of it is kept while there is plenty to fill the week with later."""
    power: float = 0.36
    """How uncertainty grows with the amount that is expected."""
    spread_power: float = 0.29
    """How it grows with how far the user's work strays."""
    plenty_from: float = 0.5
    """From so much execution work to come, beside the room for it, there is plenty ..."""
    plenty_over: float = 2.0
    """... in full, after so much more."""
    supply: float = 0.58
    """No more is kept beyond what is expected than this times the execution work to come ..."""
    least: float = 0.042
    """... and this."""
    window_z: float = 1.0
    """How many deviations are kept in the 5-hour window, whose end is hours away and not days."""
    margin: float = 0.004
    """What is never given away: figures come in hundredths, and answers under way are not in."""
    hysteresis: float = 0.01
    """How much more room it takes to go back to Claude than to stay there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDecision:
    """Where to, and in one sentence why."""

    is_claude: bool
    room: float | None
    """What Claude has left beyond what is kept, as a part of the week; None if that is unknown."""
    why: str


class BudgetController:
    """One account's controller; its hours count from the weekly window's reset."""

    def __init__(self, rhythm: Rhythm, tuning: Tuning | None = None) -> None:
        """Decide by that rhythm."""
        self.rhythm = rhythm
        self._tuning = tuning or Tuning()
        self._was_claude = False

    def decide(
        self,
        reading: PlanSnapshot | None,
        cost: CostModel,
        *,
        tier: Tier,
        work: Sequence[float],
        running: Sequence[float] = (),
        delegate: str = DELEGATE.title,
    ) -> BudgetDecision:
        """Return where a conversation of that tier that starts now, or has gone cold, goes.

        `delegate` is what people call the service that it goes to if not to Claude.
        `work` is the weight of all work in each hour of this week so far, and `running` what each
        conversation of execution work that is warm on Claude has taken of the week so far.
        """
        room, obstacle = None, _obstacle(reading, cost)
        if reading is not None and obstacle == _COST_UNKNOWN and _is_calm(reading):
            return BudgetDecision(
                is_claude=True, room=None, why=f"{tier.title()} on Claude: {_CALM}"
            )
        if reading is not None and obstacle is None:
            week = self._week_room(reading, cost, work, running)
            window = self._window_room(reading, cost, work, running)
            room = min(week.left, window.left)
            wanted = 0.0
            if not self._was_claude:
                wanted = self._tuning.hysteresis * min(1.0, reading.week_left_h / _CALM_H)
            if room >= wanted:
                self._was_claude = True
                return BudgetDecision(is_claude=True, room=room, why=_on_claude(tier, week.left))
            if week.left <= window.left:
                obstacle = week.why_none("week", wanted)
            else:
                obstacle = window.why_none("5-hour window", wanted)
        self._was_claude = False
        return BudgetDecision(
            is_claude=False, room=room, why=delegated(tier, delegate, obstacle or "")
        )

    def _week_room(
        self,
        reading: PlanSnapshot,
        cost: CostModel,
        work: Sequence[float],
        running: Sequence[float],
    ) -> _Room:
        tuning = self._tuning
        factor = cost.factor("opus")
        expected = self.rhythm.expected(WEEK_H - reading.week_left_h, WEEK_H, work)
        opus, supply = expected.opus * factor, expected.execution * factor
        mean = opus * tuning.growth + tuning.base
        spread = self.rhythm.spread * factor / _USUAL_SPREAD
        free = max(1 - reading.week_used - opus, 0.02)
        plenty = min(max((supply / free - tuning.plenty_from) / tuning.plenty_over, 0.0), 1.0)
        reserve = tuning.reserve + tuning.patience * plenty
        reserve *= math.pow(mean, tuning.power) * math.pow(spread, tuning.spread_power)
        reserve = min(reserve, tuning.supply * supply + tuning.least)
        promised, _ = _promised(running)
        left = 1 - reading.week_used - mean - reserve - promised - tuning.margin
        return _Room(left, kept_for_opus=mean + reserve)

    def _window_room(
        self,
        reading: PlanSnapshot,
        cost: CostModel,
        work: Sequence[float],
        running: Sequence[float],
    ) -> _Room:
        used = reading.window_used
        if used is None or not math.isfinite(used):
            return _Room(math.inf, kept_for_opus=0.0)
        now_h = WEEK_H - reading.week_left_h
        factor = cost.factor("opus")
        expected = self.rhythm.expected(now_h, now_h + reading.window_left_h, work)
        opus = expected.opus * factor
        promised, deviation = _promised(running)
        deviation = math.hypot(math.sqrt(opus * self.rhythm.spread * factor), deviation)
        kept = opus + promised + self._tuning.window_z * deviation + self._tuning.margin
        return _Room((1 - used) * cost.five_hour_part - kept, kept_for_opus=opus)


@dataclass(frozen=True, slots=True)
class _Room:
    """What a window has left beyond what is kept, in parts of the week."""

    left: float
    kept_for_opus: float

    def why_none(self, window: str, wanted: float) -> str:
        """Return why there is less than `wanted`."""
        if self.left + self.kept_for_opus >= wanted:
            return f"Opus needs the rest of the {window}"
        return f"too little of the {window} is left"


def delegated(tier: Tier, delegate: str, why: str) -> str:
    """Return the sentence for work that goes to the service that people call `delegate`."""
    return f"{tier.title()} on {delegate}: {why}"


def _obstacle(reading: PlanSnapshot | None, cost: CostModel) -> str | None:
    """Return why Claude is out of the question, whatever is still to come; None if it is not."""
    if reading is None:
        return "Claude's figures are not known freshly enough"
    if not 0 <= reading.week_used < math.inf:  # false for what is not a number, too
        return "Claude's figures make no sense"
    if reading.week_used >= 1:
        return "the Claude week is used up"
    if not cost.is_known:
        return _COST_UNKNOWN
    return None


def _is_calm(reading: PlanSnapshot) -> bool:
    """Return whether so little is used that work may go to Claude, to learn there what it takes.

    Without that, who never uses Opus would never have anything learnt.
    """
    passed = 1 - reading.week_left_h / WEEK_H
    if reading.window_used is not None and not reading.window_used < _CALM_PART:
        return False
    return reading.week_used + _TO_LEARN <= _CALM_PART * passed


def _promised(running: Sequence[float]) -> tuple[float, float]:
    """Return what the conversations on Claude, and one more, may still take, and its deviation.

    How long one goes on can't be told; the more it has taken, the more it may.
    """
    sizes = [max(_CONVERSATION, taken) for taken in (0.0, *running)]
    return sum(sizes), _CONVERSATION_SPREAD * math.sqrt(sum(size * size for size in sizes))


def _on_claude(tier: Tier, room: float) -> str:
    percent = round(room * 100)
    pace = f"{percent} % under pace" if percent else "just under pace"
    return f"{tier.title()} on Claude: the week is {pace}"
