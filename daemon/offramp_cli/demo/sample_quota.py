"""An invented use of both plans for the demo: what the simulator says, and how it came to that.

A window fills by the working hours of the user's zone, as the sample history does. The same seed
and moment give the same figures, so that the history and what the simulator says next agree.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from offramp_cli.demo.sample_history import RHYTHM
from offramp_core import private_files
from offramp_core.quota import windows
from offramp_core.quota.windows import FIVE_HOURS, HISTORY_NAME, WEEK, QuotaPoint
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC, Settings
from offramp_core.usage.weeks import WeekBoundary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

ACCOUNT: Final = "demo"

_STEP = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_REST = 0.04
"""What an hour without work adds, against the busiest one."""
_WEEKEND = 0.35
_HISTORY_LENGTHS = {FIVE_HOURS: timedelta(days=14), WEEK: timedelta(days=35)}
"""How far back each window's history reaches."""


@dataclass(frozen=True, slots=True)
class _SamplePlan:
    backend: str
    window: str
    low: float
    high: float
    """Between these a window ends."""


_PLANS = (
    _SamplePlan(ANTHROPIC, FIVE_HOURS, 0.55, 0.8),
    _SamplePlan(ANTHROPIC, WEEK, 0.82, 0.94),
    _SamplePlan(DELEGATE.name, FIVE_HOURS, 0.6, 0.9),
    _SamplePlan(DELEGATE.name, WEEK, 0.4, 0.6),
)


def used(backend: str, window: str, now: datetime, seed: int) -> float:
    """The fraction of the window that is used at `now` (aware, in the user's zone)."""
    plan = next(one for one in _PLANS if (one.backend, one.window) == (backend, window))
    start, end = _bounds(plan, now)
    return _used(plan, start, end, now, seed)


def resets(backend: str, window: str, now: datetime) -> datetime:
    """When the window that runs at `now` (aware, in the user's zone) resets."""
    plan = next(one for one in _PLANS if (one.backend, one.window) == (backend, window))
    return _bounds(plan, now)[1]


def history(now: datetime, seed: int) -> list[QuotaPoint]:
    """The points that led to `now` (aware, in the user's zone), in order of time."""
    points = [point for plan in _PLANS for point in _points(plan, now, seed)]
    return sorted(points, key=lambda point: point.ts)


def write_history(folder: Path, now: datetime, seed: int) -> int:
    """Write the history into `folder`; the number of points written.

    A folder that holds such a history already is left as it is: the daemon goes on with it.
    """
    file = folder / HISTORY_NAME
    if file.exists():
        return 0
    points = history(now, seed)
    private_files.make_folder(folder)
    with os.fdopen(private_files.open_file(file, os.O_WRONLY | os.O_CREAT), "wb") as content:
        content.write(b"".join(map(windows.encode_point, points)))
    return len(points)


def _points(plan: _SamplePlan, now: datetime, seed: int) -> Iterator[QuotaPoint]:
    """Yield a point for each percent of each window of the history."""
    start, end = _bounds(plan, now - _HISTORY_LENGTHS[plan.window])
    while start <= now:
        last_percent = 0
        for moment, so_far in _course(plan, start, end, now.tzinfo, seed):
            percent = int(so_far * 100)
            if percent > last_percent and moment <= now:
                last_percent = percent
                yield QuotaPoint(
                    ts=moment,
                    backend=plan.backend,
                    account=ACCOUNT,
                    window=plan.window,
                    used=round(so_far, 4),
                    resets=end,
                )
        start, end = _bounds(plan, end.astimezone(now.tzinfo))


def _used(plan: _SamplePlan, start: datetime, end: datetime, now: datetime, seed: int) -> float:
    figure = 0.0
    for moment, so_far in _course(plan, start, end, now.tzinfo, seed):
        if moment > now:
            break
        figure = so_far
    return round(figure, 4)


def _course(
    plan: _SamplePlan, start: datetime, end: datetime, zone: tzinfo | None, seed: int
) -> Iterator[tuple[datetime, float]]:
    """The window from beginning to end, in steps: when, and how much is used by then."""
    dice = random.Random(f"{seed} {plan.backend} {plan.window} {start.isoformat()}")
    target = dice.uniform(plan.low, plan.high)
    count = (end - start) // _STEP
    moments = [start + _STEP * place for place in range(1, count + 1)]
    weights = [_weight(moment.astimezone(zone)) * dice.uniform(0.4, 1.6) for moment in moments]
    whole, so_far = sum(weights), 0.0
    for moment, weight in zip(moments, weights, strict=True):
        so_far += weight
        yield moment, target * so_far / whole


def _weight(local: datetime) -> float:
    """How much is done at that time, 1 in the busiest hours."""
    part = _WEEKEND if local.isoweekday() >= 6 else 1.0
    return max(_AT_REST, RHYTHM[local.hour] * part)


def _bounds(plan: _SamplePlan, now: datetime) -> tuple[datetime, datetime]:
    """The window around `now`, in UTC.

    The week is the one that nobody set and nothing was learnt of, so that the demo's numbers fit
    each other; 5 hours are cut where the simulator cuts them, in whole lengths since 1970.
    """
    if plan.window == WEEK:
        usual = Settings()
        boundary = WeekBoundary(
            day=usual.week_start_day, hour=usual.week_start_hour, zone=now.tzinfo or UTC
        )
        week = boundary.week_of(now)
        return week.start, week.end
    span = windows.length(plan.window)
    assert span is not None
    start = now.astimezone(UTC) - (now.astimezone(UTC) - _EPOCH) % span
    return start, start + span
