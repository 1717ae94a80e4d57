"""Brushes for the fills of a theme, and crisp rectangles filled with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from offramp_dashboard.theme import Hatch

if TYPE_CHECKING:
    from offramp_dashboard.theme import Fill

_PITCH_PX = 5.0
_LINE_PX = 1.0
_DOT_PX = 1.1


def paint_fill(painter: QPainter, rect: QRectF, fill: Fill) -> None:
    """Fill `rect`, in the painter's own units; edges are not smoothed."""
    painter.fillRect(rect, QBrush(QColor(fill.colour)))
    if fill.hatch is not Hatch.NONE and rect.width() > 2 and rect.height() > 2:
        painter.save()
        painter.setClipRect(rect, Qt.ClipOperation.IntersectClip)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _paint_hatch(painter, rect, fill)
        painter.restore()


def paint_outline(painter: QPainter, rect: QRectF, colour: str) -> None:
    """A bar that is not there yet: a thin frame, hatched."""
    if rect.width() < 1 or rect.height() < 1:
        return
    painter.save()
    painter.setClipRect(rect, Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    faded = QColor(colour)
    faded.setAlphaF(0.55)
    painter.setPen(QPen(faded, _LINE_PX))
    _paint_lines(painter, rect, rises=True)
    painter.restore()
    pen = QPen(QColor(colour), 1)
    pen.setStyle(Qt.PenStyle.DashLine)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))


def _paint_hatch(painter: QPainter, rect: QRectF, fill: Fill) -> None:
    colour = QColor(fill.hatch_colour)
    painter.setPen(QPen(colour, _LINE_PX))
    match fill.hatch:
        case Hatch.RISING | Hatch.FALLING:
            _paint_lines(painter, rect, rises=fill.hatch is Hatch.RISING)
        case Hatch.LEVEL:
            y = _PITCH_PX * (rect.top() // _PITCH_PX)
            while y < rect.bottom():
                painter.drawLine(QPointF(rect.left(), y), QPointF(rect.right(), y))
                y += _PITCH_PX
        case _:
            _paint_dots(painter, rect, colour)


def _paint_lines(painter: QPainter, rect: QRectF, *, rises: bool) -> None:
    """Slanted lines whose places don't depend on the rectangle, so that neighbours agree."""
    height = rect.height()
    x = _PITCH_PX * ((rect.left() - height) // _PITCH_PX)
    base = rect.bottom() % _PITCH_PX
    while x < rect.right() + height:
        start = x - base if rises else x + base
        low, high = QPointF(start, rect.bottom()), QPointF(start + height, rect.top())
        if not rises:
            low, high = QPointF(start, rect.top()), QPointF(start + height, rect.bottom())
        painter.drawLine(low, high)
        x += _PITCH_PX


def _paint_dots(painter: QPainter, rect: QRectF, colour: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    y = _PITCH_PX * (rect.top() // _PITCH_PX)
    row = int(rect.top() // _PITCH_PX)
    while y < rect.bottom() + _DOT_PX:
        x = _PITCH_PX * (rect.left() // _PITCH_PX) + (row % 2) * _PITCH_PX / 2
        while x < rect.right() + _DOT_PX:
            painter.drawEllipse(QPointF(x, y), _DOT_PX, _DOT_PX)
            x += _PITCH_PX
        y += _PITCH_PX
        row += 1
