"""What the window can tell about itself: its shortcuts, its version, and the zone of its times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QGridLayout, QLabel, QMessageBox, QWidget

from offramp_core import __version__
from offramp_dashboard.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PySide6.QtGui import QAction

_MORE = (
    ("Left, Right, Home, End", "Move along the bars of a chart"),
    ("Shift and these", "Choose a range"),
    ("Enter", "Show the chosen bar or range only"),
    ("Esc", "Remove the range"),
    ("Click on a bar or week", "Show that time only"),
    ("Click on a provider or model", "Show only this one, or all again"),
    ("Ctrl and click on it", "Show or hide it"),
)


class ShortcutsPanel(QWidget):
    """Every shortcut of the menus, then what works in charts."""

    def __init__(self, actions: Sequence[QAction], parent: QWidget | None = None) -> None:
        """`actions` are the window's."""
        super().__init__(parent, Qt.WindowType.Dialog)
        self.setWindowTitle("Shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        form = QKeySequence.SequenceFormat.NativeText
        self.rows = [
            (action.shortcut().toString(form), action.text().replace("&", "").rstrip("…"))
            for action in actions
            if not action.shortcut().isEmpty()
        ]
        self.rows += _MORE
        grid = QGridLayout(self)
        grid.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        grid.setHorizontalSpacing(3 * GRID_PX)
        half = -(-len(self.rows) // 2)
        for place, (keys, text) in enumerate(self.rows):
            column = 2 * (place // half)
            label = QLabel(keys)
            label.setProperty("rank", "muted")
            grid.addWidget(label, place % half, column)
            grid.addWidget(QLabel(text), place % half, column + 1)

    def keyPressEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Any key closes it."""
        del event
        self.close()


def show_about(parent: QWidget, now: datetime) -> None:
    """Say the version, and whose clocks the times are on."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("About Offramp")
    box.setText(f"Offramp {__version__}")
    zone = f"{now:%Z} (UTC{now:%z})"
    box.setInformativeText(
        f"Times are in your system's time zone: {zone}.\nShares and sums count what the switch at "
        "the top is set to: tokens or requests.\nMore: offramp --help, and the folder docs in the "
        "source."
    )
    box.open()
