"""Compares ways of delegating over many weeks: what `offramp simulate` and the benchmarks print."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulation import MODES, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from offramp_cli.whatif.simulation import SimulatedWeek, WeekResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One week, and what became of it in every mode."""

    opus: float
    """What only Opus would take of the week."""
    work: float
    """What everything would take of it."""
    needs: float
    """What Claude has to do of the week, however much is delegated: Opus, if nothing more."""
    outcomes: Mapping[str, WeekResult]

    @property
    def is_apart(self) -> bool:
        """Whether what Claude has to do exceeds the plan: no way of delegating can help then."""
        return self.needs >= 1

    @property
    def is_enough(self) -> bool:
        """Whether there was enough work to fill the week, had all of it gone to Claude."""
        return self.outcomes["never"].is_full


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How one mode did over the weeks that count. Shares are fractions of 1; None without weeks."""

    mode: str
    weeks: int
    used_median: float | None
    used_p10: float | None
    enough_weeks: int
    """Weeks that had enough work to be filled."""
    enough_used_median: float | None
    enough_used_p10: float | None
    weeks_over: int
    weeks_full: int
    weeks_zai_early: int
    """Weeks in which Z.ai's week was used up while Claude had room."""
    weeks_short: int
    """Weeks in which both services refused execution work at once."""
    zai_window_h: int
    """Hours in which Z.ai's 5-hour window was full while Claude had room."""
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
        needs=week.opus,
        outcomes={mode: run(week, mode) for mode in MODES},
    )


def summaries(
    contests: Iterable[Contest], modes: Iterable[str] = MODES, *, is_apart: bool = False
) -> tuple[Summary, ...]:
    """One line per mode, over the weeks that fit the plans; or over those that don't."""
    counted = [each for each in contests if each.is_apart is is_apart]
    return tuple(_summary(mode, counted) for mode in modes)


def _summary(mode: str, contests: Sequence[Contest]) -> Summary:
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
        weeks_zai_early=sum(outcome.is_zai_early for outcome in outcomes),
        weeks_short=sum(outcome.is_short for outcome in outcomes),
        zai_window_h=sum(outcome.zai_window_h for outcome in outcomes),
        blocked_h=sum(outcome.blocked_h for outcome in outcomes),
        delegated=delegated,
        delegated_share=delegated / execution if execution else 0.0,
        switches_per_conversation_h=(
            sum(outcome.switches for outcome in outcomes) / hours if hours else 0.0
        ),
    )


def _tenth(ordered: Sequence[float]) -> float | None:
    return ordered[len(ordered) // 10] if ordered else None
