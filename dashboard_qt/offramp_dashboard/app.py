"""Starts the window, or draws it to a file: the only module that knows all others."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QSize, QSocketNotifier, Qt, QTimer
from PySide6.QtWidgets import QApplication

from offramp_core import __version__
from offramp_core.errors import OfframpError
from offramp_core.login_item import autostart
from offramp_core.setup import first_run
from offramp_dashboard.controller import ChartsController
from offramp_dashboard.data.setup.steps import steps_for
from offramp_dashboard.data.snapshot import DaemonCondition, FeedState
from offramp_dashboard.setup_page.window import SetupWindow
from offramp_dashboard.single_instance import SingleInstance
from offramp_dashboard.window import geometry
from offramp_dashboard.window.styling import Styling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from offramp_core.login_item.autostart import TraySwitch
    from offramp_core.paths import Paths
    from offramp_dashboard.data.snapshot import DaemonSummary, Snapshot
    from offramp_dashboard.theme import ThemeChoice

_DAEMON_PATIENCE_MS = 1500
_PRICES_PATIENCE_MS = 5_000
_LOG_PATIENCE_MS = 120_000


def open_window(
    paths: Paths,
    environ: Mapping[str, str],
    *,
    is_demo: bool,
    theme: ThemeChoice | None,
    place: str = "",
) -> bool:
    """Show the window until it is closed; False if one is open already, which comes to the front.

    `place` is a page, or the settings; empty for the page that was shown last.

    Raises:
        OfframpError: there can be no window.
    """
    application = _application()
    instance = SingleInstance(paths.charts_socket, application)
    if not instance.claim(place):
        return False
    memory = geometry.load(paths.charts_window_file)
    styling = Styling(application, theme or memory.theme)
    controller = ChartsController(
        paths,
        environ,
        styling,
        is_demo=is_demo,
        login_item=None if is_demo else _login_item(environ),
    )
    instance.raise_asked.connect(controller.show_place)
    controller.restore(memory)
    controller.start()
    controller.show_place(place)
    with _ending_by_signal(application):
        application.exec()
    controller.stop()
    instance.release()
    return True


def open_setup(paths: Paths, environ: Mapping[str, str]) -> bool:
    """Show the set-up window until it is closed; False if one is open, which comes to the front.

    It counts as offered from now on.

    Raises:
        OfframpError: there can be no window.
    """
    application = _application()
    instance = SingleInstance(paths.setup_socket, application)
    if not instance.claim():
        return False
    styling = Styling(application, geometry.load(paths.charts_window_file).theme)
    window = SetupWindow(steps_for(paths, environ))
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    window.finished.connect(application.exit)
    instance.raise_asked.connect(window.bring_to_front)
    window.show()
    first_run.mark_offered(paths)
    with _ending_by_signal(application):
        application.exec()
    styling.deleteLater()
    instance.release()
    return True


def save_screenshot(
    paths: Paths,
    environ: Mapping[str, str],
    file: Path,
    *,
    is_demo: bool,
    theme: ThemeChoice,
    size: QSize,
    page: int,
) -> None:
    """Draw the window, with all of the log in it, to `file` (PNG); no window is seen.

    Raises:
        OfframpError: the log takes too long to read, or the file can't be written.
    """
    application = _application()
    controller = ChartsController(paths, environ, Styling(application, theme), is_demo=is_demo)
    window = controller.window
    window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    window.resize(size)
    window.show_page(page)
    controller.start()
    window.show()
    try:
        _wait_for_all(application, controller)
    finally:
        controller.stop()
    if not window.grab().save(str(file), "PNG"):
        raise OfframpError(f"{file} can't be written.", hint="Choose a file in a folder of yours.")


def _login_item(environ: Mapping[str, str]) -> TraySwitch | None:
    """Whether the tray starts at login; None where only the source is run."""
    try:
        return autostart.switch_for(environ)
    except OfframpError:
        return None


def _application() -> QApplication:
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    application = QApplication([sys.argv[0]])
    application.setApplicationName("offramp")
    application.setApplicationDisplayName("Offramp")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("offramp-charts")
    if QLocale.system().language() == QLocale.Language.C:
        # The C locale parts no thousands; nobody reads seven digits in a row with pleasure.
        english = QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom)
        QLocale.setDefault(english)
    return application


class _Arrival:
    """Ends the event loop once the log is read and priced, and the daemon has been heard of."""

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self.has_log = False
        self.has_daemon = False
        self.has_prices = False

    def see_snapshot(self, snapshot: Snapshot) -> None:
        self.has_log = snapshot.log_status.state is not FeedState.LOADING
        is_empty = self.has_log and snapshot.first is None
        self.has_prices |= snapshot.week_summary.savings is not None or is_empty
        self._look()

    def see_daemon(self, daemon: DaemonSummary) -> None:
        self.has_daemon = self.has_daemon or daemon.state is not DaemonCondition.UNKNOWN
        self._look()

    def give_up_daemon(self) -> None:
        self.has_daemon = True
        self._look()

    def give_up_prices(self) -> None:
        self.has_prices = True
        self._look()

    def _look(self) -> None:
        if self.has_log and self.has_daemon and self.has_prices:
            self._application.exit()


def _wait_for_all(application: QApplication, controller: ChartsController) -> None:
    arrival = _Arrival(application)
    window = controller.window
    # By way of the window, whose methods run on this thread.
    controller.feed.snapshot_ready.connect(arrival.see_snapshot, Qt.ConnectionType.QueuedConnection)
    controller.watch.changed.connect(arrival.see_daemon, Qt.ConnectionType.QueuedConnection)
    QTimer.singleShot(_DAEMON_PATIENCE_MS, window, arrival.give_up_daemon)
    QTimer.singleShot(_PRICES_PATIENCE_MS, window, arrival.give_up_prices)
    QTimer.singleShot(_LOG_PATIENCE_MS, window, application.exit)
    with _ending_by_signal(application):
        application.exec()
    if not arrival.has_log:
        raise OfframpError(
            "The log was not read to its end, so no picture was drawn.",
            hint="Try again: the months that were already read need not be read again.",
        )
    application.processEvents()


@contextlib.contextmanager
def _ending_by_signal(application: QApplication) -> Iterator[None]:
    """Let Ctrl-C and a polite kill close the window; Qt's loop would sit them out."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    handlers = {
        number: signal.signal(number, _ignore_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    notifier = QSocketNotifier(ours.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda *_descriptor: _close_all(application))
    try:
        yield
    finally:
        notifier.setEnabled(False)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        ours.close()
        theirs.close()


def _close_all(application: QApplication) -> None:
    application.closeAllWindows()
    application.exit()


def _ignore_signal(number: int, frame: object) -> None:
    """Nothing more: the wake-up descriptor has told the event loop."""
    del number, frame
