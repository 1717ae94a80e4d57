"""Reads what the daemon has written of the plans' limits: how they filled, and the latest figures.

The files are read again only when they changed. It writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.quota import forecast, history_log, state_file, week_start

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota.forecast import PastUse
    from offramp_core.quota.windows import PlanQuota


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuota:
    """What the files say."""

    past: Mapping[tuple[str, str], PastUse] = field(default_factory=dict)
    """How each backend's windows filled; nothing where that can't be read."""
    plans: tuple[PlanQuota, ...] = ()


class QuotaLog:
    """What the files said when they were last read. Used by one thread."""

    def __init__(self, state: Path) -> None:
        """Read the latest figures from the file `state`."""
        self._state = state
        self._seen: Hashable = None
        self._known = KnownQuota()

    def read(self, folder: Path, now: datetime) -> KnownQuota:
        """What is known at `now`, by the history in `folder`."""
        history = history_log.mark(folder)
        seen = (folder, history, week_start.mark(self._state))
        if seen != self._seen:
            self._seen = seen
            self._known = KnownQuota(past=_past(folder, now), plans=state_file.read(self._state))
        return self._known


def _past(folder: Path, now: datetime) -> Mapping[tuple[str, str], PastUse]:
    try:
        return forecast.past_uses(history_log.read(folder, now - forecast.KEPT))
    except OfframpError:
        return {}  # a forecast is worth no failure: then it is a straight line
