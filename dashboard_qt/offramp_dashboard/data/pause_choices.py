"""How long delegation can be paused for from a menu, and until when that is. No Qt."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


_MORNING = time(8)
"""When tomorrow's work begins, as in the tray."""


class PauseChoice(Enum):
    """What the menu offers."""

    HOUR = "For 1 hour"
    TOMORROW = "Until tomorrow"
    WEEK = "Until the week resets"
    RESUMED = "Until I resume it"


def end_of(choice: PauseChoice, now: datetime, zone: tzinfo, week_end: datetime) -> datetime | None:
    """When a pause of that choice ends, UTC; None for one without an end."""
    match choice:
        case PauseChoice.HOUR:
            return now.astimezone(UTC) + timedelta(hours=1)
        case PauseChoice.TOMORROW:
            day = now.astimezone(zone).date() + timedelta(days=1)
            return datetime.combine(day, _MORNING, tzinfo=zone).astimezone(UTC)
        case PauseChoice.WEEK:
            return week_end.astimezone(UTC)
        case PauseChoice.RESUMED:
            return None
