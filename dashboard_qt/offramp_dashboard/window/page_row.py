"""The row below the toolbar: the pages' buttons, the filters, and the way out of a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.filter_bar import FilterBar
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.widgets.card import ElidedLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_dashboard.data.snapshot import Snapshot

_UNFILTERED = "Filters don't apply to the plans"


class PageRow(QWidget):
    """Says which page is shown, of what, and of when.

    Signals:
        page_asked(int): turn to that page.
        back_asked(): leave the range.
    """

    page_asked = Signal(int)
    back_asked = Signal()

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        """Offer these pages."""
        super().__init__(parent)
        self.filter_bar = FilterBar()
        self.unfiltered = ElidedLabel()
        self.unfiltered.setProperty("rank", "muted")
        self._range_button = QPushButton()
        self._range_button.setToolTip("Leave the range (Esc)")
        self._range_button.hide()
        self._range_button.clicked.connect(self.back_asked)
        self._buttons = QButtonGroup(self)
        self._buttons.idClicked.connect(self.page_asked)
        self._has_range = False
        self._is_filtered = True
        self._lay_out(names)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Offer its filters, and the way out of its range."""
        self.filter_bar.show_snapshot(snapshot)
        self.unfiltered.set_full_text(_UNFILTERED if snapshot.is_filtered else "")
        self._has_range = snapshot.chosen is not None
        if snapshot.chosen is not None:
            edges = snapshot.chosen.edges
            when = number_text.span_text(edges[0], edges[-1], snapshot.taken)
            self._range_button.setText(f"{when}  ✕")
            self._range_button.setAccessibleName(f"Range {when}: leave it")
        self._choose()

    def show_page(self, page: int, *, is_filtered: bool) -> None:
        """Mark that page, which the filters and the range apply to or not."""
        self._buttons.button(page).setChecked(True)
        self._is_filtered = is_filtered
        self._choose()

    def _choose(self) -> None:
        self.filter_bar.setVisible(self._is_filtered)
        self.unfiltered.setVisible(not self._is_filtered)
        # The plans are told whatever the range: where that holds nothing, it must not say so.
        self._range_button.setVisible(self._has_range and self._is_filtered)

    def _lay_out(self, names: Sequence[str]) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for index, name in enumerate(names):
            row.addWidget(self._page_button(index, name))
        row.addSpacing(GRID_PX)
        self.filter_bar.setSizePolicy(_retaining(self.filter_bar))
        row.addWidget(self.unfiltered, 1)
        row.addWidget(self.filter_bar, 1)
        row.addWidget(self._range_button)

    def _page_button(self, index: int, name: str) -> QPushButton:
        button = QPushButton(name)
        button.setCheckable(True)
        button.setProperty("look", "page")
        keys = QKeySequence(f"Ctrl+{index + 1}")
        told = keys.toString(QKeySequence.SequenceFormat.NativeText)
        button.setToolTip(f"{name} ({told})")
        button.setAccessibleName(f"Page {name}")
        self._buttons.addButton(button, index)
        return button


def _retaining(widget: QWidget) -> QSizePolicy:
    """Keep its place while it is hidden, so that nothing jumps when it comes."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    return policy
