"""What the running week is expected to come to, by the weeks before it. Pure: no Qt, no clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.usage.outlook import EarlierSpan, outlook, straight
from offramp_core.usage.weeks import Span
from offramp_dashboard.data.snapshot import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    Counter = Callable[[Sequence[Span]], Sequence[int]]
    """Says how much was used in each of some spans."""

_EARLIEST_PACE = timedelta(hours=12)
"""Without earlier weeks, the pace of less than so much of a week says nothing."""

_PACE_WEEKS = 4
"""How many weeks before this one say how it goes on."""


def expected(
    weeks: Sequence[Span],
    values: Sequence[int],
    now: datetime,
    *,
    is_complete: Callable[[datetime], bool],
    count: Counter,
) -> Pace | None:
    """Return what the last of `weeks` comes to; `values` are what each of them counts.

    `is_complete` says whether all records since a time are known. None where nothing can be said.
    """
    week, value = weeks[-1], values[-1]
    passed = now - week.start
    # The first week with anything in it may have begun before the log, or the model, did.
    begun = next((place for place, each in enumerate(values) if each), len(values))
    before = weeks[max(begun + 1, len(weeks) - 1 - _PACE_WEEKS) : -1]
    known = [each for each in before if is_complete(each.start)]
    found = outlook(value, _divided(known, passed, count))
    if found is None:
        if passed < _EARLIEST_PACE or not value:
            return None
        found = straight(value, passed / (week.end - week.start))
    return Pace(likely=round(found.likely), low=round(found.low), high=round(found.high))


def _divided(weeks: Sequence[Span], passed: timedelta, count: Counter) -> list[EarlierSpan]:
    """Weeks that are over, divided where the running one is now."""
    spans: list[Span] = []
    for week in weeks:
        here = min(week.start + passed, week.end)
        spans += [Span(week.start, here), Span(here, week.end)]
    values = count(spans)
    return [
        EarlierSpan(by_now, ahead, by_now + ahead)
        for by_now, ahead in zip(values[::2], values[1::2], strict=True)
        if by_now + ahead
    ]
