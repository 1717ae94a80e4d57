"""When Z.ai counts a request double, and what its own figures show of that.

The hours are as Z.ai had them in November 2026: Monday to Friday, 14:00 to 18:00 in Singapore
(UTC+8). Each move of Z.ai's week is shared among the hours whose requests made it; an hour in which
they cost clearly more or less than expected counts by what it did cost. It asks nobody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PEAK_TIMES: Final = 2.0
_PEAK_UTC_HOURS: Final = range(6, 10)
_WORKING_DAYS: Final = 5
HOURS_A_DAY: Final = 24
_HOURS_A_WEEK: Final = 168

_TRUST = 0.03
"""The schedule counts as much as so much movement of the week in an hour."""
_ENOUGH = 0.04
"""So much has to be expected in an hour before its own costs count ..."""
_CLEARLY = 1.4
"""... and they have to be so many times more, or less, than expected."""
_KEPT_MOVES = 0.5
"""Hours' moves beyond this give way, so that a change shows within a week or two."""


@dataclass(slots=True)
class PeakHours:
    """What a request costs at each hour of a working day beside one at other times."""

    expected: list[float] = field(default_factory=lambda: [0.0] * HOURS_A_DAY)
    """By UTC hour of working days: how far requests should have moved Z.ai's week."""
    moved: list[float] = field(default_factory=lambda: [0.0] * HOURS_A_DAY)
    """How far they did."""

    @classmethod
    def of(cls, expected: Sequence[float], moved: Sequence[float]) -> PeakHours:
        """Return one that knows what was kept.

        Raises:
            ValueError: these are no amounts by the hour.
        """
        if len(expected) != HOURS_A_DAY or len(moved) != HOURS_A_DAY:
            raise ValueError("an hour is missing")
        if not all(0 <= figure < math.inf for figure in (*expected, *moved)):
            raise ValueError("a figure is not an amount")
        return cls(list(expected), list(moved))

    def times(self, moment: datetime) -> float:
        """Return how many times the usual a request costs at that moment."""
        utc = moment.astimezone(UTC)
        return self._times(utc.weekday(), utc.hour)

    def is_peak(self, moment: datetime) -> bool:
        """Return whether requests cost clearly more then than at other times."""
        return self.times(moment) >= _CLEARLY

    def of_week(self, start: datetime) -> tuple[float, ...]:
        """Return the same for each of the 168 hours that follow `start`."""
        half = start.astimezone(UTC) + timedelta(minutes=30)
        days, hour = half.weekday(), half.hour
        first = days * HOURS_A_DAY + hour
        by_hour = [self._times(*divmod(each, HOURS_A_DAY)) for each in range(_HOURS_A_WEEK)]
        return tuple(by_hour[(first + each) % _HOURS_A_WEEK] for each in range(_HOURS_A_WEEK))

    def learn(self, move: float, shares: Mapping[int, float]) -> None:
        """Learn that Z.ai's week moved so far, by requests of which `shares` were expected.

        The keys are UTC hours of working days, and the expected moves come at the schedule's cost.
        """
        whole = sum(shares.values())
        if whole <= 0:
            return
        for hour, share in shares.items():
            self.expected[hour] += share
            self.moved[hour] += move * share / whole
            if self.expected[hour] > _KEPT_MOVES:
                self.moved[hour] *= _KEPT_MOVES / self.expected[hour]
                self.expected[hour] = _KEPT_MOVES

    def changed(self) -> tuple[int, ...]:
        """Return the UTC hours of working days that cost clearly other than the schedule says."""
        return tuple(hour for hour in range(HOURS_A_DAY) if self._ratio(hour) != 1.0)

    def _times(self, weekday: int, hour: int) -> float:
        if weekday >= _WORKING_DAYS:
            return 1.0
        return scheduled(weekday, hour) * self._ratio(hour)

    def _ratio(self, hour: int) -> float:
        expected = self.expected[hour]
        if expected < _ENOUGH:
            return 1.0
        ratio = (self.moved[hour] + _TRUST) / (expected + _TRUST)
        return 1.0 if 1 / _CLEARLY < ratio < _CLEARLY else ratio


def scheduled(weekday: int, utc_hour: int) -> float:
    """Return what a request costs then by the schedule; Monday is 0."""
    is_peak = weekday < _WORKING_DAYS and utc_hour in _PEAK_UTC_HOURS
    return PEAK_TIMES if is_peak else 1.0
