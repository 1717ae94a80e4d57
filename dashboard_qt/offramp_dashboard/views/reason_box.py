"""Chooses one of the reasons for which requests went where they went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy

from offramp_dashboard import plain_tooltips
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QFocusEvent
    from PySide6.QtWidgets import QStyleOptionComboBox

_EVERY = "Every reason"
_BESIDE_TEXT_PX = 48
"""The frame and the arrow."""
_NARROWEST_PX, _WIDEST_PX = 130, 280
"""The list that opens shows all of each reason."""


class ReasonBox(ChoiceBox):
    """Offers the reasons of the rows that there are when it is opened or gets the keyboard."""

    def __init__(self, reasons: Callable[[], Sequence[tuple[str, int]]]) -> None:
        """`reasons` gives each reason with its number of rows."""
        super().__init__()
        self._reasons = reasons
        self.setAccessibleName("Reason")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(_NARROWEST_PX)
        self.setMaximumWidth(_WIDEST_PX)
        self.view().setTextElideMode(Qt.TextElideMode.ElideNone)
        self.addItem(_EVERY, None)
        self.currentIndexChanged.connect(self._show_whole)

    @property
    def reason(self) -> str | None:
        """What is chosen; None for every reason."""
        chosen = self.currentData()
        return None if chosen is None else str(chosen)

    def choose(self, reason: str | None) -> None:
        """Choose that one, whether a row has it or not."""
        self._offer(reason)

    def initStyleOption(self, option: QStyleOptionComboBox) -> None:  # noqa: N802 - Qt's name
        """Let a long reason end in dots: a style sheet's box would cut it anywhere."""
        super().initStyleOption(option)
        room_px = self.width() - _BESIDE_TEXT_PX
        option.currentText = self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideRight, room_px
        )

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Offer what there is by now."""
        self._offer(self.reason)
        view = self.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 2 * view.frameWidth() + view.height())
        super().showPopup()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Offer what there is by now: arrow keys choose without opening the list."""
        if event.reason() is not Qt.FocusReason.PopupFocusReason:
            self._offer(self.reason)
        super().focusInEvent(event)

    def _offer(self, chosen: str | None) -> None:
        """Fill the list; what is chosen stays in it, even where no row has it."""
        counted = dict(self._reasons())
        if chosen is not None:
            counted.setdefault(chosen, 0)
        is_another = chosen != self.reason
        self.blockSignals(True)
        self.clear()
        self.addItem(_EVERY, None)
        for reason, count in counted.items():
            self.addItem(f"{reason or 'No reason'} ({number_text.exact(count)})", reason)
        self.setCurrentIndex(0 if chosen is None else self.findData(chosen))
        self.blockSignals(False)
        self._show_whole()
        if is_another:
            self.currentIndexChanged.emit(self.currentIndex())

    def _show_whole(self) -> None:
        """A long reason is cut in the box, not in its tooltip."""
        self.setToolTip(plain_tooltips.tip(self.currentText()))
