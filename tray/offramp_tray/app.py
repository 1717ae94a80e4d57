"""Puts the tray together and runs it: the only module that knows all the others.

Three threads: the host's main one, the watcher of the daemon, the follower of the log. All of
them change the one store, which has the host show the new state.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from offramp_core.control.client import ControlClient
from offramp_core.errors import OfframpError
from offramp_core.usage.week_log import WeekLog
from offramp_tray.actions import Actions
from offramp_tray.choices import Choices
from offramp_tray.desktop_actions import Desktop
from offramp_tray.linux import missing_panel_hint
from offramp_tray.logging_setup import logging_to
from offramp_tray.single_instance import only_one
from offramp_tray.state import tray_state
from offramp_tray.state.daemon_watcher import DaemonWatcher
from offramp_tray.state.folder_watch import FolderWatch
from offramp_tray.state.preferences import Preferences
from offramp_tray.state.quota_log import QuotaLog
from offramp_tray.state.said_notifications import SaidNotifications
from offramp_tray.state.tray_state import Presence, TrayState
from offramp_tray.state.week_totals import WeekFollower
from offramp_tray.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.control.api import Status
    from offramp_core.login_item.autostart import TraySwitch
    from offramp_core.paths import Paths
    from offramp_tray.host import Host
    from offramp_tray.single_instance import TrayLock
    from offramp_tray.state.daemon_watcher import Patience
    from offramp_tray.state.tray_state import Clock

_LOG = logging.getLogger(__name__)


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def run(
    paths: Paths,
    environ: Mapping[str, str],
    open_host: Callable[[Mapping[str, str]], Host],
    *,
    is_demo: bool = False,
    login_item: TraySwitch | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> None:
    """Run the tray of these folders until its user, or a signal, ends it. On the main thread.

    `tell` says on the terminal, if there is one, what the tray waits for.

    Raises:
        AlreadyRunningError: it runs already.
        OfframpError: nothing on this system can show an icon.
    """
    with only_one(paths.tray_lock_file) as lock, logging_to(paths.diagnostics_dir):
        try:
            host = open_host(environ)
        except OfframpError as error:
            _LOG.error("No icon can be shown", extra={"why": str(error)})
            raise
        tray = TrayApp(
            paths,
            environ,
            host,
            desktop=Desktop(environ),
            is_demo=is_demo,
            login_item=login_item,
            lock=lock,
            tell=tell,
        )
        tray.run()
    if tray.successor:
        # Only now: it wants the lock, and an icon of its own.
        os.execve(tray.successor[0], tray.successor, dict(environ))


class TrayApp:
    """The tray, with a host and a desktop of the caller's choice."""

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        host: Host,
        *,
        desktop: Desktop,
        is_demo: bool = False,
        login_item: TraySwitch | None = None,
        clock: Clock = utc_now,
        patience: Patience | None = None,
        panel_hint_after_s: float = missing_panel_hint.AFTER_S,
        tell: Callable[[str], None] = lambda _text: None,
        lock: TrayLock | None = None,
    ) -> None:
        """Make everything; nothing runs yet."""
        self._clock = clock
        self._environ = environ
        self._host = host
        self._lock = lock
        self._desktop = desktop
        self.successor: tuple[str, ...] = ()
        """The command that this process is to run instead, once `run` has ended."""
        self._preferences = preferences = Preferences(paths, environ, is_demo=is_demo)
        self._week_log = WeekLog(preferences.log_folder, preferences.boundary, clock)
        self._quota_log = QuotaLog(paths.quota_file)
        state = TrayState(now=clock(), boundary=preferences.boundary, **self._preferred())
        self.store = Store(
            state,
            clock=clock,
            show=host.show,
            notify=host.notify,
            memory=SaidNotifications(paths.tray_said_file),
        )
        self._follower = WeekFollower(self._look)
        client = ControlClient(paths.control_socket)
        self._watch = FolderWatch(paths.control_socket.parent)
        # It has its own patience: a client that tries on where a daemon that was killed has left
        # its socket would wake the processor forty times for each of its tries.
        followed = ControlClient(paths.control_socket, gap_s=0.0)
        self._watcher = DaemonWatcher(followed, self._watch, self, patience=patience)
        self._actions = Actions(
            self.store,
            client,
            desktop,
            paths,
            is_demo=is_demo,
            login_item=login_item,
            choices=Choices(
                paths,
                environ,
                client,
                is_demo=is_demo,
                on_changed=self._follower.nudge,
            ),
            notify=host.notify,
            on_daemon_wanted=self._watcher.look_now,
            quit_tray=host.stop,
        )
        self._is_looked_around = threading.Event()
        self._panel_hint = missing_panel_hint.MissingPanelHint(
            paths.runtime_dir, environ, notify=host.notify, tell=tell, after_s=panel_hint_after_s
        )

    def run(self) -> None:
        """Show the icon until the host is told to stop."""
        try:
            self._host.run(
                self.store.view,
                on_click=self._actions.click,
                on_ready=self._start,
                on_open=self._on_open,
                on_presence=self._on_presence,
                on_restart=self._on_restart,
            )
        finally:
            self._panel_hint.close()
            self._watcher.stop()
            self._follower.stop()
            _LOG.info("The tray has ended")

    def on_status(self, status: Status) -> None:
        """The daemon is there."""
        self.store.update(lambda state: tray_state.with_daemon(state, status))
        self._follower.nudge()

    def on_gone(self) -> None:
        """There is no daemon."""
        _LOG.info("There is no daemon")
        self.store.change(presence=Presence.NOT_RUNNING)
        self._follower.nudge()

    def on_missed(self) -> None:
        """It does not come back."""
        _LOG.warning("The daemon did not come back")
        self.store.change(is_missed=True)

    def on_unreachable(self, error: OfframpError) -> None:
        """There is one that can't be asked."""
        _LOG.warning("The daemon can't be asked", extra={"why": str(error)})
        self.store.change(presence=Presence.UNREACHABLE, problem=str(error))

    def _start(self) -> None:
        _LOG.info("The tray is running")
        if self._lock is not None:
            self._lock.write_record()
        self._watcher.start()
        self._follower.start()
        threading.Thread(
            target=self._actions.offer_setup, args=(self._environ,), name="setup", daemon=True
        ).start()

    def _on_presence(self, is_shown: bool) -> None:
        if self._lock is not None:
            self._lock.write_record(is_icon_shown=is_shown)
        self._panel_hint.on_presence(is_shown)

    def _on_restart(self) -> None:
        """Make way for the program that is installed by now, in the same process."""
        command = (*self._desktop.offramp(), *sys.argv[1:])
        if not os.access(command[0], os.X_OK):
            _LOG.warning("The installed tray can't be started", extra={"program": command[0]})
            return
        _LOG.info("The tray starts again", extra={"program": command[0]})
        self.successor = command
        self._host.stop()

    def _on_open(self) -> None:
        """Have the menu show times as of now; the rest comes from the follower's thread."""
        self.store.change(unseen=frozenset())
        self._is_looked_around.clear()
        self._follower.nudge()

    def _look(self) -> float | None:
        """Take in settings, log and surroundings; in how many seconds the week is over."""
        if self._preferences.refresh():
            self._take_preferences()
        if not self._is_looked_around.is_set():
            self._is_looked_around.set()
            self._actions.refresh_menu_facts()
        known = self._quota_log.read(self._preferences.log_folder, self._clock())
        # In one change: each has the whole view made again.
        quota = {"past": known.past, "kept_plans": known.plans}
        try:
            week = self._week_log.totals()
        except OfframpError as error:
            self.store.change(week_problem=str(error), **quota)
            return None
        self.store.change(week=week, week_problem="", **quota)
        return (week.span.end - self._clock()).total_seconds()

    def _take_preferences(self) -> None:
        preferences, log = self._preferences, self._week_log
        if (preferences.log_folder, preferences.boundary) != (log.folder, log.boundary):
            self._week_log = WeekLog(preferences.log_folder, preferences.boundary, self._clock)
            self.store.change(week=None)  # it is of another log, should this one not be readable
        fields = self._preferred()
        if self.store.state.presence is Presence.RUNNING:
            del fields["address"]  # the daemon knows better
        self.store.change(boundary=preferences.boundary, **fields)

    def _preferred(self) -> dict[str, Any]:
        preferences = self._preferences
        return {
            "settings": preferences.settings.tray,
            "settings_problem": preferences.problem,
            "backends": tuple(backend.name for backend in preferences.settings.backends),
            "routed": preferences.routed,
            "routes": preferences.settings.routes,
            "mode": preferences.settings.delegation,
            "address": preferences.address,
            "has_client_token": preferences.settings.client_token is not None,
        }
