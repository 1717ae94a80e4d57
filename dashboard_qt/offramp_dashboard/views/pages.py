"""The pages of charts: which charts they hold, and what each chart is told of a `Snapshot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from offramp_core.wording.formatting import backend_name
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.charts.bars_chart import BarsChart
from offramp_dashboard.views.charts.split_chart import SplitChart
from offramp_dashboard.views.charts.weeks_chart import WeeksChart, week_name, week_total
from offramp_dashboard.views.quota.quota_chart import QuotaChart
from offramp_dashboard.views.quota.quota_meters import QuotaStrip
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.series_fills import SeriesFills
from offramp_dashboard.views.tokens_view import TokensView
from offramp_dashboard.views.week_summary import NOTHING_THEN, NOTHING_YET, WeekSummaryView
from offramp_dashboard.views.widgets.card import Card

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from offramp_dashboard.data.snapshot import Bars, Snapshot, WeekColumn, Weeks
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.views.charts.chart import Chart

_LOWEST_CHART_PX = 90
_STILL_READING = "older history is still being read"


class ChartPage(QWidget):
    """A page of cards.

    Signals:
        span_dragged(datetime, datetime): a range of time was chosen in one of its charts.
        back_asked(): out of that range again.
    """

    span_dragged = Signal(object, object)
    back_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """An empty page."""
        super().__init__(parent)
        self.setObjectName("page")
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(GRID_PX + 4)
        self._charts: list[Chart] = []

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw it."""
        raise NotImplementedError

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        for chart in self._charts:
            chart.set_theme(theme)

    @property
    def charts(self) -> Sequence[Chart]:
        """All its charts."""
        return tuple(self._charts)

    def _card(self, title: str, chart: Chart) -> Card:
        chart.setMinimumHeight(_LOWEST_CHART_PX)
        chart.setMinimumWidth(160)
        chart.range_dragged.connect(lambda first, last: self._report_range(chart, first, last))
        chart.back_asked.connect(self.back_asked)
        self._charts.append(chart)
        return Card(title, chart)

    def _report_range(self, chart: Chart, first: int, last: int) -> None:
        span = _span(chart, first, last)
        if span is not None:
            self.span_dragged.emit(*span)


class Overview(ChartPage):
    """The week in figures, the plans at a glance, and the four windows of time.

    Signals:
        errors_asked(): show the requests of the week that failed.
    """

    errors_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty charts."""
        super().__init__(parent)
        self.week_summary = WeekSummaryView()
        self.week_summary.errors.chosen.connect(self.errors_asked)
        self.quota = QuotaStrip()
        self.day = BarsChart("Last 24 hours by hour and model", empty_text="Nothing in 24 hours")
        self.recent = BarsChart(
            "Last 3 hours in steps of 3 minutes", empty_text="Nothing in 3 hours"
        )
        self.weeks = WeeksChart("Weeks side by side")
        self.split = SplitChart("Split between the providers over time")
        self.day_card = self._card("Last 24 hours", self.day)
        self.weeks_card = self._card("Weeks", self.weeks)
        self.recent_card = self._card("Last 3 hours", self.recent)
        self.split_card = self._card("Split over time", self.split)
        self.grid.addWidget(self.week_summary, 0, 0, 1, 2)
        self.grid.addWidget(self.quota, 1, 0, 1, 2)
        self.grid.addWidget(self.day_card, 2, 0)
        self.grid.addWidget(self.weeks_card, 2, 1)
        self.grid.addWidget(self.recent_card, 3, 0)
        self.grid.addWidget(self.split_card, 3, 1)
        self.grid.setColumnStretch(0, 3)
        self.grid.setColumnStretch(1, 2)
        self.grid.setRowStretch(2, 1)
        self.grid.setRowStretch(3, 1)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw it; a range of the user's own takes the place of the last 24 hours."""
        series_fills = SeriesFills.of(snapshot)
        self.week_summary.show_snapshot(snapshot)
        self.quota.show_quota(snapshot.quota)
        day = snapshot.chosen or snapshot.day
        self.day.show_bars(day, series_fills)
        self.day_card.set_title("Your range" if snapshot.chosen else "Last 24 hours")
        self.day_card.set_subtitle(_bars_subtitle(day, "by model"))
        if snapshot.chosen:
            when = number_text.span_text(day.edges[0], day.edges[-1], snapshot.taken)
            self.day_card.set_subtitle(f"{when}  ·  {_bars_subtitle(day, 'by model')}")
        self.recent.show_bars(snapshot.recent, series_fills)
        self.recent_card.set_subtitle(_bars_subtitle(snapshot.recent, "3 minutes a bar"))
        self.weeks.show_weeks(
            snapshot.weeks, series_fills, snapshot.taken, compared=chosen_week(snapshot)
        )
        self.weeks_card.set_subtitle(weeks_subtitle(snapshot))
        self.split.show_split(snapshot.split, series_fills)
        self.split_card.set_subtitle(split_subtitle(snapshot))

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self.week_summary.set_theme(theme)
        self.quota.set_theme(theme)


