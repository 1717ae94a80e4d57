"""Cuts a range of time into bars, some dozens of them: by quarters, hours, days or weeks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.usage.weeks import Span, days
from offramp_dashboard.data.usage.usage_table import SLOT

if TYPE_CHECKING:
    from offramp_core.usage.weeks import WeekBoundary

_HOUR = timedelta(hours=1)
_MOST_QUARTERS = timedelta(hours=12)
_MOST_HOURS = timedelta(days=4)
_MOST_DAYS = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Range:
    """The bars of a range, side by side, and whether they are those of the last hours."""

    bars: tuple[Span, ...]
    is_recent: bool = False


def exact(span: Span, boundary: WeekBoundary) -> Range:
    """Bars that come to `span`, widened to whole slots, for less than a slot can't be counted.

    The first and the last bar may be narrower than the others.
    """
    slots = _even(span, SLOT, timedelta())
    whole = Span(slots[0].start, slots[-1].end)
    return Range(tuple(_clipped(bar, whole) for bar in _cut(whole, boundary)))


def holding(span: Span, boundary: WeekBoundary) -> Range:
    """Whole bars that hold `span`, and perhaps more."""
    return Range(_cut(span, boundary))


def _cut(span: Span, boundary: WeekBoundary) -> tuple[Span, ...]:
    length = span.end - span.start
    if length <= _MOST_QUARTERS:
        return _even(span, SLOT, timedelta())
    if length <= _MOST_HOURS:
        offset = span.start.astimezone(boundary.zone).utcoffset() or timedelta()
        return _even(span, _HOUR, offset % _HOUR)
    if length <= _MOST_DAYS:
        return days(span.start, span.end, boundary.zone)
    count = length // timedelta(days=7) + 2
    weeks = boundary.latest_weeks(span.end - timedelta.resolution, count)
    return tuple(week for week in weeks if week.end > span.start)


def _even(span: Span, width: timedelta, offset: timedelta) -> tuple[Span, ...]:
    """Bars of `width` that hold `span`; `offset` is local time's odd part."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    start = span.start - (span.start - epoch + offset) % width
    found: list[Span] = []
    while start < span.end:
        found.append(Span(start, start + width))
        start += width
    return tuple(found)


def _clipped(bar: Span, whole: Span) -> Span:
    return Span(max(bar.start, whole.start), min(bar.end, whole.end))
