"""How many requests a backend serves at once, learnt from its refusals. Pure; the clock is given.

Plans allow a few at a time, do not say how many, and share them with whatever else uses the plan.
So there is no limit until the first refusal; that sets it just below what was in flight, each later
one lowers it, and while it is what holds requests up it is raised by one at times, for the better
number may have been too low or have changed. A raise that is refused is taken back, and the next
one waits twice as long: a limit that is right is tried ever more seldom.
"""

from __future__ import annotations

from typing import Final

ANSWERS_BEFORE_GROWTH: Final = 20
SECONDS_BEFORE_GROWTH: Final = 120.0
LONGEST_PATIENCE_S: Final = 1800.0
"""However often raises were refused, the next is tried after so long."""
FORGOTTEN_AFTER_S: Final = 6 * 3600.0
"""Without a refusal for so long, there is no limit any more."""


class ConcurrencyLimit:
    """The limit of one backend. Times are of any monotonic clock, in seconds."""

    __slots__ = ("_held", "_patience", "_refused_s", "_served", "_since_s", "count")

    def __init__(self) -> None:
        """Nothing was refused so far."""
        self.count: int | None = None
        """How many may be in flight; None for no limit."""
        self._held = 0
        """What held before the latest raise, as long as that raise is not proven."""
        self._patience = 1
        self._served = 0
        self._since_s = 0.0
        self._refused_s = 0.0

    def note_refused(self, in_flight: int, now_s: float) -> None:
        """A request was refused while so many were in flight, itself included."""
        lowered = max(1, in_flight - 1)
        if self.count is not None:
            lowered = min(lowered, self.count)
        if self._held:
            self._patience = min(self._patience * 2, int(LONGEST_PATIENCE_S))
            lowered = min(lowered, self._held)
            self._held = 0
        self.count = lowered
        self._served = 0
        self._since_s = self._refused_s = now_s

    def note_served(self, in_flight: int, now_s: float) -> bool:
        """The backend took a request while so many were in flight; whether that raises the limit.

        Only what is served at the limit says anything about it.
        """
        if self.count is None or in_flight < self.count:
            return False
        self._served += 1
        waited_s = now_s - self._since_s
        is_enough = self._served >= ANSWERS_BEFORE_GROWTH * self._patience
        is_long = waited_s >= SECONDS_BEFORE_GROWTH * self._patience
        if not (is_enough or is_long or waited_s >= LONGEST_PATIENCE_S):
            return False
        if self._held:  # the raise before this one has proved right
            self._patience = 1
        self._held = self.count
        self.count += 1
        self._served = 0
        self._since_s = now_s
        return True

    def forget_if_old(self, now_s: float) -> bool:
        """Drop the limit if nothing was refused for hours; whether it was dropped."""
        if self.count is None or now_s - self._refused_s < FORGOTTEN_AFTER_S:
            return False
        self.count, self._held, self._patience, self._served = None, 0, 1, 0
        return True
