"""How the plans' windows are used up, from what was told of them. Pure: no Qt, no files, no clock.

A window is drawn while it runs: from its beginning, when nothing of it was used, to its reset.
Between two figures it is taken to stand still, unless no daemon ran then: that is a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import forecast, windows
from offramp_core.quota.windows import PlanQuota, QuotaPoint, QuotaWindow
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import quota_text
from offramp_core.wording.formatting import backend_name
from offramp_dashboard.data.display_names import backends_in_order
from offramp_dashboard.data.events.daemon_gaps import Absence, is_watched
from offramp_dashboard.data.snapshot import AheadPoint, BurnPoint, BurnUp, Quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import PlanOutlook
    from offramp_core.quota.forecast import Forecast, PastUse

_SAME_RESET = timedelta(minutes=5)
"""Services tell one reset a little differently each time: 21:59:59, 22:00:00."""
_FRESH_WINDOW = 0.02
"""A window whose first figure is no more was watched from its beginning."""
_ROUNDING = 0.01
"""Some services tell whole percents."""
_COMPARED_FROM = timedelta(days=1)
"""Shorter windows are not laid over the one before: an afternoon says nothing of an evening."""

Points = dict[tuple[str, str, str], list[QuotaPoint]]
"""The points of each backend, account and window, in order of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReport:
    """What the daemon says of the plans."""

    plans: tuple[PlanQuota, ...] = ()
    outlooks: tuple[PlanOutlook, ...] = ()
    """What it expects of the plans' weeks."""
    since: datetime | None = None
    """When that daemon started; None while none was heard of."""
    is_live: bool = True
    """False once it is known that no daemon runs: then nobody knows what was used since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSource:
    """What burn-ups are made from."""

    report: QuotaReport = field(default_factory=QuotaReport)
    saved_plans: tuple[PlanQuota, ...] = ()
    """As they were last known when a daemon ran: of each backend the account in use first."""
    points: Points = field(default_factory=dict)
    past: Mapping[tuple[str, str], PastUse] = field(default_factory=dict)
    """How each backend's windows filled before."""
    points_problem: str = ""
    """Why there are no points, where that is not a good sign."""
    absences: Sequence[Absence] = ()
    asked: Mapping[str, bool] = field(default_factory=dict)
    """Which backends have to be asked for their quota, and whether the settings allow it."""


def grouped(points: Iterable[QuotaPoint]) -> Points:
    """`points`, which may come in any order, as `Points`."""
    found: Points = {}
    for point in sorted(points, key=lambda point: point.ts):
        found.setdefault((point.backend, point.account, point.window), []).append(point)
    return found


def compose(source: QuotaSource, now: datetime, zone: tzinfo) -> Quota:
    """What is known of the plans at `now` (UTC), on the clocks of `zone`."""
    # Of one backend the last counts: what the daemon says itself, and of a file what is in use.
    saved = (windows.find(source.saved_plans, plan.backend) for plan in source.saved_plans)
    known = (*_latest(source.points), *filter(None, saved), *source.report.plans)
    plans = {plan.backend: plan for plan in known}
    burn_ups: list[BurnUp] = []
    remarks: list[str] = []
    for backend in backends_in_order(plans):
        assert backend is not None
        plan = plans[backend]
        for window in quota_text.important(plan.windows):
            drawn = _burn_up(source, plan, window, now, zone)
            if drawn is not None:
                burn_ups.append(drawn)
            else:
                is_live = source.report.is_live
                text = quota_text.window_text(backend, window, now, zone, is_live=is_live)
                remarks.append(text)
        if plan.problem:
            remarks.append(f"{backend_name(backend)}: {plan.problem}")
    remarks += _awaited(source, plans, now, zone)
    if source.points_problem:
        remarks.append(source.points_problem)
    return Quota(burn_ups=tuple(burn_ups), remarks=tuple(remarks))


