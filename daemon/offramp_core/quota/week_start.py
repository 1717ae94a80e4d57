"""When the user's week begins: as they set it, else learnt from Claude's weekly reset.

Command line, tray and window all ask here, so that they print the same numbers.

Claude's reset is an instant each 168 hours, while a `WeekBoundary` is wall time. The two agree
until the clocks change. The last reset that was told is what counts, on the clocks as they stand
then: the running week ends exactly there, though a change of the clocks lies before it. Weeks
before the change begin by that wall time too, so up to an hour off Claude's. Once the reset is
past, the week goes on from it by wall time until the next answer tells a new one, and where that
is another one (the clocks have changed, Anthropic has moved it), the boundary moves with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.quota import state_file, windows
from offramp_core.settings import ANTHROPIC
from offramp_core.usage.weeks import WeekBoundary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota
    from offramp_core.settings import Settings

FROM_SETTINGS: Final = "settings"
FROM_DEFAULTS: Final = "default"
LEARNT: Final = "learnt from Claude's weekly reset"

_NAMES = ("week_start_day", "week_start_hour")
_STEP = timedelta(minutes=15)
"""The charts count in quarters of an hour, and so far from UTC are all zones. It also keeps a
reset that is told as 21:59:59 now and as 22:00 then in one place."""
_LONGEST = timedelta(days=8)
"""A week's reset is no farther from when it was told; what is, is a mistake."""


@dataclass(frozen=True, slots=True)
class OwnWeek:
    """When the user's week begins, and where that is known from: one of the words above."""

    boundary: WeekBoundary
    origin: str

    @property
    def is_learnt(self) -> bool:
        """Whether the service told it, and nobody set it."""
        return self.origin == LEARNT


def find(settings: Settings, origins: Mapping[str, str], quota_file: Path, zone: tzinfo) -> OwnWeek:
    """Return the user's week.

    `origins` are those of `LoadedSettings`; day or hour set by the user, either of them, wins.
    `quota_file` is read only where they are not. It raises nothing.
    """
    is_set = any(origins.get(name, FROM_DEFAULTS) != FROM_DEFAULTS for name in _NAMES)
    if not is_set:
        learnt = _boundary(state_file.read(quota_file), zone)
        if learnt is not None:
            return OwnWeek(learnt, LEARNT)
    boundary = WeekBoundary(day=settings.week_start_day, hour=settings.week_start_hour, zone=zone)
    return OwnWeek(boundary, FROM_SETTINGS if is_set else FROM_DEFAULTS)


def mark(quota_file: Path) -> tuple[int, int, int] | None:
    """Return what differs once the file does, so that nobody reads it in vain; None without one."""
    try:
        found = quota_file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _boundary(plans: tuple[PlanQuota, ...], zone: tzinfo) -> WeekBoundary | None:
    """Return the wall time of Claude's reset; None where it never told one that can be.

    Of several accounts the one in use counts; an API key, which has no week, leaves it to the next.
    """
    resets = (_reset(plan) for plan in plans if plan.backend == ANTHROPIC)
    reset = next((found for found in resets if found is not None), None)
    if reset is None:
        return None
    try:
        local = _rounded(reset.astimezone(UTC)).astimezone(zone)
    except (OverflowError, ValueError):  # at an end of the calendar
        return None
    return WeekBoundary(day=local.isoweekday() % 7, hour=local.hour, minute=local.minute, zone=zone)


def _reset(plan: PlanQuota) -> datetime | None:
    """Return when the plan's week resets; None where it has none, or one that can't be."""
    window = windows.window_of(plan, windows.WEEK)
    if window is None or window.resets is None or abs(window.resets - window.read_at) > _LONGEST:
        return None
    return window.resets


def _rounded(moment: datetime) -> datetime:
    """Return `moment` at the nearest quarter of an hour."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + _STEP * ((moment - midnight + _STEP / 2) // _STEP)
