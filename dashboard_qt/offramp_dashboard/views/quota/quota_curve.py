"""Draws one window of a plan: steps, gaps, even pace, and where it goes at this pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from offramp_core.wording.quota_text import percent_text
from offramp_dashboard.data.snapshot import AheadPoint
from offramp_dashboard.views.charts.pixel_item import PixelItem
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PySide6.QtGui import QTransform

    from offramp_dashboard.data.snapshot import BurnPoint, BurnUp
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.views.charts.chart import Chart

WHOLE = 100
LINE_PX = 2.0
THIN_PX = 1.5
DASHES = (5.0, 2.0, 1.0, 2.0)
DOTS = (1.0, 2.5)
EVEN_PACE = (6.0, 4.0)

_DOT_PX = 4.0
_LABEL_GAP_PX = 5.0
_AREA = 0.16


def line_pen(colour: str, width_px: float, pattern: Sequence[float] = ()) -> QPen:
    """A line with even ends; `pattern` counts in its own widths."""
    pen = QPen(QColor(colour), width_px)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    if pattern:
        pen.setDashPattern(list(pattern))
    return pen


class QuotaCurve(PixelItem):
    """Stands in a chart whose bars are the window's time, and which counts in percents."""

    def __init__(self, chart: Chart) -> None:
        """Draw nothing yet."""
        super().__init__()
        self._chart = chart
        self._burn_up: BurnUp | None = None

    def set_burn_up(self, burn_up: BurnUp | None) -> None:
        """Draw this from now on."""
        self._burn_up = burn_up
        self.update()

    def paint_pixels(self, painter: QPainter, to_pixels: QTransform, area: QRectF) -> None:
        """Draw the course so far and what is expected."""
        if self._burn_up is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
        _Drawing(painter, self._chart, self._burn_up, to_pixels, area).draw()


