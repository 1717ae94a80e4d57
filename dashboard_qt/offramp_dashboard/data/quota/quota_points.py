"""The quota history of the latest weeks, read again whenever its file has changed. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.quota import forecast, history_log
from offramp_dashboard.data.quota import quota_burnup

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota.forecast import PastUse
    from offramp_core.quota.windows import QuotaPoint
    from offramp_dashboard.data.quota.quota_burnup import Points


class QuotaPoints:
    """What `quota.jsonl` in a folder tells. Use it from one thread; it raises nothing.

    `problem` is why it can't be read, in words; empty while it can. `past` is how each backend's
    windows filled, as of the last `read`.
    """

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder
        self.problem = ""
        self.past: Mapping[tuple[str, str], PastUse] = {}
        self._points: Points = {}
        self._seen: Hashable = None

    def read(self, now: datetime) -> Points:
        """All points that charts at `now` can want."""
        seen = history_log.mark(self._folder)
        if seen != self._seen:
            self._seen = seen
            found = self._read(now) if seen else []
            self._points = quota_burnup.grouped(found)
            self.past = forecast.past_uses(found)
        return self._points

    def _read(self, now: datetime) -> list[QuotaPoint]:
        self.problem = ""
        try:
            return history_log.read(self._folder, now - forecast.KEPT)
        except OfframpError as error:
            self.problem = str(error)
            return []