def _latest(points: Points) -> list[PlanQuota]:
    """The plans as the history left them: at each backend of the account that it saw last."""
    last: dict[str, dict[str, list[QuotaPoint]]] = {}
    for (backend, account, _), told in points.items():
        last.setdefault(backend, {}).setdefault(account, []).append(told[-1])
    plans = []
    for backend, accounts in last.items():
        account, newest = max(accounts.items(), key=lambda one: max(point.ts for point in one[1]))
        read_at = max(point.ts for point in newest)
        found = tuple(_as_window(point, read_at) for point in newest)
        plans.append(PlanQuota(backend=backend, account=account, windows=found, read_at=read_at))
    return plans


def _as_window(point: QuotaPoint, read_at: datetime) -> QuotaWindow:
    """The window as its last point left it.

    What told a newer figure of the plan told its other windows too, which had not moved by a
    percent; a model family's own window is told only with that family's answers.
    """
    return QuotaWindow(
        name=point.window,
        used=point.used,
        resets=point.resets,
        read_at=point.ts if "_" in point.window else read_at,
    )


def _awaited(
    source: QuotaSource, plans: Mapping[str, PlanQuota], now: datetime, zone: tzinfo
) -> list[str]:
    """Why nothing is known of a plan that should tell of itself, and when it will."""
    found = []
    if ANTHROPIC not in plans:
        text = "Claude's answers show its quota; "
        since = source.report.since
        if since is None:
            text += "none has passed through Offramp yet."
        else:
            text += f"none has come since {quota_text.reset_text(since, now, zone)}."
        found.append(text)
    for backend, is_asked in source.asked.items():
        if backend in plans:
            continue
        name = backend_name(backend)
        found.append(
            f"{name} is asked for its quota while requests go there."
            if is_asked
            else (
                f"{name} is not asked for its quota, because that is switched off in the settings."
            )
        )
    return found


def _burn_up(
    source: QuotaSource, plan: PlanQuota, window: QuotaWindow, now: datetime, zone: tzinfo
) -> BurnUp | None:
    """None where the window does not run, or is not known well enough to be drawn."""
    used, span, end = windows.used_at(window, now), windows.length(window.name), window.resets
    if used is None or span is None or end is None or not timedelta() <= end - now <= span:
        return None
    start = end - span
    told_at = max(start, min(window.read_at, now))
    points = _points_of(source.points, plan, window, start, end)
    run = _run(points, end, span, told_at, source.absences)
    if run[-1].used != used or run[-1].moment < told_at:
        run.append(_point(told_at, used, run[-1].moment, source.absences))
    title = f"{backend_name(plan.backend)} {quota_text.window_name(window.name)}"
    expected = _expected(source, plan, window, now, zone)
    runs_out = expected.runs_out if expected else None
    text = quota_text.window_text(
        plan.backend, window, now, zone, expected=expected, is_live=source.report.is_live
    )
    return BurnUp(
        backend=plan.backend,
        window=window.name,
        title=title,
        text=text.removeprefix(title).lstrip(": "),
        start=start.astimezone(zone),
        end=end.astimezone(zone),
        now=now.astimezone(zone),
        used=used,
        told_at=told_at.astimezone(zone),
        points=tuple(_moved(run, timedelta(), zone)),
        before=tuple(_moved(_before(points, start, span, source.absences), span, zone)),
        ahead=_ahead(expected, zone),
        runs_out=None if runs_out is None else runs_out.astimezone(zone),
        is_spent=windows.is_spent(window, now),
    )


def _expected(
    source: QuotaSource, plan: PlanQuota, window: QuotaWindow, now: datetime, zone: tzinfo
) -> Forecast | None:
    """How the window goes on; None without a daemon, for nobody knows where it stands then."""
    if not source.report.is_live:
        return None
    outlooks = source.report.outlooks
    return forecast.expect_in_plan(plan.backend, window, now, source.past, outlooks, zone)


