"""Expects how a window of a plan goes on, from how it filled in the user's earlier weeks.

Pure: tray, window and command line all forecast by `expect`, so that they say the same. A week is
compared with the weeks before it, a window of hours with the same hours of earlier days, working
days with working days. Where the daemon has an outlook of a plan's week, that is what is expected:
it knows how the work will be shared out.
"""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.quota import windows
from offramp_core.usage.outlook import EarlierSpan, Outlook, outlook, straight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from offramp_core.control.api import PlanOutlook
    from offramp_core.quota.windows import QuotaPoint, QuotaWindow

KEPT: Final = timedelta(days=36)
"""How far back points are wanted: this week and the four before it."""

_MOST_WEEKS = 4
_MOST_DAYS = 28
_MOST_SAMPLES = 12
_STEPS = 42
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_SAME_RESET = timedelta(minutes=5)
"""Services tell one reset a little differently each time."""
_FRESH = 0.02
"""A window whose first figure is more was not watched from its beginning."""
_FORECAST_FROM = 0.05
"""Without earlier weeks, the pace of less than so much of a window says nothing."""
_SATURDAY = 6
_STALE = timedelta(minutes=15)
"""An outlook of the daemon that is older is left out."""


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """What is expected to be used at `moment`, as a fraction of the window."""

    moment: datetime
    outlook: Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How a window is expected to go on."""

    course: tuple[ForecastPoint, ...]
    """In order, from the last whole minute, where nothing is open, to the reset."""
    runs_out: datetime | None = None
    """When all is likely to be used; None where the reset comes first."""
    is_learnt: bool = True
    """False where nothing is known of earlier weeks: then it is a straight line."""

    @property
    def at_reset(self) -> Outlook:
        """What the reset is expected to find."""
        return self.course[-1].outlook


class PastUse:
    """How much of one window of a plan was used when, through all its resets."""

    def __init__(self, points: Iterable[QuotaPoint] = ()) -> None:
        """Learn from the `points` of one window, in order of time."""
        # A tray keeps these numbers for days: as objects they would take four times the memory.
        self._moments = array("d")
        self._sums = array("d")
        self._reset: datetime | None = None
        self._most = 0.0
        for point in points:
            self.add(point)

    def add(self, point: QuotaPoint) -> None:
        """Learn from the next point in order of time."""
        if point.resets is None or not math.isfinite(point.used):
            return
        is_new = self._reset is None or abs(point.resets - self._reset) > _SAME_RESET
        if is_new:
            self._reset, self._most = point.resets, 0.0
        if point.used > self._most or not self._moments:
            self._rise(point, point.used - self._most, is_new=is_new)
            self._most = max(self._most, point.used)

    @property
    def first(self) -> datetime | None:
        """From when on it is known; None where nothing is."""
        return datetime.fromtimestamp(self._moments[0], UTC) if self._moments else None

    def until(self, moment: datetime) -> float:
        """Return what was used until then, counted from the first point."""
        moments, second = self._moments, moment.timestamp()
        place = bisect_right(moments, second)
        if place in (0, len(moments)):
            return self._sums[place - 1] if place else 0.0
        before, after = moments[place - 1], moments[place]
        part = (second - before) / (after - before)
        return self._sums[place - 1] + part * (self._sums[place] - self._sums[place - 1])

    def _rise(self, point: QuotaPoint, by: float, *, is_new: bool) -> None:
        """Add a step; a slope from the window's beginning where nobody watched that."""
        second = max(point.ts.timestamp(), self._moments[-1] if self._moments else -math.inf)
        whole = self._sums[-1] if self._sums else 0.0
        start = second - 1.0
        span = windows.length(point.window)
        if is_new and by > _FRESH and span is not None and point.resets is not None:
            start = (point.resets - span).timestamp()
        self._add(max(start, self._moments[-1] if self._moments else start), whole)
        self._add(second, whole + max(by, 0.0))

    def _add(self, second: float, whole: float) -> None:
        if self._moments and second <= self._moments[-1]:
            self._sums[-1] = whole
        else:
            self._moments.append(second)
            self._sums.append(whole)


