"""Turns the user's own log into weeks that the simulation can drive through any mode.

The log does not say what a request took of the Claude plan: its weight in dollars is measured
against what a whole week is taken to be worth, or by what the autopilot has learnt of the plan.
What it costs on Z.ai's comes from the user's readings. It reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_cli.whatif.second_plan import SecondPlan
from offramp_cli.whatif.simulation import Request, SimulatedWeek
from offramp_cli.whatif.zai_costs import monday_h
from offramp_daemon.autopilot.work.history import (
    HOURS_A_WEEK,
    LEARNT_WEEKS,
    TIERS,
    PastWeek,
    tier_of,
    weight,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from offramp_cli.whatif.zai_costs import ZaiCosts
    from offramp_core.usage.records import RequestRecord
    from offramp_daemon.autopilot.costs.cost_model import CostModel
    from offramp_daemon.autopilot.work.history import Tier

USUAL_FIVE_HOUR_PART = 0.12
"""What a full 5-hour window is taken to be of the week while that is not known."""

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_SESSION_GAP = timedelta(hours=1)
"""Requests without a session that lie so far apart are taken for two conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """What the simulation needs of a record; the weight is in dollars."""

    at: datetime
    conversation: int
    tier: Tier
    weight: float
    backend: str | None = None
    """Who served it."""


class RequestReader:
    """Makes requests of records, and numbers their conversations.

    A conversation is a session or, without one, what no long pause parts.
    """

    def __init__(self) -> None:
        """Begin without any conversation."""
        self._numbers: dict[tuple[str | None, Tier], int] = {}
        self._ends: dict[Tier, datetime] = {}
        self._count = 0

    def request(self, record: RequestRecord) -> LoggedRequest | None:
        """Return the request behind `record`; None where it has no time or cost nothing."""
        try:
            at = datetime.fromisoformat(record.ts)
        except ValueError:
            return None
        cost = weight(record)
        if at.tzinfo is None or not cost:
            return None
        tier = tier_of(record.model)
        return LoggedRequest(
            at=at,
            conversation=self._number(record.session_id, tier, at),
            tier=tier,
            weight=cost,
            backend=record.backend,
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


_Week = tuple[datetime, list[LoggedRequest]]
"""When it began, and its requests in order of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The whole weeks of a log, the oldest first, and the limits that they are driven against."""

    weeks: tuple[SimulatedWeek, ...]
    worth: float
    """What Claude's week is taken to hold, in dollars at list price; 0 without any week."""
    five_hour_part: float = USUAL_FIVE_HOUR_PART


def weeks_of(
    requests: Iterable[LoggedRequest],
    *,
    end: datetime,
    week_worth: float | None = None,
    learnt: CostModel | None = None,
    zai: ZaiCosts | None = None,
) -> Replay:
    """The whole weeks before `end`, each with those before it as its history.

    Without `zai` its plan is taken for one without a limit. `week_worth` is what Claude's week
    holds, in dollars at list price; without it that is what was `learnt` of the plan, and where
    nothing was, the work of the user's busiest week.
    """
    cut = _cut(requests, end)
    weights = [sum(request.weight for request in week) for _, week in cut]
    if not any(weights):
        return Replay(weeks=(), worth=0.0)
    worth = week_worth
    if worth is None and learnt is not None and learnt.is_known:
        factors = {tier: learnt.factor(tier) for tier in TIERS}
    else:
        worth = worth or max(weights)
        factors = dict.fromkeys(TIERS, 1 / worth)
    charge = _Charge(factors, zai.credits_per_dollar if zai else 0.0)
    part = learnt.five_hour_part if learnt is not None else USUAL_FIVE_HOUR_PART
    past = [_past_week(start, week) for start, week in cut]
    weeks = tuple(
        SimulatedWeek(
            requests=tuple(charge.request(request, start) for request in week),
            history=past[max(0, number - LEARNT_WEEKS) : number],
            five_hour_part=part,
            week_weight=1 / factors["opus"],
            monday_h=monday_h(start) % HOURS_A_WEEK,
            second=None if zai is None else _second(zai, start, cut[:number]),
        )
        for number, (start, week) in enumerate(cut)
        if week
    )
    if worth is None:
        worth = sum(weights) / sum(request.cost for week in weeks for request in week.requests)
    return Replay(weeks=weeks, worth=worth, five_hour_part=part)


def _cut(requests: Iterable[LoggedRequest], end: datetime) -> list[_Week]:
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


@dataclass(frozen=True, slots=True)
class _Charge:
    """What a request of each tier takes of either plan for its weight."""

    factors: Mapping[Tier, float]
    credits_per_dollar: float

    def request(self, logged: LoggedRequest, start: datetime) -> Request:
        return Request(
            at_h=(logged.at - start) / _HOUR,
            conversation=logged.conversation,
            tier=logged.tier,
            weight=logged.weight,
            cost=logged.weight * self.factors[logged.tier],
            credits=logged.weight * self.credits_per_dollar,
        )


def _second(zai: ZaiCosts, start: datetime, before: Sequence[_Week]) -> SecondPlan:
    """Return Z.ai's plan as it stands at `start`, if it did all execution work since its reset."""
    resets_h = ((zai.resets_at or start) - start) / _HOUR % HOURS_A_WEEK or HOURS_A_WEEK
    began = start + timedelta(hours=resets_h) - _WEEK
    done = sum(
        request.weight
        for _, week in before[-1:]
        for request in week
        if request.tier != "opus" and request.at >= began
    )
    used = min(done * zai.credits_per_dollar, zai.plan.week_credits)
    return SecondPlan(plan=zai.plan, resets_h=resets_h, used=used)