def _ahead(expected: Forecast | None, zone: tzinfo) -> tuple[AheadPoint, ...]:
    return tuple(
        AheadPoint(
            moment=point.moment.astimezone(zone),
            likely=point.outlook.likely,
            low=point.outlook.low,
            high=point.outlook.high,
        )
        for point in (expected.course if expected else ())
    )


def _points_of(
    points: Points, plan: PlanQuota, window: QuotaWindow, start: datetime, end: datetime
) -> list[QuotaPoint]:
    """All points of the plan's account, those under an earlier credential of it included.

    A credential is renewed every few hours, and the account then has another name. What was told
    under another name before, of a window with the same reset and not more used, is the same
    account's.
    """
    found = list(points.get((plan.backend, plan.account, window.name), ()))
    running = [point for point in found if point.ts >= start and _ends(point, end)]
    first = running[0] if running else None
    others = {
        account: told
        for (backend, account, name), told in points.items()
        if backend == plan.backend and name == window.name and account != plan.account
    }
    for account in [name for name in others if _is_same_plan(points, plan, name)]:
        found += others.pop(account)
    # The latest first: each must fit what came after it.
    for told in sorted(others.values(), key=lambda told: told[-1].ts, reverse=True):
        mine = [point for point in told if point.ts >= start and _ends(point, end)]
        limit = first.used if first else window.used or 0.0
        if not mine or mine[-1].used > limit + _ROUNDING or (first and mine[-1].ts > first.ts):
            continue
        found = [*told, *found]
        first = mine[0]
    return sorted(found, key=lambda point: point.ts)


def _is_same_plan(points: Points, plan: PlanQuota, account: str) -> bool:
    """Whether `account` is another machine's name for the plan's account, told meanwhile.

    Its week ends when the plan's does, and not more of it was used.
    """
    week = windows.window_of(plan, windows.WEEK)
    told = points.get((plan.backend, account, windows.WEEK))
    if week is None or week.resets is None or not told:
        return False
    return _ends(told[-1], week.resets) and told[-1].used <= (week.used or 0.0) + _ROUNDING


def _ends(point: QuotaPoint, end: datetime) -> bool:
    """Whether it is of the window that ends then, and not of one that ended early or was moved."""
    return point.resets is not None and abs(point.resets - end) <= _SAME_RESET


def _run(
    points: Sequence[QuotaPoint],
    end: datetime,
    span: timedelta,
    until: datetime,
    absences: Sequence[Absence],
) -> list[BurnPoint]:
    """The window that ends then: nothing at its beginning, then what was told of it `until` then.

    What is later comes from a clock that was set back, or will be told by the daemon at once.
    """
    start = end - span
    run = [BurnPoint(moment=start, used=0.0)]
    low = bisect_left(points, start, key=lambda point: point.ts)
    high = bisect_right(points, until, key=lambda point: point.ts)
    for point in points[low:high]:
        if not _ends(point, end):
            continue
        run.append(_point(point.ts, max(0.0, point.used), run[-1].moment, absences))
    if len(run) > 1 and run[1].used > _FRESH_WINDOW:
        run[1] = BurnPoint(moment=run[1].moment, used=run[1].used, is_after_gap=True)
    return run


def _before(
    points: Sequence[QuotaPoint], start: datetime, span: timedelta, absences: Sequence[Absence]
) -> list[BurnPoint]:
    """The window that ended where this one began, if it is worth a look and known."""
    if span < _COMPARED_FROM:
        return []
    run = _run(points, start, span, start, absences)
    return run if len(run) > 1 else []


def _point(
    moment: datetime, used: float, before: datetime, absences: Sequence[Absence]
) -> BurnPoint:
    has_gap = not is_watched(absences, before, moment)
    return BurnPoint(moment=moment, used=used, is_after_gap=has_gap)


def _moved(run: Iterable[BurnPoint], by: timedelta, zone: tzinfo) -> Iterable[BurnPoint]:
    for point in run:
        yield BurnPoint(
            moment=(point.moment + by).astimezone(zone),
            used=point.used,
            is_after_gap=point.is_after_gap,
        )
