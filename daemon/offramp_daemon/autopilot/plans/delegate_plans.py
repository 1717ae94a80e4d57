"""The plans that work is delegated to, as the autopilot of a running daemon knows them.

At each backend the account that told last is the one in use. A backend that tells no weekly window
has no limit as far as is known. Instants are aware; it reads no file and no clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.costs.delegate_model import MOST_AT_ONCE, DelegateModel
from offramp_daemon.autopilot.costs.peak_hours import PeakHours
from offramp_daemon.autopilot.costs.plan_change import Shares, growth_of_cap
from offramp_daemon.autopilot.costs.state_file import MOST_ACCOUNTS, LearntDelegate
from offramp_daemon.autopilot.plans.delegate_budget import DelegateBudget
from offramp_daemon.autopilot.plans.plan_snapshot import WindowReading, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_daemon.autopilot.work.history import Tier

_LOG = logging.getLogger(__name__)
_SAME_RESET = timedelta(minutes=30)
_WEEK = timedelta(days=7)
_KEPT_OF_A_WEEK = 0.5
"""How much of what was learnt counts in the next week."""


@dataclass(slots=True)
class _Known:
    """One backend: the plan in use there, and what is known of it."""

    plan: PlanQuota
    model: DelegateModel
    told: tuple[WindowReading | None, WindowReading | None]
    """What is said of its week, and of its 5-hour window."""
    learnt_until: datetime | None
    """When the week resets in which it was learnt last; None while no reset was told."""


class DelegatePlans:
    """What one daemon's autopilot knows of them."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._in_use: dict[str, _Known] = {}
        self._models: dict[str, DelegateModel] = {}
        """By backend and account, the one in use last."""
        self._times: dict[str, tuple[datetime, tuple[float, ...]]] = {}
        """By backend: what requests cost in each hour of the week that begins then."""

    def take_up(self, kept: Mapping[str, LearntDelegate]) -> None:
        """Go on from what was learnt before."""
        for name, learnt in kept.items():
            self._models[name] = DelegateModel(
                CostModel.of(learnt.cost, MOST_AT_ONCE),
                PeakHours.of(learnt.peak_expected, learnt.peak_moved),
            )

    def learnt(self) -> dict[str, LearntDelegate]:
        """Return all that is known, to be kept."""
        return {
            name: LearntDelegate(
                cost=model.cost.learnt(),
                peak_expected=tuple(model.peak.expected),
                peak_moved=tuple(model.peak.moved),
            )
            for name, model in self._models.items()
        }

    def observe(self, plan: PlanQuota) -> bool:
        """Learn from what a service says of its plan; return whether there is anything to keep."""
        week = _fresh(plan, windows.WEEK)
        if week is None or week.used is None:
            return False
        known = self._in_use.get(plan.backend)
        if known is not None and known.plan.account != plan.account:
            known = None
        before = known.plan if known is not None else None
        model = self._model(plan)
        if before is None:
            model.break_off()
        self._times.pop(plan.backend, None)
        five = _fresh(plan, windows.FIVE_HOURS)
        last = windows.window_of(before, windows.WEEK)
        is_new_week = last is None or not _is_same(last.resets, week.resets)
        shares = Shares(
            week_used=week.used, window_used=five.used if five else None, week_cap=week.cap
        )
        if is_new_week and last is not None:
            _carry_over(model, last, shares)
        until = _age(model, known.learnt_until if known else None, week.resets)
        self._in_use[plan.backend] = _Known(plan, model, _told(plan), until)
        last_five = windows.window_of(before, windows.FIVE_HOURS)
        is_same_window = last_five and five and _is_same(last_five.resets, five.resets)
        as_expected = model.peak.changed()
        model.observe(shares, is_new_week=is_new_week, is_new_window=not is_same_window)
        if model.peak.changed() != as_expected:
            _LOG.warning(
                "Requests to a delegate cost other at some hours than they did",
                extra={"backend": plan.backend, "utc_hours": str(model.peak.changed())},
            )
        return True

    def add_answer(self, backend: str, tier: Tier, weight: float, moment: datetime) -> None:
        """Take a request into account that the backend answered at that moment."""
        known = self._in_use.get(backend)
        if known is not None:
            known.model.add_answer(tier, weight, moment)

    def budget(self, backend: str, now: datetime, start: datetime) -> DelegateBudget | None:
        """Return what its plan has left, for a Claude week that began at `start`.

        None where it has no limit, or what it has left is not known freshly enough.
        """
        known = self._in_use.get(backend)
        if known is None:
            return None
        snapshot = read(*known.told, now=now)
        if snapshot is None:
            return None
        return DelegateBudget(
            reading=snapshot,
            cost=known.model.cost,
            times=self._times_of(backend, known.model, start),
            is_peak=known.model.peak.is_peak(now),
        )

    def backends(self) -> tuple[str, ...]:
        """Return the backends that told of a plan."""
        return tuple(self._in_use)

    def pace(self, backend: str, now: datetime) -> float | None:
        """Return what the week of its plan will have used if it goes on as it did so far."""
        known = self._in_use.get(backend)
        week = windows.window_of(known.plan, windows.WEEK) if known else None
        return None if week is None else windows.forecast(week, now)

    def _times_of(self, backend: str, model: DelegateModel, start: datetime) -> tuple[float, ...]:
        """Return the costs by the hour: the same object until they change."""
        known = self._times.get(backend)
        if known is None or known[0] != start:
            known = self._times[backend] = (start, model.peak.of_week(start))
        return known[1]

    def _model(self, plan: PlanQuota) -> DelegateModel:
        name = f"{plan.backend} {plan.account}"
        model = self._models.pop(name, None) or DelegateModel()
        self._models[name] = model  # the latest one last
        if len(self._models) > MOST_ACCOUNTS:
            del self._models[next(iter(self._models))]
        return model


def _fresh(plan: PlanQuota, name: str) -> QuotaWindow | None:
    """Return the window of that name if the plan's latest answer told of it."""
    window = windows.window_of(plan, name)
    return window if window is not None and window.read_at == plan.read_at else None


def _carry_over(model: DelegateModel, last: QuotaWindow, shares: Shares) -> None:
    """Have what was learnt fit a plan that was exchanged, and whose week begins with that."""
    grown = growth_of_cap(Shares(week_used=0.0, week_cap=last.cap), shares)
    if grown is not None:
        model.cost = model.cost.resized(grown)


def _age(
    model: DelegateModel, learnt_until: datetime | None, resets: datetime | None
) -> datetime | None:
    """Have what was learnt in earlier weeks give way; return until when it has been learnt.

    A reset that only moved, or was not told, ages nothing.
    """
    if learnt_until is None or resets is None:
        return resets or learnt_until
    weeks = round((resets - learnt_until) / _WEEK)
    if weeks > 0:
        model.cost = model.cost.aged(_KEPT_OF_A_WEEK**weeks)
    return resets if weeks > 0 else learnt_until


def _is_same(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) < _SAME_RESET


def _told(plan: PlanQuota) -> tuple[WindowReading | None, WindowReading | None]:
    """Return what is said of the plan's week, and of its 5-hour window."""
    week = windows.window_of(plan, windows.WEEK)
    if week is None or week.used is None or week.resets is None:
        return None, None
    five, window = windows.window_of(plan, windows.FIVE_HOURS), None
    if five is not None and five.used is not None:
        # Without a reset the window has not begun: as good as one that is over.
        resets = five.resets or five.read_at
        window = WindowReading(used=five.used, resets_at=resets, read_at=five.read_at)
    return WindowReading(used=week.used, resets_at=week.resets, read_at=week.read_at), window
