"""Follows the daemon over its control socket, and pauses and resumes delegation for the toolbar.

All waiting happens in threads of its own; the window's thread never asks the daemon anything.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Signal, SignalInstance

from offramp_core.control.client import ControlClient, ControlError, NotRunningError
from offramp_core.errors import OfframpError
from offramp_dashboard.data.daemon_text import seen
from offramp_dashboard.data.quota.quota_burnup import QuotaReport
from offramp_dashboard.data.snapshot import DaemonCondition, DaemonSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import CommandAnswer, Status
    from offramp_core.control.client import EventStream

_FIRST_DELAY_S: Final = 0.25
_LONGEST_DELAY_S: Final = 5.0
_JOIN_S: Final = 0.4

_LOG = logging.getLogger(__name__)

UNKNOWN = DaemonSummary(state=DaemonCondition.UNKNOWN, text="Asking the daemon …")
"""What is known before the first answer."""


class DaemonWatch(QObject):
    """Tells how the daemon is, and has it pause and resume.

    Signals:
        changed(DaemonSummary): the daemon is like that from now on.
        answered(str): a command was done; the text holds what the user should know besides, if
            anything.
        refused(str, str): a command was not done: why (title), and what to do (hint).
        quota_reported(QuotaReport): that is what it knows of the plans from now on.
        busy_changed(bool): a command is under way, or no longer.
    """

    changed = Signal(object)
    answered = Signal(str)
    refused = Signal(str, str)
    quota_reported = Signal(object)
    busy_changed = Signal(bool)

    def __init__(
        self,
        client: ControlClient,
        zone: tzinfo,
        now: Callable[[], datetime],
        parent: QObject | None = None,
    ) -> None:
        """Watch the daemon that `client` asks, from `start` on; times are worded in `zone`."""
        super().__init__(parent)
        self.current = UNKNOWN
        """As last told; for the window's thread."""
        self.routed: Mapping[str, Sequence[str]] = {}
        """The models' names that the settings send to each backend; replaced, never changed."""
        self._client = client
        self._zone = zone
        self._now = now
        self._ending = threading.Event()
        self._stream: EventStream | None = None
        self._guard = threading.Lock()
        self._watcher = threading.Thread(
            target=self._watch, name="offramp-daemon-watch", daemon=True
        )
        self._command: threading.Thread | None = None
        self._is_busy = False
        self._last_sent = UNKNOWN
        self._last_quota = QuotaReport()
        self.changed.connect(self._keep)

    def start(self) -> None:
        """Begin to watch."""
        self._watcher.start()

    def stop(self) -> None:
        """Let go of the daemon; returns within a second."""
        self._ending.set()
        with self._guard:
            if self._stream is not None:
                self._stream.close()
        if self._watcher.is_alive():
            self._watcher.join(_JOIN_S)
        if self._command is not None:
            self._command.join(_JOIN_S)

    def pause(self, until: datetime | None = None) -> None:
        """Have delegation rest until then (aware), or until `resume`; the answer is a signal."""
        self._run(lambda: self._client.pause(until))

    def resume(self) -> None:
        """Have delegation go on; the answer is a signal."""
        self._run(self._client.resume)

    def _run(self, command: Callable[[], CommandAnswer]) -> None:
        if self._is_busy:
            self.refused.emit(
                "The daemon has not answered the last command yet.",
                "Wait a moment, then try again.",
            )
            return
        self._is_busy = True
        self.busy_changed.emit(True)
        self._command = threading.Thread(
            target=self._do, args=(command,), name="offramp-daemon-command", daemon=True
        )
        self._command.start()

    def _do(self, command: Callable[[], CommandAnswer]) -> None:
        try:
            answer = command()
        except OfframpError as error:
            self._be_free()
            self._emit(self.refused, error.title, error.hint)
            return
        except Exception as error:  # noqa: BLE001 - else no command would ever be taken again
            _LOG.exception("A command to the daemon failed")
            self._be_free()
            self._emit(self.refused, _unforeseen(error), "offramp status shows its state.")
            return
        self._be_free()
        # The event stream tells it as well, but a click's effect should not wait for that.
        self._report_status(answer.status)
        self._emit(self.answered, " ".join(answer.notes))

    def _be_free(self) -> None:
        # Before anything is told: whoever hears of the answer may give the next command.
        self._is_busy = False
        self._emit(self.busy_changed, False)

    def _watch(self) -> None:
        delay_s = _FIRST_DELAY_S
        while not self._ending.is_set():
            try:
                self._follow()
                delay_s = _FIRST_DELAY_S
            except NotRunningError as error:
                self._report(DaemonSummary(state=DaemonCondition.STOPPED, text=str(error)))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
            except ControlError as error:
                self._report(DaemonSummary(state=DaemonCondition.UNKNOWN, text=str(error)))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
            except Exception as error:  # noqa: BLE001 - else the toolbar would say it for good
                _LOG.exception("The daemon could not be followed")
                self._report(DaemonSummary(state=DaemonCondition.UNKNOWN, text=_unforeseen(error)))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
            self._ending.wait(delay_s)

    def _follow(self) -> None:
        """Tell of each status until the daemon ends or falls silent."""
        stream = self._client.events()
        with contextlib.closing(stream):
            with self._guard:
                self._stream = stream
            try:
                if self._ending.is_set():
                    return
                for status in stream:
                    self._report_status(status)
            finally:
                with self._guard:
                    self._stream = None

    def _report_status(self, status: Status) -> None:
        self._report_quota(
            QuotaReport(plans=status.quota, outlooks=status.outlooks, since=status.started)
        )
        self._report(seen(status, self._now(), self._zone, self.routed))

    def _report_quota(self, report: QuotaReport) -> None:
        with self._guard:
            is_new = report != self._last_quota
            self._last_quota = report
        if is_new:
            self._emit(self.quota_reported, report)

    def _report(self, daemon: DaemonSummary) -> None:
        if daemon.state in (DaemonCondition.STOPPED, DaemonCondition.UNKNOWN):
            # What it said last gets older from now on, and must not look like the present.
            self._report_quota(replace(self._last_quota, is_live=False))
        with self._guard:
            if daemon == self._last_sent:
                return
            self._last_sent = daemon
        self._emit(self.changed, daemon)

    def _emit(self, signal: SignalInstance, *values: object) -> None:
        """Emit from a thread of ours; at the very end the object may be gone already."""
        if not self._ending.is_set():
            with contextlib.suppress(RuntimeError):
                signal.emit(*values)

    def _keep(self, daemon: DaemonSummary) -> None:
        self.current = daemon


def _unforeseen(error: Exception) -> str:
    return (
        "The daemon could not be asked: internal error, please report it "
        f"({type(error).__name__}: {error})."
    )
