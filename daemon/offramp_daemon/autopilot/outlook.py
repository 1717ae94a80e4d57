"""Forecasts what will be used of each plan's week when it resets, and when one runs out.

The amounts lie in bands: in eight of ten weeks what comes true is between low and high. A plan gets
what its share of the work is in the mode that is set; in `auto` Claude gets all Opus work and as
much of the rest as the reserve for Opus allows. Hours count from the reset of Claude's week. It is
made now and then, not for a request, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H
from offramp_daemon.autopilot.work.distribution import NINE_TENTHS, TENTH, quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offramp_daemon.autopilot.costs.cost_model import CostModel
    from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
    from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
    from offramp_daemon.autopilot.work.forecast import Rhythm

Mode = Literal["always", "auto", "never"]

_DOUBT = 1.5
"""How much further a week strays than the forecast's own doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """How one edge of a band, or its middle, is drawn; the figures are from made-up weeks."""

    deviations: float
    opus: float = 1.0
    """How much of the Opus work that is expected counts."""
    rest: float
    """How much of the other work Claude gets, were there room for all of it."""
    kept: float
    """How much of Opus's reserve is left over where there was enough work to fill the week."""
    taken: float
    """How much of the room that Claude has for execution work it gets."""
    least: float
    """The part of execution work that goes to the delegate whatever room Claude has."""


_LOW = _Edge(deviations=TENTH, rest=0.5, kept=1.5, taken=0.85, least=0.1)
_MIDDLE = _Edge(deviations=0.0, rest=0.6, kept=0.7, taken=0.75, least=0.35)
_HIGH = _Edge(deviations=NINE_TENTHS, opus=0.7, rest=0.7, kept=0.15, taken=0.6, least=0.7)
_EDGES = (_LOW, _MIDDLE, _HIGH)
_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekOutlook:
    """What will be used of a week at its reset: fractions of it, 1 at most."""

    low: float
    likely: float
    high: float
    runs_out_h: float | None
    """In so many hours all of it is likely to be used; None if it is by now, or will not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What both forecasts start from: Claude's week, and the user's work."""

    reading: PlanSnapshot
    cost: CostModel
    rhythm: Rhythm
    work: Sequence[float]
    mode: Mode

    @property
    def now_h(self) -> float:
        """The time."""
        return WEEK_H - self.reading.week_left_h

    def claude_takes(self, until_h: float) -> float:
        """Return the weight of execution work that Claude has room for until that hour."""
        if self.mode == "always":
            return 0.0
        opus, factor = self.cost.factor("opus"), self.cost.factor("sonnet")
        expected = self.rhythm.expected(self.now_h, WEEK_H, self.work)
        free = max(1 - self.reading.week_used - expected.opus * opus, 0.0)
        later_h = max(until_h - WEEK_H, 0.0)
        later = max(1 - self.rhythm.usual.opus * opus, 0.0) * later_h / WEEK_H
        return (free + later) / factor


def claude_week(situation: Situation) -> WeekOutlook:
    """Return what will be used of Claude's week."""
    reading, cost, rhythm = situation.reading, situation.cost, situation.rhythm
    now_h, used = situation.now_h, reading.week_used
    expected = rhythm.expected(now_h, WEEK_H, situation.work)
    factor = cost.factor("opus")
    opus, rest = expected.opus * factor, expected.execution * cost.factor("sonnet")
    spread, doubt = rhythm.spread * factor, expected.doubt * _DOUBT
    levels = []
    reserve = _amount(opus, spread, expected.doubt, NINE_TENTHS) - opus
    for edge in _EDGES:
        sure = opus + rest if situation.mode == "never" else opus * edge.opus
        level = used + _amount(sure, spread, doubt, edge.deviations)
        if situation.mode == "auto":
            whole = used + _amount(opus + rest * edge.rest, spread, doubt, edge.deviations)
            level = max(level, min(whole, 1 - edge.kept * reserve))
        levels.append(level)

    def used_by(hour: float) -> float:
        to_come = rhythm.expected(now_h, hour, situation.work)
        more = to_come.execution * cost.factor("sonnet") if situation.mode == "never" else 0.0
        return used + to_come.opus * factor + more

    return _outlook(levels, _crossing(used_by, now_h, WEEK_H), now_h)


def delegate_week(situation: Situation, budget: DelegateBudget) -> WeekOutlook:
    """Return what will be used of the week of the delegate's plan."""
    rhythm, now_h, used = situation.rhythm, situation.now_h, budget.reading.week_used
    end_h = now_h + budget.reading.week_left_h
    whole = rhythm.load(now_h, end_h, situation.work, budget.times)
    if whole.weight <= 0 or situation.mode == "never":
        return _outlook((used, used, used), None, now_h)
    price = budget.cost.common * whole.priced / whole.weight
    doubt = rhythm.expected(now_h, WEEK_H, situation.work).doubt * _DOUBT
    takes = situation.claude_takes(end_h)
    levels = []
    for edge in _EDGES:
        amount = _amount(whole.weight, rhythm.spread, doubt, edge.deviations)
        levels.append(used + _left_over(amount, takes, edge) * price)
    share = _left_over(whole.weight, takes, _MIDDLE) / whole.weight

    def used_by(hour: float) -> float:
        load = rhythm.load(now_h, hour, situation.work, budget.times)
        return used + load.priced * budget.cost.common * share

    return _outlook(levels, _crossing(used_by, now_h, end_h), now_h)


def _left_over(amount: float, takes: float, edge: _Edge) -> float:
    """Return what of an amount of execution work goes to the delegate."""
    return max(amount - takes * edge.taken, amount * edge.least if takes else amount)


def _amount(mean: float, spread: float, doubt: float, deviations: float) -> float:
    return quantile(mean, mean * spread + (mean * doubt) ** 2, deviations)


def _outlook(levels: Sequence[float], runs_out_h: float | None, now_h: float) -> WeekOutlook:
    low, likely, high = (min(max(level, 0.0), 1.0) for level in levels)
    return WeekOutlook(
        low=low,
        likely=max(likely, low),
        high=max(high, likely, low),
        runs_out_h=None if runs_out_h is None else runs_out_h - now_h,
    )


def _crossing(used_by: Callable[[float], float], from_h: float, to_h: float) -> float | None:
    """Return the hour at which all is used; None if it is not by `to_h`, or is already."""
    if used_by(from_h) >= 1 or used_by(to_h) < 1:
        return None
    low, high = from_h, to_h
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if used_by(middle) < 1:
            low = middle
        else:
            high = middle
    return high
