"""Reads what the daemon has written of the plans' limits: how they filled, and the latest figures.

The files are read again only when they changed, and the history no more than once a minute: what
it added since then is of no weight in a forecast, which goes by earlier windows. It writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.quota import forecast, history_log, state_file, week_start

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota.forecast import PastUse
    from offramp_core.quota.windows import PlanQuota


_EVERY = timedelta(minutes=1)


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
        self._folder: Path | None = None
        self._seen_history: Hashable = None
        self._seen_state: Hashable = None
        self._read_at: datetime | None = None
        self._known = KnownQuota()

    def read(self, folder: Path, now: datetime) -> KnownQuota:
        """What is known at `now`, by the history in `folder`."""
        known = self._known
        if folder != self._folder:
            self._folder, self._read_at = folder, None
        history = history_log.mark(folder)
        read_at = self._read_at
        is_recent = read_at is not None and timedelta(0) <= now - read_at < _EVERY
        if read_at is None or (history != self._seen_history and not is_recent):
            self._seen_history, self._read_at = history, now
            known = replace(known, past=_past(folder, now))
        state = week_start.mark(self._state)
        if state != self._seen_state:
            self._seen_state = state
            known = replace(known, plans=state_file.read(self._state))
        self._known = known
        return known


def _past(folder: Path, now: datetime) -> Mapping[tuple[str, str], PastUse]:
    try:
        return forecast.past_uses(history_log.read_each(folder, now - forecast.KEPT))
    except OfframpError:
        return {}  # a forecast is worth no failure: then it is a straight line
