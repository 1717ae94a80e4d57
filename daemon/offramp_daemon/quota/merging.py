"""What is known of the plans after something more was told: pure, from plans to plans.

Windows are merged one by one: a header that is missing takes nothing away from another window.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from offramp_core.quota.windows import REJECTED, length, window_of
from offramp_daemon.services.plan_reading import MOST_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offramp_core.quota.windows import PlanQuota, QuotaWindow

MOST_ACCOUNTS: Final = 16
"""Of all backends together; who has more loses the one that told longest ago."""

_SAME_MOMENT = timedelta(minutes=1)
_LONG = timedelta(days=1)
_FORGET_AFTER = timedelta(days=1)
_MISREAD = 0.02
"""Answers overtake each other: so much less may be told by one that comes later."""
_CLOCKS_DIFFER = timedelta(minutes=1)


def with_readings(known: PlanQuota, told: Iterable[QuotaWindow], now: datetime) -> PlanQuota:
    """Return `known` after its service told of these windows at `now`, which ends any problem."""
    windows = {window.name: window for window in known.windows}
    for window in told:
        windows[window.name] = _followed(windows.get(window.name), window)
    plan = msgspec.structs.replace(known, read_at=now, problem=None)
    return _with_windows(plan, windows.values())


def same_account(
    known: Iterable[PlanQuota], told: Sequence[QuotaWindow], now: datetime
) -> PlanQuota | None:
    """Return whose windows an unknown credential was told of; None for a new account.

    Of several whose they may be, it is the one that had used about as much.
    """
    fitting = [plan for plan in known if _is_same_account(plan, told, now)]
    return min(fitting, key=lambda plan: _distance(plan, told), default=None)


def _is_same_account(known: PlanQuota, told: Sequence[QuotaWindow], now: datetime) -> bool:
    """Return whether these windows, told to another credential, are those of `known`.

    Logins are renewed several times a day, and each renewal is a new credential. The account is
    the same if every window that both know of resets at the same minute, one of them lasts for
    days (5-hour windows of strangers often end together), and none is less used than before.
    """
    is_long = False
    for window in told:
        before = window_of(known, window.name)
        if before is None or before.resets is None or before.resets <= now:
            continue
        if window.resets is None:
            continue
        if not _is_same(before.resets, window.resets):
            return False
        if (window.used or 0.0) < (before.used or 0.0) - _MISREAD:
            return False
        is_long = is_long or (length(window.name) or timedelta(0)) >= _LONG
    return is_long


def _distance(plan: PlanQuota, told: Sequence[QuotaWindow]) -> float:
    pairs = ((window_of(plan, window.name), window) for window in told)
    return sum(
        abs((before.used or 0.0) - (window.used or 0.0)) for before, window in pairs if before
    )


def joined(
    ours: Iterable[PlanQuota], theirs: Iterable[PlanQuota], now: datetime
) -> tuple[PlanQuota, ...]:
    """Return all that two processes know, the latest of each window, the account in use first.

    What was told in the future is a clock's mistake, and must not outlive what is told from now on.
    """
    plans: dict[tuple[str, str], PlanQuota] = {}
    for plan in (*ours, *theirs):
        sane = _without_future(plan, now)
        if sane is None:
            continue
        key = plan.backend, plan.account
        plans[key] = _joined_plan(plans[key], sane) if key in plans else sane
    return latest_first(plans.values())


def with_other_machines(known: PlanQuota, told: Iterable[QuotaWindow], now: datetime) -> PlanQuota:
    """Return `known` after another machine was told of these windows: the newest reading wins.

    A file of points says nothing of a window's status, so that of the same stretch of time stays.
    """
    before = {window.name: window for window in known.windows}
    theirs = [_with_status(before.get(window.name), window) for window in told]
    read_at = max((window.read_at for window in theirs), default=known.read_at)
    other = msgspec.structs.replace(known, windows=tuple(theirs), read_at=read_at)
    return joined((known,), (other,), now)[0]


def _with_status(before: QuotaWindow | None, window: QuotaWindow) -> QuotaWindow:
    if before is None or before.resets is None or window.resets is None:
        return window
    if not _is_same(before.resets, window.resets):
        return window
    return msgspec.structs.replace(window, status=before.status, threshold=before.threshold)


def latest_first(plans: Iterable[PlanQuota]) -> tuple[PlanQuota, ...]:
    """Return the plans that are worth keeping, the one that told last first."""
    found = sorted(plans, key=lambda plan: plan.read_at, reverse=True)
    return tuple(found[:MOST_ACCOUNTS])


def looks_alike(before: PlanQuota | None, after: PlanQuota) -> bool:
    """Return whether nobody who watches would see a difference but the figures' age."""
    return before is not None and _look(before) == _look(after)


def _look(plan: PlanQuota) -> object:
    windows = [
        (
            window.name,
            None if window.used is None else percent(window.used),
            None if window.resets is None else round(window.resets.timestamp() / 60),
            window.status,
        )
        for window in plan.windows
    ]
    return plan.backend, plan.account, plan.level, plan.problem, windows


def percent(used: float) -> int:
    """Whole percents, rounded down; 0.29 is 29 of them, whatever binary fractions say."""
    return int(used * 100 + 1e-6)


def _followed(before: QuotaWindow | None, window: QuotaWindow) -> QuotaWindow:
    """Return `window`, completed by what was known of the same stretch of time."""
    if before is None or before.resets is None or before.resets <= window.read_at:
        return window
    if window.resets is None:
        # An idle window tells no reset either, but is not used.
        is_going_on = bool(window.used) and (window.used or 0.0) >= (before.used or 0.0)
        return msgspec.structs.replace(window, resets=before.resets) if is_going_on else window
    if window.used is None and _is_same(before.resets, window.resets):
        # A rejection is news of itself; else the figure is as old as it was.
        is_news = window.status == REJECTED
        return msgspec.structs.replace(
            window,
            used=before.used,
            threshold=before.threshold,
            read_at=window.read_at if is_news else before.read_at,
        )
    return window


def _joined_plan(one: PlanQuota, other: PlanQuota) -> PlanQuota:
    newer = one if one.read_at >= other.read_at else other
    windows = {window.name: window for window in one.windows}
    for window in other.windows:
        before = windows.get(window.name)
        if before is None or before.read_at < window.read_at:
            windows[window.name] = window
    return _with_windows(newer, windows.values())


def _with_windows(plan: PlanQuota, windows: Iterable[QuotaWindow]) -> PlanQuota:
    """Return `plan` with the windows that are worth keeping, in the order of their names."""
    kept = [window for window in windows if not _is_forgotten(window, plan.read_at)]
    kept.sort(key=lambda window: window.read_at, reverse=True)
    kept = sorted(kept[:MOST_WINDOWS], key=lambda window: window.name)
    return msgspec.structs.replace(plan, windows=tuple(kept))


def _without_future(plan: PlanQuota, now: datetime) -> PlanQuota | None:
    latest = now + _CLOCKS_DIFFER
    if plan.read_at > latest:
        return None
    windows = tuple(window for window in plan.windows if window.read_at <= latest)
    return (
        plan
        if len(windows) == len(plan.windows)
        else msgspec.structs.replace(plan, windows=windows)
    )


def _is_forgotten(window: QuotaWindow, told_at: datetime) -> bool:
    """Return whether the service, when it told last, had long ceased to speak of the window."""
    over = window.resets or window.read_at + (length(window.name) or _LONG)
    return told_at - over > _FORGET_AFTER


def _is_same(one: datetime, other: datetime) -> bool:
    return abs(one - other) <= _SAME_MOMENT
