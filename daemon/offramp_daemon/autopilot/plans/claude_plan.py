"""The Claude plan in use, as the autopilot of a running daemon knows it: its figures and costs.

Accounts are kept apart, and so are their weeks: of each it is known what requests take, and what
work the week holds. Instants are aware; it reads no file and no clock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_daemon.autopilot.costs import state_file
from offramp_daemon.autopilot.costs.cost_model import CostModel
from offramp_daemon.autopilot.costs.plan_change import Shares, growth
from offramp_daemon.autopilot.costs.state_file import LearntAccount
from offramp_daemon.autopilot.plans.plan_snapshot import PlanSnapshot, WindowReading, read
from offramp_daemon.autopilot.work.current_week import CurrentWeek

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_daemon.autopilot.work.history import Tier

_WEEK = timedelta(days=7)
_SAME_RESET = timedelta(minutes=30)
"""Resets that differ by less are one and the same, told with jitter."""
_KEPT_OF_A_WEEK = 0.5
"""How much of what was learnt counts in the next week."""
_NEARLY_SPENT = 0.97
"""From here on a family's own window is left to what runs already."""
_MOST_WEEKS = 4
_WINDOW_NAME = "Claude's 5-hour window"


class ClaudePlan:
    """What one daemon's autopilot knows of it."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.costs: dict[str, CostModel] = {}
        """By account: what requests take of its week; the one in use last."""
        self.weeks: dict[str, CurrentWeek] = {}
        """By account, the one in use last."""
        self._learnt_in: dict[str, datetime] = {}
        """By account: when the week began in which it was learnt last."""
        self._plan: PlanQuota | None = None
        self._told: tuple[WindowReading | None, WindowReading | None] = (None, None)
        """What was said last of its week, and of its 5-hour window."""
        self._answered: datetime | None = None

    def take_up(self, kept: Mapping[str, LearntAccount], latest: datetime) -> None:
        """Go on from what was learnt before; weeks that begin after `latest` can't be true."""
        for account, known in kept.items():
            self.costs[account] = CostModel.of(known.learnt)
            if known.week is not None and known.week <= latest:  # else a clock was wrong
                self._learnt_in[account] = known.week

    def learnt(self) -> dict[str, LearntAccount]:
        """Return all that is known, to be kept."""
        return {
            account: LearntAccount(cost.learnt(), self._learnt_in.get(account))
            for account, cost in self.costs.items()
        }

    @property
    def is_known(self) -> bool:
        """Whether Claude told of a plan."""
        return self._plan is not None

    @property
    def has_week(self) -> bool:
        """Whether the plan in use has a weekly window: an API key has none."""
        return windows.window_of(self._plan, windows.WEEK) is not None

    def pace(self, now: datetime) -> float | None:
        """Return what its week will have used if it goes on as it did so far."""
        window = windows.window_of(self._plan, windows.WEEK)
        return None if window is None else windows.forecast(window, now)

    @property
    def week(self) -> CurrentWeek | None:
        """The week that runs; None while no answer told of it."""
        return self.weeks.get(self._account)

    @property
    def cost(self) -> CostModel:
        """What requests take of the plan in use."""
        if self._plan is None:
            return CostModel()
        cost = self.costs.pop(self._account, None) or CostModel()
        self.costs[self._account] = cost  # the latest one last
        if len(self.costs) > state_file.MOST_ACCOUNTS:
            oldest = next(iter(self.costs))
            del self.costs[oldest]
            self._learnt_in.pop(oldest, None)
        return cost

    def observe(self, plan: PlanQuota, now: datetime) -> bool:
        """Learn from what an answer said then; return whether there is more to keep."""
        before = self._plan if self._plan and self._plan.account == plan.account else None
        self._take_account(plan)
        week, window = (
            windows.window_of(plan, windows.WEEK),
            windows.window_of(plan, windows.FIVE_HOURS),
        )
        if week is None or week.resets is None or week.used is None:
            return False
        if week.resets <= now:
            return False  # an answer that was overtaken by the next week
        self._turn_week(week.resets - _WEEK)
        if week.read_at != plan.read_at:
            return False
        is_told = window is not None and window.read_at == plan.read_at
        used = window.used if window and is_told else None
        self._resize(before, plan, Shares(week_used=week.used, window_used=used))
        self.cost.observe(week.used, used)
        return True

    def add_answer(self, tier: Tier, amount: float, arrived: datetime, *, is_success: bool) -> None:
        """Take a request into account that Claude answered, and that had come then."""
        if is_success:
            # By its arrival: it told its figures when it began, however long it went on.
            self._answered = max(arrived, self._answered or arrived)
        if self._plan is not None:
            self.cost.add_pending(tier, amount)

    def add_work(self, arrived: datetime, amount: float, now: datetime) -> None:
        """Count work, whoever did it."""
        self.roll(now)
        for week in self.weeks.values():
            week.add(arrived, amount)

    def reading(self, now: datetime) -> PlanSnapshot | None:
        """Return the plan's figures; None where too little is known to go by."""
        self.roll(now)
        week, five_hour = self._told
        return read(week, five_hour, now=now, answered_at=self._answered)

    def spent(self, tier: Tier, now: datetime) -> str | None:
        """Return which window Claude refuses the tier by; the tier's own counts a little early."""
        for name, shown in ((windows.WEEK, "the Claude week"), (windows.FIVE_HOURS, _WINDOW_NAME)):
            window = windows.window_of(self._plan, name)
            if window is not None and windows.is_spent(window, now):
                return shown
        window = windows.window_of(self._plan, f"{windows.WEEK}_{tier}")
        if window is None:
            return None
        used = windows.used_at(window, now) or 0.0
        is_spent = used >= _NEARLY_SPENT or windows.is_spent(window, now)
        return f"Claude's week for {tier.title()}" if is_spent else None

    def roll(self, now: datetime) -> None:
        """Begin the next week once this one is over, though no answer has told of it yet."""
        week = self.week
        if week is not None and now >= week.start + _WEEK:
            self._turn_week(week.start + (now - week.start) // _WEEK * _WEEK)

    @property
    def _account(self) -> str:
        return self._plan.account if self._plan else ""

    def _take_account(self, plan: PlanQuota) -> None:
        """Go by that account from now on.

        Which of two a request under way belongs to can't be told once it ends: what either has
        pending is dropped when they change.
        """
        is_other = self._plan is not None and self._plan.account != plan.account
        if is_other:
            self.cost.break_off()
        self._plan = plan
        self._told = (
            _window(windows.window_of(plan, windows.WEEK)),
            _window(windows.window_of(plan, windows.FIVE_HOURS)),
        )
        if is_other:
            self.cost.break_off()

    def _resize(self, before: PlanQuota | None, plan: PlanQuota, after: Shares) -> None:
        """Have what was learnt fit a plan that was exchanged within its week."""
        last = windows.window_of(before, windows.WEEK)
        if last is None or last.used is None or not _is_same(last, plan, windows.WEEK):
            return
        five = windows.window_of(before, windows.FIVE_HOURS)
        is_same_window = five is not None and _is_same(five, plan, windows.FIVE_HOURS)
        window_used = five.used if five is not None and is_same_window else None
        grown = growth(Shares(week_used=last.used, window_used=window_used), after)
        if grown is not None:
            self.costs[self._account] = self.cost.resized(grown)

    def _turn_week(self, start: datetime) -> None:
        """Begin the week that starts then, unless it is the one that runs."""
        self._age(start)
        week = self.weeks.pop(self._account, None)
        if week is None or abs(start - week.start) >= _SAME_RESET:
            week = CurrentWeek(start)
        self.weeks[self._account] = week  # the latest one last
        if len(self.weeks) > _MOST_WEEKS:
            del self.weeks[next(iter(self.weeks))]

    def _age(self, start: datetime) -> None:
        """Have what was learnt in earlier weeks give way; a reset that only moved ages nothing."""
        cost, before = self.cost, self._learnt_in.get(self._account, start)
        weeks = round((start - before) / _WEEK)
        if weeks > 0:
            self.costs[self._account] = cost.aged(_KEPT_OF_A_WEEK**weeks)
        if weeks > 0 or before == start:
            self._learnt_in[self._account] = start


def _is_same(before: QuotaWindow, plan: PlanQuota, name: str) -> bool:
    """Return whether the plan's window of that name is still the one of before."""
    window = windows.window_of(plan, name)
    if window is None or window.resets is None or before.resets is None:
        return False
    return abs(window.resets - before.resets) < _SAME_RESET


def _window(window: QuotaWindow | None) -> WindowReading | None:
    if window is None or window.used is None or window.resets is None:
        return None
    return WindowReading(used=window.used, resets_at=window.resets, read_at=window.read_at)
