"""What is known of the Claude plan's windows at one moment, and whether that is fresh enough.

Instants that come in are aware; the controller is given hours. What can't be trusted is left out
and never guessed: a window past its reset, a figure that is not a number, one that answers have
overtaken. It asks nobody and keeps nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

WEEK_H = 168.0
WINDOW_H = 5.0

STALE_IN_USE = timedelta(minutes=10)
"""For so long Claude may answer without telling its figures, before the last ones count no more."""
STALE = timedelta(hours=24)
"""For so long figures hold while nothing passes here: other devices may use the plan, too."""

_HOUR = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReading:
    """One of the plan's windows, as an answer's headers told it at `read_at`."""

    used: float
    """A fraction of it; more than 1 when it was overrun."""
    resets_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSnapshot:
    """How much of each window is used, and the hours until they reset.

    Without an open 5-hour window `window_used` is 0 and a whole one is left: the next request
    opens it. `window_used` is None where nothing is known of it.
    """

    week_used: float
    window_used: float | None
    week_left_h: float
    window_left_h: float = WINDOW_H


def read(
    week: WindowReading | None,
    five_hour: WindowReading | None,
    *,
    now: datetime,
    answered_at: datetime | None = None,
) -> PlanSnapshot | None:
    """Return the plan at the moment `now`; None where too little is known to go by.

    `answered_at` is when Claude last answered anything.
    """
    if week is None or not _is_fresh(week, now, answered_at):
        return None
    week_left_h = (week.resets_at - now) / _HOUR
    if not 0 < week_left_h <= WEEK_H + 1:  # clocks that change make a week an hour longer
        return None
    if five_hour is None or not math.isfinite(five_hour.used):
        window_used, window_left_h = None, WINDOW_H
    elif five_hour.resets_at <= now:
        window_used, window_left_h = 0.0, WINDOW_H
    else:
        window_used = max(five_hour.used, 0.0)
        window_left_h = min((five_hour.resets_at - now) / _HOUR, WINDOW_H)
    return PlanSnapshot(
        week_used=abs(week.used),  # minus nothing is nothing
        window_used=window_used,
        week_left_h=min(week_left_h, WEEK_H),
        window_left_h=window_left_h,
    )


def _is_fresh(window: WindowReading, now: datetime, answered_at: datetime | None) -> bool:
    if not 0 <= window.used < math.inf:  # false for what is not a number, too
        return False
    if not -_CLOCKS_DIFFER <= now - window.read_at <= STALE:  # a clock that was set back
        return False
    return answered_at is None or answered_at - window.read_at <= STALE_IN_USE
