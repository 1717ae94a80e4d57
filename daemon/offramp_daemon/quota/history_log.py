"""Writes `quota.jsonl`, whatever the disk does: a point for each percent that a window moves.

An API key's limits are not in it: they empty and refill within minutes, which is not history.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.quota import windows
from offramp_core.quota.windows import QuotaPoint
from offramp_core.services.anthropic import KEY_WINDOWS
from offramp_daemon.quota.merging import percent
from offramp_daemon.storage.jsonl_log import JsonlLog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_daemon.storage.background_writer import BackgroundWriter

_CAPACITY = 2000
_MOST_WINDOWS = 1000
_MOVED = timedelta(minutes=5)
"""A reset that differs by less is the same one, told again."""
_STEP_BACK = 0.01
"""Answers overtake each other; a window that falls by less has not moved."""


class QuotaHistory:
    """The points of one daemon; any number of processes may share the file."""

    def __init__(self, folder: Path, writer: BackgroundWriter, *, machine: str = "") -> None:
        """Have `writer` write `machine`'s file in `folder`, which is made when needed."""
        name = log_names.file_name(log_names.QUOTA, machine=machine)
        self._last: dict[tuple[str, str, str], QuotaPoint] = {}
        self._log: JsonlLog[QuotaPoint] = JsonlLog(
            folder,
            writer,
            subject="Points of the quota's history",
            name_of=lambda _: name,
            encode=windows.encode_point,
            capacity=_CAPACITY,
        )

    def resume(self, known: Iterable[PlanQuota]) -> None:
        """Go on after `known`, of which the last daemon wrote the points already."""
        for plan in known:
            for window in plan.windows:
                self._moved(plan, window)

    def add_points(self, plan: PlanQuota) -> None:
        """Have a point written for each window that moved; never blocks, never raises."""
        for window in plan.windows:
            if window.read_at == plan.read_at:
                point = self._moved(plan, window)
                if point is not None:
                    self._log.append(point)

    def _moved(self, plan: PlanQuota, window: QuotaWindow) -> QuotaPoint | None:
        """Return the point to write for `window`, if any; it is the last one from now on."""
        if window.used is None or window.name in KEY_WINDOWS:
            return None
        key = plan.backend, plan.account, window.name
        point = QuotaPoint(
            ts=window.read_at,
            backend=plan.backend,
            account=plan.account,
            window=window.name,
            used=window.used,
            resets=window.resets,
        )
        last = self._last.pop(key, None)
        is_moved = last is None or _has_moved(last, point)
        self._last[key] = point if is_moved or last is None else last
        if len(self._last) > _MOST_WINDOWS:
            del self._last[next(iter(self._last))]
        return point if is_moved else None


def _has_moved(last: QuotaPoint, point: QuotaPoint) -> bool:
    if (last.resets is None) != (point.resets is None):
        return True
    if last.resets and point.resets and abs(point.resets - last.resets) >= _MOVED:
        return True
    if percent(point.used) > percent(last.used):
        return True
    return percent(point.used) < percent(last.used) and last.used - point.used >= _STEP_BACK
