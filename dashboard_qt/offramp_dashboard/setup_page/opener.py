"""Opens the set-up window over the charts: when asked for, or where the daemon can't be started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from offramp_dashboard.data.setup.outcome import Way
from offramp_dashboard.setup_page.job_runner import JobRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from offramp_dashboard.data.setup.outcome import StepOutcome
    from offramp_dashboard.data.setup.steps import SetupSteps
    from offramp_dashboard.setup_page.window import SetupWindow


class SetupOpener(QObject):
    """Has one set-up window at most.

    Signals:
        failed(str): the daemon was not started, and there is nothing to set up that would help.
        changed(): the set-up window was closed, so anything may be another now.
    """

    failed = Signal(str)
    changed = Signal()

    def __init__(self, make_steps: Callable[[], SetupSteps], over: QWidget) -> None:
        """Open it over `over`; `make_steps` makes what it does."""
        super().__init__(over)
        self._make_steps = make_steps
        self._over = over
        self._problem = ""
        self._runner = JobRunner(self)
        self._runner.finished.connect(self._decide)
        self.window: SetupWindow | None = None

    @Slot()
    def open(self, way: Way | None = None) -> None:
        """Show it, at the step where `way` is done."""
        from offramp_dashboard.setup_page.window import SetupWindow  # opened rarely

        if self.window is None:
            self.window = SetupWindow(self._make_steps(), self._over)
            self.window.finished.connect(self._forget)
        if way is not None:
            self.window.go(way)
        self.window.bring_to_front()

    @Slot(str)
    def explain_failed_start(self, problem: str) -> None:
        """Offer to set the daemon up if it was not; else say `problem`."""
        self._problem = problem
        self._runner.start(self._make_steps().look_at_login)

    def stop(self) -> None:
        """Want nothing more, and end what runs."""
        self._runner.forget()
        if self.window is not None:
            self.window.reject()

    def _decide(self, outcome: StepOutcome) -> None:
        if outcome.standing == "open":
            self.open(Way.INSTALL)
        else:
            self.failed.emit(self._problem)

    def _forget(self) -> None:
        self.window = None
        self.changed.emit()
