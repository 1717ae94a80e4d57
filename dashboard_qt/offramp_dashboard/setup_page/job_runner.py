"""Runs a step off the window's thread, one at a time, and hands its outcome back."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from offramp_dashboard.data.setup.outcome import StepOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class JobRunner(QObject):
    """Runs jobs; each is asked for its outcome in a thread of its own.

    Signals:
        finished(StepOutcome): the job is done; emitted on the window's thread.
    """

    finished = Signal(object)
    _ended = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        """Nothing runs yet."""
        super().__init__(parent)
        self._number = 0
        self._is_running = False
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @property
    def is_running(self) -> bool:
        """Whether a job runs whose outcome is still wanted."""
        return self._is_running

    def start(self, job: Callable[[], StepOutcome]) -> None:
        """Run `job`, unless one runs."""
        if self._is_running:
            return
        self._is_running = True
        self._number += 1
        threading.Thread(
            target=self._work, args=(self._number, job), name="offramp-setup", daemon=True
        ).start()

    def forget(self) -> None:
        """Want nothing more of the job that runs."""
        self._number += 1
        self._is_running = False

    def _work(self, number: int, job: Callable[[], StepOutcome]) -> None:
        try:
            outcome = job()
        except Exception as error:  # noqa: BLE001 - else the window would wait for good
            # Neither its text nor a traceback: either may hold the key.
            name = type(error).__name__
            _LOG.error("A step of the set-up failed", extra={"kind": name})
            text = f"That failed: internal error ({name}). Please report it."
            outcome = StepOutcome(standing="failed", text=text)
        with contextlib.suppress(RuntimeError):  # the window has gone meanwhile
            self._ended.emit(number, outcome)

    def _finish(self, number: int, outcome: StepOutcome) -> None:
        if number == self._number:
            self._is_running = False
            self.finished.emit(outcome)
