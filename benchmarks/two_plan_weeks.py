"""Makes up weeks of users with two plans, of more kinds than `synthetic_weeks`; from a seed alone.

Beside the usual user there is one without Opus, one with many subagents, one who works at night,
and one who travels between two time zones; each has Z.ai's Lite, Pro or Max. In one week in five a
plan is exchanged for another. Z.ai charges credits for tokens, so a request's credits lie around
its weight, with a factor for the account and the tier, and with noise of their own.

What nobody has measured is made up, and on the safe side where there is one: what a Claude week's
work takes in credits is 40,000 outside peak hours, give or take a half; users choose a plan by how
much they delegate; a larger plan keeps what is used, a smaller one of Z.ai's begins a fresh week,
and a smaller one of Claude's begins early, for later nobody could prepare for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from offramp_cli.whatif.second_plan import (
    LITE,
    MAX,
    PRO,
    ZAI_PLANS,
    PlanChange,
    SecondPlan,
    ZaiPlan,
)
from offramp_cli.whatif.simulation import Request, SimulatedWeek
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, PastWeek, Tier
from synthetic_weeks import (
    CONVERSATION_COST,
    HISTORY_WEEKS,
    MadeWeek,
    Shape,
    User,
    conversation,
    make_user,
    make_week,
    parts_of_week,
    past_week,
    poisson,
    requests_of_week,
    usual_rates,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO_PLAN_TUNING_SEEDS = range(1_000)
"""Weeks that the controller may be tuned on."""
TWO_PLAN_REPORT_SEEDS = range(3_141_000, 3_142_000)
"""Weeks that are looked at for the report and nothing else."""

_CREDITS = 40_000.0
"""What a Claude week's weight of work usually takes outside peak hours."""
_CREDITS_SIGMA = 0.4
_TIER_SIGMA = 0.3
_NOISE_SIGMA = 0.35
_OFFSETS_H = (-8.0, -5.0, -3.0, 0.0, 1.0, 2.0, 5.5, 8.0, 10.0)
_LOADS = {LITE.level: 0.5, PRO.level: 0.8, MAX.level: 1.0}
"""How much users of each plan delegate beside the usual user."""
_CHANGED_EVERY = 5
_SUBAGENTS = (4, 15)
_AGENT_PART = 0.4
"""What a subagent's conversation is beside a usual one."""


class Kind(Enum):
    """Who works."""

    USUAL = "usual user"
    NO_OPUS = "without Opus"
    SUBAGENTS = "many subagents"
    NIGHT = "at night"
    TWO_ZONES = "two time zones"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPlanWeek:
    """One week's work, its user's kind, and both plans."""

    made: MadeWeek
    kind: Kind
    plan: ZaiPlan | None
    """Z.ai's plan at the week's beginning; None for no limit."""
    week: SimulatedWeek
    """The week as the simulation takes it."""


