"""Holds what is expected of the work to come for a minute, so that a decision costs little.

Most conversations begin beside others: what lies ahead of them is the same. It is worked out once
more as soon as a minute has passed, more work was done, or a window or the user's rhythm is
another one. Hours count from the reset of Claude's week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
    from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot
    from offramp_daemon.autopilot.work.forecast import Expected, Load, Rhythm

_HELD_H = 1 / 60
_SAME_END_H = 0.05
_SAME_WORK = 0.02
"""More work than by such a part of what was done makes a new forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is expected until each window's reset."""

    week: Expected
    window: Expected
    """Until the reset of Claude's 5-hour window."""
    delegate_week: Load | None
    delegate_window: Load | None


class AheadCache:
    """Of one controller."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._ahead: Ahead | None = None
        self._rhythm: Rhythm | None = None
        self._times: Sequence[float] | None = None
        self._ends: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._at_h = self._done = 0.0

    def of(
        self,
        rhythm: Rhythm,
        reading: PlanSnapshot,
        work: Sequence[float],
        second: DelegateBudget | None,
    ) -> Ahead:
        """Return what is expected now."""
        now_h, done = WEEK_H - reading.week_left_h, sum(work)
        ends, times = _ends(now_h, reading, second), second.times if second else None
        if (
            self._ahead is not None
            and rhythm is self._rhythm
            and times is self._times
            and 0 <= now_h - self._at_h < _HELD_H
            and abs(done - self._done) <= _SAME_WORK * self._done
            and all(
                abs(one - other) < _SAME_END_H for one, other in zip(ends, self._ends, strict=True)
            )
        ):
            return self._ahead
        self._rhythm, self._times, self._ends = rhythm, times, ends
        self._at_h, self._done = now_h, done
        self._ahead = _ahead(rhythm, now_h, ends, work, times)
        return self._ahead


def _ends(
    now_h: float, reading: PlanSnapshot, second: DelegateBudget | None
) -> tuple[float, float, float]:
    """Return when Claude's 5-hour window and both of the delegate's end."""
    window_h = now_h + reading.window_left_h
    if second is None:
        return window_h, 0.0, 0.0
    told = second.reading
    return window_h, now_h + told.week_left_h, now_h + told.window_left_h


def _ahead(
    rhythm: Rhythm,
    now_h: float,
    ends: tuple[float, float, float],
    work: Sequence[float],
    times: Sequence[float] | None,
) -> Ahead:
    window_h, delegate_week_h, delegate_window_h = ends
    return Ahead(
        week=rhythm.expected(now_h, WEEK_H, work),
        window=rhythm.expected(now_h, window_h, work),
        delegate_week=None if times is None else rhythm.load(now_h, delegate_week_h, work, times),
        delegate_window=(
            None if times is None else rhythm.load(now_h, delegate_window_h, work, times)
        ),
    )
