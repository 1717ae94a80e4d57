"""When a quota page is asked: pure arithmetic over a clock's seconds, no clock and no waiting.

Only what is used is asked about: an ask answers all use before it. After a quota error it is due at
once, but for a short gap; after failures of its own, later and later.
"""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 300.0
SOON_S: Final = 20.0
"""Errors come in bursts; the first of them is asked about, the rest of that while is not."""
LONGEST_S: Final = 3600.0

_MOST_DOUBLINGS = 10


class Schedule:
    """What was asked when, and what calls for the next time."""

    def __init__(self) -> None:
        """Nothing was asked yet, and nothing calls for it."""
        self._is_used = False
        self._is_urgent = False
        self._failures = 0
        self._refused = False
        self._asked_s: float | None = None

    def pass_on(self, fresh: Schedule) -> Schedule:
        """Return `fresh`, which now has what calls for an ask here."""
        fresh._is_used, fresh._is_urgent = self._is_used, self._is_urgent
        return fresh

    def hear(self, told_s: float) -> None:
        """Somebody else asked, and was told then."""
        self._asked_s = told_s if self._asked_s is None else max(self._asked_s, told_s)

    def note_use(self) -> bool:
        """Take into account that the plan was used; return whether that is news."""
        is_news = not self._is_used
        self._is_used = True
        return is_news

    def want_soon(self) -> None:
        """Take into account a quota error: what was told of the plan is wrong."""
        self._is_urgent = True

    def begin(self, now_s: float) -> None:
        """Begin an ask, which answers for all that was before."""
        self._asked_s = now_s
        self._is_used = self._is_urgent = False

    def end(self, *, is_told: bool, is_refused: bool = False) -> None:
        """End an ask, with an answer or without; `is_refused` says that the key is wrong."""
        self._failures = 0 if is_told else min(self._failures + 1, _MOST_DOUBLINGS)
        self._refused = is_refused

    def drop(self) -> None:
        """Drop what calls for an ask, for none is possible now; when it was asked last stays."""
        self._is_used = self._is_urgent = False

    def due_s(self) -> float | None:
        """Return from when on it is to be asked; None while nothing calls for it."""
        if not self._is_used and not self._is_urgent:
            return None
        if self._asked_s is None:
            return float("-inf")
        if self._refused:
            return self._asked_s + LONGEST_S
        gap_s = SOON_S if self._is_urgent else EVERY_S
        return self._asked_s + min(gap_s * (1 << self._failures), LONGEST_S)
