"""Weeks side by side, stacked by backend; the running one with what it is expected to come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QFontMetricsF

from offramp_core.wording.formatting import backend_name, format_percent, share
from offramp_dashboard.views.charts.bars_item import BarBlock, BarsItem, StackedBar
from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.views.charts.hover_panel import HoverRow, Readout
from offramp_dashboard.views.charts.ticks import Tick
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.snapshot import WeekColumn, Weeks
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.views.style.series_fills import SeriesFills

_GAP = 0.34
_CHOSEN_ALPHA = 0.18


class WeeksChart(Chart):
    """Draws `Weeks`; a click-drag over weeks chooses them as a range."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Nothing is drawn yet."""
        super().__init__(name, parent)
        self._weeks: Weeks | None = None
        self._series_fills: SeriesFills | None = None
        self._now: datetime | None = None
        self._compared: WeekColumn | None = None
        self._item = BarsItem(gap=_GAP)
        self.addItem(self._item)
        self.empty_text = "Nothing in these weeks"

    def show_weeks(
        self,
        weeks: Weeks,
        series_fills: SeriesFills,
        now: datetime,
        compared: WeekColumn | None = None,
    ) -> None:
        """Draw these from now on; what is said of a week compares it with `compared`."""
        self._weeks, self._series_fills, self._now = weeks, series_fills, now
        self._compared = compared
        self._redraw()
        highest = max([week_total(week) for week in weeks.weeks] + [_expected(weeks)], default=0)
        self.set_extent(len(weeks.weeks), highest)
        current = next((week for week in weeks.weeks if week.is_current), None)
        so_far = number_text.exact(week_total(current)) if current else "0"
        self.setAccessibleDescription(
            f"{len(weeks.weeks)} weeks; this week {so_far} {weeks.measure.value}"
        )

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        font = self.caption_font()
        self._item.set_look(font, theme.text)
        self._item.set_seam(theme.card)
        self.head_px = QFontMetricsF(font).height() + 2
        self.set_extent(self.bar_count, self.highest)
        self._redraw()

    @property
    def shown(self) -> Weeks | None:
        """What is drawn."""
        return self._weeks

    def widest_tick(self) -> str:
        """A date, or the running week's name."""
        return "This week"

    def ticks(self, most: int) -> Sequence[Tick]:
        """Each week's first day, or each second, third, ... week's, counted from the last."""
        weeks = self._weeks.weeks if self._weeks else ()
        step = -(-len(weeks) // most) if most else 1
        chosen = [i for i in range(len(weeks)) if (len(weeks) - 1 - i) % step == 0]
        return [Tick(i + 0.5, week_name(weeks[i])) for i in chosen]

    def readout(self, bar: int) -> Readout:
        """The week's parts, its whole and, of the running one, its pace."""
        weeks, series_fills, now = self._weeks, self._series_fills, self._now
        assert weeks is not None
        assert series_fills is not None
        assert now is not None
        week = weeks.weeks[bar]
        total = week_total(week)
        rows = [
            HoverRow(
                name=backend_name(backend),
                value=f"{number_text.exact(value)}  {format_percent(share(value, total))}",
                fill=series_fills.fill(self.theme, backend),
            )
            for backend, value in reversed(week.values)
            if value
        ]
        rows.append(HoverRow(name=weeks.measure.value, value=number_text.exact(total)))
        if week.is_current and weeks.pace is not None:
            pace = weeks.pace
            low, high = number_text.short(pace.low), number_text.short(pace.high)
            band = f"{low} {number_text.DASH} {high}"
            rows.append(HoverRow(name="expected", value=f"≈ {number_text.short(pace.likely)}"))
            rows.append(HoverRow(name="in 4 of 5 weeks", value=band))
        rows += self._comparison(week)
        start = number_text.day_of_month(week.start)
        title = f"{start} {number_text.DASH} {number_text.day_of_month(week.end)}"
        note = f"since {number_text.day_and_clock(week.start)}" if week.is_current else ""
        return Readout(title=title, rows=tuple(rows), note=note)

    def _comparison(self, week: WeekColumn) -> list[HoverRow]:
        """How it differs from the week that was chosen; one that is not over can't be compared."""
        chosen = self._compared
        if chosen is None or chosen.start == week.start:
            return []
        name, total = week_name(chosen), week_total(chosen)
        rows = [HoverRow(name=name, value=number_text.exact(total))]
        if not week.is_current and not chosen.is_current:
            change = number_text.change_text(week_total(week), total, name)
            rows.append(HoverRow(name="difference", value=change))
        return rows

    def marked_bars(self) -> list[tuple[int, int, QColor]]:
        """The week that was chosen stands out, too."""
        marked = super().marked_bars()
        weeks = self._weeks.weeks if self._weeks else ()
        for place, week in enumerate(weeks):
            if self._compared is not None and week.start == self._compared.start:
                colour = QColor(self.theme.focus)
                colour.setAlphaF(_CHOSEN_ALPHA)
                marked.insert(0, (place, place, colour))
        return marked

    def _redraw(self) -> None:
        weeks, series_fills = self._weeks, self._series_fills
        if weeks is None or series_fills is None:
            return
        self._item.set_bars([self._bar(week, weeks, series_fills) for week in weeks.weeks])

    def _bar(self, week: WeekColumn, weeks: Weeks, series_fills: SeriesFills) -> StackedBar:
        blocks = []
        level = 0
        for backend, value in week.values:
            if value:
                fill = series_fills.fill(self.theme, backend)
                blocks.append(BarBlock(level, level + value, fill))
                level += value
        count, sign = level, ""
        if week.is_current and (expected := _expected(weeks)) > level:
            fill = self.theme.fill(None)
            blocks.append(BarBlock(level, expected, fill, is_expected=True))
            count, sign = expected, "≈"
        if not count:
            return StackedBar(tuple(blocks))
        label = f"{sign} {number_text.short(count)}".lstrip()
        return StackedBar(tuple(blocks), label, f"{sign}{number_text.shorter(count)}")


def _expected(weeks: Weeks) -> int:
    """What the running week is likely to come to; 0 while that can't be told."""
    return weeks.pace.likely if weeks.pace else 0


def week_total(week: WeekColumn) -> int:
    """All that it counts."""
    return sum(value for _, value in week.values)


def week_name(week: WeekColumn) -> str:
    """`This week`, or the day that it began on."""
    return "This week" if week.is_current else number_text.day_of_month(week.start)
