"""One request in full: every field that the log has of it, to read and to copy."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.theme import GRID_PX

_WIDTH_PX = 460


class RequestDetails(QDialog):
    """Shows names and values; closes by Escape."""

    def __init__(self, fields: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        """`fields` are names and values, in their order."""
        super().__init__(parent)
        self.setWindowTitle("Request")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = "\n".join(f"{name}: {value}" for name, value in fields)
        form = QFormLayout()
        form.setHorizontalSpacing(3 * GRID_PX)
        for name, value in fields:
            label = QLabel(value, textFormat=Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse
                | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            title = QLabel(name)
            title.setProperty("rank", "muted")
            form.addRow(title, label)
        self.copy_button = QPushButton("Copy")
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text))
        close = QPushButton("Close")
        close.clicked.connect(self.accept)
        close.setDefault(True)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self.copy_button)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        layout.addLayout(form)
        layout.addStretch(1)
        layout.addLayout(foot)
        self.setMinimumWidth(_WIDTH_PX)
        close.setFocus()
