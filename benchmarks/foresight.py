"""How far foresight would carry the autopilot: the weeks that it is tuned on, their rates known.

    python benchmarks/foresight.py [--weeks 1000] [--processes 2]

The controller is told how busy each hour of the week is going to be, for Opus and the rest; only
chance, by which requests fall within an hour, stays unknown. No forecast can tell it more. Beside
the controller as it is, the table has it with smaller and smaller reserves.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulation import run
from offramp_daemon.autopilot.controller import Tuning
from offramp_daemon.autopilot.forecast import Expected, Rhythm
from offramp_daemon.autopilot.history import HOURS_A_WEEK
from synthetic_weeks import TUNING_SEEDS, make_week

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synthetic_weeks import MadeWeek

_RESERVES = ((0.3, 0.0), (0.22, 0.08), (0.22, 0.0), (0.15, 0.08), (0.15, 0.0))
"""Reserve and patience of each trial with foresight, whose spread no past week tells."""


@dataclass(frozen=True, slots=True)
class _Result:
    used: float
    is_over: bool
    is_enough: bool


class _Foresight(Rhythm):
    """What the week is bound to hold."""

    def __init__(self, made: MadeWeek) -> None:
        super().__init__(made.history)
        user = made.user
        self._to_come = [
            [0.0, *accumulate(amount * part / user.factors[tier] for part in made.parts)]
            for amount, tier in ((user.opus, "opus"), (user.execution, "sonnet"))
        ]

    def expected(self, from_h: float, to_h: float, work: Sequence[float]) -> Expected:
        """What lies between the two hours; the work so far tells nothing that is not known."""
        opus, execution = (_at(sums, to_h) - _at(sums, from_h) for sums in self._to_come)
        return Expected(opus, execution)


def main() -> None:
    """Print the table."""
    options = _options()
    print("| forecast | reserve | patience | over | used, enough work (median) |")
    print("| --- " * 5 + "|")
    trials: list[tuple[str, Tuning]] = [("as it is", Tuning())]
    trials += [
        ("foresight", Tuning(growth=1.0, spread_power=0.0, reserve=reserve, patience=patience))
        for reserve, patience in _RESERVES
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        work = partial(_judge, trials)
        judged = list(pool.map(work, TUNING_SEEDS[: options.weeks], chunksize=10))
    for number, (name, tuning) in enumerate(trials):
        results = [week[number] for week in judged if week]
        over = sum(result.is_over for result in results)
        used = median(result.used for result in results if result.is_enough)
        print(
            f"| {name} | {tuning.reserve} | {tuning.patience} "
            f"| {over}/{len(results)} ({over / len(results):.1%}) | {used:.1%} |"
        )


def _judge(trials: Sequence[tuple[str, Tuning]], seed: int) -> list[_Result]:
    """One week in each trial; nothing for one whose Opus work alone exceeds the plan."""
    made = make_week(seed)
    if made.opus >= 1:
        return []
    week = made.simulated()
    is_enough = run(week, "never").is_full
    found = []
    for name, tuning in trials:
        rhythm = _Foresight(made) if name == "foresight" else None
        outcome = run(week, "auto", tuning, rhythm)
        found.append(_Result(outcome.used, outcome.is_over, is_enough))
    return found


def _at(sums: Sequence[float], moment_h: float) -> float:
    hour = min(max(moment_h, 0.0), float(HOURS_A_WEEK))
    whole = min(int(hour), HOURS_A_WEEK - 1)
    return sums[whole] + (sums[whole + 1] - sums[whole]) * (hour - whole)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weeks", type=int, default=1_000, help="so many of the thousand")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