class _Drawing:
    """One paint: places in pixels, and the parts from the back to the front."""

    def __init__(
        self,
        painter: QPainter,
        chart: Chart,
        burn_up: BurnUp,
        to_pixels: QTransform,
        area: QRectF,
    ) -> None:
        self._painter = painter
        self._theme: Theme = chart.theme
        self._font = chart.caption_font()
        self._bars = chart.bar_count
        self._burn_up = burn_up
        self._to_pixels = to_pixels
        self._area = area
        self._colour = chart.theme.of_backend(burn_up.backend)

    def draw(self) -> None:
        self._draw_even_pace()
        self._draw_before()
        self._draw_used()
        self._draw_ahead()
        self._draw_now()

    def _to_point(self, moment: datetime, used: float) -> QPointF:
        start, end = self._burn_up.start.timestamp(), self._burn_up.end.timestamp()
        part = (moment.timestamp() - start) / (end - start)
        return self._to_pixels.map(QPointF(part * self._bars, used * WHOLE))

    def _draw_even_pace(self) -> None:
        burn_up, painter = self._burn_up, self._painter
        painter.setPen(line_pen(self._theme.muted, 1.0, EVEN_PACE))
        painter.drawLine(self._to_point(burn_up.start, 0), self._to_point(burn_up.end, 1))
        painter.setPen(line_pen(self._theme.muted, 1.0))
        top = round(self._to_point(burn_up.start, 1).y()) - 0.5
        painter.drawLine(QPointF(self._area.left(), top), QPointF(self._area.right(), top))

    def _draw_before(self) -> None:
        if not self._burn_up.before:
            return
        solid, gaps = self._lines(self._burn_up.before)
        for path, pattern in ((solid, ()), (gaps, DASHES)):
            self._painter.strokePath(path, line_pen(self._theme.faint, THIN_PX, pattern))

    def _draw_used(self) -> None:
        points = self._burn_up.points
        solid, gaps = self._lines(points)
        under = QPainterPath(self._to_point(points[0].moment, 0))
        before = points[0]
        for point in points[1:]:
            if not point.is_after_gap:
                under.lineTo(self._to_point(point.moment, before.used))
            under.lineTo(self._to_point(point.moment, point.used))
            before = point
        under.lineTo(self._to_point(before.moment, 0))
        shade = QColor(self._colour)
        shade.setAlphaF(_AREA)
        self._painter.fillPath(under, shade)
        self._painter.strokePath(solid, line_pen(self._colour, LINE_PX))
        self._painter.strokePath(gaps, line_pen(self._colour, THIN_PX, DASHES))

    def _lines(self, points: Sequence[BurnPoint]) -> tuple[QPainterPath, QPainterPath]:
        """The steps, and straight lines where it is not known when they were."""
        solid, gaps = QPainterPath(), QPainterPath()
        before = points[0]
        for point in points[1:]:
            path = gaps if point.is_after_gap else solid
            path.moveTo(self._to_point(before.moment, before.used))
            if not point.is_after_gap:
                path.lineTo(self._to_point(point.moment, before.used))
            path.lineTo(self._to_point(point.moment, point.used))
            before = point
        return solid, gaps

    def _draw_ahead(self) -> None:
        burn_up, painter = self._burn_up, self._painter
        here = self._to_point(burn_up.now, burn_up.used)
        painter.setPen(line_pen(self._colour, THIN_PX, DASHES))
        painter.drawLine(self._to_point(burn_up.told_at, burn_up.used), here)
        if not burn_up.ahead:
            return
        self._draw_band()
        there = self._to_point(burn_up.end, burn_up.ahead[-1].likely)
        if burn_up.runs_out is None:
            self._stroke_ahead(burn_up.ahead, self._colour)
            self._draw_forecast_label(here, there)
            return
        runs_out = burn_up.runs_out.timestamp()
        before = [one for one in burn_up.ahead if one.moment.timestamp() < runs_out]
        empty = AheadPoint(moment=burn_up.runs_out, likely=1, low=1, high=1)
        self._stroke_ahead((*before, empty), self._colour)
        self._stroke_ahead((empty, *burn_up.ahead[len(before) :]), self._theme.danger)
        at = self._to_point(burn_up.runs_out, 1)
        self._draw_disc(at, self._theme.danger, _DOT_PX - 1)
        text = f"runs out {number_text.moment_text(burn_up.runs_out, burn_up.now)}"
        self._draw_label(at, text, self._theme.danger, is_right=True)

    def _draw_band(self) -> None:
        """Between what four of five windows would end."""
        ahead = self._burn_up.ahead
        band = QPainterPath(self._to_point(ahead[0].moment, ahead[0].low))
        for one in ahead[1:]:
            band.lineTo(self._to_point(one.moment, one.low))
        for one in reversed(ahead):
            band.lineTo(self._to_point(one.moment, one.high))
        shade = QColor(self._colour)
        shade.setAlphaF(_AREA)
        self._painter.fillPath(band, shade)

    def _stroke_ahead(self, ahead: Sequence[AheadPoint], colour: str) -> None:
        path = QPainterPath(self._to_point(ahead[0].moment, ahead[0].likely))
        for one in ahead[1:]:
            path.lineTo(self._to_point(one.moment, one.likely))
        self._painter.strokePath(path, line_pen(colour, LINE_PX, DOTS))

    def _draw_forecast_label(self, here: QPointF, there: QPointF) -> None:
        text = percent_text(self._burn_up.forecast or 0)
        metrics = QFontMetricsF(self._font)
        # Both labels stand left of their point: they must not touch.
        room = metrics.horizontalAdvance(text) + 3 * _LABEL_GAP_PX
        if there.x() - here.x() > room:
            self._draw_label(there, text, self._theme.muted)

    def _draw_now(self) -> None:
        burn_up = self._burn_up
        here = self._to_point(burn_up.now, burn_up.used)
        colour = self._theme.danger if burn_up.is_spent else self._colour
        self._draw_disc(here, colour, _DOT_PX)
        text = "used up" if burn_up.is_spent else percent_text(burn_up.used)
        colour = self._theme.danger if burn_up.is_spent else self._theme.text
        self._draw_label(here, text, colour)

    def _draw_disc(self, centre: QPointF, colour: str, radius: float) -> None:
        self._painter.setPen(QPen(QColor(self._theme.card), 1.5))
        self._painter.setBrush(QColor(colour))
        self._painter.drawEllipse(centre, radius, radius)

    def _draw_label(
        self, place: QPointF, text: str, colour: str, *, is_right: bool = False
    ) -> None:
        """`text` above and left of `place`, or below and right of it; on the side with room."""
        metrics = QFontMetricsF(self._font)
        width, height = metrics.horizontalAdvance(text), metrics.height()
        before = place.x() - width - _LABEL_GAP_PX
        after = place.x() + 2 * _LABEL_GAP_PX
        has_room = after + width <= self._area.right() if is_right else before >= self._area.left()
        goes_right = is_right is has_room
        left = after if goes_right else before
        top = place.y() + 1 if goes_right else place.y() - height - 1
        top = min(max(top, self._area.top()), self._area.bottom() - height)
        box = QRectF(left, top, width + 1, height)
        ground = QColor(self._theme.card)
        ground.setAlphaF(0.75)
        self._painter.fillRect(box.adjusted(-2, 0, 2, 0), ground)
        self._painter.setFont(self._font)
        self._painter.setPen(QColor(colour))
        self._painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
