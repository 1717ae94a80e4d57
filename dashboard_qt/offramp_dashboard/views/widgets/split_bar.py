"""One level bar that shows how a whole divides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPainterPath
from PySide6.QtWidgets import QSizePolicy, QWidget

from offramp_dashboard.theme import LIGHT
from offramp_dashboard.views.style.brushes import paint_fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from offramp_dashboard.theme import Fill, Theme

_SEAM_PX = 2.0


class SplitBar(QWidget):
    """Parts side by side, with a seam between them."""

    def __init__(self, height_px: int = 10, parent: QWidget | None = None) -> None:
        """Empty until it is given parts."""
        super().__init__(parent)
        self._height_px = height_px
        self._parts: tuple[tuple[int, Fill], ...] = ()
        self._whole = 0
        self._theme: Theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_parts(
        self, parts: Sequence[tuple[int, Fill]], theme: Theme, whole: int | None = None
    ) -> None:
        """Draw these; where `whole` is more than they come to, the rest stays empty."""
        self._parts = tuple((value, fill) for value, fill in parts if value > 0)
        total = sum(value for value, _ in self._parts)
        self._whole = max(total, whole or 0)
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As high as it was told."""
        return QSize(120, self._height_px)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the parts, rounded at the ends."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        outline = QPainterPath()
        outline.addRoundedRect(area, 3, 3)
        painter.setClipPath(outline)
        painter.fillRect(area, QColor(self._theme.grid))
        left, width = 0.0, area.width()
        for value, fill in self._parts:
            extent = max(2.0, round(width * value / self._whole))
            paint_fill(painter, QRectF(left, 0, extent, area.height()), fill)
            left += extent
            if left < width:
                painter.fillRect(
                    QRectF(left - _SEAM_PX, 0, _SEAM_PX, area.height()), QColor(self._theme.card)
                )
        painter.end()
