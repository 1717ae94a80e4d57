"""One step of the set-up: what it is for, what to enter, its buttons, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from offramp_dashboard.data.setup.outcome import StepOutcome, Way
from offramp_dashboard.setup_page.job_runner import JobRunner
from offramp_dashboard.theme import FIGURE, GRID_PX
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_dashboard.data.setup.steps import SetupSteps

_RANKS = {"done": "good", "open": "muted", "failed": "danger"}


class StepPage(QWidget):
    """A step; the kinds of steps are its subclasses.

    Signals:
        changed(): it is busy, or no longer; or another outcome stands there.
        way_chosen(Way): the user wants to go where an outcome pointed.
    """

    changed = Signal()
    way_chosen = Signal(object)

    name = ""
    """In a few words: the window's heading."""
    purpose = ""
    action_text = ""
    undo_text = ""

    def __init__(self, steps: SetupSteps) -> None:
        """Lay it out; nothing is asked or done yet."""
        super().__init__()
        self.steps = steps
        self.outcome = StepOutcome(standing="open")
        self.runner = JobRunner(self)
        self.runner.finished.connect(self.show_outcome)
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID_PX)
        self.action_button = QPushButton(self.action_text)
        self.action_button.setProperty("look", "main")
        self.action_button.clicked.connect(self.act)
        self.undo_button = QPushButton(self.undo_text)
        self.undo_button.clicked.connect(self.undo)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.way_button = QPushButton()
        self.way_button.clicked.connect(self._choose_way)
        self.busy_bar = QProgressBar(textVisible=False, minimum=0, maximum=0)
        self.busy_bar.setFixedHeight(4)
        self.result = _text_label()
        self.result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.shown = _text_label()
        self.shown.setObjectName("command")
        self._lay_out()
        self._refresh()

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self.runner.is_running

    def enter(self) -> None:
        """Do what there is to do when the step comes to be seen."""

    def act(self) -> None:
        """Do the step."""

    def undo(self) -> None:
        """Undo it."""

    def cancel(self) -> None:
        """End what is being done; its outcome says so."""
        self.steps.cancel()

    def follow(self, way: Way) -> bool:
        """Do what an outcome offered, if that is this step's to do."""
        if way is not Way.START:
            return False
        self.run(self._start_daemon)
        return True

    def run(self, job: Callable[[], StepOutcome]) -> None:
        """Run `job` and show its outcome."""
        self.runner.start(job)
        self._refresh()

    def show_outcome(self, outcome: StepOutcome) -> None:
        """Show how it stands."""
        self.outcome = outcome
        self._refresh()

    def _start_daemon(self) -> StepOutcome:
        started = self.steps.start_daemon()
        return self.look() if started.standing == "done" else started

    def look(self) -> StepOutcome:
        """Find out how the step stands; blocks."""
        return StepOutcome(standing="done", text="The daemon runs.")

    def _choose_way(self) -> None:
        way = self.outcome.way
        if way is not None and not self.follow(way):
            self.way_chosen.emit(way)

    def _lay_out(self) -> None:
        title = QLabel(self.name)
        title.setFont(scaled(self.font(), FIGURE, is_bold=True))
        purpose = _text_label()
        purpose.setText(self.purpose)
        purpose.setProperty("rank", "muted")
        buttons = QHBoxLayout()
        for button in (self.action_button, self.way_button, self.undo_button, self.cancel_button):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * GRID_PX)
        layout.addWidget(title)
        layout.addWidget(purpose)
        layout.addLayout(self.body)
        layout.addLayout(buttons)
        layout.addWidget(self.busy_bar)
        layout.addWidget(self.result)
        layout.addWidget(self.shown)
        layout.addStretch(1)

    def _refresh(self) -> None:
        """Show the outcome, and offer what can be done now."""
        is_busy, outcome = self.is_busy, self.outcome
        self.result.setText("" if is_busy else outcome.text)
        self.result.setVisible(bool(self.result.text()))
        self.result.setProperty("rank", _RANKS[outcome.standing])
        self.result.style().unpolish(self.result)
        self.result.style().polish(self.result)
        self.shown.setText("" if is_busy else outcome.shown)
        self.shown.setVisible(bool(self.shown.text()))
        self.action_button.setEnabled(not is_busy)
        self.undo_button.setVisible(outcome.can_undo and not is_busy)
        self.way_button.setText(outcome.way.value if outcome.way else "")
        self.way_button.setVisible(outcome.way is not None and not is_busy)
        self.cancel_button.setVisible(is_busy)
        self.busy_bar.setVisible(is_busy)
        self.changed.emit()


def _text_label() -> QLabel:
    label = QLabel(textFormat=Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label
