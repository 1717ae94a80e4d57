"""Compares ways of delegating over many weeks: what `offramp simulate` and the benchmarks print."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulation import MODES, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from offramp_cli.whatif.simulation import Mode, SimulatedWeek, WeekResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One week, and what became of it in every mode."""

    opus: float
    """What only Opus would take of the week."""
    work: float
    """What everything would take of it."""
    outcomes: Mapping[Mode, WeekResult]

    @property
    def is_apart(self) -> bool:
        """Whether only Opus exceeds the plan: no delegation can help then."""
        return self.opus >= 1

    @property
    def is_enough(self) -> bool:
        """Whether there was enough work to fill the week, had all of it gone to Claude."""
        return self.outcomes["never"].is_full


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How one mode did over the weeks that count. Shares are fractions of 1; None without weeks."""

    mode: Mode
    weeks: int
    used_median: float | None
    used_p10: float | None
    enough_weeks: int
    """Weeks that had enough work to be filled."""
    enough_used_median: float | None
    enough_used_p10: float | None
    weeks_over: int
    weeks_full: int
    blocked_h: int
    delegated: float
    """In the unit of the weights."""
    delegated_share: float
    """Of the execution work."""
    switches_per_conversation_h: float


def contest(week: SimulatedWeek) -> Contest:
    """Drive one week through every mode."""
    return Contest(
        opus=week.opus,
        work=sum(request.cost for request in week.requests),
        outcomes={mode: run(week, mode) for mode in MODES},
    )


def summaries(contests: Iterable[Contest]) -> tuple[Summary, ...]:
    """One line per mode, over the weeks whose Opus work fits the plan."""
    counted = [each for each in contests if not each.is_apart]
    return tuple(_summary(mode, counted) for mode in MODES)


def _summary(mode: Mode, contests: Sequence[Contest]) -> Summary:
    outcomes = [each.outcomes[mode] for each in contests]
    used = sorted(outcome.used for outcome in outcomes)
    enough = sorted(each.outcomes[mode].used for each in contests if each.is_enough)
    delegated = sum(outcome.delegated for outcome in outcomes)
    execution = sum(outcome.execution for outcome in outcomes)
    hours = sum(outcome.conversation_h for outcome in outcomes)
    return Summary(
        mode=mode,
        weeks=len(outcomes),
        used_median=median(used) if used else None,
        used_p10=_tenth(used),
        enough_weeks=len(enough),
        enough_used_median=median(enough) if enough else None,
        enough_used_p10=_tenth(enough),
        weeks_over=sum(outcome.is_over for outcome in outcomes),
        weeks_full=sum(outcome.is_full for outcome in outcomes),
        blocked_h=sum(outcome.blocked_h for outcome in outcomes),
        delegated=delegated,
        delegated_share=delegated / execution if execution else 0.0,
        switches_per_conversation_h=(
            sum(outcome.switches for outcome in outcomes) / hours if hours else 0.0
        ),
    )


def _tenth(ordered: Sequence[float]) -> float | None:
    return ordered[len(ordered) // 10] if ordered else None
