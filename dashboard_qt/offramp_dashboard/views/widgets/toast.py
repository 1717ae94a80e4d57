"""A line that appears over the window's foot for some seconds and moves nothing."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from offramp_dashboard.theme import GRID_PX

_SHOWN_MS = 6_000


class Toast(QFrame):
    """Says something that needs no answer; a click puts it away."""

    def __init__(self, window: QWidget) -> None:
        """Hidden over `window` until there is something to say."""
        super().__init__(window)
        self._window = window
        self.setObjectName("notice")
        self._label = QLabel(textFormat=Qt.TextFormat.PlainText)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        row.addWidget(self._label)
        self.timer = QTimer(self, singleShot=True, interval=_SHOWN_MS)
        self.timer.timeout.connect(self.hide)
        self.hide()

    def show_message(self, text: str) -> None:
        """Say it for some seconds."""
        metrics = self._label.fontMetrics()
        room = max(GRID_PX, self._window.width() - 8 * GRID_PX)
        self._label.setText(metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room))
        self.setAccessibleName(text)
        self.place()
        self.show()
        self.raise_()
        self.timer.start()

    def place(self) -> None:
        """Stand at the foot of the window, in the middle."""
        self.adjustSize()
        within = self._window.rect()
        left = (within.width() - self.width()) // 2
        self.move(left, within.height() - self.height() - 2 * GRID_PX)

    @property
    def text(self) -> str:
        """What it says; empty while it is hidden."""
        return "" if self.isHidden() else self.accessibleName()

    def mousePressEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Put it away."""
        del event
        self.hide()
