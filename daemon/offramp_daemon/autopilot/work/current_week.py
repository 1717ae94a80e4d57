"""The weekly window that runs: what work it holds so far, and what is known of the weeks before.

Instants are aware; hours count from the window's reset. It reads no file and knows no time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, WorkHistory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_HOUR = timedelta(hours=1)
_NEW_RHYTHM = 1.1
"""A new rhythm is made when what fills a week turns out to be so many times more, or less."""


@dataclass(slots=True)
class CurrentWeek:
    """One account's week."""

    start: datetime
    work: list[float] = field(default_factory=lambda: [0.0] * HOURS_A_WEEK)
    history: WorkHistory | None = None
    """None until the log was read."""
    read_again: datetime | None = None
    """When the log should be read once more, since it could not be."""
    _rhythm: Rhythm | None = None
    _week_weight: float = 1.0

    def rhythm(self, week_weight: float) -> Rhythm:
        """Return how work lies in the user's weeks, if about that weight fills Claude's."""
        known = self._week_weight
        if self._rhythm is None or not known / _NEW_RHYTHM < week_weight < known * _NEW_RHYTHM:
            weeks = self.history.weeks if self.history else ()
            self._rhythm, self._week_weight = Rhythm(weeks, week_weight=week_weight), week_weight
        return self._rhythm

    def learn(self, history: WorkHistory, since: Iterable[tuple[datetime, float]]) -> None:
        """Take over what the log holds, and the work that came while it was read."""
        self.history, self._rhythm, self.read_again = history, None, None
        self.work = list(history.work)
        for moment, amount in since:
            self.add(moment, amount)

    def do_without(self, until: datetime) -> None:
        """Go by a flat rhythm until then, for the log can't be read; what was counted stays."""
        if self.history is None:
            self.history = WorkHistory(weeks=(), work=())
        self.read_again = until

    def needs_log(self, now: datetime) -> bool:
        """Return whether the log should be read for it."""
        return self.history is None or (self.read_again is not None and now >= self.read_again)

    def add(self, moment: datetime, amount: float) -> None:
        """Count work in the hour that it came in; what lies outside the week is not counted."""
        hour = (moment - self.start) // _HOUR
        if 0 <= hour < HOURS_A_WEEK:
            self.work[hour] += amount
