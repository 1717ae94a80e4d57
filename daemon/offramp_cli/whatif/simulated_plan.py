"""Plays the limits of one plan as one account meets them: a weekly window and 5-hour windows.

A 5-hour window begins with the first request after the last one ended. A request is refused while a
window is full, and may overshoot it when it was let in, as the real ones do. Hours count from the
reset of Claude's week; amounts are in the plan's own unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H, WINDOW_H

_PERCENT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReading:
    """What a service says of its plan: fractions that are used, and hours until the resets.

    Without an open 5-hour window `window_used` is 0 and a whole one is left.
    """

    week_used: float
    window_used: float
    week_left_h: float
    window_left_h: float
    week_cap: float | None = None
    """What the week holds, where the service says that."""


class SimulatedPlan:
    """One account's plan."""

    def __init__(
        self, *, window_cap: float, week_cap: float, resets_h: float = WEEK_H, used: float = 0.0
    ) -> None:
        """Begin with so much used of the week that runs, and no open 5-hour window."""
        self._window_cap, self.week_cap = window_cap, week_cap
        self._resets_h = resets_h
        self._window_end_h = 0.0
        self._window_used = 0.0
        self.used = used
        """What is used of the week that runs."""
        self.week = 0
        """The number of the week that runs."""
        self.ended: dict[int, float] = {}
        """By week that came to its reset: the share that was used, 1 at most."""

    @property
    def share(self) -> float:
        """The share of the week that is used."""
        return self.used / self.week_cap

    @property
    def is_spent(self) -> bool:
        """Whether the week's window is full."""
        return self.used >= self.week_cap

    def refuses(self, at_h: float) -> bool:
        """Return whether a request at that time is refused."""
        self.roll(at_h)
        return self.is_spent or self._window_used >= self._window_cap

    def take(self, at_h: float, amount: float) -> None:
        """Serve a request that costs so much."""
        self.roll(at_h)
        if at_h >= self._window_end_h:
            self._window_end_h = at_h + WINDOW_H
        self.used += amount
        self._window_used += amount

    def reading(self, at_h: float, *, tells_cap: bool = False) -> PlanReading:
        """Return what the service says then: in whole percents, or in whole units of the cap."""
        self.roll(at_h)
        is_open = at_h < self._window_end_h
        return PlanReading(
            week_used=_told(self.share, 1 / self.week_cap if tells_cap else _PERCENT),
            window_used=_told(
                self._window_used / self._window_cap,
                1 / self._window_cap if tells_cap else _PERCENT,
            ),
            week_left_h=self._resets_h - at_h,
            window_left_h=self._window_end_h - at_h if is_open else WINDOW_H,
            week_cap=self.week_cap if tells_cap else None,
        )

    def exchange(self, at_h: float, *, window_cap: float, week_cap: float, is_fresh: bool) -> None:
        """Go on with other caps; a fresh plan begins its week then."""
        self.roll(at_h)
        self._window_cap, self.week_cap = window_cap, week_cap
        if is_fresh:
            self.used = self._window_used = self._window_end_h = 0.0
            self._resets_h = at_h + WEEK_H
            self.week += 1

    def roll(self, at_h: float) -> None:
        """Begin the windows that begin by that time."""
        if at_h >= self._window_end_h:
            self._window_used = 0.0
        while at_h >= self._resets_h:
            self.ended[self.week] = min(self.share, 1.0)
            self.week += 1
            self.used = 0.0
            self._resets_h += WEEK_H


def _told(share: float, step: float) -> float:
    return int(share / step) * step
