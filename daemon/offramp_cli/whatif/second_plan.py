"""What is known of Z.ai's plans: what they hold, and when a request costs double.

The figures are credits. Sources: captures of Z.ai's quota answers, and reports of its users from
August 2026. Where Z.ai's own answer names a cap, that counts and these figures don't. It reads no
clock: hours count from a Monday 00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PEAK_TIMES: Final = 2.0
"""A request at peak hours costs so many times what it costs at others."""

_PEAK_FROM_H: Final = 6
_PEAK_TO_H: Final = 10
_PEAK_DAYS: Final = 5
_DAY_H: Final = 24
_WEEK_H: Final = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class ZaiPlan:
    """One of Z.ai's plans."""

    level: str
    """What Z.ai's quota answer calls it."""
    title: str
    window_credits: float
    """What each 5 hours hold."""
    week_credits: float
    is_guess: bool = False
    """Whether nobody has published what it holds."""


LITE: Final = ZaiPlan(level="lite", title="Lite", window_credits=2_000, week_credits=10_000)
PRO: Final = ZaiPlan(
    level="pro", title="Pro", window_credits=12_000, week_credits=60_000, is_guess=True
)
"""The least certain one: a single report of the week's figure, and one answer with the other."""
MAX: Final = ZaiPlan(level="max", title="Max", window_credits=28_000, week_credits=140_000)
ZAI_PLANS: Final = (LITE, PRO, MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPlan:
    """The Z.ai plan of one user, as it stands when Claude's week begins."""

    plan: ZaiPlan
    resets_h: float
    """When Z.ai's week resets, in hours of Claude's week."""
    used: float = 0.0
    """Credits that are used of Z.ai's week by then."""
    tells_credits: bool = True
    """Whether the quota answer has the credits; else it has only whole percents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """A plan that is exchanged for another during the week."""

    at_h: float
    zai: ZaiPlan | None = None
    """The Z.ai plan from then on; None if it stays."""
    is_fresh: bool = False
    """Whether Z.ai's week begins again with it; else what is used stays used."""
    claude_size: float = 1.0
    """What Claude's windows hold from then on, beside what they held; what is used stays used."""


def is_peak(monday_h: float) -> bool:
    """Return whether Z.ai counts double so many hours after a Monday 00:00 UTC.

    Monday to Friday, 14:00 to 18:00 in Singapore (UTC+8).
    """
    day, hour = divmod(monday_h % _WEEK_H, _DAY_H)
    return day < _PEAK_DAYS and _PEAK_FROM_H <= hour < _PEAK_TO_H
