"""What every chart over time has: axes, the bar under the pointer or the keyboard, and dragging.

A chart counts in bars: bar `i` reaches from `i` to `i + 1`. Its bars are drawn by one item that
the subclass gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg  # type: ignore[import-untyped]  # it has no types
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import QFrame, QWidget

from offramp_dashboard.theme import CAPTION, LIGHT
from offramp_dashboard.views.charts.axes import WordAxis
from offramp_dashboard.views.charts.hover_panel import HoverPanel, Readout
from offramp_dashboard.views.charts.pixel_item import PixelItem
from offramp_dashboard.views.charts.ticks import Tick, count_label, count_ticks
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QResizeEvent, QTransform

    from offramp_dashboard.theme import Theme

_PER_COUNT_PX = 40
_FEWEST_LEVELS = 2
_DRAG_PX = 4


class Ground(PixelItem):
    """What the bars stand on: level lines at the counts, the hovered bar, the dragged range."""

    def __init__(self, chart: Chart) -> None:
        """Belong to `chart`."""
        super().__init__()
        self._chart = chart

    def paint_pixels(self, painter: QPainter, to_pixels: QTransform, area: QRectF) -> None:
        """Draw every line one pixel wide."""
        chart, theme = self._chart, self._chart.theme
        painter.setPen(QPen(QColor(theme.grid), 1))
        for level in chart.levels:
            y = round(to_pixels.map(QPointF(0, level)).y()) - 0.5
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        for first, last, colour in chart.marked_bars():
            left = to_pixels.map(QPointF(first, 0)).x()
            right = to_pixels.map(QPointF(last + 1, 0)).x()
            painter.fillRect(QRectF(left, area.top(), right - left, area.height()), colour)


class Chart(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """A chart of bars.

    Signals:
        range_dragged(int, int): the first and last bar that were dragged over, clicked, or chosen
            by keys.
        back_asked(): out of the range again.
    """

    range_dragged = Signal(int, int)
    back_asked = Signal()
    takes_clicks = True
    """Whether a click on a bar chooses its time; dragging does in any case."""
    _is_made = False

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """`name` is what a screen reader calls it."""
        self._below = WordAxis("bottom")
        self._beside = WordAxis("left")
        super().__init__(
            parent,
            enableMenu=False,
            axisItems={"bottom": self._below, "left": self._beside},
        )
        self.theme: Theme = LIGHT
        self.head_px = 4.0
        """Pixels to leave free above the highest bar."""
        self.levels: tuple[float, ...] = ()
        self._bar_count = 0
        self._highest = 0
        self._current: int | None = None
        self._anchor: int | None = None
        self._pressed_at: QPoint | None = None
        self._has_clicked = False
        self.empty_text = ""
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self.getPlotItem().layout.setContentsMargins(2, 10, 4, 3)
        self.getViewBox().setDefaultPadding(0.0)
        self._ground = Ground(self)
        self._ground.setZValue(-10)
        self.addItem(self._ground)
        self.panel = HoverPanel(self)
        self._is_made = True

    # What a subclass says.

    def readout(self, bar: int) -> Readout:
        """The exact numbers of a bar."""
        raise NotImplementedError

    def ticks(self, most: int) -> Sequence[Tick]:
        """The labels below, `most` at most."""
        raise NotImplementedError

    def widest_tick(self) -> str:
        """A label as wide as any of them."""
        return "Wed 22:00"

    # What a subclass calls.

    def set_extent(self, bars: int, highest: int) -> None:
        """Lay the axes out for so many bars, the highest of which counts so much."""
        self._bar_count, self._highest = bars, highest
        if self._current is not None and self._current >= bars:
            self._leave()
        self._lay_out()
        if self._current is not None:
            self._show_panel()

    def set_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on."""
        self.theme = theme
        self.setBackground(QColor(theme.card))
        for axis in (self._below, self._beside):
            axis.set_look(self.caption_font(), theme.muted)
        self._lay_out()
        self.viewport().update()

    def caption_font(self) -> QFont:
        """The small text of the scale."""
        return scaled(self.font(), CAPTION)

    @property
    def bar_count(self) -> int:
        """How many bars there are."""
        return self._bar_count

    @property
    def highest(self) -> int:
        """What the highest bar counts."""
        return self._highest

    @property
    def current(self) -> int | None:
        """The bar whose numbers are shown."""
        return self._current

    def axes(self) -> tuple[WordAxis, WordAxis]:
        """The one below and the one beside."""
        return self._below, self._beside

    def shown_labels(self) -> list[str]:
        """The labels below the chart that have room."""
        return [label for _, label in self._below.shown_labels()]

    def marked_bars(self) -> list[tuple[int, int, QColor]]:
        """Runs of bars that stand out: first, last, colour of the ground."""
        marked = []
        if self._anchor is not None and self._current is not None:
            low, high = sorted((self._anchor, self._current))
            colour = QColor(self.theme.focus)
            colour.setAlphaF(0.18)
            marked.append((low, high, colour))
        elif self._current is not None:
            marked.append((self._current, self._current, QColor(self.theme.hovered)))
        return marked

    def count_levels(self) -> tuple[Tick, ...]:
        """The labels at the side, and with them the lines."""
        highest = max(1, self._highest)
        most = max(2, int(self.getViewBox().height() // _PER_COUNT_PX))
        counts: list[int] = []
        while len(counts) < _FEWEST_LEVELS:  # one alone is not a scale
            counts = [one for one in count_ticks(self._highest, most) if one <= highest]
            most += 1
        return tuple(Tick(count, count_label(count)) for count in counts)

    def top(self) -> float:
        """The count that the upper edge stands for."""
        height = self.getViewBox().height()
        room = max(0.5, 1 - self.head_px / height) if height > 0 else 1.0
        return max(1.0, self._highest / room)

    def bar_at(self, place: QPointF) -> int | None:
        """The bar at a place of the viewport; None beside them all."""
        view = self.getViewBox()
        if not view.sceneBoundingRect().contains(self.mapToScene(place.toPoint())):
            return None
        bar = int(view.mapSceneToView(self.mapToScene(place.toPoint())).x())
        return bar if 0 <= bar < self._bar_count else None

    def close(self) -> bool:
        """As any widget.

        pyqtgraph's own (0.14) takes the plot apart first, while Qt still holds its parts, and
        whatever touches those afterwards crashes.
        """
        return bool(QWidget.close(self))

    # Qt's events.

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Choose the labels again."""
        super().resizeEvent(event)
        if self._is_made:  # the base class resizes itself before we are there
            self._lay_out()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a range."""
        if event.button() is Qt.MouseButton.LeftButton:
            bar = self.bar_at(event.position())
            self._pressed_at = event.position().toPoint() if bar is not None else None
            self._has_clicked = False
            self._current = bar if bar is not None else self._current
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Show the bar under the pointer, or drag the range to it."""
        bar = self.bar_at(event.position())
        place = event.position().toPoint()
        if self._pressed_at is not None:
            far = abs(place.x() - self._pressed_at.x()) >= _DRAG_PX
            if far and self._anchor is None:
                self._anchor = self.bar_at(QPointF(self._pressed_at))
            if bar is None:  # beyond the ends while dragging: the end itself
                bar = 0 if place.x() < self.width() / 2 else self._bar_count - 1
        if bar is None:
            self._leave()
            return
        self._current = bar
        self._show_panel(place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the range; a click takes its bar."""
        del event
        if self.takes_clicks and self._pressed_at is not None and self._anchor is None:
            self._anchor = self._current
            self._has_clicked = self._current is not None
        self._pressed_at = None
        self._take_range()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Back out of the range, and out of the one that the first click has taken."""
        del event
        self._pressed_at = None
        if self._has_clicked:
            self._has_clicked = False
            self.back_asked.emit()
        self.back_asked.emit()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing is under the pointer."""
        super().leaveEvent(event)
        self._leave()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """For the keyboard: show the newest bar's numbers."""
        super().focusInEvent(event)
        by_key = event.reason() in (
            Qt.FocusReason.TabFocusReason,
            Qt.FocusReason.BacktabFocusReason,
        )
        if by_key and self._bar_count:
            self._move_to(self._bar_count - 1)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """The panel goes."""
        super().focusOutEvent(event)
        self._leave()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Arrows walk along the bars, with Shift they draw a range, Enter takes it."""
        key = Qt.Key(event.key())
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: self._bar_count - 1}
        if self._bar_count and (key in steps or key in ends):
            held = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            start = self._current if self._current is not None else self._bar_count - 1
            self._anchor = (start if self._anchor is None else self._anchor) if held else None
            self._move_to(ends.get(key, start + steps.get(key, 0)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._anchor = self._current if self._anchor is None else self._anchor
            self._take_range()
        elif key == Qt.Key.Key_Escape and (self._anchor is not None or self.panel.isVisible()):
            self._leave()
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_Backspace):
            self.back_asked.emit()
        else:
            event.ignore()

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave it to the page, which scrolls."""
        event.ignore()

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802 - Qt's name
        """What there is to say when there are no bars, and the ring of the keyboard."""
        del rect
        painter.save()
        painter.resetTransform()
        area = QRectF(self.viewport().rect())
        if self.empty_text and not self._highest:
            painter.setPen(QColor(self.theme.muted))
            painter.setFont(self.font())
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.empty_text)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self.theme.focus), 2))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 4, 4)
        painter.restore()

    def _move_to(self, bar: int) -> None:
        self._current = min(max(0, bar), self._bar_count - 1)
        self._show_panel()
        self.setAccessibleDescription(self.readout(self._current).as_text())

    def _take_range(self) -> None:
        anchor, current = self._anchor, self._current
        self._anchor = None
        self.viewport().update()
        if anchor is not None and current is not None:
            low, high = sorted((anchor, current))
            self._leave()
            self.range_dragged.emit(low, high)

    def _leave(self) -> None:
        if self._pressed_at is None:
            self._current = self._anchor = None
            self.panel.hide()
            self.viewport().update()

    def _show_panel(self, place: QPoint | None = None) -> None:
        if self._current is None:
            return
        view = self.getViewBox()
        middle = self.mapFromScene(view.mapViewToScene(QPointF(self._current + 0.5, 0)))
        height = place.y() if place else int(view.sceneBoundingRect().center().y())
        anchor = QPoint(middle.x(), height)
        self.panel.show_at(self.readout(self._current), self.theme, anchor, self.size())
        self.viewport().update()

    def _lay_out(self) -> None:
        ticks = self.count_levels()
        self.getViewBox().setRange(
            xRange=(0, max(1, self._bar_count)), yRange=(0, self.top()), padding=0
        )
        self.levels = tuple(tick.position for tick in ticks)
        self._beside.set_ticks(ticks if self._highest else ticks[:1])
        if self._bar_count:
            per_label = self._below.label_width(self.widest_tick())
            room = max(1, int(self.getViewBox().width() // per_label))
            self._below.set_ticks(self.ticks(room))
        else:
            self._below.set_ticks(())