class HistoryPage(ChartPage):
    """The longer view: the split over time, weeks, and tokens by kind."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty charts."""
        super().__init__(parent)
        self.split = SplitChart("Split between the providers over time")
        self.weeks = WeeksChart("Weeks side by side")
        self.tokens = TokensView()
        self.split_card = self._card("Split over time", self.split)
        self.weeks_card = self._card("Weeks", self.weeks)
        self.tokens_card = Card("Tokens by kind", self.tokens)
        self.grid.addWidget(self.split_card, 0, 0, 1, 2)
        self.grid.addWidget(self.weeks_card, 1, 0)
        self.grid.addWidget(self.tokens_card, 1, 1)
        self.grid.setColumnStretch(0, 1)
        self.grid.setColumnStretch(1, 1)
        self.grid.setRowStretch(0, 1)
        self.grid.setRowStretch(1, 1)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw it."""
        series_fills = SeriesFills.of(snapshot)
        self.split.show_split(snapshot.split, series_fills)
        self.split_card.set_subtitle(split_subtitle(snapshot))
        self.weeks.show_weeks(
            snapshot.weeks, series_fills, snapshot.taken, compared=chosen_week(snapshot)
        )
        self.weeks_card.set_subtitle(weeks_subtitle(snapshot))
        self.tokens.show_tokens(snapshot.tokens, series_fills.backends)
        tokens = snapshot.tokens
        when = f"since {number_text.moment_text(tokens.start, snapshot.taken)}"
        if snapshot.chosen is not None:
            when = number_text.span_text(tokens.start, tokens.end, snapshot.taken)
        self.tokens_card.set_subtitle(when)

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self.tokens.set_theme(theme)


def chosen_week(snapshot: Snapshot) -> WeekColumn | None:
    """The week that the user's range is, where it is just one."""
    if snapshot.chosen is None:
        return None
    edges = snapshot.chosen.edges
    start, end = edges[0].timestamp(), edges[-1].timestamp()
    for week in snapshot.weeks.weeks:
        is_all = end >= min(week.end.timestamp(), snapshot.taken.timestamp())
        if week.start.timestamp() == start and is_all and end <= week.end.timestamp():
            return week
    return None


def weeks_subtitle(snapshot: Snapshot) -> str:
    """How the chosen week compares with the one before it; else where the running one goes."""
    weeks = snapshot.weeks
    if not weeks.is_complete:
        return _STILL_READING
    if (chosen := chosen_week(snapshot)) is not None:
        return _week_subtitle(chosen, weeks)
    if weeks.pace is None:
        return ""
    end = number_text.day_and_clock(weeks.weeks[-1].end)
    low, high = number_text.short(weeks.pace.low), number_text.short(weeks.pace.high)
    band = f" ({low} to {high})" if low != high else ""
    return f"about {number_text.short(weeks.pace.likely)} by {end}{band}"


def _week_subtitle(week: WeekColumn, weeks: Weeks) -> str:
    """`15 Oct: 61.9M tokens, ↓ 2% vs. 8 Oct`; the running week is not over, and says nothing."""
    total = week_total(week)
    text = f"{week_name(week)}: {number_text.short(total)} {weeks.measure.value}"
    place = weeks.weeks.index(week)
    if not place or week.is_current:
        return text
    before = weeks.weeks[place - 1]
    return f"{text}, {number_text.change_text(total, week_total(before), week_name(before))}"


def split_subtitle(snapshot: Snapshot) -> str:
    """From when on, of what, and how pauses are shown."""
    bars = snapshot.split.bars
    notes = [f"share of {bars.measure.value}"]
    if snapshot.split.pauses:
        notes.append("pauses dimmed")
    if not bars.is_complete:
        notes.append(_STILL_READING)
    return "  ·  ".join(notes)


def _bars_subtitle(bars: Bars, how: str) -> str:
    total = sum(sum(each.values) for each in bars.series)
    text = f"{number_text.short(total)} {bars.measure.value}, {how}"
    return text if bars.is_complete else f"{text}  ·  {_STILL_READING}"


def _span(chart: Chart, first: int, last: int) -> tuple[datetime, datetime] | None:
    if isinstance(chart, WeeksChart):
        weeks = chart.shown.weeks if chart.shown else ()
        return (weeks[first].start, weeks[last].end) if weeks else None
    if isinstance(chart, QuotaChart):
        edges = chart.edges()
        return (edges[first], edges[last + 1]) if edges else None
    bars: Bars | None = None
    if isinstance(chart, SplitChart):
        bars = chart.shown.bars if chart.shown else None
    elif isinstance(chart, BarsChart):
        bars = chart.shown
    return (bars.edges[first], bars.edges[last + 1]) if bars else None


def summary_of(snapshot: Snapshot) -> str:
    """The week in one sentence, for people who can't see the charts."""
    week = snapshot.week_summary
    parts = [
        f"{backend_name(part.backend)} {number_text.exact(part.requests)} requests"
        for part in week.parts
    ]
    if not parts:
        nothing = NOTHING_YET if week.is_current else NOTHING_THEN
        return nothing[0].upper() + nothing[1:]
    name = "This week" if week.is_current else f"Week of {number_text.full_date(week.start)}"
    return f"{name}: {', '.join(parts)}"
