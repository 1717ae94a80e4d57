"""Makes up weeks of work, of many kinds of user, each from a seed alone.

A user has a rhythm that lasts (hours, days, how bursty, how much Opus); each week of theirs has a
shape. Work comes as conversations: some hundred requests a day, most of them Sonnet's and Haiku's.

These weeks stay as they are: what is measured on them can be compared with what was. Newer kinds
of users, and the second plan, are in `two_plan_weeks`, which builds on this.

Costs are in parts of Claude's weekly window: 1.0 is all that one week allows. A log can't tell
what a request costs, only what its tokens would at list price, its `weight`: cost lies around it,
by a factor that differs from account to account and from tier to tier, and with noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulation import Request, SimulatedWeek
from offramp_daemon.autopilot.work.history import HOURS_A_WEEK, TIERS, PastWeek, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TUNING_SEEDS = range(1_000)
"""Weeks that the controller may be tuned on."""
REPORT_SEEDS = range(900_000, 901_000)
"""Weeks that are looked at for the report alone."""
HISTORY_WEEKS = 5
"""How many weeks of the same user come before the one that counts."""

_NOISE_SIGMA = 0.25
_FACTOR_SIGMA = 0.2
CONVERSATION_COST = 0.006
"""What a conversation takes of the weekly window on average."""
CONVERSATION_REQUESTS = 12
_DRIFT_SIGMA = 0.25
"""How much a user's load differs from one usual week to the next (log-normal)."""


class Shape(Enum):
    """How one week differs from the user's usual one."""

    EVEN = "even"
    BURSTY = "bursty"
    FRONT = "front-loaded"
    BACK = "back-loaded"
    VACATION = "vacation"
    DOUBLE = "twice the usual load"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What stays the same from week to week."""

    start_h: float
    """Of the working day, on the user's clock."""
    length_h: float
    evening: float
    """The part of days with an evening of work."""
    weekend: float
    """How busy a day of the weekend is beside a working day."""
    opus: float
    """What Opus takes of the weekly window in a usual week."""
    execution: float
    """What Sonnet and Haiku would take of it if Claude did all of it."""
    burstiness: float
    reset_h: float
    """When the plan's week begins, in hours since Monday 00:00 on the user's clock."""
    five_hour_part: float
    """How much of the weekly window one full 5-hour window is."""
    factors: dict[Tier, float]
    """What a request of each tier costs for its weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWeek:
    """One week's work in order of time, of a user whose earlier weeks are known."""

    user: User
    shape: Shape
    parts: tuple[float, ...]
    """Which part of a usual week's work each hour was bound to hold, before chance had its say."""
    requests: tuple[Request, ...]
    history: tuple[PastWeek, ...]
    """The weeks before, the oldest first."""

    @property
    def opus(self) -> float:
        """What Opus alone would take of the weekly window."""
        return sum(request.cost for request in self.requests if request.tier == "opus")

    @property
    def work(self) -> float:
        """What everything together would take of it."""
        return sum(request.cost for request in self.requests)

    def simulated(self) -> SimulatedWeek:
        """Return the week as the simulation takes it."""
        return SimulatedWeek(
            requests=self.requests,
            history=self.history,
            five_hour_part=self.user.five_hour_part,
        )


def make_week(seed: int) -> MadeWeek:
    """The week of that seed, always the same."""
    random = Random(seed)
    user = make_user(random)
    shape = list(Shape)[seed % len(Shape)]
    history = tuple(
        past_week(random, user, Shape.BURSTY if random.random() < 0.3 else Shape.EVEN)
        for _ in range(HISTORY_WEEKS)
    )
    parts = parts_of_week(random, user, shape)
    return MadeWeek(
        user=user,
        shape=shape,
        parts=tuple(parts),
        requests=tuple(requests_of_week(random, user, parts)),
        history=history,
    )


def make_user(random: Random) -> User:
    """Some user."""
    return User(
        start_h=random.uniform(7, 12),
        length_h=random.uniform(6, 11),
        evening=random.choice((0.0, 0.2, 0.5)),
        weekend=random.choice((0.0, 0.1, 0.3, 0.8)),
        opus=random.uniform(0.15, 0.8),
        execution=random.uniform(0.3, 1.6),
        burstiness=random.uniform(0.2, 1.0),
        reset_h=random.randrange(HOURS_A_WEEK),
        five_hour_part=random.uniform(0.08, 0.16),
        factors={tier: math.exp(random.gauss(0, _FACTOR_SIGMA)) for tier in TIERS},
    )


