"""Follows the daemon, in a thread of its own: its state as it changes, its end, its return.

It polls nothing: the daemon's stream tells of changes, and the folder of the control socket of a
daemon that comes. Trying again, ever less often, is for where nobody tells.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offramp_core.control.client import ControlError, NotRunningError

if TYPE_CHECKING:
    from offramp_core.control.api import Status
    from offramp_core.control.client import ControlClient, EventStream
    from offramp_core.errors import OfframpError
    from offramp_tray.state.folder_watch import FolderWatch

_LOG = logging.getLogger(__name__)


class DaemonListener(Protocol):
    """Who is told, on the watcher's thread."""

    def on_status(self, status: Status) -> None:
        """The daemon is there, and this is its state."""

    def on_gone(self) -> None:
        """There is no daemon."""

    def on_missed(self) -> None:
        """It ended without being told to, and has not come back in all this time."""

    def on_unreachable(self, error: OfframpError) -> None:
        """There is one that can't be asked, or not be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what is waited for, in seconds."""

    first_s: float = 0.2
    """Before the second try; each wait after it is twice as long."""
    longest_s: float = 30.0
    handover_s: float = 2.0
    """For a successor where one is to be expected; nothing is said meanwhile."""
    handover_try_s: float = 0.05
    missed_s: float = 20.0
    """Until a daemon that went unasked counts as one that does not come back."""

    def wait_s(self, tries: int) -> float:
        """How long to wait after so many tries in vain."""
        return min(self.first_s * 2.0**tries, self.longest_s)


@dataclass(slots=True, kw_only=True)
class _Absence:
    """How long there has been no daemon, and what was said of it."""

    began_s: float
    has_successor: bool = False
    """Another daemon is to be expected at once."""
    is_asked_for: bool = True
    """It was told to end, or never seen: nobody misses it."""
    is_reported: bool = False
    is_missed_reported: bool = False
    tries: int = 0


class DaemonWatcher:
    """Follows the daemon until it is stopped."""

    def __init__(
        self,
        client: ControlClient,
        watch: FolderWatch,
        listener: DaemonListener,
        *,
        patience: Patience | None = None,
    ) -> None:
        """Ask `client`, and wait by `watch` while there is nobody to be asked."""
        self._client = client
        self._watch = watch
        self._listener = listener
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._stream: EventStream | None = None
        self._over = threading.Event()
        self._absence = _Absence(began_s=time.monotonic())
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look_now(self) -> None:
        """Try again at once, if there was no daemon; from any thread."""
        self._watch.wake()

    def stop(self) -> None:
        """End it; from any thread but its own."""
        with self._lock:
            self._over.set()
            stream = self._stream
        if stream is not None:
            stream.close()
        self._watch.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._over.is_set():
            # Watched before it is asked for, so that none can come unnoticed in between.
            with self._watch.watching():
                wait_s = self._patience.longest_s
                try:
                    wait_s = self._try()
                except Exception:  # noqa: BLE001 - else the tray would show the past for good
                    _LOG.exception("The daemon could not be followed")
                if self._over.is_set():
                    return
                began_s = time.monotonic()
                self._watch.wait(wait_s)
                if time.monotonic() - began_s < wait_s:
                    self._absence.tries = 0  # something happens there

    def _try(self) -> float:
        """Follow for as long as there is a daemon; how long to wait before the next try."""
        try:
            self._follow()
        except NotRunningError:
            pass
        except ControlError as error:
            if self._is_successor_due():
                return self._patience.handover_try_s  # one that leaves may break off the next call
            self._absence.is_reported = False
            if not self._over.is_set():
                self._listener.on_unreachable(error)
            return self._next_wait_s()
        return 0.0 if self._over.is_set() else self._note_absence()

    def _follow(self) -> None:
        """Pass on what the daemon tells, until it ends.

        Raises:
            ControlError: there is none, or it can't be followed.
        """
        stream = self._client.events()
        with self._lock:
            self._stream = stream
            is_over = self._over.is_set()
        last = None
        try:
            for status in () if is_over else stream:
                last = status
                self._listener.on_status(status)
        finally:
            with self._lock:
                self._stream = None
            stream.close()
            if last is not None:
                self._absence = _absence_after(last)

    def _note_absence(self) -> float:
        """Say what there is to be said by now; how long to wait before the next try."""
        absence, patience = self._absence, self._patience
        if self._is_successor_due():
            return patience.handover_try_s
        if not absence.is_reported:
            absence.is_reported = True
            self._listener.on_gone()
        if absence.is_asked_for or absence.is_missed_reported:
            return self._next_wait_s()
        left_s = patience.missed_s - (time.monotonic() - absence.began_s)
        if left_s <= 0:
            absence.is_missed_reported = True
            self._listener.on_missed()
            return self._next_wait_s()
        return min(self._next_wait_s(), left_s)

    def _is_successor_due(self) -> bool:
        """Whether another daemon is to be expected at this very moment."""
        lasted_s = time.monotonic() - self._absence.began_s
        return self._absence.has_successor and lasted_s < self._patience.handover_s

    def _next_wait_s(self) -> float:
        wait_s = self._patience.wait_s(self._absence.tries)
        if wait_s < self._patience.longest_s:  # or the power would grow beyond what a float holds
            self._absence.tries += 1
        return wait_s


def _absence_after(last: Status) -> _Absence:
    """What to expect after a daemon whose last words were these."""
    return _Absence(
        began_s=time.monotonic(),
        has_successor=last.is_stopping or last.supervisor_pid is not None,
        is_asked_for=last.is_stopping,
    )
