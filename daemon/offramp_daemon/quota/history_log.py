"""Writes `quota.jsonl`, whatever the disk does: a point for each percent that a window moves.

An API key's limits are not in it: they empty and refill within minutes, which is no history.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_core.quota.windows import QuotaPoint
from offramp_core.services.anthropic import KEY_WINDOWS
from offramp_daemon.quota.merging import percent
from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota, QuotaWindow

_CAPACITY = 2000
_MOST_WINDOWS = 1000
_CLOSE_TIMEOUT_S = 2.0
_MOVED = timedelta(minutes=5)
"""A reset that differs by less is the same one, told anew."""
_STEP_BACK = 0.01
"""Answers overtake each other; a window that falls by less has not moved."""

_log = logging.getLogger(__name__)


class QuotaHistory:
    """The file's only writer in this process; any number of processes may share it."""

    def __init__(self, folder: Path, *, first_retry_s: float = 1.0) -> None:
        """Write into `folder`, which is made when needed."""
        self._file = folder / windows.HISTORY_NAME
        self._is_failing = False
        self._last: dict[tuple[str, str, str], QuotaPoint] = {}
        self._queue: BackgroundWriter[QuotaPoint] = BackgroundWriter(
            self._write, name="offramp-quota-log", capacity=_CAPACITY, first_retry_s=first_retry_s
        )

    def start(self, known: Iterable[PlanQuota]) -> None:
        """Start the thread that writes; `known` is what the last daemon has told of already."""
        for plan in known:
            for window in plan.windows:
                self._moved(plan, window)
        self._queue.start()

    def note(self, plan: PlanQuota) -> None:
        """Have a point written for each window that moved; never blocks, never raises."""
        for window in plan.windows:
            if window.read_at == plan.read_at:
                point = self._moved(plan, window)
                if point is not None:
                    self._queue.put(point)

    def close(self) -> None:
        """Write what waits and stop. Blocks, for seconds at most."""
        self._queue.close(_CLOSE_TIMEOUT_S)

    def _moved(self, plan: PlanQuota, window: QuotaWindow) -> QuotaPoint | None:
        """The point that `window` is worth, which is the last one from now on; None for none."""
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

    def _write(self, batch: list[QuotaPoint]) -> list[QuotaPoint]:
        lines = b"".join(windows.encode_point(point) for point in batch)
        try:
            with open_locked(self._file) as file:
                file.append(lines)
        except OSError as error:
            if not self._is_failing:
                _log.warning(
                    "The quota's history cannot be written; it waits in memory",
                    extra={"file": str(self._file), "error": error.strerror or str(error)},
                )
            self._is_failing = True
            return batch
        self._is_failing = False
        return []


def _has_moved(last: QuotaPoint, point: QuotaPoint) -> bool:
    if (last.resets is None) != (point.resets is None):
        return True
    if last.resets and point.resets and abs(point.resets - last.resets) >= _MOVED:
        return True
    if percent(point.used) > percent(last.used):
        return True
    return percent(point.used) < percent(last.used) and last.used - point.used >= _STEP_BACK
