"""What both plans could hold of a week's work, if everything were known from the beginning.

Z.ai's limits lie within each other (a request in its 5 hours, those in its week), so what costs the
fewest credits for what it takes off Claude goes first. Where a 5-hour window begins is taken from
the week in which all execution work goes to that service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_cli.whatif.second_plan import PEAK_TIMES, is_peak
from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H, WINDOW_H

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offramp_cli.whatif.second_plan import SecondPlan
    from offramp_cli.whatif.simulation import Request, SimulatedWeek

USABLE = 0.9
"""So much of Z.ai's quota counts when a week is said to be too much for both plans."""


@dataclass(slots=True)
class Bucket:
    """What a window still holds."""

    left: float


@dataclass(slots=True)
class Work:
    """Execution work that goes to one service as a whole."""

    requests: list[Request]
    cost: float = 0.0
    credits: float = 0.0
    buckets: tuple[Bucket, ...] = ()
    """Z.ai's windows that it falls into; none without a limit."""

    @property
    def rate(self) -> float:
        """What it takes off Claude for each credit."""
        return self.cost / max(self.credits, 1e-9)

    @property
    def room(self) -> float:
        """The share of it, 1 at most, that Z.ai's windows still hold."""
        if not self.buckets:
            return 1.0
        left = min(bucket.left for bucket in self.buckets)
        return min(max(left / max(self.credits, 1e-9), 0.0), 1.0)

    def take(self, share: float) -> None:
        """Give that share of it to Z.ai."""
        for bucket in self.buckets:
            bucket.left -= self.credits * share


def needs_of_claude(week: SimulatedWeek) -> float:
    """Return what Claude has to do of the week: Opus, and what Z.ai can't hold.

    In parts of the weekly window that Claude's plan has in the end: 1 or more can't be done.
    """
    works = single_requests(week, usable=USABLE)
    relief = 0.0
    for work in sorted(works, key=lambda each: each.rate, reverse=True):
        share = work.room
        work.take(share)
        relief += work.cost * share
    size = min(1.0, week.change.claude_size) if week.change else 1.0
    return (week.opus + sum(work.cost for work in works) - relief) / size


def single_requests(week: SimulatedWeek, *, usable: float) -> list[Work]:
    """Return each request of the week's execution work, with Z.ai's windows, so far usable."""
    works = [Work([each]) for each in week.requests if each.tier != "opus"]
    price(week, works, usable=usable)
    return works


def price(week: SimulatedWeek, works: Iterable[Work], *, usable: float) -> None:
    """Say what each piece of work costs on either plan, and which of Z.ai's windows it is in."""
    windows = None if week.second is None else _Windows(week, week.second, usable)
    for work in sorted(works, key=lambda each: each.requests[0].at_h):
        work.cost = sum(each.cost for each in work.requests)
        work.credits = sum(credits_of(week, each) for each in work.requests)
        work.buckets = () if windows is None else windows.at(work.requests[0].at_h)


def credits_of(week: SimulatedWeek, request: Request) -> float:
    """Return what the request costs on Z.ai when it comes."""
    is_double = is_peak(week.monday_h + request.at_h)
    return request.credits * (PEAK_TIMES if is_double else 1.0)


@dataclass(slots=True)
class _Windows:
    """Z.ai's windows, as they follow each other."""

    week: SimulatedWeek
    second: SecondPlan
    usable: float
    weeks: dict[float, Bucket] = field(default_factory=dict)
    """By when they end."""
    window: Bucket = field(default_factory=lambda: Bucket(0.0))
    window_end_h: float = -1.0

    def at(self, at_h: float) -> tuple[Bucket, ...]:
        """Return the windows that hold work of that time; times come in order."""
        change = self.week.change
        is_changed = change is not None and change.zai is not None and at_h >= change.at_h
        if at_h >= self.window_end_h:
            plan = change.zai if is_changed and change and change.zai else self.second.plan
            self.window_end_h = at_h + WINDOW_H
            self.window = Bucket(plan.window_credits * self.usable)
        return (self.window, self._week_at(at_h))

    def _week_at(self, at_h: float) -> Bucket:
        """Return Z.ai's week; a plan that grows during it counts from its beginning."""
        plan, change = self.second.plan, self.week.change
        end_h = self.second.resets_h if at_h < self.second.resets_h else 2 * WEEK_H
        used = self.second.used if at_h < self.second.resets_h else 0.0
        if change is not None and change.zai is not None:
            if change.is_fresh and at_h >= change.at_h:
                plan, end_h, used = change.zai, change.at_h + WEEK_H, 0.0
            elif not change.is_fresh and change.at_h < end_h:
                plan = change.zai
        if end_h not in self.weeks:
            self.weeks[end_h] = Bucket(plan.week_credits * self.usable - used)
        return self.weeks[end_h]
