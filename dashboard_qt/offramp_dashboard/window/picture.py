"""The page as a picture that explains itself: title, time, what is counted and hidden, legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPixmap

from offramp_dashboard.theme import CAPTION, GRID_PX, HEADING
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.brushes import paint_fill
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.style.series_fills import SeriesFills

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFont
    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.theme import Fill, Theme

_MARGIN_PX = 2.0 * GRID_PX
_SWATCH_PX = 11.0
_GAP_PX = 6.0


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A name and the fills that stand for it."""

    name: str
    fills: tuple[Fill, ...]


class PagePicture:
    """Lays the words out above what a page shows."""

    def __init__(
        self,
        page: QWidget,
        theme: Theme,
        *,
        title: str,
        notes: Sequence[str],
        legend: Sequence[LegendEntry],
    ) -> None:
        """Put `title`, `notes` in one line, and `legend` above all of `page`."""
        self._page = page
        self._theme = theme
        self._title = title
        self._notes = "  \N{MIDDLE DOT}  ".join(notes)
        self._legend = tuple(legend)
        self._title_font = scaled(page.font(), HEADING, is_bold=True)
        self._font = scaled(page.font(), CAPTION)

    def image(self) -> QPixmap:
        """Draw it, as sharp as the screen is."""
        ratio = self._page.devicePixelRatioF()
        width, head = float(self._page.width()) + 2 * _MARGIN_PX, self._head(None)
        height = head + self._page.height() + _MARGIN_PX
        image = QPixmap(round(width * ratio), round(height * ratio))
        image.setDevicePixelRatio(ratio)
        image.fill(QColor(self._theme.window))
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._head(painter)
        painter.drawPixmap(QPointF(_MARGIN_PX, head), self._page.grab())
        painter.end()
        return image

    def _head(self, painter: QPainter | None) -> float:
        """How high the words are; drawn where there is a painter."""
        room = self._page.width()
        top = _MARGIN_PX
        top += self._line(painter, self._title_font, self._theme.text, self._title, top, room)
        top += self._line(painter, self._font, self._theme.muted, self._notes, top, room)
        if self._legend:
            top = self._place_legend(painter, top + _GAP_PX, room)
        return top + GRID_PX

    def _line(
        self, painter: QPainter | None, font: QFont, colour: str, text: str, top: float, room: float
    ) -> float:
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
        area = QRectF(_MARGIN_PX, top, room, 10_000)
        needed = QFontMetricsF(font).boundingRect(area, flags, text)
        if painter is not None:
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(area, flags, text)
        return needed.height() + 2

    def _place_legend(self, painter: QPainter | None, top: float, room: float) -> float:
        metrics = QFontMetricsF(self._font)
        left, line = _MARGIN_PX, metrics.height() + 4
        for entry in self._legend:
            swatches = len(entry.fills) * (_SWATCH_PX + 2)
            width = swatches + _GAP_PX + metrics.horizontalAdvance(entry.name) + 2 * GRID_PX
            if left > _MARGIN_PX and left + width > _MARGIN_PX + room:
                left, top = _MARGIN_PX, top + line
            if painter is not None:
                self._draw_entry(painter, entry, left, top, line)
            left += width
        return top + line

    def _draw_entry(
        self, painter: QPainter, entry: LegendEntry, left: float, top: float, line: float
    ) -> None:
        for fill in entry.fills:
            swatch = QRectF(left, top + (line - _SWATCH_PX) / 2, _SWATCH_PX, _SWATCH_PX)
            paint_fill(painter, swatch, fill)
            left += _SWATCH_PX + 2
        painter.setFont(self._font)
        painter.setPen(QColor(self._theme.text))
        area = QRectF(left + _GAP_PX, top, 10_000, line)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, entry.name)


def legend_of(snapshot: Snapshot, theme: Theme) -> list[LegendEntry]:
    """What every shown provider and model looks like in the charts."""
    fills = SeriesFills.of(snapshot)
    entries = [
        LegendEntry(each.name, (fills.fill(theme, each.key or None),))
        for each in snapshot.providers
        if each.is_on
    ]
    return entries + [
        LegendEntry(
            each.name,
            tuple(fills.fill(theme, home, each.key) for home in (each.backend, *each.also)),
        )
        for each in snapshot.models
        if each.is_on
    ]


def notes_of(snapshot: Snapshot, *, is_filtered: bool) -> list[str]:
    """When it was, and of charts that the filters reach: what is counted, and what is hidden."""
    taken = snapshot.taken
    notes = [f"{number_text.full_date(taken)} {number_text.clock(taken)} {taken:%Z}".rstrip()]
    if not is_filtered:
        return notes
    notes.append(snapshot.measure.value)
    if snapshot.chosen is not None:
        edges = snapshot.chosen.edges
        notes.append(f"range {number_text.span_text(edges[0], edges[-1], taken)}")
    hidden = [each.name for each in (*snapshot.providers, *snapshot.models) if not each.is_on]
    if hidden:
        notes.append(f"without {', '.join(hidden)}")
    projects = [each.name for each in snapshot.projects if each.is_on]
    if len(projects) < len(snapshot.projects):
        notes.append(f"only {', '.join(projects)}")
    return notes
