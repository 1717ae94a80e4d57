"""A controller that knows every request of the week beforehand: how far foresight would carry.

It gives Claude what costs the most credits for what it takes of Claude's week, and Z.ai the rest,
so that Claude's week is used up just before its end, and neither plan's 5 hours overflow. As the
others, it may move a conversation only at its start or when it is cold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capacity import Work, price
from offramp_daemon.autopilot.plans.plan_snapshot import WINDOW_H

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offramp_cli.whatif.simulated_controller import Band
    from offramp_cli.whatif.simulated_plan import PlanReading
    from offramp_cli.whatif.simulation import Request, SimulatedWeek

_WARM_H = 5 / 60
_FILL = 0.985
"""So much of Claude's week is filled: what it refuses is lost."""
_USABLE = 0.97
"""So much of each other window is, for a conversation may end in the next one."""


@dataclass(frozen=True, slots=True)
class _Choice:
    is_claude: bool
    why: str = "it was known beforehand"


class Foresight:
    """The whole week's decisions, made before it begins."""

    def __init__(self, week: SimulatedWeek) -> None:
        """Look at all of `week`."""
        works = _stretches(week)
        self._choices = {id(work.requests[0]): _Choice(is_claude=True) for work in works}
        for work in _delegated(week, works):
            self._choices[id(work.requests[0])] = _Choice(is_claude=False)

    def answered(self, request: Request, *, is_claude: bool) -> None:
        """Nothing is news."""

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        """Nothing is news."""

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        """Nothing is news."""

    def choose(self, request: Request) -> _Choice:
        """Return what was decided for the conversation from this request on."""
        return self._choices[id(request)]

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        """Say nothing: who knows has no band."""
        return None, None


def _stretches(week: SimulatedWeek) -> list[Work]:
    """Return what goes to one service as a whole: a conversation while its cache is warm."""
    found: list[Work] = []
    running: dict[int, Work] = {}
    for request in week.requests:
        if request.tier == "opus":
            continue
        work = running.get(request.conversation)
        if work is None or request.at_h - work.requests[-1].at_h > _WARM_H:
            work = running[request.conversation] = Work([])
            found.append(work)
        work.requests.append(request)
    price(week, found, usable=_USABLE)
    return found


def _delegated(week: SimulatedWeek, works: list[Work]) -> Iterable[Work]:
    """Yield what Z.ai gets: the cheapest in credits first, until Claude holds the rest."""
    size = week.change.claude_size if week.change else 1.0
    starts = _window_starts(week)
    loads = _loads(week, starts)
    rest = sum(loads.values()) - size * _FILL
    most = week.five_hour_part * min(size, 1.0) * _USABLE
    works = sorted(works, key=lambda each: each.rate, reverse=True)
    for is_needed_in_window in (True, False):
        for work in list(works):
            window = starts[id(work.requests[0])]
            is_wanted = loads[window] > most if is_needed_in_window else rest > 0
            if is_wanted and work.room >= 1:
                work.take(1.0)
                works.remove(work)
                loads[window] -= work.cost
                rest -= work.cost
                yield work


def _window_starts(week: SimulatedWeek) -> dict[int, float]:
    """Return when the 5-hour window of each request begins, if all of them go to Claude."""
    starts: dict[int, float] = {}
    start_h = -WINDOW_H
    for request in week.requests:
        if request.at_h >= start_h + WINDOW_H:
            start_h = request.at_h
        starts[id(request)] = start_h
    return starts


def _loads(week: SimulatedWeek, starts: dict[int, float]) -> dict[float, float]:
    """Return what each of those windows would take of Claude's week."""
    loads: dict[float, float] = {}
    for request in week.requests:
        start_h = starts[id(request)]
        loads[start_h] = loads.get(start_h, 0.0) + request.cost
    return loads
