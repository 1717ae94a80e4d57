"""Turns the request log into what the autopilot learns from: weights, by hour of the plan's week.

A weight is what a request's tokens would cost at Claude's list prices, in dollars, whoever served
it: the log can't tell what share of a plan it was, only how requests compare. It reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from offramp_daemon.autopilot.work.prices import price_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from offramp_core.usage.records import UsageRecord

Tier = Literal["opus", "sonnet", "haiku"]
TIERS: tuple[Tier, ...] = ("opus", "sonnet", "haiku")

HOURS_A_WEEK = 168
LEARNT_WEEKS = 5
"""So many weeks back work is learnt from: older ones say little of the coming one."""

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_TOKENS = 1_000_000


class Metered(Protocol):
    """What a weight is made of; both kinds of record have it."""

    @property
    def model(self) -> str | None:
        """The model that the client asked for."""

    @property
    def input_tokens(self) -> int:
        """Tokens that no cache held."""

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer."""

    @property
    def cache_creation_input_tokens(self) -> int:
        """Tokens written to the cache."""

    @property
    def cache_read_input_tokens(self) -> int:
        """Tokens read from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWeek:
    """A week that is over: the weight of its work in each of its 168 hours."""

    opus: tuple[float, ...]
    execution: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkHistory:
    """A user's work, in hours since the weekly window's reset."""

    weeks: tuple[PastWeek, ...]
    """The weeks that are over, the oldest first; none that the log does not hold as a whole."""
    work: tuple[float, ...]
    """The weight of all work in each hour of the week that runs."""


def tier_of(model: str | None) -> Tier:
    """Return the tier that a model's name stands for; what is not execution work counts as Opus."""
    name = (model or "").casefold()
    if "sonnet" in name:
        return "sonnet"
    return "haiku" if "haiku" in name else "opus"


def weight(record: Metered) -> float:
    """Return what the record's tokens would cost on Claude at list price, in dollars."""
    price = price_of(record.model)
    written, read = record.cache_creation_input_tokens, record.cache_read_input_tokens
    dollars = (
        record.input_tokens * price.input
        + record.output_tokens * price.output
        + written * price.cache_write
        + read * price.cache_read
    )
    if record.input_tokens + written + read > price.long_from:
        dollars *= price.long_times
    return max(dollars, 0.0) / _TOKENS


def history_from_records(
    records: Iterable[UsageRecord],
    *,
    resets_at: datetime,
    now: datetime,
    weeks: int = LEARNT_WEEKS,
) -> WorkHistory:
    """Return the user's last `weeks` weeks and the one that runs, cut at the plan's own resets.

    `resets_at` is any reset of the weekly window, past or to come: the others lie whole weeks from
    it. Both instants are aware; records may come in any order.
    """
    start = now - (now - resets_at) % _WEEK
    opus = [[0.0] * HOURS_A_WEEK for _ in range(weeks + 1)]
    execution = [[0.0] * HOURS_A_WEEK for _ in range(weeks + 1)]
    first = weeks
    for record in records:
        if record.ts > now:
            continue
        back, passed = divmod(record.ts - start, _WEEK)
        week = weeks + back
        first = min(first, week)
        if week < 0:
            continue
        kind = opus if tier_of(record.model) == "opus" else execution
        kind[week][int(passed / _HOUR)] += weight(record)
    return WorkHistory(
        weeks=tuple(
            PastWeek(opus=tuple(opus[week]), execution=tuple(execution[week]))
            for week in range(max(first + 1, 0), weeks)  # the log began within the first
        ),
        work=tuple(a + b for a, b in zip(opus[weeks], execution[weeks], strict=True)),
    )
