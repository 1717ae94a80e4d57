"""Expects what work is still to come this week, from the user's own weeks.

Weights by the hour of the plan's week: how busy an hour usually is, how this week compares, how
sure that is by now, and how widely such work strays. All hours are counted from the reset of
Claude's weekly window; what lies beyond the next one is expected to be as usual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.work.history import HOURS_A_WEEK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.autopilot.work.history import PastWeek

_DAY_H = 24
_OWN_SHARE = 0.3
"""How far an hour is taken from itself; the rest comes from its day and its hour of the day."""
_FLOOR = 0.02
"""No hour is expected to hold less than this part of an average one."""
_PRIOR_WEEKS = 0.98
"""For how many usual weeks a week is taken before anything of it is known."""
_PRIOR_DAYS = 0.75
_DAY_MEMORY_H = 12
_DAY_AHEAD_H = 12.5
_SPREAD = 0.06
"""The spread, in parts of Claude's week, before the user's weeks are looked at."""
_DOUBT = 0.42
"""How far a week may be from what is expected of it, before anything of it is known."""
_DOUBT_POWER = 0.97
_BLOCKS_H = (12, 24, 48)
_BLANK_RATE = 0.004
"""What an hour holds for a user of whom nothing is known of the weekly window."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to come, by weight."""

    opus: float
    execution: float
    doubt: float = 0.0
    """How far the whole may be off, as a deviation beside the mean: less as the week goes on."""


@dataclass(frozen=True, slots=True)
class Load:
    """Execution work that is to come."""

    weight: float
    priced: float
    """The same, each hour's as many times as requests cost then."""


