"""The plans at a glance: a small meter for each window, with a mark where even pace is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from offramp_core.wording.quota_text import percent_text
from offramp_dashboard.plain_tooltips import tip
from offramp_dashboard.theme import CAPTION, GRID_PX, LIGHT
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.widgets.card import ElidedLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QMouseEvent, QPaintEvent, QResizeEvent

    from offramp_dashboard.data.snapshot import BurnUp, Quota
    from offramp_dashboard.theme import Theme

_BAR_PX = 6
_MARK_PX = 2.0
_OVER_PX = 3
"""How far the mark stands out above and below the bar."""
_MOST = 4


class QuotaBar(QWidget):
    """How much is used, and a mark for how much would be at even pace."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._burn_up: BurnUp | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_burn_up(self, burn_up: BurnUp | None, theme: Theme) -> None:
        """Draw this one."""
        self._burn_up, self._theme = burn_up, theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As high as the mark."""
        return QSize(60, _BAR_PX + 2 * _OVER_PX)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the bar, and the mark over it."""
        del event
        burn_up, theme = self._burn_up, self._theme
        if burn_up is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(0, _OVER_PX, self.width(), _BAR_PX)
        outline = QPainterPath()
        outline.addRoundedRect(bar, 3, 3)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(bar, QColor(theme.selected))
        colour = theme.danger if burn_up.is_spent else theme.of_backend(burn_up.backend)
        used = QRectF(bar)
        used.setWidth(bar.width() * min(1.0, burn_up.used))
        painter.fillRect(used, QColor(colour))
        painter.restore()
        x = round((bar.width() - _MARK_PX) * _passed(burn_up))
        mark = QRectF(x, 0, _MARK_PX, self.height())
        painter.fillRect(mark.adjusted(-1, 0, 1, 0), QColor(theme.card))
        painter.fillRect(mark, QColor(theme.text))
        painter.end()


class QuotaMeter(QWidget):
    """One window: its name and figure, what else there is to say, and the bar."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        super().__init__()
        small = scaled(self.font(), CAPTION)
        self._name = QLabel()
        self._name.setFont(small)
        self._figure = QLabel()
        self._figure.setFont(scaled(self.font(), CAPTION, is_bold=True))
        self._note = ElidedLabel()
        self._note.setFont(small)
        self._note.setProperty("rank", "muted")
        self.bar = QuotaBar()
        head = QHBoxLayout()
        head.setSpacing(GRID_PX - 2)
        for label in (self._name, self._figure):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            head.addWidget(label)
        head.addWidget(self._note, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.bar)

    def show_burn_up(self, burn_up: BurnUp, theme: Theme) -> None:
        """Say this one."""
        figure = "used up" if burn_up.is_spent else percent_text(burn_up.used)
        self._name.setText(burn_up.title)
        self._figure.setText(figure)
        self._note.set_full_text(burn_up.text.removeprefix(figure).lstrip(", "))
        self.bar.show_burn_up(burn_up, theme)
        even = percent_text(_passed(burn_up))
        self.setToolTip(
            tip(f"{burn_up.title} {burn_up.text}\nThe mark is even pace: {even} by now.")
        )
        self.setAccessibleName(f"{burn_up.title} {burn_up.text}")

    def wanted_width(self) -> int:
        """How wide it must be to say everything."""
        labels = (self._name, self._figure)
        text = sum(label.fontMetrics().horizontalAdvance(label.text()) for label in labels)
        text += self._note.fontMetrics().horizontalAdvance(self._note.full_text)
        return text + 2 * (GRID_PX - 2) + 2 * len(labels)

    @property
    def text(self) -> str:
        """What it says, in full."""
        return self.accessibleName()


class QuotaStrip(QFrame):
    """Meters in a row, or in two or more where a row would cut them off.

    It is not there while nothing is known.

    Signals:
        clicked(): it was clicked, which should show more.
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hidden until it is shown something."""
        super().__init__(parent)
        self.setObjectName("card")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Quota of the plans")
        self._theme: Theme = LIGHT
        self._shown: tuple[BurnUp, ...] = ()
        self.meters = [QuotaMeter() for _ in range(_MOST)]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2 * GRID_PX, GRID_PX - 1, 2 * GRID_PX, GRID_PX - 1)
        self._grid.setHorizontalSpacing(3 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX // 2)
        self._columns = 0
        for meter in self.meters:
            meter.hide()
        self.hide()

    def show_quota(self, quota: Quota) -> None:
        """Show what matters most of it: whole plans before their parts."""
        whole = [one for one in quota.burn_ups if "_" not in one.window]
        parts = [one for one in quota.burn_ups if one not in whole]
        chosen = [*whole, *parts][:_MOST]
        self._shown = tuple(one for one in quota.burn_ups if one in chosen)
        self._redraw()
        self.setVisible(bool(self._shown))

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        self._redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask for the page that says more."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """See how many have room beside each other."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        shown = self.meters[: len(self._shown)]
        columns = self._fitting_columns(shown)
        if columns == self._columns:
            return
        self._columns = columns
        for column in range(_MOST):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        for place, meter in enumerate(self.meters):
            self._grid.addWidget(meter, place // columns, place % columns)

    def _fitting_columns(self, shown: Sequence[QuotaMeter]) -> int:
        margins = self._grid.contentsMargins()
        room = self.width() - margins.left() - margins.right()
        widest = max((meter.wanted_width() for meter in shown), default=0)
        for columns in range(max(1, len(shown)), 1, -1):
            gaps = (columns - 1) * self._grid.horizontalSpacing()
            is_even = len(shown) % columns == 0  # three and one would look torn
            if is_even and (room - gaps) / columns >= widest:
                return columns
        return 1

    def _redraw(self) -> None:
        for place, meter in enumerate(self.meters):
            meter.setVisible(place < len(self._shown))
            if place < len(self._shown):
                meter.show_burn_up(self._shown[place], self._theme)
        self._arrange()


def _passed(burn_up: BurnUp) -> float:
    """Which part of the window's time is over."""
    start, end = burn_up.start.timestamp(), burn_up.end.timestamp()
    return min(1.0, max(0.0, (burn_up.now.timestamp() - start) / (end - start)))