def make_two_plan_week(seed: int) -> TwoPlanWeek:
    """The week of that seed, always the same."""
    random = Random(f"two plans {seed}")
    kinds, shapes = list(Kind), list(Shape)
    kind = kinds[seed % len(kinds)]
    shape = shapes[seed // len(kinds) % len(shapes)]
    plan = ZAI_PLANS[seed // (len(kinds) * len(shapes)) % len(ZAI_PLANS)]
    user = _user(random, kind, plan)
    made = _made_week(random, user, kind, shape)
    offset_h = random.choice(_OFFSETS_H)
    if kind is Kind.NIGHT:  # the user's day is another one than the zone's
        offset_h -= random.uniform(9, 12)
    week = with_plan(made, plan, random, offset_h)
    if random.randrange(_CHANGED_EVERY) == 0:
        week = replace(week, change=_change(random, plan))
    return TwoPlanWeek(made=made, kind=kind, plan=plan, week=week)


def make_old_week(seed: int, plan: ZaiPlan | None) -> TwoPlanWeek:
    """A week of `synthetic_weeks`, whose user has that Z.ai plan; None for no limit."""
    made, random = make_week(seed), Random(f"second plan {seed}")
    week = made.simulated()
    if plan is not None:
        week = with_plan(made, plan, random, random.choice(_OFFSETS_H))
    return TwoPlanWeek(made=made, kind=Kind.USUAL, plan=plan, week=week)


def with_plan(made: MadeWeek, plan: ZaiPlan, random: Random, offset_h: float) -> SimulatedWeek:
    """That week's work for a user with that Z.ai plan, whose clock is so far ahead of UTC."""
    rate = _CREDITS * math.exp(random.gauss(0, _CREDITS_SIGMA))
    rates = {tier: rate * math.exp(random.gauss(0, _TIER_SIGMA)) for tier in ("sonnet", "haiku")}
    resets_h = random.uniform(0, HOURS_A_WEEK)
    passed = 1 - resets_h / HOURS_A_WEEK
    used = passed * min(plan.week_credits, made.user.execution * rate) * random.uniform(0.3, 1.0)
    return replace(
        made.simulated(),
        requests=tuple(_charged(random, request, rates) for request in made.requests),
        monday_h=(made.user.reset_h - offset_h) % HOURS_A_WEEK,
        second=SecondPlan(
            plan=plan, resets_h=resets_h, used=used, tells_credits=random.random() < 0.75
        ),
    )


def _charged(random: Random, request: Request, rates: dict[Tier, float]) -> Request:
    if request.tier == "opus":
        return request
    noise = math.exp(random.gauss(-(_NOISE_SIGMA**2) / 2, _NOISE_SIGMA))
    credits_ = request.weight * rates[request.tier] * noise
    return Request(
        request.at_h, request.conversation, request.tier, request.weight, request.cost, credits_
    )


def _user(random: Random, kind: Kind, plan: ZaiPlan) -> User:
    user = make_user(random)
    user = replace(user, execution=user.execution * _LOADS[plan.level])
    match kind:
        case Kind.NO_OPUS:
            return replace(user, opus=0.0, execution=user.execution * 1.5)
        case Kind.SUBAGENTS:
            return replace(user, opus=user.opus * 0.7, execution=user.execution * 1.4)
        case Kind.NIGHT:
            return replace(user, evening=0.0, execution=user.execution * 1.2)
        case Kind.USUAL | Kind.TWO_ZONES:
            return user


def _made_week(random: Random, user: User, kind: Kind, shape: Shape) -> MadeWeek:
    history: list[PastWeek] = []
    for _ in range(HISTORY_WEEKS):
        past = Shape.BURSTY if random.random() < 0.3 else Shape.EVEN
        history.append(past_week(random, user, past, _rates(random, user, kind)))
    parts = parts_of_week(random, user, shape, _rates(random, user, kind))
    if kind is Kind.SUBAGENTS:
        requests = _fanned_out(random, user, parts)
    else:
        requests = requests_of_week(random, user, parts)
    return MadeWeek(
        user=user,
        shape=shape,
        parts=tuple(parts),
        requests=tuple(requests),
        history=tuple(history),
    )


def _rates(random: Random, user: User, kind: Kind) -> list[float]:
    """How busy each hour usually is; a traveller spends a part of the week in another zone."""
    rates = usual_rates(user)
    if kind is not Kind.TWO_ZONES:
        return rates
    away_h = random.choice((-9, -6, 6, 9))
    away = usual_rates(replace(user, reset_h=(user.reset_h + away_h) % HOURS_A_WEEK))
    leaves_h = random.uniform(0, HOURS_A_WEEK)
    returns_h = leaves_h + random.uniform(24, 120)
    return [away[hour] if leaves_h <= hour < returns_h else rate for hour, rate in enumerate(rates)]


def _fanned_out(random: Random, user: User, parts: Sequence[float]) -> list[Request]:
    """The requests of one week whose execution work comes as many short conversations at once."""
    found = requests_of_week(random, replace(user, execution=0.0), parts)
    number = max((request.conversation for request in found), default=0)
    agents = sum(_SUBAGENTS) / 2
    for hour, part in enumerate(parts):
        amount = user.execution * part / (CONVERSATION_COST * _AGENT_PART * agents)
        for _ in range(poisson(random, amount)):
            start_h = hour + random.random()
            for _ in range(random.randint(*_SUBAGENTS)):
                number += 1
                tier: Tier = random.choices(("sonnet", "haiku"), (5, 5))[0]
                at_h = start_h + random.uniform(0, 1 / 20)
                found += [
                    Request(
                        each.at_h, number, tier, each.weight * _AGENT_PART, each.cost * _AGENT_PART
                    )
                    for each in conversation(random, user, at_h, number, tier)
                ]
    found.sort(key=lambda request: request.at_h)
    return [request for request in found if request.at_h < HOURS_A_WEEK]


def _change(random: Random, plan: ZaiPlan) -> PlanChange:
    others = [other for other in ZAI_PLANS if other is not plan]
    match random.randrange(4):
        case 0:
            return PlanChange(at_h=random.uniform(24, 144), claude_size=2.0)
        case 1:
            return PlanChange(at_h=random.uniform(6, 40), claude_size=0.6)
        case _:
            other = random.choice(others)
            return PlanChange(
                at_h=random.uniform(12, 150),
                zai=other,
                is_fresh=other.week_credits < plan.week_credits,
            )