def requests_of_week(random: Random, user: User, parts: Sequence[float]) -> list[Request]:
    """The requests of one week, in order."""
    found: list[Request] = []
    number = 0
    for hour, part in enumerate(parts):
        for is_opus, amount in ((True, user.opus * part), (False, user.execution * part)):
            for _ in range(poisson(random, amount / CONVERSATION_COST)):
                number += 1
                tier: Tier = "opus" if is_opus else random.choices(("sonnet", "haiku"), (7, 3))[0]
                found += conversation(random, user, hour + random.random(), number, tier)
    found.sort(key=lambda request: request.at_h)
    return [request for request in found if request.at_h < HOURS_A_WEEK]


def past_week(
    random: Random, user: User, shape: Shape, rates: Sequence[float] | None = None
) -> PastWeek:
    """One week's work by the hour, without its single requests."""
    parts = parts_of_week(random, user, shape, rates)
    return PastWeek(
        opus=_weights(random, parts, user.opus, user.factors["opus"]),
        execution=_weights(random, parts, user.execution, user.factors["sonnet"]),
    )


def _weights(
    random: Random, parts: Sequence[float], amount: float, factor: float
) -> tuple[float, ...]:
    return tuple(
        sum(
            CONVERSATION_COST * math.exp(random.gauss(-0.5, 1.0))
            for _ in range(poisson(random, amount * part / CONVERSATION_COST))
        )
        / factor
        for part in parts
    )


def parts_of_week(
    random: Random, user: User, shape: Shape, rates: Sequence[float] | None = None
) -> list[float]:
    """Which part of a usual week's work each hour holds; they need not come to 1.

    `rates` is how busy each hour usually is, where that is not the user's usual rhythm.
    """
    usual = usual_rates(user) if rates is None else rates
    drift = math.exp(random.gauss(0, _DRIFT_SIGMA)) * (2 if shape is Shape.DOUBLE else 1)
    whole = sum(usual) or 1.0
    return [rate / whole * drift for rate in _hourly_rates(random, user, shape, usual)]


def conversation(
    random: Random, user: User, start_h: float, number: int, tier: Tier
) -> Iterator[Request]:
    """The requests of one conversation, in order."""
    count = 1 + min(int(random.expovariate(1 / (CONVERSATION_REQUESTS - 1))), 80)
    size = CONVERSATION_COST / CONVERSATION_REQUESTS * math.exp(random.gauss(-0.32, 0.8))
    at_h = start_h
    for _ in range(count):
        cost = size * math.exp(random.gauss(-0.125, 0.5))
        noise = math.exp(random.gauss(-(_NOISE_SIGMA**2) / 2, _NOISE_SIGMA))
        yield Request(at_h, number, tier, cost / user.factors[tier] * noise, cost)
        # Mostly the next turn of a tool loop; at times the user thinks, and the cache goes cold.
        at_h += random.expovariate(1 / 0.25) if random.random() < 0.07 else random.expovariate(90)


def _hourly_rates(random: Random, user: User, shape: Shape, usual: Sequence[float]) -> list[float]:
    """How busy each hour since the plan's reset is, as this week goes."""
    sigma = user.burstiness * (1.6 if shape is Shape.BURSTY else 0.8)
    days = [math.exp(random.gauss(-(sigma**2) / 8, sigma / 2)) for _ in range(8)]
    rates = [
        rate * days[hour // 24] * math.exp(random.gauss(-(sigma**2) / 2, sigma))
        for hour, rate in enumerate(usual)
    ]
    match shape:
        case Shape.FRONT:
            return [rate * (1.8 - 1.6 * hour / 167) for hour, rate in enumerate(rates)]
        case Shape.BACK:
            return [rate * (0.2 + 1.6 * hour / 167) for hour, rate in enumerate(rates)]
        case Shape.VACATION:
            length = random.uniform(48, 120)
            begin = random.uniform(0, HOURS_A_WEEK - length)
            return [
                0.0 if begin <= hour < begin + length else rate for hour, rate in enumerate(rates)
            ]
        case Shape.EVEN | Shape.BURSTY | Shape.DOUBLE:
            return rates


def usual_rates(user: User) -> list[float]:
    """How busy each hour since the plan's reset usually is."""
    return [_usual_rate(user, (user.reset_h + hour) % HOURS_A_WEEK) for hour in range(168)]


def _usual_rate(user: User, monday_h: float) -> float:
    day, hour = divmod(monday_h, 24)
    busy = 1.0 if day < 5 else user.weekend
    if user.start_h <= hour < user.start_h + user.length_h:
        return busy * (0.4 if 12 <= hour < 13 else 1.0)
    if 20 <= hour < 23:
        return busy * user.evening * 0.6
    return 0.0


def poisson(random: Random, mean: float) -> int:
    """A Poisson number; by Knuth's product for small means, near enough by a normal above."""
    if mean > 30:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count
