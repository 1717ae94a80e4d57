"""Turns the user's own log into weeks that the simulation can drive through any mode.

The log does not say what a request took of the Claude plan: its weight in dollars is measured
against what a whole week is taken to be worth. It reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.history import (
    HOURS_A_WEEK,
    LEARNT_WEEKS,
    PastWeek,
    tier_of,
    weight,
)
from offramp_daemon.autopilot.simulation import SimulatedWeek
from offramp_daemon.autopilot.workload import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offramp_core.records import RequestRecord
    from offramp_daemon.autopilot.history import Tier

FIVE_HOUR_PART = 0.12
"""What a full 5-hour window is taken to be of the week."""

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_SESSION_GAP = timedelta(hours=1)
"""Requests without a session that lie so far apart are taken for two conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """What is kept of a record: when, which conversation, and its weight in dollars."""

    at: datetime
    conversation: int
    tier: Tier
    weight: float


class Conversations:
    """Tells conversations apart, by their session or, without one, by the pauses between."""

    def __init__(self) -> None:
        """Know none."""
        self._numbers: dict[tuple[str | None, Tier], int] = {}
        self._ends: dict[Tier, datetime] = {}
        self._count = 0

    def request(self, record: RequestRecord) -> LoggedRequest | None:
        """The request behind `record`; None where it has no time or cost nothing."""
        try:
            at = datetime.fromisoformat(record.ts)
        except ValueError:
            return None
        cost = weight(record)
        if at.tzinfo is None or not cost:
            return None
        tier = tier_of(record.model)
        return LoggedRequest(
            at=at, conversation=self._number(record.session_id, tier, at), tier=tier, weight=cost
        )

    def _number(self, session: str | None, tier: Tier, at: datetime) -> int:
        key = (session, tier)
        is_new = key not in self._numbers
        if session is None:
            is_new = is_new or at - self._ends[tier] > _SESSION_GAP
            self._ends[tier] = at
        if is_new:
            self._count += 1
            self._numbers[key] = self._count
        return self._numbers[key]


def weeks_of(
    requests: Iterable[LoggedRequest], *, end: datetime, week_worth: float | None = None
) -> tuple[tuple[SimulatedWeek, ...], float]:
    """The whole weeks before `end`, the oldest first, each with those before it as its history.

    `week_worth` is what Claude's week holds, in dollars at list price; None takes the user's
    busiest week for one. The second value is what it was taken for (0 without any week).
    """
    cut = _cut(requests, end)
    if not cut:
        return (), 0.0
    busiest = max(sum(request.weight for request in week) for _, week in cut)
    worth = busiest if week_worth is None else week_worth
    if not worth:
        return (), 0.0
    past = [_past_week(start, week) for start, week in cut]
    weeks = tuple(
        SimulatedWeek(
            requests=tuple(_request(request, start, worth) for request in week),
            history=past[max(0, number - LEARNT_WEEKS) : number],
            five_hour_part=FIVE_HOUR_PART,
            week_weight=worth,
        )
        for number, (start, week) in enumerate(cut)
        if week
    )
    return weeks, worth


def _cut(
    requests: Iterable[LoggedRequest], end: datetime
) -> list[tuple[datetime, list[LoggedRequest]]]:
    """Requests by week, each list in order of time; the week in which the log begins is partial."""
    found: dict[int, list[LoggedRequest]] = {}
    for request in requests:
        if request.at < end:
            found.setdefault((end - request.at - timedelta.resolution) // _WEEK, []).append(request)
    weeks = range(max(found, default=0) - 1, -1, -1)
    return [
        (end - (back + 1) * _WEEK, sorted(found.get(back, ()), key=lambda request: request.at))
        for back in weeks
    ]


def _past_week(start: datetime, week: Sequence[LoggedRequest]) -> PastWeek:
    opus, execution = [0.0] * HOURS_A_WEEK, [0.0] * HOURS_A_WEEK
    for request in week:
        kind = opus if request.tier == "opus" else execution
        kind[int((request.at - start) / _HOUR)] += request.weight
    return PastWeek(opus=tuple(opus), execution=tuple(execution))


def _request(logged: LoggedRequest, start: datetime, worth: float) -> Request:
    return Request(
        at_h=(logged.at - start) / _HOUR,
        conversation=logged.conversation,
        tier=logged.tier,
        weight=logged.weight,
        cost=logged.weight / worth,
    )
