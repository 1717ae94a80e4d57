"""Weeks that begin on a day and at a time of the user's own, in the user's time zone.

A boundary is wall time: "Thursday 22:00" stays 22:00 on the clock when daylight saving begins or
ends, so a week may last an hour more or less than 168. Where the clocks skip the boundary, it is
as long after the jump as it would have been without it (02:00 in a jump from 02:00 to 03:00 is
the jump itself). Where they show it twice, the first time counts.

All instants that go in are aware; all that come out are UTC. It reads no settings and keeps none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_LOCALTIME = Path("/etc/localtime")
_RULE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)[+-]?[0-9]")
"""How `CET-1CEST` and the like begin, which the C library understands without a database."""
_MEANS_UTC = frozenset({"", "UTC", "GMT"})
"""With a database or without one."""
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Span:
    """The time from `start` up to, but without, `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekBoundary:
    """When the user's week begins: `day` (0 is Sunday) at `hour` (0-23) on the clocks of `zone`.

    `minute` (0-59) is for a service's week in a zone that is off by half an hour, say.
    """

    day: int
    hour: int
    zone: tzinfo
    minute: int = 0

    def week_of(self, instant: datetime) -> Span:
        """Return the one week that holds `instant`."""
        local = instant.astimezone(self.zone).date()
        days_since = (local.isoweekday() - self.day) % 7
        end_day = local - timedelta(days=days_since) + _WEEK
        # The date can be off by one boundary: its hour may be yet to come, and clocks that
        # go back over midnight show yesterday's date after today's boundary.
        while self._boundary(end_day) <= instant:
            end_day += _WEEK
        while self._boundary(end_day - _WEEK) > instant:
            end_day -= _WEEK
        return Span(self._boundary(end_day - _WEEK), self._boundary(end_day))

    def latest_weeks(self, instant: datetime, count: int) -> tuple[Span, ...]:
        """Return the week that holds `instant` and the `count` - 1 before it, the oldest first."""
        weeks = [self.week_of(instant)]
        while len(weeks) < count:
            weeks.append(self.week_of(weeks[-1].start - timedelta.resolution))
        return tuple(reversed(weeks))

    def _boundary(self, day: date) -> datetime:
        # fold=0, the default, is the offset before a change: that makes the rules stated above.
        wall = time(self.hour, self.minute)
        return datetime.combine(day, wall, tzinfo=self.zone).astimezone(UTC)


def days(start: datetime, end: datetime, zone: tzinfo) -> tuple[Span, ...]:
    """Return the days on the clocks of `zone` that hold the time from `start` until before `end`.

    A day lasts from midnight to midnight, so it may have 23 or 25 hours.
    """
    found: list[Span] = []
    day = start.astimezone(zone).date()
    # Clocks that go back over midnight show yesterday's date after today has begun.
    if _midnight(day + _DAY, zone) <= start:
        day += _DAY
    while (begin := _midnight(day, zone)) < end:
        day += _DAY
        found.append(Span(begin, _midnight(day, zone)))
    return tuple(found)


def a_week_before(instant: datetime, zone: tzinfo) -> datetime:
    """Return when the clocks of `zone` showed the same time seven days before, UTC."""
    local = instant.astimezone(zone)
    return (local - _WEEK).replace(fold=0).astimezone(UTC)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # As for weeks: a midnight that is skipped lies as long after the jump as without it.
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def system_zone(environ: Mapping[str, str], localtime: Path = _LOCALTIME) -> tzinfo:
    """Return the user's time zone: the variable `TZ`, else the zone that `localtime` links to.

    Where neither names a zone of the IANA database (`TZ=CET-1CEST`, a copied file), the C
    library's rules for this process apply; without any it is UTC, as for a name that nothing knows.
    """
    name = environ.get("TZ")
    if name is None:
        name = _linked_zone(localtime)
    elif not name.strip(":") or zone_problem(environ):
        return UTC
    zone = _named_zone(name.removeprefix(":")) if name else None
    return zone or _CLibraryZone()


def zone_problem(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the variable `TZ`, in a sentence; None if it can be used, or is not set.

    A name that nothing knows means UTC to the C library, which says nothing of it.
    """
    name = environ.get("TZ", "").removeprefix(":")
    if name in _MEANS_UTC or _RULE.match(name) or _named_zone(name) is not None:
        return None
    shown = ascii(name[:_LONGEST_NAME]).strip("'\"")
    return f"TZ={shown} is not a time zone that this system knows, so times are shown in UTC."


def _linked_zone(localtime: Path) -> str | None:
    try:
        target = str(localtime.readlink())
    except OSError:
        return None
    _, found, name = target.partition("zoneinfo/")
    return name if found else None


def _named_zone(name: str) -> ZoneInfo | None:
    try:
        if name.startswith("/"):
            with Path(name).open("rb") as file:
                return ZoneInfo.from_file(file, key=name)
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


class _CLibraryZone(tzinfo):
    """Local time as the C library knows it, daylight saving included."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Offset of the wall time `dt`, whose fold decides where the clocks show it twice."""
        if dt is None:
            return None
        wall = dt.replace(tzinfo=None, microsecond=0)
        # By way of the time stamp: astimezone() takes skipped wall times the other way round
        # before Python 3.12, and names the offset after the jump for them since.
        return wall - datetime.fromtimestamp(wall.timestamp(), UTC).replace(tzinfo=None)

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Unknown: only the offset counts."""
        del dt
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """Return the C library's abbreviation."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """Return the wall time at the UTC time `dt`."""
        aware = dt.replace(tzinfo=UTC).astimezone()
        wall = aware.replace(tzinfo=self)
        is_second_time = wall.utcoffset() != aware.utcoffset()
        return wall.replace(fold=1) if is_second_time else wall

    def __str__(self) -> str:
        """Return the abbreviation at the moment, for a heading."""
        return datetime.now(self).tzname() or "local time"
