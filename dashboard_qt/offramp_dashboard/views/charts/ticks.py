"""Where an axis has its marks and what they say: pure, no drawing.

Time axes count in bars, not in seconds: bar `i` reaches from `i` to `i + 1`, so that a day of 23
or 25 hours has as many bars as hours, all of one width.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from offramp_core.wording.formatting import format_tokens
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

_MINUTES = (15, 30, 60, 120, 180, 240, 360, 720)
_DAYS = (1, 2, 7, 14)
_MONTHS = (1, 2, 3, 6, 12)


class Tick(NamedTuple):
    """One mark: where, in the axis's own unit, and its label."""

    position: float
    label: str


def count_ticks(highest: int, most: int) -> tuple[int, ...]:
    """Whole round numbers from 0 up to the first that is `highest` or more; some `most` of them."""
    if highest <= 0:
        return (0, 1)
    step = next(step for step in _round_steps() if step * max(1, most) >= highest)
    return tuple(range(0, highest + step, step))[: -(-highest // step) + 1]


def count_label(count: int) -> str:
    """`0`, `250`, `2k`, `1.5M`: without a decimal that says nothing."""
    return format_tokens(count).replace(".0", "")


def time_ticks(edges: Sequence[datetime], most: int) -> tuple[Tick, ...]:
    """At most `most` marks at round times among `edges`; the day is said where it changes.

    `edges` are on the user's clocks, in order; there is one more than bars.
    """
    if len(edges) < 2 or most < 1:
        return ()
    for chosen in _choices(edges):
        if 0 < len(chosen) <= most:
            return tuple(
                Tick(index, _label(edges, chosen, place)) for place, index in enumerate(chosen)
            )
    return (Tick(0, number_text.moment_text(edges[0], edges[-1])),)


def _round_steps() -> Iterator[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _choices(edges: Sequence[datetime]) -> Iterator[list[int]]:
    """Ever fewer indices of edges at round times."""
    # A range may begin and end within a bar's time, so that its first bar is a narrow one.
    seconds = [after.timestamp() - before.timestamp() for before, after in pairwise(edges[:3])]
    width = timedelta(seconds=max(seconds))
    for minutes in _MINUTES:
        if width < timedelta(hours=24) and width <= timedelta(minutes=minutes):
            yield [i for i, edge in enumerate(edges) if _minute(edge) % minutes == 0]
    for days in _DAYS:
        if width <= timedelta(days=days, hours=1):
            yield [i for i, edge in _first_of_days(edges) if edge.toordinal() % days == 0]
    for months in _MONTHS:
        yield [i for i, edge in _first_of_months(edges) if (edge.month - 1) % months == 0]
    years = 1
    while years < 10_000:
        yield [
            i for i, edge in _first_of_months(edges) if edge.month == 1 and edge.year % years == 0
        ]
        years *= 2


def _minute(edge: datetime) -> int:
    return edge.hour * 60 + edge.minute


def _first_of_days(edges: Sequence[datetime]) -> Iterator[tuple[int, datetime]]:
    """The first edge of each day but the first, and of that too if it is midnight."""
    for index, edge in enumerate(edges):
        before = edges[index - 1].date() if index else None
        if edge.date() != before and (before is not None or _minute(edge) == 0):
            yield index, edge


def _first_of_months(edges: Sequence[datetime]) -> Iterator[tuple[int, datetime]]:
    for index, edge in enumerate(edges):
        if index and edge.month != edges[index - 1].month:
            yield index, edge


def _label(edges: Sequence[datetime], chosen: Sequence[int], place: int) -> str:
    edge = edges[chosen[place]]
    before = edges[chosen[place - 1]] if place else None
    is_by_day = all(_minute(edges[index]) == 0 for index in chosen) and len(chosen) > 1
    step = edges[chosen[1]] - edges[chosen[0]] if len(chosen) > 1 else timedelta()
    if step > timedelta(days=25):
        starts_year = before is None or before.year != edge.year
        return f"{number_text.month(edge)} {edge.year}" if starts_year else number_text.month(edge)
    if is_by_day and step >= timedelta(hours=23):
        is_week = edges[-1] - edges[0] <= timedelta(days=8)
        return number_text.weekday(edge) if is_week else number_text.day_of_month(edge)
    is_new_day = before is None or before.date() != edge.date()
    return number_text.day_and_clock(edge) if is_new_day else number_text.clock(edge)
