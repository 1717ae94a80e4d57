"""From the rounds' figures to one table: medians, ratios, goals, and the last figures beside."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import last_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from case import Case, Figure

Rounds = dict[str, list[dict[str, float]]]
"""By proxy name: the figures of each round, in the order of the rounds."""

_HEADINGS = (
    *("case", "unit", "daemon", "bare", "nginx", "/bare", "±", "/nginx"),
    *("goal", "reached", "last", "now"),
)
_PROXIES = ("daemon", "bare", "nginx")
_LEFT_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of all proxies; None where a proxy was not there."""

    case: str
    figure: Figure
    values: dict[str, float | None]
    ratio: float | None
    nginx_ratio: float | None
    rounds: tuple[float, ...]
    """What the goal limits, in each round: the ratio to bare, or the daemon's own value."""

    @property
    def is_reached(self) -> bool | None:
        """Whether the daemon reaches all goals; None without one or without the figures for it."""
        figure = self.figure
        checks = (
            (self.values["daemon"], figure.most, figure.decimals),
            (self.ratio, figure.most_ratio, 2),
            (self.nginx_ratio, figure.most_nginx_ratio, 2),
        )
        results = [
            round(value, decimals) <= most
            for value, most, decimals in checks
            if value is not None and most is not None
        ]
        return all(results) if results else None

    @property
    def goal(self) -> str:
        """The goals as text."""
        figure = self.figure
        limits = (
            (figure.most, ""),
            (figure.most_ratio, " bare"),
            (figure.most_nginx_ratio, " nginx"),
        )
        return ", ".join(f"≤ {most:g}{of}" for most, of in limits if most is not None)

    @property
    def spread(self) -> float | None:
        """Half of the distance between the best round and the worst, as a share of the middle."""
        middle = statistics.median(self.rounds) if self.rounds else 0
        return (max(self.rounds) - min(self.rounds)) / 2 / middle if middle else None

    def as_json(self) -> dict[str, object]:
        """For machines: the same as the table's line."""
        return {
            "case": self.case,
            "figure": self.figure.key,
            "unit": self.figure.unit,
            **self.values,
            "ratio": self.ratio,
            "nginx_ratio": self.nginx_ratio,
            "spread": self.spread,
            "goal": self.goal,
            "reached": self.is_reached,
        }


def lines_of(case: Case, rounds: Rounds) -> list[Line]:
    """Medians of each figure over the rounds, and the daemon's ratios to the other proxies.

    A ratio is the median of the rounds' own ratios: neighbours in time share the machine's
    moods, so these vary less than the figures do.
    """
    return [_line_of(case, figure, rounds) for figure in case.figures]


def _line_of(case: Case, figure: Figure, rounds: Rounds) -> Line:
    series = {name: _series(rounds, name, figure) for name in _PROXIES}
    ratios = _ratios(series["daemon"], series["bare"])
    return Line(
        case=case.name,
        figure=figure,
        values={name: _median(found) for name, found in series.items()},
        ratio=_median(ratios),
        nginx_ratio=_median(_ratios(series["daemon"], series["nginx"])),
        rounds=tuple(ratios if figure.most is None else series["daemon"]),
    )


def table(lines: Iterable[Line], kept: dict[str, Any]) -> str:
    """All lines, aligned for a terminal, beside the figures that were kept."""
    rows = [_HEADINGS, *(_cells(line, kept) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    text = [_row(row, widths) for row in rows]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def worse_cases(lines: Iterable[Line], kept: dict[str, Any]) -> list[str]:
    """A sentence for each figure that got worse since it was kept."""
    sentences = []
    for line in lines:
        if last_figures.is_worse(line, kept):
            now, last = last_figures.judged(line, kept) or (0, 0)
            sentences.append(f"{line.case} got WORSE: {line.figure.unit} {now:.3g}, was {last:.3g}")
    return sentences


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(width) if column < _LEFT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _cells(line: Line, kept: dict[str, Any]) -> tuple[str, ...]:
    figure = line.figure
    has_ratio = figure.most is None
    pair = last_figures.judged(line, kept)
    return (
        figure.label,
        figure.unit,
        *(_shown(line.values[name], figure.decimals) for name in _PROXIES),
        _shown(line.ratio, 2) if has_ratio else "",
        "" if line.spread is None else f"{line.spread:.0%}",
        _shown(line.nginx_ratio, 2) if has_ratio and line.nginx_ratio is not None else "",
        line.goal,
        {True: "yes", False: "NO", None: ""}[line.is_reached],
        "" if pair is None else _shown(pair[1], 2 if has_ratio else figure.decimals),
        "worse" if last_figures.is_worse(line, kept) else "",
    )


def _shown(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


def _series(rounds: Rounds, name: str, figure: Figure) -> list[float]:
    return [one[figure.key] for one in rounds.get(name, []) if figure.key in one]


def _median(series: Sequence[float]) -> float | None:
    return statistics.median(series) if series else None


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=False) if other > 0]
