"""A thin line that says how far the log is read, once that takes longer than a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QProgressBar

from offramp_dashboard.data.snapshot import FeedState

if TYPE_CHECKING:
    from offramp_dashboard.data.snapshot import LogStatus

_PATIENCE_MS = 500
_STEPS = 1000


class ReadingProgress(QProgressBar):
    """Hidden while nothing is read; it keeps its place, so that nothing jumps when it comes."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        super().__init__()
        self.setTextVisible(False)
        self.setFixedHeight(2)
        self.setRange(0, _STEPS)
        self.setAccessibleName("Reading the log")
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.hide()
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._patience.timeout.connect(self.show)

    def show_status(self, status: LogStatus) -> None:
        """Say how far it is."""
        self.setValue(round(status.progress * _STEPS))
        if status.state is not FeedState.LOADING:
            self._patience.stop()
            self.hide()
        elif self.isHidden() and not self._patience.isActive():
            self._patience.start()
