"""Folds records into totals per slot of time, backend, model and status.

Pure: no clock, no files; the same functions serve the command line, the tray and the charts.
A `TimeGrid` cuts time into slots, the finer the more recent; every coarser period that a view
shows (an hour, a week) is made of whole slots, so all views come from one `UsageCells`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from offramp_core.usage.weeks import Span, WeekBoundary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from offramp_core.usage.records import Status, UsageRecord

T = TypeVar("T")

RECENT_BUCKETS = 60
RECENT_BUCKET = timedelta(minutes=3)
HOUR_BUCKETS = 24
HOUR_BUCKET = timedelta(hours=1)

_FIRST_INSTANT = datetime(1970, 1, 2, tzinfo=UTC)
_LAST_INSTANT = datetime(9990, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Key(NamedTuple):
    """What one cell of a `UsageCells` counts; `start` is its slot's, UTC."""

    start: datetime
    backend: str | None
    model: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests, and their tokens by kind."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of every kind together, cache reads included."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_creation_input_tokens
            + self.cache_read_input_tokens
        )

    def __add__(self, other: Counts) -> Counts:
        """Return the sum, field by field."""
        return Counts(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over every status: cut and cancelled requests are billed, so their tokens count."""

    counts: Counts = Counts()
    errors: int = 0
    cancelled: int = 0

    @property
    def requests(self) -> int:
        """Requests, however they ended."""
        return self.counts.requests

    @property
    def success(self) -> int:
        """Requests that were answered in full."""
        return self.counts.requests - self.errors - self.cancelled

    @property
    def tokens(self) -> int:
        """Tokens of every kind together."""
        return self.counts.tokens


@dataclass(frozen=True, slots=True)
class UsageCells:
    """Counts per cell; a cell that would be empty is not there. Never change `cells`."""

    cells: Mapping[Key, Counts]

    def total(self) -> Totals:
        """Return everything in one sum."""
        return _total(self.cells.items())


class Grid(Protocol):
    """How time is cut."""

    def slot(self, instant: datetime) -> Span | None:
        """Return the slot that holds `instant`; None where there is none for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvenGrid:
    """Time cut in slots of `width` each, counted from 1970, UTC; none that begins before `since`.

    Slots stay what they are as time goes by, so that usage in them can be kept for good. With a
    quarter of an hour, every hour, day and week in every zone of today is made of whole ones.
    """

    width: timedelta
    since: datetime | None = None

    def slot(self, instant: datetime) -> Span | None:
        """Return the slot that holds `instant`."""
        if not _FIRST_INSTANT <= instant < _LAST_INSTANT:
            return None
        start = (instant - (instant - _EPOCH) % self.width).astimezone(UTC)
        if self.since is not None and start < self.since:
            return None
        return Span(start, start + self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeGrid:
    """How time is cut: in weeks, the last 24 hours also in hours, the last 3 also in 3 minutes.

    Hours begin with the hours of the local clock as it stands now (on UTC's quarter in Kathmandu).
    What is before `since`, or so far off that no calendar holds it, is in no slot.
    """

    boundary: WeekBoundary
    hours: tuple[Span, ...]
    recent: tuple[Span, ...]
    since: datetime | None = None

    @classmethod
    def at(cls, now: datetime, boundary: WeekBoundary, since: datetime | None = None) -> TimeGrid:
        """Return the grid whose last hour and last 3 minutes hold `now`."""
        offset = now.astimezone(boundary.zone).utcoffset() or timedelta()
        return cls(
            boundary=boundary,
            hours=_spans(now, HOUR_BUCKET, HOUR_BUCKETS, offset % HOUR_BUCKET),
            recent=_spans(now, RECENT_BUCKET, RECENT_BUCKETS, timedelta()),
            since=since,
        )

    def slot(self, instant: datetime) -> Span | None:
        """Return the slot that holds `instant`, clipped at `since`."""
        first = _FIRST_INSTANT if self.since is None else max(self.since, _FIRST_INSTANT)
        if not first <= instant < _LAST_INSTANT:
            return None
        week = self.boundary.week_of(instant)
        start, end = max(week.start, first), week.end
        for spans in (self.hours, self.recent):
            part = _holding(spans, instant)
            start, end = max(start, part.start), min(end, part.end)
        return Span(start, end)


def fold(records: Iterable[UsageRecord], grid: Grid) -> UsageCells:
    """Count `records` per slot of `grid`; their order is free, but nearly sorted is fastest."""
    sums: dict[datetime, dict[tuple[str | None, str | None, Status], list[int]]] = {}
    cells: dict[tuple[str | None, str | None, Status], list[int]] = {}
    start = end = _FIRST_INSTANT
    # A million times round: no calls, and the slot is looked up only when a record leaves it.
    for record in records:
        if not start <= record.ts < end:
            slot = grid.slot(record.ts)
            if slot is None:
                continue
            start, end = slot.start, slot.end
            cells = sums.setdefault(start, {})
        key = record.backend, record.model, record.status
        try:
            cell = cells[key]
        except KeyError:
            cell = cells[key] = [0, 0, 0, 0, 0]
        cell[0] += 1
        cell[1] += record.input_tokens
        cell[2] += record.output_tokens
        cell[3] += record.cache_creation_input_tokens
        cell[4] += record.cache_read_input_tokens
    return UsageCells(
        {
            Key(start, *key): Counts(*cell)
            for start, cells in sums.items()
            for key, cell in cells.items()
        }
    )


def merge(*parts: UsageCells) -> UsageCells:
    """Return the usage of all `parts` together; they count different records."""
    return _collect((key, counts) for part in parts for key, counts in part.cells.items())


def select(
    usage: UsageCells, *, backends: Sequence[str] = (), models: Sequence[str] = ()
) -> UsageCells:
    """Return the cells whose backend and model each contain one of the given texts, case ignored.

    No text at all lets everything through; a cell without a backend or model contains none.
    """
    return UsageCells(
        {
            key: counts
            for key, counts in usage.cells.items()
            if contains_any(key.backend, backends) and contains_any(key.model, models)
        }
    )


def without(
    usage: UsageCells, *, backends: Collection[str | None] = (), models: Collection[str | None] = ()
) -> UsageCells:
    """Return the cells that are of none of these backends and models, by their exact names."""
    return UsageCells(
        {
            key: counts
            for key, counts in usage.cells.items()
            if key.backend not in backends and key.model not in models
        }
    )


def contains_any(name: str | None, texts: Sequence[str]) -> bool:
    """Return whether `name` contains one of `texts`, case ignored; without texts anything does."""
    folded = (name or "").casefold()
    return not texts or any(text.casefold() in folded for text in texts)


def sum_totals(parts: Iterable[Totals]) -> Totals:
    """Return the sum of totals that count different records."""
    counts, errors, cancelled = Counts(), 0, 0
    for part in parts:
        counts += part.counts
        errors += part.errors
        cancelled += part.cancelled
    return Totals(counts, errors, cancelled)


def series(usage: UsageCells, spans: Sequence[Span]) -> tuple[UsageCells, ...]:
    """Return the part of `usage` in each of `spans`, which are in order and do not overlap.

    Cells of one span are summed; their `start` is the span's.
    """
    starts = [span.start for span in spans]
    parts: list[list[tuple[Key, Counts]]] = [[] for _ in spans]
    for key, counts in usage.cells.items():
        index = bisect_right(starts, key.start) - 1
        if index >= 0 and key.start < spans[index].end:
            parts[index].append((key._replace(start=starts[index]), counts))
    return tuple(_collect(part) for part in parts)


def by_backend(usage: UsageCells) -> dict[str | None, Totals]:
    """Totals per backend, the one with the most tokens first."""
    return _by(usage, lambda key: key.backend)


def by_model(usage: UsageCells) -> dict[str | None, Totals]:
    """Totals per model that was asked for, the one with the most tokens first."""
    return _by(usage, lambda key: key.model)


def by_route(usage: UsageCells) -> dict[tuple[str | None, str | None], Totals]:
    """Totals per pair of backend and model, the one with the most tokens first."""
    return _by(usage, lambda key: (key.backend, key.model))


def _by(usage: UsageCells, name: Callable[[Key], T]) -> dict[T, Totals]:
    groups: dict[T, list[tuple[Key, Counts]]] = {}
    for key, counts in usage.cells.items():
        groups.setdefault(name(key), []).append((key, counts))
    totals = {group: _total(cells) for group, cells in groups.items()}
    return dict(
        sorted(totals.items(), key=lambda item: (-item[1].tokens, -item[1].requests, str(item[0])))
    )


def _total(cells: Iterable[tuple[Key, Counts]]) -> Totals:
    total, errors, cancelled = Counts(), 0, 0
    for key, counts in cells:
        total += counts
        errors += counts.requests if key.status == "error" else 0
        cancelled += counts.requests if key.status == "cancelled" else 0
    return Totals(total, errors, cancelled)


def _collect(cells: Iterable[tuple[Key, Counts]]) -> UsageCells:
    sums: dict[Key, Counts] = {}
    for key, counts in cells:
        sums[key] = sums[key] + counts if key in sums else counts
    return UsageCells(sums)


def _spans(now: datetime, width: timedelta, count: int, offset: timedelta) -> tuple[Span, ...]:
    """Return `count` spans of `width`, the last around `now`; `offset` is local time's odd part."""
    last = now - (now - _EPOCH + offset) % width
    last = last.astimezone(UTC)
    return tuple(
        Span(last - back * width, last - (back - 1) * width) for back in reversed(range(count))
    )


def _holding(spans: tuple[Span, ...], instant: datetime) -> Span:
    """Return the span that holds `instant`, or the time on its side of them all."""
    if instant < spans[0].start:
        return Span(_FIRST_INSTANT, spans[0].start)
    if instant >= spans[-1].end:
        return Span(spans[-1].end, _LAST_INSTANT)
    return spans[bisect_right(spans, instant, key=lambda span: span.start) - 1]