def past_uses(points: Iterable[QuotaPoint]) -> dict[tuple[str, str], PastUse]:
    """Return what `points`, in order of time, say of each backend's windows."""
    found: dict[tuple[str, str], PastUse] = {}
    for point in points:
        key = point.backend, point.window
        if key not in found:
            found[key] = PastUse()
        found[key].add(point)
    return found


def daemons_outlook(
    outlooks: Iterable[PlanOutlook], backend: str, window: QuotaWindow, now: datetime
) -> PlanOutlook | None:
    """Return what the daemon expects of that window of `backend`; None if it does not say."""
    for found in outlooks:
        if (
            (found.backend, window.name) == (backend, windows.WEEK)
            and window.resets is not None
            and abs(window.resets - found.resets) <= _SAME_RESET
            and abs(now - found.at) <= _STALE
        ):
            return found
    return None


def whole_minute(now: datetime) -> datetime:
    """Return the last whole minute: forecasts change with it, not with each second."""
    return now.replace(second=0, microsecond=0)


def expect_in_plan(
    backend: str,
    window: QuotaWindow,
    now: datetime,
    pasts: Mapping[tuple[str, str], PastUse],
    outlooks: Iterable[PlanOutlook],
    zone: tzinfo,
) -> Forecast | None:
    """Return what `expect` says of that window of `backend`, by all that is known of the plans.

    `pasts` is how each backend's windows filled before, `outlooks` what the daemon expects.
    """
    minute = whole_minute(now)
    past = pasts.get((backend, window.name))
    return expect(window, minute, past, zone, daemons_outlook(outlooks, backend, window, minute))


def expect(
    window: QuotaWindow,
    now: datetime,
    past: PastUse | None,
    zone: tzinfo,
    plan_outlook: PlanOutlook | None = None,
) -> Forecast | None:
    """Return how `window` goes on from `now` (aware); None while that can't be told.

    It is what was expected at the last whole minute: who looks at different seconds sees the same.
    `past` is what is known of the same window before, and `zone` says what a day is. With the
    daemon's outlook, the past only gives the way there its shape.
    """
    now = whole_minute(now)
    used, passed, span = (
        windows.used_at(window, now),
        windows.elapsed(window, now),
        windows.length(window.name),
    )
    if used is None or passed is None or span is None or window.resets is None:
        return None
    if windows.is_spent(window, now):
        return None
    end = window.resets
    moments = [now + (end - now) * step / _STEPS for step in range(1, _STEPS + 1)]
    courses = _earlier(past, end - span, now, moments, zone)
    outlooks = [outlook(used, spans) for spans in courses]
    is_learnt = bool(outlooks) and outlooks[0] is not None
    if not is_learnt:
        if passed < _FORECAST_FROM and plan_outlook is None:
            return None
        parts = (passed + (1 - passed) * step / _STEPS for step in range(1, _STEPS + 1))
        outlooks = [straight(used, max(passed, _FORECAST_FROM), part) for part in parts]
    course = [ForecastPoint(now, Outlook(used, used, used))]
    for moment, found in zip(moments, outlooks, strict=True):
        if found is not None:
            course.append(ForecastPoint(moment, _no_less(found, course[-1].outlook)))
    if plan_outlook is not None:
        return _fitted(course, plan_outlook)
    return Forecast(course=tuple(course), runs_out=_runs_out(course), is_learnt=is_learnt)


