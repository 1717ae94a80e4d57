"""Reads when a pause is to end, as people write it: `1h30m`, `22:00`, `2026-11-26 08:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_PART = re.compile(r"(\d{1,5})\s*([dhm])", re.IGNORECASE)
_LENGTH = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE)
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def length(text: str) -> timedelta:
    """How long `text` is: `1h`, `90m`, `1h30m`, `2d`; more than nothing.

    Raises:
        ValueError: it is not a length.
    """
    if not _LENGTH.fullmatch(text):
        raise ValueError(text)
    total = sum((int(n) * _UNITS[unit.lower()] for n, unit in _PART.findall(text)), timedelta())
    if not total:
        raise ValueError(text)
    return total


def moment(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The instant that `text` means, UTC.

    Either the next time that clocks in `zone` show it (`22:00`), or a date with a time, which is
    on the clocks of `zone` too unless it names an offset itself.

    Raises:
        ValueError: it is not a time.
    """
    if clock := _CLOCK.fullmatch(text.strip()):
        return _next(int(clock[1]), int(clock[2]), now, zone)
    found = datetime.fromisoformat(text.strip())
    aware = found if found.tzinfo else found.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _next(hour: int, minute: int, now: datetime, zone: tzinfo) -> datetime:
    today = now.astimezone(zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    found = today.astimezone(UTC)
    # The same time tomorrow by the clock, which need not be 24 hours later.
    return found if found > now else (today + timedelta(days=1)).astimezone(UTC)
