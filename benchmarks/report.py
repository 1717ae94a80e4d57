"""From the rounds' figures to one table: medians, ratios, goals."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from case import Case, Figure

Rounds = dict[str, list[dict[str, float]]]
"""By proxy name: the figures of each round, in the order of the rounds."""

_HEADINGS = ("case", "unit", "daemon", "bare", "nginx", "ratio", "goal", "reached")
_PROXIES = ("daemon", "bare", "nginx")
_LEFT_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of all proxies; None where a proxy was not there."""

    case: str
    figure: Figure
    values: dict[str, float | None]
    ratio: float | None

    @property
    def is_reached(self) -> bool | None:
        """Whether the daemon reaches the goal; None without a goal or without the daemon."""
        if self.figure.most is not None and self.values["daemon"] is not None:
            return round(self.values["daemon"], self.figure.decimals) <= self.figure.most
        if self.figure.most_ratio is not None and self.ratio is not None:
            return round(self.ratio, 2) <= self.figure.most_ratio
        return None

    @property
    def goal(self) -> str:
        """The goal as text."""
        if self.figure.most is not None:
            return f"≤ {self.figure.most:g}"
        if self.figure.most_ratio is not None:
            return f"≤ {self.figure.most_ratio:g} x"
        return ""

    def as_json(self) -> dict[str, object]:
        """For machines: the same as the table's line."""
        return {
            "case": self.case,
            "figure": self.figure.key,
            "unit": self.figure.unit,
            **self.values,
            "ratio": self.ratio,
            "goal": self.goal,
            "reached": self.is_reached,
        }


def lines_of(case: Case, rounds: Rounds) -> list[Line]:
    """Medians of each figure over the rounds, and the daemon's ratio to the bare proxy.

    The ratio is the median of the rounds' own ratios: neighbours in time share the machine's
    moods, so these vary less than the figures do.
    """
    return [
        Line(
            case=case.name,
            figure=figure,
            values={name: _median(_series(rounds, name, figure)) for name in _PROXIES},
            ratio=_ratio(_series(rounds, "daemon", figure), _series(rounds, "bare", figure)),
        )
        for figure in case.figures
    ]


def table(lines: Iterable[Line]) -> str:
    """All lines, aligned for a terminal."""
    rows = [_HEADINGS, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    text = [_row(row, widths) for row in rows]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(width) if column < _LEFT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _cells(line: Line) -> tuple[str, ...]:
    values = (_shown(line.values[name], line.figure.decimals) for name in _PROXIES)
    reached = {True: "yes", False: "NO", None: ""}[line.is_reached]
    has_ratio = line.ratio is not None and line.figure.most is None
    ratio = f"{line.ratio:.2f}" if has_ratio else ""
    return (line.figure.label, line.figure.unit, *values, ratio, line.goal, reached)


def _shown(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


def _series(rounds: Rounds, name: str, figure: Figure) -> list[float]:
    return [one[figure.key] for one in rounds.get(name, [])]


def _median(series: Sequence[float]) -> float | None:
    return statistics.median(series) if series else None


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    pairs = list(zip(ours, theirs, strict=False))
    ratios = [one / other for one, other in pairs if other > 0]
    return statistics.median(ratios) if ratios else None
