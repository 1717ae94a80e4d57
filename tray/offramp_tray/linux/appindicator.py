"""The tray by the system's own indicator library, where D-Bus itself is out of reach.

It needs PyGObject, GTK and libayatana-appindicator. pystray's backend for it makes the whole menu
again at each change, which closes one that is open, and does not tell when it is opened.
"""

from __future__ import annotations

import dataclasses
import signal
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from offramp_core.running_tray import RESTART_SIGNAL
from offramp_tray.toolkit.backend import APP_ID, APP_NAME, PystrayBackend
from offramp_tray.toolkit.notify_command import NotifyCommand
from offramp_tray.toolkit.pystray_menu import RowMenu

# After pystray_menu, which sees to it that pystray can be imported.
from pystray import _appindicator  # isort: skip
from gi.repository import GLib  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from offramp_tray.toolkit.backend import Callbacks
    from offramp_tray.view.view_model import Notification, ViewModel

_PANEL_PX = 24
"""The library takes one picture; most panels want about this size."""

_NOTIFY = ("notify-send", f"--app-name={APP_NAME}", "--")


class AppIndicatorIcon(_appindicator.Icon):  # type: ignore[misc]  # pystray has no types
    """pystray's icon, without its notifier, whose start can hang the whole tray."""

    def __init__(self, view: ViewModel, callbacks: Callbacks) -> None:
        """Show `view`, once run."""
        menu = RowMenu(view.rows, callbacks.on_click)
        super().__init__(APP_ID, _picture_of(view), view.title, menu)
        self._view = view
        self._callbacks = callbacks

    def show_view(self, view: ViewModel) -> None:
        """Show `view`."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self.icon = _picture_of(view)
        self.title = view.title
        if view.label != before.label:
            self._appindicator.set_label(view.label, view.label)
        if view.rows != before.rows:
            self.menu = RowMenu(view.rows, self._callbacks.on_click)

    def _initialize(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self._stop)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, RESTART_SIGNAL, self._heed_restart)
        self._mark_ready()
        GLib.idle_add(self._begin)

    def _heed_restart(self) -> bool:
        """Pass the signal on. GLib calls it again, for it gives True."""
        self._callbacks.on_restart()
        return True

    def _begin(self) -> None:
        """The loop runs. GLib does not call it again, for it gives None."""
        self.visible = True
        self._appindicator.set_label(self._view.label, self._view.label)
        self._callbacks.on_ready()
        self._callbacks.on_presence(True)

    def _finalize(self) -> None:
        self._remove_fs_icon()
        self._visible = False  # or pystray would hide it once more, when it is collected
        del self._appindicator


def _picture_of(view: ViewModel) -> Image | None:
    """The one that has to be scaled least, and rather down than up."""
    pictures = sorted(view.icon.by_size_px, key=lambda each: each[0])
    large = [image for size_px, image in pictures if size_px >= _PANEL_PX]
    return large[0] if large else pictures[-1][1]


class AppIndicatorBackend(PystrayBackend):
    """The backend for `host`."""

    def __init__(self) -> None:
        """Show an `AppIndicatorIcon`."""
        super().__init__(AppIndicatorIcon)
        self._notify_command = NotifyCommand(_NOTIFY)

    def on_main_thread(self, call: Callable[[], None]) -> None:
        """See `ToolkitBackend`."""
        GLib.idle_add(call)

    def notify(self, message: Notification) -> None:
        """See `ToolkitBackend`."""
        # What shows it reads the body as markup.
        self._notify_command.show(dataclasses.replace(message, body=escape(message.body)))
