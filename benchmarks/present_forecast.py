"""The forecast of version 0.1's controller, as it was then: see `present_controller`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
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
_PRIOR_WEEKS = 0.88
"""For how many usual weeks a week is taken before anything of it is known."""
_PRIOR_DAYS = 0.8
_DAY_MEMORY_H = 12
_DAY_AHEAD_H = 8
_SPREAD = 0.06
"""The spread, in parts of Claude's week, before the user's weeks are looked at."""
_BLOCKS_H = (12, 24, 48)
_BLANK_RATE = 0.004
"""What an hour holds for a user of whom nothing is known of the weekly window."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to come, by weight."""

    opus: float
    execution: float


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
        self._both = _sums(_rates(both, blank))
        if any(map(any, both)):  # weeks of work without Opus say that there won't be much
            blank /= len(weeks) + 1
        self._opus = _sums(_rates(opus, blank))
        self.spread = _spread(opus, self._opus, week_weight)
        """How far Opus work strays: the variance of an amount of it, beside the amount."""

    def expected(self, from_h: float, to_h: float, work: Sequence[float]) -> Expected:
        """Return what work lies between the two hours of this week.

        `work` is the weight of all work, Opus and other, in each hour of this week so far: a week,
        or a day, that is busier than usual until now goes on like that.
        """
        week_level = _level(self._both, work, 0.0, from_h, self._both[-1] * _PRIOR_WEEKS)
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
        return Expected(opus, max(both - opus, 0.0))


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
