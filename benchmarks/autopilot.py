"""Judge the autopilot on made-up weeks: those it was never tuned on, beside those it was.

    python benchmarks/autopilot.py [--weeks 1000] [--processes 2] [--json figures.json]

Each week is driven through every mode. Weeks whose Opus work alone exceeds the plan stand apart.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.whatif.comparison import Contest, contest, summaries
from synthetic_weeks import REPORT_SEEDS, TUNING_SEEDS, Shape, make_week

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = (
    "| weeks | mode | over | full | used, enough work (n, median, p10) | used, all | blocked h "
    "| delegated | switches |"
)
_WORK = ((1.0, 1.5), (1.5, 2.0), (2.0, 99.0))


@dataclass(frozen=True, slots=True)
class _Judged:
    shape: Shape
    contest: Contest


def main() -> None:
    """Print the tables."""
    options = _options()
    started_at_s = time.monotonic()
    figures: dict[str, list[dict[str, object]]] = {}
    print(f"{_HEAD}\n{'| --- ' * 9}|")
    with ProcessPoolExecutor(options.processes) as pool:
        for name, seeds in (("report", REPORT_SEEDS), ("tuning", TUNING_SEEDS)):
            judged = list(pool.map(_judge, seeds[: options.weeks], chunksize=10))
            for group, contests in _groups(name, judged):
                figures[group] = _print(group, contests, is_brief=group != name)
            apart = sum(each.contest.is_apart for each in judged)
            print(f"\n{name}: {apart} weeks of Opus beyond the plan stand apart\n")
    print(f"{time.monotonic() - started_at_s:.0f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _judge(seed: int) -> _Judged:
    made = make_week(seed)
    return _Judged(made.shape, contest(made.simulated()))


def _groups(name: str, judged: Sequence[_Judged]) -> list[tuple[str, list[Contest]]]:
    """All weeks, then those of each shape, then by how much work there was."""
    groups = [(name, [each.contest for each in judged])]
    for shape in Shape:
        chosen = [each.contest for each in judged if each.shape is shape]
        groups.append((f"{name}, {shape.value}", chosen))
    for low, high in _WORK:
        chosen = [each.contest for each in judged if low <= each.contest.work < high]
        groups.append((f"{name}, work {low:g} to {high:g}", chosen))
    return groups


def _print(group: str, contests: Sequence[Contest], *, is_brief: bool) -> list[dict[str, object]]:
    lines = summaries(contests)
    for line in lines:
        if is_brief and line.mode != "auto":
            continue
        weeks = line.weeks or 1
        print(
            f"| {group} | {line.mode} | {line.weeks_over}/{line.weeks} "
            f"({line.weeks_over / weeks:.1%}) | {line.weeks_full / weeks:.1%} "
            f"| {line.enough_weeks}, {_percent(line.enough_used_median)}, "
            f"{_percent(line.enough_used_p10)} | {_percent(line.used_median)} "
            f"| {line.blocked_h / weeks:.2f} | {line.delegated_share:.1%} "
            f"| {line.switches_per_conversation_h:.2f} |"
        )
    return [asdict(line) for line in lines]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weeks", type=int, default=1_000, help="so many of each thousand")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
