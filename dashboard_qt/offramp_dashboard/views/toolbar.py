"""The row on top: how the daemon is, pausing, what is counted, export and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from offramp_core.usage.measure import Measure
from offramp_dashboard.data.snapshot import DaemonCondition, DaemonSummary
from offramp_dashboard.plain_tooltips import tip
from offramp_dashboard.theme import GRID_PX, LIGHT
from offramp_dashboard.views.widgets.card import ElidedLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from offramp_dashboard.theme import Theme

_DOT_PX = 12
_WORDS = {
    DaemonCondition.RUNNING: "Delegating",
    DaemonCondition.TROUBLE: "Trouble",
    DaemonCondition.PAUSED: "Paused",
    DaemonCondition.NO_KEY: "No key",
    DaemonCondition.STOPPED: "Not running",
    DaemonCondition.UNKNOWN: "Unknown",
}


_CURES = {DaemonCondition.STOPPED: "Start", DaemonCondition.NO_KEY: "Set the Key"}
"""The button that helps."""


class StateDot(QWidget):
    """The daemon's state as a sign: each has its own shape, not only its colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Unknown at first."""
        super().__init__(parent)
        self._state = DaemonCondition.UNKNOWN
        self._theme: Theme = LIGHT
        self.setFixedSize(QSize(_DOT_PX, _DOT_PX))

    def show_state(self, state: DaemonCondition, theme: Theme) -> None:
        """Draw this one."""
        self._state, self._theme = state, theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """A disc, two strokes, an exclamation mark, or a ring."""
        del event
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(1, 1, _DOT_PX - 2, _DOT_PX - 2)
        match self._state:
            case DaemonCondition.RUNNING:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.good))
                painter.drawEllipse(area)
            case DaemonCondition.PAUSED:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.warning))
                painter.drawRect(QRectF(2, 1, 3, 10))
                painter.drawRect(QRectF(7, 1, 3, 10))
            case DaemonCondition.TROUBLE:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.danger))
                painter.drawRect(QRectF(4.5, 0, 3, 7))
                painter.drawRect(QRectF(4.5, 9, 3, 3))
            case DaemonCondition.NO_KEY | DaemonCondition.STOPPED | DaemonCondition.UNKNOWN:
                colours = {
                    DaemonCondition.NO_KEY: theme.warning,
                    DaemonCondition.STOPPED: theme.danger,
                    DaemonCondition.UNKNOWN: theme.muted,
                }
                painter.setPen(QPen(QColor(colours[self._state]), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(area.adjusted(1, 1, -1, -1))
        painter.end()


class MeasureSwitch(QWidget):
    """Requests or tokens.

    Signals:
        chosen(Measure): by the user.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Two buttons of which one is down."""
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self.buttons: dict[Measure, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        for measure, end in ((Measure.TOKENS, "first"), (Measure.REQUESTS, "last")):
            button = QPushButton(measure.value.capitalize())
            button.setCheckable(True)
            button.setProperty("look", "segment")
            button.setProperty("end", end)
            button.setAccessibleName(f"Count {measure.value}")
            button.clicked.connect(lambda _, m=measure: self.chosen.emit(m))
            self._group.addButton(button)
            self.buttons[measure] = button
            row.addWidget(button)

    def show_measure(self, measure: Measure) -> None:
        """Have that one down."""
        self.buttons[measure].setChecked(True)


class Toolbar(QWidget):
    """The row itself. Its menus are the window's own actions.

    Signals:
        measure_chosen(Measure): count these.
        resume_asked(): let delegation go on.
        start_asked(): start the daemon.
        settings_asked(): open the settings.
    """

    measure_chosen = Signal(object)
    resume_asked = Signal()
    start_asked = Signal()
    settings_asked = Signal()

    def __init__(
        self, pause: Sequence[QAction], export: Sequence[QAction], parent: QWidget | None = None
    ) -> None:
        """`pause` and `export` fill their menus."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._lends_focus = False
        self._daemon = DaemonSummary(state=DaemonCondition.UNKNOWN, text="")
        self.dot = StateDot()
        self.state = ElidedLabel()
        self.is_demo = False
        """The demo is started in a terminal, so that there is no button for it."""
        self.cure_button = QPushButton()
        self.cure_button.setProperty("look", "main")
        self.cure_button.clicked.connect(self._ask_for_cure)
        self.pause_button = _menu_button("Pause", pause, "Pause delegation")
        self.resume_button = QPushButton("Resume")
        self.resume_button.setAccessibleName("Resume delegation")
        self.resume_button.clicked.connect(self.resume_asked)
        self.measure = MeasureSwitch()
        self.measure.chosen.connect(self.measure_chosen)
        self.export_button = _menu_button("Export", export, "Export what is shown")
        self.settings_button = QPushButton("Settings")
        self.settings_button.clicked.connect(self.settings_asked)
        self._lay_out()
        self.show_daemon(self._daemon)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self.dot)
        row.addWidget(self.state, 1)
        for widget in (
            self.cure_button,
            self.resume_button,
            self.pause_button,
            self.measure,
            self.export_button,
            self.settings_button,
        ):
            widget.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            row.addWidget(widget)

    def show_daemon(self, daemon: DaemonSummary) -> None:
        """Say how the daemon is."""
        self._daemon = daemon
        name = _WORDS[daemon.state]
        text = daemon.text
        is_stopped = daemon.state is DaemonCondition.STOPPED
        if is_stopped and " (" in text:
            # In full it names the socket, which has room only in the tip.
            how = " Start it: offramp demo" if self.is_demo else ""
            text = f"{text.partition(' (')[0]}.{how}"
        self.cure_button.setText(_CURES.get(daemon.state, ""))
        has_cure = daemon.state in _CURES and not (is_stopped and self.is_demo)
        self.cure_button.setVisible(has_cure)
        self.state.set_full_text(text or name)
        self.state.setToolTip(tip(daemon.text))
        self.state.setAccessibleName(f"Daemon: {name}. {daemon.text}")
        self.dot.show_state(daemon.state, self._theme)
        has_focus = self.pause_button.hasFocus() or self.resume_button.hasFocus()
        is_paused = daemon.state is DaemonCondition.PAUSED
        if has_focus:  # before the one goes that has it: Qt would give it to any neighbour
            self._swap_focus(is_paused=is_paused)
        self.resume_button.setVisible(is_paused)
        self.pause_button.setVisible(not is_paused)
        self.pause_button.setEnabled(daemon.state.can_pause)

    def _swap_focus(self, *, is_paused: bool) -> None:
        button = self.resume_button if is_paused else self.pause_button
        button.setEnabled(True)
        button.show()
        button.setFocus()

    def _ask_for_cure(self) -> None:
        is_stopped = self._daemon.state is DaemonCondition.STOPPED
        (self.start_asked if is_stopped else self.settings_asked).emit()

    def set_busy(self, is_busy: bool) -> None:
        """A command is under way: no second one until it is answered."""
        can_pause = self._daemon.state.can_pause
        buttons = (self.pause_button, self.resume_button)
        if is_busy:
            self._lends_focus = any(button.hasFocus() for button in buttons)
        self.resume_button.setEnabled(not is_busy)
        self.pause_button.setEnabled(can_pause and not is_busy)
        if not is_busy and self._lends_focus:
            # A button that is switched off loses the keyboard to its neighbour.
            self._lends_focus = False
            next(button for button in buttons if not button.isHidden()).setFocus()

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        self.dot.show_state(self._daemon.state, theme)


def _menu_button(text: str, actions: Sequence[QAction], name: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setProperty("look", "button")
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.setAccessibleName(name)
    button.setToolTip(name)
    menu = QMenu(button)
    menu.addActions(actions)
    button.setMenu(menu)
    return button
