"""The last figures, in `last_figures.json`: kept with `--keep`, and compared with those of a run.

A ratio within one run says more than a time does, so ratios are compared where there are any.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from report import Line

FILE = Path(__file__).with_name("last_figures.json")

_WORSE_BY = 1.1
_LEAST_SHARE_OF_GOAL = 0.05
_KEPT_DIGITS = 4


def read(file: Path = FILE) -> dict[str, Any]:
    """What was kept: by case, the machine and its figures; nothing where no file is."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept


def keep(lines: Sequence[Line], machine: str, file: Path = FILE) -> None:
    """Write the figures of these lines over those of the same cases; other cases stay."""
    kept = read(file)
    for line in lines:
        if kept.get(line.case, {}).get("machine") != machine:
            kept[line.case] = {"machine": machine, "figures": {}}
        values = {"ratio": line.ratio, **line.values}
        kept[line.case]["figures"][line.figure.key] = {
            name: None if value is None else float(f"{value:.{_KEPT_DIGITS}g}")
            for name, value in values.items()
        }
    file.write_text(_written(kept))


def judged(line: Line, kept: dict[str, Any]) -> tuple[float, float] | None:
    """The line's value now, and the last one: ratios, or what an absolute goal limits.

    None without a goal, and where either is missing.
    """
    figures = kept.get(line.case, {}).get("figures", {}).get(line.figure.key, {})
    if line.figure.most_ratio is not None:
        now, last = line.ratio, figures.get("ratio")
    elif line.figure.most is not None:
        now, last = line.values["daemon"], figures.get("daemon")
    else:
        return None
    return None if now is None or last is None else (now, last)


def is_worse(line: Line, kept: dict[str, Any]) -> bool:
    """Whether the figure got worse, by more than the rounds of this run differ.

    It must be a tenth above the last one, and so must no round be as good as that. Of an absolute
    goal a twentieth does not matter.
    """
    pair = judged(line, kept)
    if pair is None:
        return False
    now, last = pair
    unimportant = (line.figure.most or 0) * _LEAST_SHARE_OF_GOAL
    return now > last * _WORSE_BY and now - last > unimportant and min(line.rounds) > last


def _written(kept: dict[str, Any]) -> str:
    """JSON with a line for each figure, so that a difference shows which ones moved."""
    cases = []
    for name, case in kept.items():
        figures = ",\n".join(
            f"      {json.dumps(key)}: {json.dumps(values)}"
            for key, values in case["figures"].items()
        )
        machine = json.dumps(case["machine"])
        cases.append(
            f'  {json.dumps(name)}: {{\n    "machine": {machine},\n'
            f'    "figures": {{\n{figures}\n    }}\n  }}'
        )
    return "{\n" + ",\n".join(cases) + "\n}\n"