def _earlier(
    past: PastUse | None,
    start: datetime,
    now: datetime,
    moments: Sequence[datetime],
    zone: tzinfo,
) -> list[list[EarlierSpan]]:
    """For each of `moments` the earlier spans, divided at `now` and cut off there."""
    if past is None or past.first is None:
        return []
    known: list[tuple[float, float, list[float]]] = []
    for days in _lags(start, now, moments[-1], zone):
        begin = _days_before(start, days, zone)
        if begin < past.first - _DAY:
            break
        # By the clock at both ends, and evenly between them: a zone is slow to ask.
        lag = now - _days_before(now, days, zone)
        before, here = past.until(begin), past.until(now - lag)
        ahead = [past.until(moment - lag) - here for moment in moments]
        if here - before + ahead[-1] > 0:
            known.append((here - before, here - before + ahead[-1], ahead))
        if len(known) == _MOST_SAMPLES:
            break
    if not known:
        return []
    return [
        [EarlierSpan(by_now, ahead[place], whole) for by_now, whole, ahead in known]
        for place in range(len(moments))
    ]


def _lags(start: datetime, now: datetime, end: datetime, zone: tzinfo) -> Sequence[int]:
    """How many days before this window the ones lie that it is compared with."""
    if end - start >= _DAY:
        step = 7 * -(-(end - start) // _WEEK)
        return range(step, _MOST_WEEKS * step + 1, step)
    today = now.astimezone(zone).isoweekday()
    return [
        days
        for days in range(1, _MOST_DAYS + 1)
        if ((today - days - 1) % 7 + 1 >= _SATURDAY) is (today >= _SATURDAY)
    ]


def _days_before(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """When the clocks of `zone` showed the same time so many days before, UTC."""
    local = moment.astimezone(zone)
    return (local - timedelta(days=days)).replace(fold=0).astimezone(UTC)


def _no_less(found: Outlook, before: Outlook) -> Outlook:
    """Return `found`, nowhere below what comes before it: what is used stays used."""
    return Outlook(
        max(found.likely, before.likely), max(found.low, before.low), max(found.high, before.high)
    )


def _fitted(course: Sequence[ForecastPoint], to: PlanOutlook) -> Forecast:
    """Return `course` stretched so that it ends as the daemon's outlook does."""
    start, end = course[0], course[-1]
    used = start.outlook.likely
    likely, low, high = (max(level, used) for level in (to.likely, to.low, to.high))
    runs_out = to.runs_out if to.runs_out is not None and to.runs_out < end.moment else None
    if runs_out is not None:
        # What was forecast minutes ago may be past by now; what is used up runs out no more.
        runs_out = max(runs_out, start.moment) if used < 1 else None
    full = used if runs_out is None else _grown(course, runs_out)
    fitted = [start]
    for point in course[1:]:
        part = _grown(course, point.moment)
        here = used + part * (likely - used)
        if runs_out is not None:
            here = 1.0
            if point.moment < runs_out:
                # Half by the shape, which may rest until then, and half by the time.
                by_time = (point.moment - start.moment) / (runs_out - start.moment)
                by_shape = min(part / full, 1.0) if full > 0 else by_time
                here = used + (1 - used) * (by_shape + by_time) / 2
        found = Outlook(
            here,
            min(used + part * (low - used), here),
            max(used + part * (high - used), here),
        )
        fitted.append(ForecastPoint(point.moment, _no_less(found, fitted[-1].outlook)))
    return Forecast(course=tuple(fitted), runs_out=runs_out)


def _grown(course: Sequence[ForecastPoint], moment: datetime) -> float:
    """Return which part of what `course` grows by comes until `moment`."""
    start, end = course[0], course[-1]
    growth = end.outlook.likely - start.outlook.likely
    if growth <= 0:
        return (moment - start.moment) / (end.moment - start.moment)
    before, after = next(pair for pair in itertools.pairwise(course) if pair[1].moment >= moment)
    part = (moment - before.moment) / (after.moment - before.moment)
    likely = before.outlook.likely + part * (after.outlook.likely - before.outlook.likely)
    return (likely - start.outlook.likely) / growth


def _runs_out(course: Sequence[ForecastPoint]) -> datetime | None:
    if course[0].outlook.likely >= 1:
        return None
    for before, after in itertools.pairwise(course):
        low, high = before.outlook.likely, after.outlook.likely
        if high >= 1 and high > low:
            return before.moment + (after.moment - before.moment) * ((1 - low) / (high - low))
    return None
