"""The tray on Linux: pystray's icon, shown only by D-Bus messages.

They are those of StatusNotifierItem and com.canonical.dbusmenu: no library of the desktop's, and
no display.

The icon is a subclass of pystray's private base class, which is why pystray is pinned exactly;
`tests/tray/test_pystray_contract.py` holds what is relied on.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from offramp_core.running_tray import RESTART_SIGNAL
from offramp_tray.linux.dbus_menu import MENU_PATH, DBusMenu
from offramp_tray.linux.notifications import DesktopNotifier
from offramp_tray.linux.session_bus import SessionBus, overlook_lost_sends
from offramp_tray.linux.status_notifier_item import (
    ACTIVE,
    NEEDS_ATTENTION,
    PASSIVE,
    ItemLook,
    NotifierItem,
    pixmap_of,
)
from offramp_tray.linux.status_notifier_watcher import NotifierRegistration
from offramp_tray.toolkit.backend import APP_ID, PystrayBackend
from offramp_tray.toolkit.pystray_menu import RowMenu, pystray_base
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.Image import Image

    from offramp_tray.linux.status_notifier_item import Pixmap
    from offramp_tray.toolkit.backend import Callbacks
    from offramp_tray.view.view_model import ViewModel

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = (*_STOP_SIGNALS, RESTART_SIGNAL)


class _DesktopLink:
    """All that speaks to the desktop while the icon runs. Lives on the loop."""

    def __init__(
        self, address: str, callbacks: Callbacks, notification_image: Callable[[], Image | None]
    ) -> None:
        self.bus = SessionBus(address)
        self.item = NotifierItem(
            APP_ID, menu_path=MENU_PATH, send=self.bus.send, on_open=callbacks.on_open
        )
        self.menu = DBusMenu(
            send=self.bus.send, on_click=callbacks.on_click, on_open=callbacks.on_open
        )
        self.notifier = DesktopNotifier(self.bus, notification_image)
        self._registration = NotifierRegistration(
            self.bus, callbacks.on_presence, self.menu.forget_panel
        )
        self.bus.export(self.item.bus_object)
        self.bus.export(self.menu.bus_object)

    async def serve(self) -> None:
        """Be there, until `bus` is closed."""
        await self.bus.serve(self._speak, self._registration.lost)

    async def _speak(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._registration.serve(), name="registration")
            group.create_task(self.notifier.serve(), name="notifications")


class StatusNotifierIcon(pystray_base.Icon):  # type: ignore[misc]  # pystray has no types
    """pystray's icon, whose `icon` is an `IconImages` and whose `menu` is a `RowMenu`.

    What it shows goes through pystray's own properties (`icon`, `title`, `menu`, `visible`), on
    the thread that runs it.
    """

    def __init__(self, address: str, view: ViewModel, callbacks: Callbacks) -> None:
        """Show `view` on the bus at `address`, once run."""
        super().__init__(APP_ID, view.icon, view.title, RowMenu(view.rows, callbacks.on_click))
        self._address = address
        self._callbacks = callbacks
        self._view = view
        self._pixmaps: tuple[Pixmap, ...] = ()
        self._is_shown = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desktop: _DesktopLink | None = None

    def show_view(self, view: ViewModel) -> None:
        """Show `view`."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self.icon = view.icon
        self.title = view.title
        self._show_look()  # what pystray has no word for
        if view.rows != before.rows:
            self.menu = RowMenu(view.rows, self._callbacks.on_click)

    def call_soon(self, call: Callable[[], None]) -> None:
        """Have `call` run by the loop; from any thread; dropped once the loop is closed."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    def post(self, message: Notification) -> None:
        """Show `message`."""
        if self._desktop is not None:
            self._desktop.notifier.post(message)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        overlook_lost_sends(self._loop)
        self._desktop = _DesktopLink(self._address, self._callbacks, self._notification_image)
        self._mark_ready()
        self.visible = True
        with self._heeding_signals(self._loop):
            self._callbacks.on_ready()
            await self._desktop.serve()
        self._visible = False  # or pystray would hide it once more, when it is collected

    @contextlib.contextmanager
    def _heeding_signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may take signals
            return
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(RESTART_SIGNAL, self._callbacks.on_restart)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _notification_image(self) -> Image | None:
        """The largest picture of the icon."""
        by_size_px: dict[int, Image] = dict(self._view.icon.by_size_px)
        return by_size_px[max(by_size_px)] if by_size_px else None

    def _show_look(self) -> None:
        if self._desktop is None:
            return
        status = NEEDS_ATTENTION if self._view.needs_attention else ACTIVE
        self._desktop.item.show(
            ItemLook(
                title=self.title,
                tooltip=self._view.tooltip,
                label=self._view.label,
                status=status if self._is_shown else PASSIVE,
                pixmaps=self._pixmaps,
            )
        )

    # What pystray asks of a backend:

    def _show(self) -> None:
        self._is_shown = True
        self._show_look()

    def _hide(self) -> None:
        self._is_shown = False
        self._show_look()

    def _update_icon(self) -> None:
        self._pixmaps = tuple(pixmap_of(image) for _size, image in self._view.icon.by_size_px)
        self._icon_valid = True
        self._show_look()

    def _update_title(self) -> None:
        self._show_look()

    def _update_menu(self) -> None:
        if self._desktop is not None:
            self._desktop.menu.show(self._view.rows)

    def _notify(self, message: str, title: str | None = None) -> None:
        self.post(Notification(key="pystray", title=title or self.title, body=message))

    def _remove_notification(self) -> None:
        """Messages go by themselves."""

    def _stop(self) -> None:
        if self._desktop is not None:
            self._desktop.bus.close()


class StatusNotifierBackend(PystrayBackend):
    """The backend for `host`."""

    def __init__(self, address: str) -> None:
        """Use the session bus at `address`."""
        super().__init__(lambda view, callbacks: StatusNotifierIcon(address, view, callbacks))

    def on_main_thread(self, call: Callable[[], None]) -> None:
        """See `ToolkitBackend`."""
        if self._icon is not None:
            self._icon.call_soon(call)

    def notify(self, message: Notification) -> None:
        """See `ToolkitBackend`."""
        if self._icon is not None:
            self._icon.post(message)
