"""Notices that a plan was exchanged for a larger or a smaller one while its week goes on.

What is used stays used, so its share of the plan jumps, and every request's cost with it. A service
that names its caps says so itself; else a share that falls before its reset says it, or the shares
of both windows that rise by the same factor at once. It keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_USED = 0.05
"""Of less, a hundredth more or less is too large a part to say anything."""
_FELL = 0.03
"""Answers overtake each other: a share that falls by less says nothing."""
_ROSE = 1.25
"""Shares that rise by a smaller factor at once may as well be work."""
_ALIKE = 0.1
_PERCENT = 0.01
_FAR_FROM_ALIKE = 2.0
"""If one window fell so many times as far as the other, something else happened: a week that the
service began again for everybody, say."""
_MOST_TIMES = 100.0
"""No plan is so many times another: a cap that is counts something else, tokens say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What a service said of a plan's windows that are still open."""

    week_used: float
    window_used: float | None = None
    week_cap: float | None = None


def growth(before: Shares, after: Shares) -> float | None:
    """Return how many times as large the plan is now; None if nothing shows that it changed.

    Both were said within the same week; `window_used` of `before` is None unless both were said
    within the same 5 hours.
    """
    found = growth_of_cap(before, after)
    if found is None and not (before.week_cap and after.week_cap):
        found = _growth_by_shares(before, after)
    return found if found is not None and _is_of_a_plan(found) else None


def growth_of_cap(before: Shares, after: Shares) -> float | None:
    """Return the same as far as the caps say it, of figures of different weeks, too."""
    if not before.week_cap or not after.week_cap or before.week_cap == after.week_cap:
        return None
    found = after.week_cap / before.week_cap
    return found if _is_of_a_plan(found) else None


def _growth_by_shares(before: Shares, after: Shares) -> float | None:
    if before.week_used < _LEAST_USED or after.week_used < _PERCENT:
        return None
    ratio = after.week_used / before.week_used
    if after.week_used < before.week_used - _FELL:
        return 1 / ratio if _window_may_have_fallen(before, after, ratio) else None
    if ratio < _ROSE or not before.window_used or after.window_used is None:
        return None
    if before.window_used < _LEAST_USED:
        return None
    window_ratio = after.window_used / before.window_used
    blur = _ALIKE + _PERCENT / before.week_used + _PERCENT / before.window_used
    return 1 / ratio if abs(window_ratio / ratio - 1) < blur else None


def _window_may_have_fallen(before: Shares, after: Shares, ratio: float) -> bool:
    """Return whether the 5-hour window does not show that it did not fall like the week."""
    if after.window_used is None or not before.window_used or before.window_used < _LEAST_USED:
        return True
    fallen = before.window_used * ratio
    least, most = fallen / _FAR_FROM_ALIKE, fallen * _FAR_FROM_ALIKE
    return least - _PERCENT <= after.window_used <= most + _LEAST_USED  # work came as well


def _is_of_a_plan(times: float) -> bool:
    return 1 / _MOST_TIMES < times < _MOST_TIMES
