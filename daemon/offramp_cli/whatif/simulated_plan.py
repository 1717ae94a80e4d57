"""Plays Claude's limits as one account meets them: a weekly window and 5-hour windows.

The week's window begins at hour 0; a 5-hour window begins with the first request after the last one
ended. A request is refused while a window is full, and may overshoot it when it was let in, as the
real ones do.
"""

from __future__ import annotations

from offramp_daemon.autopilot.plan_snapshot import WEEK_H, WINDOW_H, Reading

_STEP = 0.01


class SimulatedPlan:
    """One account's week."""

    def __init__(self, five_hour_part: float) -> None:
        """Begin with empty windows; a full 5-hour one is `five_hour_part` of the week's."""
        self._part = five_hour_part
        self._window_end_h = 0.0
        self.week_used = 0.0
        self.window_used = 0.0

    def refuses(self, at_h: float) -> bool:
        """Whether a request at that time is refused."""
        self._roll(at_h)
        return self.is_spent or self.window_used >= 1.0

    @property
    def is_spent(self) -> bool:
        """Whether the week's window is full."""
        return self.week_used >= 1.0

    def take(self, at_h: float, cost: float) -> Reading:
        """Serve a request of that cost, and say what the answer's headers would."""
        self._roll(at_h)
        if at_h >= self._window_end_h:
            self._window_end_h = at_h + WINDOW_H
        self.week_used += cost
        self.window_used += cost / self._part
        return Reading(
            week_used=int(self.week_used / _STEP) * _STEP,
            window_used=int(self.window_used / _STEP) * _STEP,
            week_left_h=WEEK_H - at_h,
            window_left_h=self._window_end_h - at_h,
        )

    def _roll(self, at_h: float) -> None:
        if at_h >= self._window_end_h:
            self.window_used = 0.0
