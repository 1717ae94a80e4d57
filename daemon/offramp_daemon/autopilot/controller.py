"""Decides where a conversation of execution work goes, so that both plans last their weeks.

It gives Claude all that fits beside the Opus work that is still to come, of which it keeps a high
quantile: as the week and the day go on, less is to come and less of it is in doubt, so that less is
kept. While there is execution work enough to come to fill the week with later, it keeps more:
waiting costs nothing then, unless the delegate's plan would run out, or counts requests double at
this hour. The more certain it is that the delegate's plan runs out, the less waiting helps: what is
over comes to Claude anyway. The same holds within the 5-hour window. Without figures that can be
trusted it delegates everything; while only what requests cost is unknown, and hardly anything is
used, it lets Claude have work to learn that. It decides, explains itself, and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.services import DELEGATE
from offramp_core.wording import autopilot_text
from offramp_daemon.autopilot.ahead_cache import AheadCache
from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H, WINDOW_H
from offramp_daemon.autopilot.work.distribution import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.autopilot.ahead_cache import Ahead
    from offramp_daemon.autopilot.costs.cost_model import CostModel
    from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
    from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
    from offramp_daemon.autopilot.work.forecast import Expected, Rhythm
    from offramp_daemon.autopilot.work.history import Tier

ASK_EVERY_H = 1.0
"""How often a conversation may go to Claude only for its figures to be known."""
_CONVERSATION = 0.006
"""What a conversation of which nothing is known takes of the week."""
_CONVERSATION_SPREAD = 1.3
"""A conversation's deviation beside its mean."""
_CALM_PART = 0.5
"""At so much of an even pace, or less, nothing can go wrong soon."""
_TO_LEARN = 0.03
"""About what it takes of the week to learn that."""
_LAST_WINDOW = 0.97
"""From here on Claude's 5-hour window is left to Opus, whatever becomes of the delegate's plan."""
_LAST_CONVERSATIONS = 4
_LAST_UNKNOWN = 0.05
"""The last part of the delegate's week while it is not known what requests take of it."""
_NEARLY_LAST = 2.5
"""From so many times the last part on, nothing waits for later."""
_MISSED = 0.3
"""The last part would be missed if so much of it were used, did Claude take nothing."""
_CLEAR = 0.5
_CALM_H = 24.0
"""In the week's last hours going back to Claude takes less and less: what stays is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How careful it is; amounts are parts of Claude's week, and quantiles normal deviations."""

    growth: float = 1.34
    """How much of the Opus work that is expected is kept: busy weeks are busier than that."""
    base: float = 0.014
    careful: float = 1.5
    """The quantile of the Opus work to come that is kept."""
    patience: float = 0.97
    """How much further it lies while there is plenty to fill the week with later."""
    plenty_from: float = 0.49
    """From so much execution work to come, beside the room for it, there is plenty ..."""
    plenty_over: float = 2.4
    """... in full, after so much more."""
    supply: float = 0.57
    """No more is kept beyond what is expected than this times the execution work to come ..."""
    least: float = 0.044
    """... and this."""
    pressed_from: float = 0.45
    """If so much of the rest of the delegate's week would be used, patience ends ..."""
    pressed_over: float = 0.3
    """... in full, after so much more."""
    short_from: float = 0.9
    """From here on the delegate's week runs out before it resets ..."""
    short_over: float = 0.5
    """... nearly for certain, after so much more."""
    given_up: float = 2.0
    """How much less far the quantile lies then: what the delegate refuses comes here anyway."""
    last: float = 0.02
    """The last part of the delegate's week, beside a few conversations', is kept for emergencies:
    for what Claude refuses."""
    peak_patience: float = 0.3
    """How much of the patience is left while the delegate counts requests double."""
    haiku_waits: float = 0.02
    """How much more room Haiku needs than Sonnet while both plans are short."""
    window_z: float = 0.78
    """How many deviations are kept in the 5-hour window, whose end is hours away and not days."""
    margin: float = 0.0044
    """What is never given away: figures come in hundredths, and answers under way are not in."""
    hysteresis: float = 0.002
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
        self._cache = AheadCache()
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
        second: DelegateBudget | None = None,
        may_ask: bool = False,
    ) -> BudgetDecision:
        """Return where a conversation of that tier that starts now, or has gone cold, goes.

        `delegate` is what people call the service that it goes to if not to Claude, and `second`
        what is known of its plan; None where it has no limit, or nothing is known of it.
        `work` is the weight of all work in each hour of this week so far, and `running` what each
        conversation of execution work that is warm on Claude has taken of the week so far.
        `may_ask` is whether a conversation may go to Claude only for its figures to be known,
        of which without Opus nothing else would tell.
        """
        found = self.prospect(reading, cost, work, second)
        return self.decide_in(found, tier=tier, running=running, delegate=delegate, may_ask=may_ask)

    def prospect(
        self,
        reading: PlanSnapshot | None,
        cost: CostModel,
        work: Sequence[float],
        second: DelegateBudget | None,
    ) -> Prospect:
        """Return what `decide` starts from, whichever conversation it is about."""
        obstacle = _obstacle(reading, cost)
        if reading is None or obstacle is not None:
            return Prospect(reading=reading, cost=cost, obstacle=obstacle)
        ahead = self._cache.of(self.rhythm, reading, work, second)
        need = _NO_NEED
        if second is not None and second.cost.is_known:
            need = self._need(second, reading, cost, ahead)
        elif second is not None and 1 - second.reading.week_used < _LAST_UNKNOWN:
            need = _Need(pressure=1.0, is_last=True, is_spent=second.reading.week_used >= 1)
        return Prospect(
            reading=reading,
            cost=cost,
            obstacle=None,
            need=need,
            week=self._week_room(reading, cost, ahead.week, need),
            window=self._window_room(reading, cost, ahead.window),
        )

    def decide_in(
        self,
        found: Prospect,
        *,
        tier: Tier,
        running: Sequence[float] = (),
        delegate: str = DELEGATE.title,
        may_ask: bool = False,
    ) -> BudgetDecision:
        """Return the same as `decide`, from a prospect that may be some seconds old."""
        room, obstacle, reading = None, found.obstacle, found.reading
        if reading is None and may_ask and self.rhythm.is_without_opus:
            return BudgetDecision(
                is_claude=True, room=None, why=_on_claude(tier, autopilot_text.TO_ASK)
            )
        if reading is not None and obstacle == autopilot_text.COST_UNKNOWN and _is_calm(reading):
            return BudgetDecision(
                is_claude=True, room=None, why=_on_claude(tier, autopilot_text.IS_CALM)
            )
        if reading is not None and obstacle is None:
            need, promised, deviation = found.need, *_promised(running)
            in_week = found.week.left(promised, 0.0, self._tuning)
            in_window = found.window.left(promised, deviation, self._tuning)
            room = min(in_week, in_window)
            if need.is_last and (reading.window_used or 0.0) < _LAST_WINDOW:
                # Once it has run out, all of its work comes to Claude, and has nowhere else to go.
                why = _on_claude(tier, _why_short(need, delegate))
                return BudgetDecision(is_claude=True, room=room, why=why)
            for_sonnet = self._kept_for_sonnet(tier, need)
            wanted = self._wanted(reading) + for_sonnet
            if room >= wanted:
                self._was_claude = True
                why = _on_claude(tier, _why_claude(in_week, need, delegate))
                return BudgetDecision(is_claude=True, room=room, why=why)
            if in_week <= in_window:
                obstacle = found.week.why_none("week", in_week, wanted, for_sonnet)
            else:
                obstacle = found.window.why_none("5-hour window", in_window, wanted, for_sonnet)
        self._was_claude = False
        return BudgetDecision(
            is_claude=False, room=room, why=autopilot_text.sentence(tier, delegate, obstacle or "")
        )

    def _wanted(self, reading: PlanSnapshot) -> float:
        """Return how much room it takes to go back to Claude."""
        if self._was_claude:
            return 0.0
        return self._tuning.hysteresis * min(1.0, reading.week_left_h / _CALM_H)

    def _kept_for_sonnet(self, tier: Tier, need: _Need) -> float:
        """Return how much room Haiku must leave: where both plans are short, Sonnet comes first."""
        return self._tuning.haiku_waits * need.shortage if tier == "haiku" else 0.0

    def _need(
        self, second: DelegateBudget, reading: PlanSnapshot, cost: CostModel, ahead: Ahead
    ) -> _Need:
        """Return how much the delegate's plan needs Claude's help."""
        tuning, factor, opus = self._tuning, cost.factor("sonnet"), cost.factor("opus")
        free = max(1 - reading.week_used - ahead.week.opus * opus, 0.0) / factor
        beyond_h = max(second.reading.week_left_h - reading.week_left_h, 0.0)
        if beyond_h:  # the next week's room helps as well
            usual = max(1 - self.rhythm.usual.opus * opus, 0.0) / factor
            free += usual * beyond_h / WEEK_H
        week = second.week_pressure(ahead.delegate_week, free)
        hours = second.window_pressure(ahead.delegate_window)
        alone = second.week_pressure(ahead.delegate_week, 0.0)
        last = tuning.last + _LAST_CONVERSATIONS * _CONVERSATION / factor * second.cost.common
        left = 1 - second.reading.week_used
        if alone > _MISSED and left < _NEARLY_LAST * last:
            week = max(week, 1.0)
        return _Need(
            pressure=_ramp(max(week, hours), tuning.pressed_from, tuning.pressed_over),
            shortage=_ramp(week, tuning.short_from, tuning.short_over),
            is_peak=second.is_peak,
            is_last=alone > _MISSED and left < last,
            is_spent=left <= 0,
        )

    def _week_room(
        self, reading: PlanSnapshot, cost: CostModel, expected: Expected, need: _Need
    ) -> _Room:
        tuning, factor = self._tuning, cost.factor("opus")
        opus = expected.opus * factor
        supply = min(expected.execution * factor, _fillable(reading, cost) - opus)
        supply = max(supply, 0.0)
        mean = opus * tuning.growth + tuning.base
        variance = mean * self.rhythm.spread * factor + (mean * expected.doubt) ** 2
        free = max(1 - reading.week_used - opus, 0.02)
        patience = _ramp(supply / free, tuning.plenty_from, tuning.plenty_over)
        patience *= (1 - need.pressure) * (tuning.peak_patience if need.is_peak else 1.0)
        deviations = tuning.careful + tuning.patience * patience - tuning.given_up * need.shortage
        kept = max(quantile(mean, variance, deviations), opus)
        kept = min(kept, mean + tuning.supply * supply + tuning.least)
        return _Room(1 - reading.week_used, kept=kept, kept_for_opus=kept)

    def _window_room(self, reading: PlanSnapshot, cost: CostModel, expected: Expected) -> _Room:
        used = reading.window_used
        if used is None or not math.isfinite(used):
            return _NO_LIMIT
        factor = cost.factor("opus")
        opus = expected.opus * factor
        return _Room(
            (1 - used) * cost.five_hour_part,
            kept=opus,
            kept_for_opus=opus,
            deviation=math.sqrt(opus * self.rhythm.spread * factor),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """How much the delegate's plan needs Claude to take work; 0 is not at all, and 1 fully."""

    pressure: float = 0.0
    shortage: float = 0.0
    """How certain it is that its week runs out, whatever Claude takes."""
    is_peak: bool = False
    is_last: bool = False
    """Whether so little is left of its week that it will be missed."""
    is_spent: bool = False
    """Whether nothing is left of it; it is only said."""


_NO_NEED = _Need()


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left of a window, and what is kept of that; in parts of the week."""

    unused: float
    kept: float
    kept_for_opus: float
    deviation: float = 0.0

    def left(self, promised: float, deviation: float, tuning: Tuning) -> float:
        """Return what is left beyond what is kept, and beyond what running work may still take."""
        doubt = tuning.window_z * math.hypot(self.deviation, deviation) if deviation else 0.0
        return self.unused - (self.kept + promised + doubt + tuning.margin)

    def why_none(self, window: str, left: float, wanted: float, for_sonnet: float) -> str:
        """Return why there is less than `wanted`, of which a part is kept for Sonnet."""
        if for_sonnet and left >= wanted - for_sonnet:
            return autopilot_text.needed("Sonnet", window)
        if left + self.kept_for_opus >= wanted:
            return autopilot_text.needed("Opus", window)
        return autopilot_text.too_little(window)


_NO_LIMIT = _Room(math.inf, kept=0.0, kept_for_opus=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What decisions start from at one moment: the figures, and what is kept of both windows."""

    reading: PlanSnapshot | None
    cost: CostModel
    obstacle: str | None
    """Why Claude is out of the question, whatever is still to come."""
    need: _Need = _NO_NEED
    week: _Room = _NO_LIMIT
    window: _Room = _NO_LIMIT


def _obstacle(reading: PlanSnapshot | None, cost: CostModel) -> str | None:
    """Return why Claude is out of the question, whatever is still to come; None if it is not."""
    if reading is None:
        return autopilot_text.NOT_FRESH
    if not 0 <= reading.week_used < math.inf:  # false for what is not a number, too
        return autopilot_text.SENSELESS
    if reading.week_used >= 1:
        return autopilot_text.WEEK_USED_UP
    if not cost.is_known:
        return autopilot_text.COST_UNKNOWN
    return None


def _is_calm(reading: PlanSnapshot) -> bool:
    """Return whether so little is used that work may go to Claude, to learn there what it takes.

    Without that, who never uses Opus would never have anything learnt.
    """
    passed = 1 - reading.week_left_h / WEEK_H
    if reading.window_used is not None and not reading.window_used < _CALM_PART:
        return False
    return reading.week_used + _TO_LEARN <= _CALM_PART * passed


def _ramp(value: float, start: float, length: float) -> float:
    """Return 0 up to `start`, 1 from `length` beyond it on, and what lies between."""
    return min(max((value - start) / length, 0.0), 1.0)


def _fillable(reading: PlanSnapshot, cost: CostModel) -> float:
    """Return what the 5-hour windows until the week's end have room for."""
    later = math.ceil(max(reading.week_left_h - reading.window_left_h, 0.0) / WINDOW_H)
    used = reading.window_used or 0.0
    now = max(1 - used, 0.0) if used < math.inf else 0.0
    return (now + later) * cost.five_hour_part


def _promised(running: Sequence[float]) -> tuple[float, float]:
    """Return what the conversations on Claude, and one more, may still take, and its deviation.

    How long one goes on can't be told; the more it has taken, the more it may.
    """
    sizes = [max(_CONVERSATION, taken) for taken in (0.0, *running)]
    return sum(sizes), _CONVERSATION_SPREAD * math.sqrt(sum(size * size for size in sizes))


def _on_claude(tier: Tier, why: str) -> str:
    return autopilot_text.sentence(tier, autopilot_text.CLAUDE, why)


def _why_short(need: _Need, delegate: str) -> str:
    if need.is_spent:
        return autopilot_text.used_up(f"{delegate}'s week")
    return autopilot_text.would_run_out(delegate)


def _why_claude(room: float, need: _Need, delegate: str) -> str:
    if need.pressure >= _CLEAR:
        return _why_short(need, delegate)
    if need.is_peak:
        return autopilot_text.counts_double(delegate)
    return autopilot_text.under_pace(room)