class Rhythm:
    """How a user's work lies in the week, learnt from weeks that are over."""

    def __init__(self, weeks: Sequence[PastWeek], *, week_weight: float = 1.0) -> None:
        """Learn from the weights of each hour of each week; none at all makes a flat rhythm.

        `week_weight` is about what weight would fill Claude's week: the unit of what is assumed
        where little is known.
        """
        opus = [week.opus for week in weeks]
        both = [[a + b for a, b in zip(week.opus, week.execution, strict=True)] for week in weeks]
        blank = _BLANK_RATE * week_weight
        both_rates = _rates(both, blank)
        self._both = _sums(both_rates)
        if any(map(any, both)):  # weeks of work without Opus say that there won't be much
            blank /= (len(weeks) + 1) ** 2
        self.is_without_opus = any(map(any, both)) and not any(map(any, opus))
        """Whether the user's weeks show work, and no Opus."""
        opus_rates = _rates(opus, blank)
        self._opus = _sums(opus_rates)
        rates = zip(both_rates, opus_rates, strict=True)
        rest = [max(one - other, 0.0) for one, other in rates]
        self._execution = _sums(rest if any(rest) else opus_rates)
        self.spread = _spread(opus, self._opus, week_weight)
        """How far Opus work strays: the variance of an amount of it, beside the amount."""
        self._priced: tuple[Sequence[float], list[float]] | None = None

    def expected(self, from_h: float, to_h: float, work: Sequence[float]) -> Expected:
        """Return what work lies between the two hours of this week.

        `work` is the weight of all work, Opus and other, in each hour of this week so far: a week,
        or a day, that is busier than usual until now goes on like that.
        """
        week_level = self.level(from_h, work)
        day_level = _level(
            self._both,
            work,
            max(from_h - _DAY_MEMORY_H, 0.0),
            from_h,
            self._both[-1] / 7 * _PRIOR_DAYS,
            week_level,
        )
        near_h = min(to_h, from_h + _DAY_AHEAD_H)
        opus = day_level * _between(self._opus, from_h, near_h)
        opus += week_level * _between(self._opus, near_h, to_h)
        both = week_level * _between(self._both, from_h, to_h)
        return Expected(opus, max(both - opus, 0.0), self._doubt(from_h))

    @property
    def usual(self) -> Expected:
        """What a usual week holds."""
        return Expected(self._opus[-1], self._execution[-1])

    def level(self, now_h: float, work: Sequence[float]) -> float:
        """Return how busy this week was until now beside the usual one."""
        return _level(self._both, work, 0.0, now_h, self._both[-1] * _PRIOR_WEEKS)

    def load(
        self, from_h: float, to_h: float, work: Sequence[float], times: Sequence[float]
    ) -> Load:
        """Return the execution work from now until `to_h`, which may lie beyond this week.

        `times` is how many times the usual a request costs in each hour of the week.
        """
        plain, priced = self._executions(times)
        level, end_h = self.level(from_h, work), float(HOURS_A_WEEK)
        beyond_h = min(max(to_h - end_h, 0.0), end_h)
        return Load(
            level * _between(plain, from_h, to_h) + _at(plain, beyond_h),
            level * _between(priced, from_h, to_h) + _at(priced, beyond_h),
        )

    def _executions(self, times: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
        """Return the sums of execution work by the hour, and of what it costs."""
        if self._priced is None or self._priced[0] is not times:
            rates = _steps(self._execution)
            priced = _sums([rate * each for rate, each in zip(rates, times, strict=True)])
            self._priced = (times, priced)
        return self._execution, self._priced[1]

    def _doubt(self, now_h: float) -> float:
        prior = self._both[-1] * _PRIOR_WEEKS
        known = _between(self._both, 0.0, now_h)
        return _DOUBT * math.pow(prior / (known + prior), _DOUBT_POWER)


def _level(
    sums: Sequence[float],
    work: Sequence[float],
    from_h: float,
    to_h: float,
    prior: float,
    before: float = 1.0,
) -> float:
    """Return how busy the time between was beside the usual; `prior` is the trust in `before`."""
    seen = sum(work[int(from_h) : int(to_h) + 1])
    return (seen + prior * before) / (_between(sums, from_h, to_h) + prior)


def _steps(sums: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(sums)]


def _sums(rates: Sequence[float]) -> list[float]:
    return [0.0, *accumulate(rates)]


def _rates(weeks: Sequence[Sequence[float]], blank: float) -> list[float]:
    if not any(map(any, weeks)):
        return [blank] * HOURS_A_WEEK
    own = [sum(week[hour] for week in weeks) / len(weeks) for hour in range(HOURS_A_WEEK)]
    smooth = [
        (own[hour - 1] + 2 * own[hour] + own[(hour + 1) % HOURS_A_WEEK]) / 4
        for hour in range(HOURS_A_WEEK)
    ]
    days = [sum(own[start : start + _DAY_H]) for start in range(0, HOURS_A_WEEK, _DAY_H)]
    hours = [sum(smooth[hour::_DAY_H]) for hour in range(_DAY_H)]
    whole = sum(hours)
    floor = _FLOOR * sum(own) / HOURS_A_WEEK
    return [
        max(
            _OWN_SHARE * smooth[hour]
            + (1 - _OWN_SHARE) * days[hour // _DAY_H] * hours[hour % _DAY_H] / whole,
            floor,
        )
        for hour in range(HOURS_A_WEEK)
    ]


def _spread(weeks: Sequence[Sequence[float]], sums: Sequence[float], week_weight: float) -> float:
    """Variance in proportion to the mean: how far half days and days were from what was usual."""
    squares, means = _SPREAD * week_weight**2, week_weight
    for week in weeks:
        done = _sums(week)
        for length in _BLOCKS_H:
            for start in range(0, HOURS_A_WEEK, length):
                usual = _between(sums, start, start + length)
                squares += (_between(done, start, start + length) - usual) ** 2
                means += usual
    return squares / means


def _between(sums: Sequence[float], from_h: float, to_h: float) -> float:
    return max(_at(sums, to_h) - _at(sums, from_h), 0.0)


def _at(sums: Sequence[float], moment_h: float) -> float:
    hour = min(max(moment_h, 0.0), float(HOURS_A_WEEK))
    whole = min(int(hour), HOURS_A_WEEK - 1)
    return sums[whole] + (sums[whole + 1] - sums[whole]) * (hour - whole)
