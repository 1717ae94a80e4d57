"""Starts the daemon for the window: `offramp start` in a process of its own, never waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QProcess, Signal

from offramp_core import programs
from offramp_core.wording.formatting import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_WAIT_MS = 500


class DaemonStarter(QObject):
    """Runs the command, once at a time.

    Signals:
        failed(str): it did not start, and why; that it did is seen on its socket.
    """

    failed = Signal(str)

    def __init__(self, parent: QObject | None = None, *, words: Sequence[str] = ()) -> None:
        """`words` are the command, `offramp start` if there are none."""
        super().__init__(parent)
        self._words = tuple(words) or (*programs.start_command("offramp"), "start")
        self._process = QProcess(self)
        self._process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._break)

    def start(self) -> None:
        """Begin, unless it is under way."""
        if self._process.state() is QProcess.ProcessState.NotRunning:
            self._process.start(self._words[0], list(self._words[1:]))

    def stop(self) -> None:
        """Let go of it; what was begun goes on by itself in the service manager."""
        self._process.blockSignals(True)
        if self._process.state() is not QProcess.ProcessState.NotRunning:
            self._process.kill()
            self._process.waitForFinished(_LONGEST_WAIT_MS)

    def _end(self, code: int, _status: object) -> None:
        if code:
            said = bytes(self._process.readAllStandardOutput().data()).decode("utf-8", "replace")
            text = " ".join(map(printable, said.split())) or f"It ended with {code}."
            self.failed.emit(f"The daemon could not be started. {text}")

    def _break(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self.failed.emit(f"The daemon could not be started: {self._process.errorString()}.")
