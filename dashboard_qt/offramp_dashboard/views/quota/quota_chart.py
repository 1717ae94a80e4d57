"""One window of a plan over its time: what is used, even pace, and what the reset will find."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.wording.quota_text import percent_text
from offramp_dashboard.theme import Fill
from offramp_dashboard.views.charts import ticks
from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.views.charts.hover_panel import HoverRow, Readout
from offramp_dashboard.views.charts.ticks import Tick
from offramp_dashboard.views.quota.quota_curve import WHOLE, QuotaCurve
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.snapshot import BurnPoint, BurnUp
    from offramp_dashboard.theme import Theme

_SHORT = timedelta(days=1)
_SHORT_BARS = 60
_LONG_BARS = 168
"""Five minutes of five hours, an hour of a week: what the pointer tells apart."""
_HIGHEST = 1.5
"""A forecast beyond that leaves the chart; a figure that was told never does."""
_MARK = timedelta(minutes=15)
_PER_LEVEL_PX = 28


class QuotaChart(Chart):
    """Draws a `BurnUp`."""

    takes_clicks = False
    """Its bars are not bars to look at, only what the pointer tells apart."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Nothing is drawn yet."""
        super().__init__(name, parent)
        self._burn_up: BurnUp | None = None
        self._item = QuotaCurve(self)
        self._item.setZValue(5)
        self.addItem(self._item)

    def show_burn_up(self, burn_up: BurnUp) -> None:
        """Draw this from now on."""
        self._burn_up = burn_up
        self._item.set_burn_up(burn_up)
        highest = max(1.0, burn_up.used, min(burn_up.forecast or 0.0, _HIGHEST))
        self.set_extent(_bars(burn_up), round(min(highest, 10.0) * WHOLE))
        self.setAccessibleName(burn_up.title)
        self.setAccessibleDescription(f"{burn_up.title} {burn_up.text}")

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self._item.update()

    @property
    def shown(self) -> BurnUp | None:
        """What is drawn."""
        return self._burn_up

    def edges(self) -> tuple[datetime, ...]:
        """Where each bar begins, and where the last one ends."""
        burn_up = self._burn_up
        if burn_up is None:
            return ()
        start, end = burn_up.start.astimezone(UTC), burn_up.end.astimezone(UTC)
        zone, count = burn_up.start.tzinfo, _bars(burn_up)
        return tuple((start + (end - start) * i / count).astimezone(zone) for i in range(count + 1))

    def count_levels(self) -> tuple[Tick, ...]:
        """Percents."""
        steps = 4 if self.getViewBox().height() / 4 >= _PER_LEVEL_PX else 2
        return tuple(
            Tick(WHOLE * i / steps, f"{WHOLE * i // steps}%")
            for i in range(steps * self.highest // WHOLE + 1)
        )

    def ticks(self, most: int) -> Sequence[Tick]:
        """Round times, wherever the window happens to begin."""
        burn_up = self._burn_up
        if burn_up is None:
            return ()
        begin, end = burn_up.start.timestamp(), burn_up.end.timestamp()
        step = _MARK.total_seconds() * (1 if end - begin <= _SHORT.total_seconds() else 4)
        zone = burn_up.start.tzinfo
        marks = [-(-begin // step) * step]
        while marks[-1] + step <= end:
            marks.append(marks[-1] + step)
        moments = [datetime.fromtimestamp(mark, zone) for mark in marks]
        return tuple(
            Tick(self.bar_count * (marks[int(at)] - begin) / (end - begin), label)
            for at, label in ticks.time_ticks(moments, most)
        )

    def readout(self, bar: int) -> Readout:
        """What was used by the bar's end, or is expected to be; even pace, and the week before."""
        burn_up = self._burn_up
        assert burn_up is not None
        edges = self.edges()
        start, end = edges[bar], edges[bar + 1]
        is_ahead = start.timestamp() > burn_up.now.timestamp()
        even = (bar + 1) / self.bar_count
        rows = [HoverRow(name="at even pace", value=percent_text(even))]
        note = ""
        if is_ahead:
            if (expected := _expected(burn_up, end)) is not None:
                likely, low, high = map(percent_text, expected)
                rows.insert(0, HoverRow(name="expected", value=f"≈ {likely}"))
                rows.insert(1, HoverRow(name="in 4 of 5 cases", value=f"{low} to {high}"))
        else:
            moment = min(end, burn_up.now, key=datetime.timestamp)
            value, note = _used_at(burn_up, moment)
            fill = Fill(colour=self.theme.of_backend(burn_up.backend))
            rows.insert(0, HoverRow(name="used", value=value, fill=fill))
        if burn_up.before:
            used_before = percent_text(_value_at(burn_up.before, end))
            rows.append(HoverRow(name="the week before", value=used_before))
        title = number_text.span_text(start, end, burn_up.now)
        return Readout(title=title, rows=tuple(rows), note=note)


def _bars(burn_up: BurnUp) -> int:
    seconds = burn_up.end.timestamp() - burn_up.start.timestamp()
    return _SHORT_BARS if seconds <= _SHORT.total_seconds() else _LONG_BARS


def _expected(burn_up: BurnUp, moment: datetime) -> tuple[float, float, float] | None:
    """What is used by `moment`, which is to come: likely, low, high."""
    ahead = burn_up.ahead
    if not ahead:
        return None
    seconds = [one.moment.timestamp() for one in ahead]
    place = min(max(1, bisect_left(seconds, moment.timestamp())), len(ahead) - 1)
    before, after = ahead[place - 1], ahead[place]
    part = (moment.timestamp() - seconds[place - 1]) / (seconds[place] - seconds[place - 1])
    part = min(max(part, 0.0), 1.0)
    return (
        before.likely + part * (after.likely - before.likely),
        before.low + part * (after.low - before.low),
        before.high + part * (after.high - before.high),
    )


def _value_at(points: Sequence[BurnPoint], moment: datetime) -> float:
    """What was used at `moment`, by the last point before it."""
    at = bisect_right([point.moment.timestamp() for point in points], moment.timestamp())
    return points[max(0, at - 1)].used


def _used_at(burn_up: BurnUp, moment: datetime) -> tuple[str, str]:
    """What was used at `moment`, which is over, and what there is to say about it."""
    points = burn_up.points
    at = bisect_right([point.moment.timestamp() for point in points], moment.timestamp())
    before = points[max(0, at - 1)]
    if at < len(points) and points[at].is_after_gap:
        low, high = percent_text(before.used), percent_text(points[at].used)
        return f"{low} {number_text.DASH} {high}", "no data (daemon off)"
    if at == len(points) and moment.timestamp() > burn_up.told_at.timestamp():
        told = number_text.moment_text(burn_up.told_at, burn_up.now)
        return percent_text(before.used), f"last reading {told}"
    return percent_text(before.used), ""
