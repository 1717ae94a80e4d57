"""The small panel beside the pointer that says one bar's exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QWidget

from offramp_dashboard.views.style.brushes import paint_fill

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from offramp_dashboard.theme import Fill, Theme

_PADDING_PX = 10
_LEADING_PX = 5
_SWATCH_PX = 10
_GAP_PX = 8
_OFFSET_PX = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class HoverRow:
    """One number: its swatch, its name and itself."""

    name: str
    value: str
    fill: Fill | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What the panel says of one bar."""

    title: str
    rows: tuple[HoverRow, ...]
    note: str = ""

    def as_text(self) -> str:
        """The same in one line, for people who can't see the panel."""
        parts = [f"{row.name} {row.value}" for row in self.rows]
        return ". ".join(filter(None, (self.title, ", ".join(parts), self.note)))


class HoverPanel(QWidget):
    """Shows a `Readout` over a chart; the pointer goes through it."""

    def __init__(self, parent: QWidget) -> None:
        """Hidden until there is something to say."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._readout: Readout | None = None
        self._theme: Theme | None = None
        self.hide()

    def show_at(self, readout: Readout, theme: Theme, anchor: QPoint, room: QSize) -> None:
        """Say `readout` beside `anchor`, wholly within `room` where that is possible."""
        self._readout, self._theme = readout, theme
        size = self._wanted_size()
        self.resize(size)
        x = anchor.x() + _OFFSET_PX
        if x + size.width() > room.width():
            x = anchor.x() - _OFFSET_PX - size.width()
        y = min(anchor.y() - size.height() // 2, room.height() - size.height())
        self.move(max(0, min(x, room.width() - size.width())), max(0, y))
        self.show()
        self.raise_()
        self.update()

    @property
    def readout(self) -> Readout | None:
        """What it says; None while it is hidden."""
        return self._readout if not self.isHidden() else None

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw title, rows and note."""
        del event
        readout, theme = self._readout, self._theme
        if readout is None or theme is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        line = QFontMetrics(self.font()).height() + _LEADING_PX
        left, right = _PADDING_PX, self.width() - _PADDING_PX
        y = _PADDING_PX
        painter.setFont(self._bold())
        painter.setPen(QColor(theme.text))
        painter.drawText(left, y, right - left, line, Qt.AlignmentFlag.AlignLeft, readout.title)
        painter.setFont(self.font())
        y += line
        for row in readout.rows:
            self._paint_row(painter, row, theme, y, line)
            y += line
        if readout.note:
            painter.setPen(QColor(theme.muted))
            painter.drawText(left, y, right - left, line, Qt.AlignmentFlag.AlignLeft, readout.note)
        painter.end()

    def _paint_row(self, painter: QPainter, row: HoverRow, theme: Theme, y: int, line: int) -> None:
        left, right = _PADDING_PX, self.width() - _PADDING_PX
        if row.fill is not None:
            top = y + (line - _LEADING_PX - _SWATCH_PX) / 2
            paint_fill(painter, QRectF(left, top, _SWATCH_PX, _SWATCH_PX), row.fill)
        painter.setPen(QColor(theme.muted if row.fill is not None else theme.text))
        name_left = left + _SWATCH_PX + _GAP_PX
        width = right - name_left
        painter.drawText(name_left, y, width, line, Qt.AlignmentFlag.AlignLeft, row.name)
        painter.setPen(QColor(theme.text))
        painter.drawText(name_left, y, width, line, Qt.AlignmentFlag.AlignRight, row.value)

    def _wanted_size(self) -> QSize:
        readout = self._readout
        assert readout is not None
        plain, bold = QFontMetrics(self.font()), QFontMetrics(self._bold())
        widths = [bold.horizontalAdvance(readout.title), plain.horizontalAdvance(readout.note)]
        widths += [
            _SWATCH_PX
            + 3 * _GAP_PX
            + plain.horizontalAdvance(row.name)
            + plain.horizontalAdvance(row.value)
            for row in readout.rows
        ]
        lines = 1 + len(readout.rows) + bool(readout.note)
        height = lines * (plain.height() + _LEADING_PX) - _LEADING_PX
        return QSize(max(widths) + 2 * _PADDING_PX + 2, height + 2 * _PADDING_PX)

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font
