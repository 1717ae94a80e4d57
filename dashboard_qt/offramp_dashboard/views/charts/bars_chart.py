"""Stacked bars over time: the last 3 hours, the last 24, and ranges of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_dashboard.views.charts import ticks
from offramp_dashboard.views.charts.bars_item import BarBlock, BarsItem, StackedBar
from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.views.charts.hover_panel import HoverRow, Readout
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.snapshot import Bars
    from offramp_dashboard.theme import Fill, Theme
    from offramp_dashboard.views.charts.ticks import Tick
    from offramp_dashboard.views.style.series_fills import SeriesFills

_GAP = 0.22


class BarsChart(Chart):
    """Draws `Bars`."""

    def __init__(self, name: str, *, empty_text: str = "", parent: QWidget | None = None) -> None:
        """`empty_text` stands there while no bar counts anything."""
        super().__init__(name, parent)
        self._bars: Bars | None = None
        self._series_fills: SeriesFills | None = None
        self._item = BarsItem(gap=_GAP)
        self.addItem(self._item)
        self.empty_text = empty_text

    def show_bars(self, bars: Bars, series_fills: SeriesFills) -> None:
        """Draw these from now on."""
        self._bars, self._series_fills = bars, series_fills
        totals = self._totals()
        self._redraw()
        self.set_extent(len(bars.edges) - 1, max(totals, default=0))
        unit = bars.measure.value
        self.setAccessibleDescription(
            f"{number_text.exact(sum(totals))} {unit} in {len(totals)} bars"
        )

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self._item.set_seam(theme.card)
        self._redraw()

    @property
    def shown(self) -> Bars | None:
        """What is drawn."""
        return self._bars

    def ticks(self, most: int) -> Sequence[Tick]:
        """Round times."""
        return ticks.time_ticks(self._bars.edges, most) if self._bars else ()

    def readout(self, bar: int) -> Readout:
        """Each part that isn't nothing, the topmost first, and the whole."""
        bars, series_fills = self._bars, self._series_fills
        assert bars is not None
        assert series_fills is not None
        rows = [
            HoverRow(
                name=each.name,
                value=number_text.exact(each.values[bar]),
                fill=series_fills.fill(self.theme, each.backend, each.model),
            )
            for each in reversed(bars.series)
            if each.values[bar]
        ]
        total = sum(each.values[bar] for each in bars.series)
        if len(rows) != 1:
            rows.append(HoverRow(name=bars.measure.value, value=number_text.exact(total)))
        start, end = bars.edges[bar], bars.edges[bar + 1]
        note = "not over yet" if start <= bars.now < end else ""
        return Readout(
            title=number_text.span_text(start, end, bars.now), rows=tuple(rows), note=note
        )

    def _totals(self) -> list[int]:
        bars = self._bars
        if bars is None:
            return []
        return [sum(each.values[bar] for each in bars.series) for bar in range(len(bars.edges) - 1)]

    def _redraw(self) -> None:
        bars, series_fills = self._bars, self._series_fills
        if bars is None or series_fills is None:
            return
        fills = [series_fills.fill(self.theme, each.backend, each.model) for each in bars.series]
        columns = zip(*(each.values for each in bars.series), strict=True)
        self._item.set_bars([StackedBar(_stacked(column, fills)) for column in columns])


def _stacked(values: Sequence[int], fills: Sequence[Fill]) -> tuple[BarBlock, ...]:
    blocks = []
    level = 0
    for value, fill in zip(values, fills, strict=True):
        if value:
            blocks.append(BarBlock(level, level + value, fill))
            level += value
    return tuple(blocks)
