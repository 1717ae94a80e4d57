"""Judge the autopilot on made-up weeks that it was never tuned on.

    python benchmarks/autopilot.py [--seed FIRST] [--weeks 1000] [--processes 2] [--json FILE]
    python benchmarks/autopilot.py --modes never,auto

Each seed makes three weeks: the one of `synthetic_weeks` with an endless Z.ai plan, the same with
one of Z.ai's plans, and one of `two_plan_weeks`. Each is driven through every mode, and through two
controllers for comparison: the one of version 0.1 (`present`), and one that knows the whole week
beforehand (`foresight`). Weeks that are too much for both plans, even so, stand apart.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bands import HEAD as BANDS_HEAD
from bands import band_lines
from capacity import needs_of_claude
from foresight import Foresight
from offramp_cli.whatif.comparison import Contest, Summary, summaries
from offramp_cli.whatif.second_plan import ZAI_PLANS
from offramp_cli.whatif.simulation import MODES, run
from present_controller import PresentController
from synthetic_weeks import REPORT_SEEDS, Shape
from two_plan_weeks import (
    TWO_PLAN_REPORT_SEEDS,
    Kind,
    TwoPlanWeek,
    make_old_week,
    make_two_plan_week,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offramp_cli.whatif.simulation import SimulatedWeek, WeekResult

COMPARED = (*MODES, "present", "foresight")

_HEAD = (
    "| weeks | mode | n | Claude over | Z.ai used up early | both short "
    "| used, enough work: n | median | p10 | switches an hour | blocked h | Z.ai's 5 h full, h |"
)
_OLD, _OLD_WITH_PLAN, _NEW = FAMILIES = ("old", "old with a plan", "new")
_NO_PLAN = "no limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A week, what it was, and what became of it."""

    family: str
    kind: Kind
    shape: Shape
    plan: str
    change: str | None
    """Whose plan changed."""
    contest: Contest


def main() -> None:
    """Print the tables."""
    options = _options()
    modes: tuple[str, ...] = tuple(options.modes.split(","))
    started_at_s = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        jobs = _jobs(options.seed, options.weeks)
        judged = list(pool.map(partial(_judge, modes), jobs, chunksize=6))
    figures: dict[str, object] = {}
    print(f"{_HEAD}\n{'| --- ' * 12}|")
    for name, chosen, is_apart, is_brief in _groups(judged):
        lines = summaries([each.contest for each in chosen], modes, is_apart=is_apart)
        figures[name] = [asdict(line) for line in lines]
        for line in lines:
            if line.weeks and not (is_brief and line.mode != "auto"):
                print(_row(name, line))
    bands = band_lines(
        (each.plan, check)
        for each in judged
        for outcome in each.contest.outcomes.values()
        for check in outcome.bands
    )
    figures["bands"] = [asdict(band) for band in bands]
    if bands:
        print(f"\n{BANDS_HEAD}\n{'| --- ' * 7}|", *(band.row() for band in bands), sep="\n")
    print(f"\n{time.monotonic() - started_at_s:.0f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _jobs(first: int | None, weeks: int) -> Iterator[tuple[str, int]]:
    """Yield the weeks to judge; without a first seed those of the report."""
    for number in range(weeks):
        old = REPORT_SEEDS[number] if first is None else first + number
        new = TWO_PLAN_REPORT_SEEDS[number] if first is None else first + number
        yield _OLD, old
        yield _OLD_WITH_PLAN, old
        yield _NEW, new


def _judge(modes: tuple[str, ...], job: tuple[str, int]) -> Judged:
    family, seed = job
    made = _make(family, seed)
    change = made.week.change
    return Judged(
        family=family,
        kind=made.kind,
        shape=made.made.shape,
        plan=made.plan.title if made.plan else _NO_PLAN,
        change=None if change is None else ("Z.ai's" if change.zai else "Claude's"),
        contest=_contest(made.week, modes),
    )


def _make(family: str, seed: int) -> TwoPlanWeek:
    if family == _NEW:
        return make_two_plan_week(seed)
    plan = ZAI_PLANS[seed // len(Shape) % len(ZAI_PLANS)] if family == _OLD_WITH_PLAN else None
    return make_old_week(seed, plan)


def _contest(week: SimulatedWeek, modes: tuple[str, ...]) -> Contest:
    return Contest(
        opus=week.opus,
        work=sum(request.cost for request in week.requests),
        needs=max(week.opus, needs_of_claude(week)),
        outcomes={mode: _outcome(week, mode) for mode in modes},
    )


def _outcome(week: SimulatedWeek, mode: str) -> WeekResult:
    match mode:
        case "present":
            return run(week, "auto", PresentController(week))
        case "foresight":
            return run(week, "auto", Foresight(week))
        case "always" | "auto" | "never" | "linear":
            return run(week, mode)
        case _:
            raise ValueError(f"{mode} is no mode: take some of {', '.join(COMPARED)}")


def _groups(judged: Sequence[Judged]) -> Iterator[tuple[str, list[Judged], bool, bool]]:
    """Yield each group's name, its weeks, whether they stand apart, and whether `auto` is enough.

    First each family as a whole, then its parts.
    """
    for family in FAMILIES:
        chosen = [each for each in judged if each.family == family]
        yield family, chosen, False, False
        yield f"{family}, too much for both plans", chosen, True, False
        parts: dict[str, list[Judged]] = {}
        for each in chosen:
            for part in _parts(each):
                parts.setdefault(part, []).append(each)
        for part in sorted(parts):
            yield f"{family}, {part}", parts[part], False, "; " in part


def _parts(each: Judged) -> Iterator[str]:
    """Yield the parts of its family that it belongs to."""
    yield f"{each.shape.value}; {each.plan}"
    yield f"{each.shape.value}"
    if each.family == _OLD:
        return
    yield each.plan
    if each.family == _NEW:
        yield each.kind.value
        yield f"{each.kind.value}; {each.plan}"
        yield "no plan changes" if each.change is None else f"{each.change} plan changes"


def _row(name: str, line: Summary) -> str:
    weeks = line.weeks
    return (
        f"| {name} | {line.mode} | {weeks} | {line.weeks_over / weeks:.1%} "
        f"| {line.weeks_zai_early / weeks:.1%} | {line.weeks_short / weeks:.1%} "
        f"| {line.enough_weeks} | {_percent(line.enough_used_median)} "
        f"| {_percent(line.enough_used_p10)} | {line.switches_per_conversation_h:.2f} "
        f"| {line.blocked_h / weeks:.2f} | {line.zai_window_h / weeks:.2f} |"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, help="judge the weeks from this seed on")
    parser.add_argument("--weeks", type=int, default=1_000, help="so many seeds")
    parser.add_argument(
        "--modes", default=",".join(COMPARED), help="never, for which weeks have enough, and others"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
