"""What the lines of a burn-up mean: each beside its name, in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from offramp_dashboard.theme import CAPTION, GRID_PX, LIGHT
from offramp_dashboard.views.quota import quota_curve
from offramp_dashboard.views.quota.quota_curve import line_pen
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from offramp_dashboard.theme import Theme

_SAMPLE_PX = 24
_LINES: tuple[tuple[str, float, tuple[float, ...], str], ...] = (
    ("used", quota_curve.LINE_PX, (), "text"),
    ("expected", quota_curve.LINE_PX, quota_curve.DOTS, "text"),
    ("even pace", 1.0, quota_curve.EVEN_PACE, "muted"),
    ("no reading", quota_curve.THIN_PX, quota_curve.DASHES, "text"),
)
_BEFORE = ("the week before", quota_curve.THIN_PX, (), "faint")
"""Name, width, pattern, and which of the theme's colours."""


class QuotaLegend(QWidget):
    """The row; names that have no room are left out, the last first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """For one line of small text."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._has_before = False
        self.setFont(scaled(self.font(), CAPTION))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"Lines: {', '.join(name for name, *_ in _LINES)}")

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        self.update()

    def show_before(self, *, has_before: bool) -> None:
        """Whether a chart shows the week before, too."""
        self._has_before = has_before
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """One line, as wide as there is room."""
        return QSize(0, self.fontMetrics().height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw samples and names."""
        del event
        painter = QPainter(self)
        metrics = self.fontMetrics()
        middle, left = self.height() / 2, 2.0
        for name, width_px, pattern, colour in self._lines():
            width = metrics.horizontalAdvance(name) + 1
            if left + _SAMPLE_PX + GRID_PX + width > self.width():
                break
            painter.setPen(line_pen(getattr(self._theme, colour), width_px, pattern))
            painter.drawLine(QPointF(left, middle), QPointF(left + _SAMPLE_PX, middle))
            left += _SAMPLE_PX + GRID_PX
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(
                QRectF(left, 0, width, self.height()), Qt.AlignmentFlag.AlignVCenter, name
            )
            left += width + 2.5 * GRID_PX
        painter.end()

    def _lines(self) -> tuple[tuple[str, float, tuple[float, ...], str], ...]:
        return (*_LINES, _BEFORE) if self._has_before else _LINES
