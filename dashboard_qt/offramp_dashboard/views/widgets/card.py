"""The frame around a chart: what it is, a line about it, and room for a button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from offramp_dashboard.plain_tooltips import tip
from offramp_dashboard.theme import CAPTION, GRID_PX, HEADING
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent


class Card(QFrame):
    """A titled frame; its content fills what the title leaves."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        """`content` becomes a part of it."""
        super().__init__(parent)
        self.setObjectName("card")
        self.content = content
        self._title = QLabel(title)
        self._title.setFont(scaled(self.font(), HEADING, is_bold=True))
        self._subtitle = ElidedLabel()
        self._subtitle.setProperty("rank", "muted")
        self._subtitle.setFont(scaled(self.font(), CAPTION))
        head = QHBoxLayout()
        head.setSpacing(GRID_PX)
        head.addWidget(self._title)
        head.addWidget(self._subtitle, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, GRID_PX)
        layout.setSpacing(GRID_PX // 2)
        layout.addLayout(head)
        layout.addWidget(content, 1)

    def set_title(self, title: str) -> None:
        """Say what it is."""
        self._title.setText(title)

    def set_subtitle(self, subtitle: str) -> None:
        """Say a line about it, beside the title."""
        self._subtitle.set_full_text(subtitle)

    @property
    def title(self) -> str:
        """What it says it is."""
        return self._title.text()

    @property
    def subtitle(self) -> str:
        """The line about it, in full."""
        return self._subtitle.full_text


class ElidedLabel(QLabel):
    """A line that gives way: what has no room ends in an ellipsis, and the tip has it in full."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        """Show `text`."""
        super().__init__(parent)
        self.full_text = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show this from now on."""
        self.full_text = text
        self.setAccessibleName(text)
        self._fit()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A few letters."""
        return QSize(3 * self.fontMetrics().averageCharWidth(), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The whole text."""
        width = self.fontMetrics().horizontalAdvance(self.full_text) + 2
        return QSize(width, super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the text again."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        shown = self.fontMetrics().elidedText(
            self.full_text, Qt.TextElideMode.ElideRight, max(0, self.width())
        )
        self.setText(shown)
        self.setToolTip(tip(self.full_text) if shown != self.full_text else "")
