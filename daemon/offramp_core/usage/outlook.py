"""Expects what a running span of time will hold at its end, from the shape of earlier spans.

Pure. Amounts may be tokens, requests or parts of a plan, as long as all are of one kind.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUST = 0.3
"""How much of a usual span the past weighs against this one: early in a span, the past decides."""
_SLOWEST, _FASTEST = 0.25, 4.0
_BAND = 1.28
"""Deviations on either side that four of five spans lie within."""
_LEAST_BAND = 0.1
"""What is to come is never known better than so much of itself."""
_ONE_SPAN_BAND = 0.4
_STRAIGHT_BAND = 0.5


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is likely at the end, and between what it will be in four of five cases."""

    likely: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class EarlierSpan:
    """One span that is over, divided at the moment that matches now."""

    by_now: float
    ahead: float
    """What came after that moment, up to the moment that is asked for."""
    whole: float


def outlook(so_far: float, earlier: Sequence[EarlierSpan]) -> Outlook | None:
    """Return what `so_far` grows to if this span goes on as the earlier ones did.

    A span that is busier than they were until now is expected to stay so, the more surely the
    more of it has passed. None where the earlier spans held nothing.
    """
    usual = math.fsum(span.whole for span in earlier) / len(earlier) if earlier else 0.0
    if usual <= 0:
        return None
    prior = _TRUST * usual
    by_now = math.fsum(span.by_now for span in earlier) / len(earlier)
    level = (so_far + prior) / (by_now + prior)
    level = min(max(level, _SLOWEST), _FASTEST)
    to_come = [level * span.ahead for span in earlier]
    likely = statistics.median(to_come)
    if len(to_come) > 1:
        half = max(_BAND * _deviation(to_come), _LEAST_BAND * likely)
    else:
        half = _ONE_SPAN_BAND * likely
    return Outlook(so_far + likely, so_far + max(0.0, likely - half), so_far + likely + half)


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; `statistics.stdev` counts in fractions, slowly."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def straight(so_far: float, passed: float, of: float = 1.0) -> Outlook:
    """Return what `so_far` grows to at one steady pace, for want of earlier spans.

    `passed` is the part of the span that is over, more than 0; `of` the part that is asked for.
    """
    to_come = so_far / passed * (of - passed)
    half = _STRAIGHT_BAND * to_come
    return Outlook(so_far + to_come, so_far + to_come - half, so_far + to_come + half)
