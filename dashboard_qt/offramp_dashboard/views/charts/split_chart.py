"""Each backend's share over time, all bars of one height, and when delegation was paused."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from offramp_core.wording.formatting import format_percent, share
from offramp_dashboard.views.charts import ticks
from offramp_dashboard.views.charts.bars_item import BarBlock, BarsItem, StackedBar
from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.views.charts.hover_panel import HoverRow, Readout
from offramp_dashboard.views.charts.pixel_item import PixelItem
from offramp_dashboard.views.charts.ticks import Tick
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PySide6.QtGui import QTransform
    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.snapshot import PauseMark, Split
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.views.style.series_fills import SeriesFills

_WHOLE = 100
_MARK_PX = 8.0
_SMALLEST_MARK_PX = 3.0
_GAP = 0.06


class SplitChart(Chart):
    """Draws a `Split`."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Nothing is drawn yet."""
        super().__init__(name, parent)
        self._split: Split | None = None
        self._series_fills: SeriesFills | None = None
        self._item = BarsItem(gap=_GAP)
        self.addItem(self._item)
        self._marks = _PauseItem(self)
        self._marks.setZValue(10)
        self.addItem(self._marks)
        self.empty_text = "Nothing to split yet"

    def show_split(self, split: Split, series_fills: SeriesFills) -> None:
        """Draw this from now on."""
        self._split, self._series_fills = split, series_fills
        self._redraw()
        has_any = any(any(each.values) for each in split.bars.series)
        self.set_extent(len(split.bars.edges) - 1, _WHOLE if has_any else 0)
        self._marks.set_marks([self._extent(mark) for mark in split.pauses])
        pauses = len(split.pauses)
        self.setAccessibleDescription(
            f"{self.bar_count} bars; delegation was paused {pauses} time{'s' * (pauses != 1)}"
        )

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self._item.set_seam(theme.card)
        self._redraw()

    @property
    def shown(self) -> Split | None:
        """What is drawn."""
        return self._split

    def count_levels(self) -> tuple[Tick, ...]:
        """Percents."""
        return tuple(Tick(part, f"{part}%") for part in (0, 50, _WHOLE))

    def top(self) -> float:
        """All there is."""
        return float(_WHOLE)

    def ticks(self, most: int) -> Sequence[Tick]:
        """Round times."""
        return ticks.time_ticks(self._split.bars.edges, most) if self._split else ()

    def readout(self, bar: int) -> Readout:
        """Each backend's share and number, and whether delegation was paused."""
        split, series_fills = self._split, self._series_fills
        assert split is not None
        assert series_fills is not None
        bars = split.bars
        total = sum(each.values[bar] for each in bars.series)
        rows = [
            HoverRow(
                name=each.name,
                value=f"{number_text.exact(each.values[bar])}  "
                f"{format_percent(share(each.values[bar], total))}",
                fill=series_fills.fill(self.theme, each.backend),
            )
            for each in reversed(bars.series)
            if each.values[bar]
        ]
        if not rows:
            rows = [HoverRow(name=bars.measure.value, value="0")]
        start, end = bars.edges[bar], bars.edges[bar + 1]
        return Readout(
            title=number_text.span_text(start, end, bars.now),
            rows=tuple(rows),
            note=self._pause_note(start, end),
        )

    def _pause_note(self, start: datetime, end: datetime) -> str:
        assert self._split is not None
        now = self._split.bars.now
        for mark in self._split.pauses:
            if mark.start < end and (mark.end is None or mark.end > start):
                since = number_text.moment_text(mark.start, now)
                until = number_text.moment_text(mark.end, now) if mark.end else "now"
                return f"paused {since} {number_text.DASH} {until}"
        return ""

    def _extent(self, mark: PauseMark) -> tuple[float, float]:
        """Where a pause begins and ends, in bars."""
        assert self._split is not None
        bars = self._split.bars
        end = min(mark.end or bars.now, bars.edges[-1])
        return _bar_position(bars.edges, mark.start), _bar_position(bars.edges, end)

    def _redraw(self) -> None:
        split, series_fills = self._split, self._series_fills
        if split is None or series_fills is None:
            return
        fills = [series_fills.fill(self.theme, each.backend) for each in split.bars.series]
        drawn = []
        for column in zip(*(each.values for each in split.bars.series), strict=True):
            total, level = sum(column), 0
            blocks = []
            for value, fill in zip(column, fills, strict=True):
                if value:
                    low = _WHOLE * level / total
                    blocks.append(BarBlock(low, _WHOLE * (level + value) / total, fill))
                    level += value
            drawn.append(StackedBar(tuple(blocks)))
        self._item.set_bars(drawn)


class _PauseItem(PixelItem):
    """A bracket over the bars for each pause, with fine lines down to where it began and ended."""

    def __init__(self, chart: SplitChart) -> None:
        super().__init__()
        self._chart = chart
        self._marks: list[tuple[float, float]] = []

    def set_marks(self, marks: list[tuple[float, float]]) -> None:
        self._marks = marks
        self.update()

    def paint_pixels(self, painter: QPainter, to_pixels: QTransform, _area: QRectF) -> None:
        theme = self._chart.theme
        top = to_pixels.map(QPointF(0, _WHOLE)).y()
        low = to_pixels.map(QPointF(0, 0)).y()
        first = to_pixels.map(QPointF(0, 0)).x() + _MARK_PX
        last = to_pixels.map(QPointF(self._chart.bar_count, 0)).x() - _MARK_PX
        veil = QColor(theme.card)
        veil.setAlphaF(0.5)
        for start, end in self._marks:
            left = to_pixels.map(QPointF(start, 0)).x()
            right = max(to_pixels.map(QPointF(end, 0)).x(), left + _SMALLEST_MARK_PX)
            painter.fillRect(QRectF(left, top, right - left, low - top), veil)
            painter.setPen(QPen(QColor(theme.text), 1, Qt.PenStyle.DotLine))
            for x in (left, right):
                painter.drawLine(QPointF(round(x) + 0.5, top), QPointF(round(x) + 0.5, low))
            middle = max(first, min((left + right) / 2, last))  # whole, at the ends too
            self._paint_sign(painter, middle, top + _MARK_PX + 4)

    def _paint_sign(self, painter: QPainter, middle: float, centre: float) -> None:
        """Two upright strokes on a disc: the sign that every player pauses by."""
        theme = self._chart.theme
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.text))
        painter.drawEllipse(QPointF(middle, centre), _MARK_PX, _MARK_PX)
        painter.setBrush(QColor(theme.card))
        for x in (middle - 2.5, middle + 0.8):
            painter.drawRect(QRectF(x, centre - 3.5, 1.9, 7))
        painter.restore()


def _bar_position(edges: Sequence[datetime], moment: datetime) -> float:
    """`moment` in bars: 2.5 is the middle of the third."""
    index = bisect_right([edge.timestamp() for edge in edges], moment.timestamp()) - 1
    if index < 0:
        return 0.0
    if index >= len(edges) - 1:
        return float(len(edges) - 1)
    # By time stamps: within one zone Python subtracts wall clocks, which may have been changed.
    start, end = edges[index].timestamp(), edges[index + 1].timestamp()
    return index + (moment.timestamp() - start) / (end - start)
