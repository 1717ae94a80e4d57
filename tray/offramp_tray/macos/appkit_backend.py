"""The tray on macOS: pystray's AppKit icon, with what it lacks.

pystray calls AppKit on whatever thread it is called on, scales the picture to 22 pixels, and makes
the whole menu again at each change. Here everything comes on the main thread (`host` sees to that,
by `on_main_thread`), the picture keeps all its pixels for Retina screens and may be a template,
which the system colours, and a menu that is open keeps its rows in place.
"""

from __future__ import annotations

import io
import signal
from typing import TYPE_CHECKING, Any

import AppKit
import Foundation
from PyObjCTools import AppHelper, MachSignals

from offramp_core.running_tray import RESTART_SIGNAL
from offramp_tray.macos.menu_bar_watch import MenuBarWatch
from offramp_tray.toolkit.backend import APP_ID, PystrayBackend
from offramp_tray.toolkit.notify_command import NotifyCommand
from offramp_tray.toolkit.pystray_menu import RowMenu
from offramp_tray.view.row_order import RowNumbers, can_be_chosen, structure_of, visible_keys
from offramp_tray.view.view_model import Notification, RowKind

# After pystray_menu, which sees to it that pystray can be imported.
from pystray import _darwin  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from offramp_tray.toolkit.backend import Callbacks
    from offramp_tray.view.row_order import Structure
    from offramp_tray.view.view_model import IconImages, MenuRow, ViewModel

_HEIGHT_PT = 18
"""Of an icon in the menu bar, in points; a Retina screen has two pixels to a point."""

# What macOS has of its own for messages is only for signed bundles; this works for every process,
# but macOS counts the messages as Script Editor's, and drops them in silence until that may show
# some. The menu has them all.
# The texts are arguments, never part of the script.
_NOTIFY = (
    "/usr/bin/osascript",
    "-e",
    "on run argv",
    "-e",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "-e",
    "end run",
)


class OfframpMenuDelegate(Foundation.NSObject):  # type: ignore[misc]  # pyobjc has no types
    """Hears from AppKit when the menu is opened and closed.

    Objective-C's classes have one namespace for the whole process, hence the long name.
    """

    icon: AppKitIcon

    def menuWillOpen_(self, _menu: object) -> None:  # noqa: N802 - AppKit's name
        """The user is about to see it."""
        self.icon.menu_opened()

    def menuDidClose_(self, _menu: object) -> None:  # noqa: N802 - AppKit's name
        """It is gone; a click on one of its rows is still to come."""
        self.icon.menu_closed()


class AppKitIcon(_darwin.Icon):  # type: ignore[misc]  # pystray has no types
    """pystray's icon. Everything of it happens on the main thread."""

    _icon_image: Any = None

    def __init__(self, view: ViewModel, callbacks: Callbacks) -> None:
        """Show `view`, once run; nothing appears in the Dock."""
        app = AppKit.NSApplication.sharedApplication()
        app.setActivationPolicy_(AppKit.NSApplicationActivationPolicyAccessory)
        super().__init__(APP_ID, view.icon, view.title, RowMenu(view.rows, callbacks.on_click))
        self._view = view
        self._callbacks = callbacks
        self._numbers = RowNumbers()
        self._actions: dict[int, Callable[[object], None]] = {}
        self._menu_items: dict[str, Any] = {}
        self._structure: Structure | None = None
        self._is_open = False
        self._menu_delegate = OfframpMenuDelegate.alloc().init()
        self._menu_delegate.icon = self
        self._menu_bar = MenuBarWatch(self._status_item, callbacks.on_presence)

    def show_view(self, view: ViewModel) -> None:
        """Show `view`."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self.icon = view.icon
        self.title = view.title
        self._update_title()  # tooltip and label, for which pystray has no words
        if view.rows != before.rows:
            self.menu = RowMenu(view.rows, self._callbacks.on_click)

    def menu_opened(self) -> None:
        """The menu is about to be seen."""
        self._is_open = True
        self._callbacks.on_open()

    def menu_closed(self) -> None:
        """What has waited for this comes after the click that closed it."""
        self._is_open = False
        AppHelper.callAfter(self._update_menu)

    # What pystray asks of a backend:

    def _run(self) -> None:
        AppHelper.callAfter(self._begin)
        super()._run()
        self._menu_bar.end()

    def _begin(self) -> None:
        """The loop runs."""
        # pystray's own handler ends the process at once, with nothing closed.
        for number in (signal.SIGINT, signal.SIGTERM):
            MachSignals.signal(number, lambda *_number: self.stop())
        MachSignals.signal(RESTART_SIGNAL, lambda *_number: self._callbacks.on_restart())
        self.visible = True
        self._callbacks.on_ready()
        self._menu_bar.begin()

    def _assert_image(self) -> None:
        if self._icon_image is None:
            self._icon_image = _image_of(self._view.icon)
            self._status_item.button().setImage_(self._icon_image)

    def _update_title(self) -> None:
        button = self._status_item.button()
        label = self._view.label
        button.setToolTip_(self._view.tooltip)
        button.setAccessibilityLabel_(self._view.title)
        button.setTitle_(label)
        button.setImagePosition_(AppKit.NSImageLeft if label else AppKit.NSImageOnly)

    def _update_menu(self) -> None:
        rows = self._view.rows
        structure = structure_of(rows)
        if structure != self._structure and not self._is_open:
            self._menu_items.clear()
            menu = self._menu_of(rows)
            menu.setDelegate_(self._menu_delegate)
            self._menu_handle = (menu, self._actions)
            self._structure = structure
            self._status_item.setMenu_(menu)
        self._refresh(rows)

    def _menu_of(self, rows: tuple[MenuRow, ...]) -> Any:
        menu = AppKit.NSMenu.alloc().initWithTitle_(self.name)
        menu.setAutoenablesItems_(False)
        for row in rows:
            item = self._item_of(row)
            self._menu_items[row.key] = item
            menu.addItem_(item)
        return menu

    def _item_of(self, row: MenuRow) -> Any:
        if row.kind is RowKind.SEPARATOR:
            return AppKit.NSMenuItem.separatorItem()
        item = AppKit.NSMenuItem.alloc().initWithTitle_action_keyEquivalent_(
            row.text, self._MENU_ITEM_SELECTOR, ""
        )
        if row.kind is RowKind.SUBMENU:
            item.setSubmenu_(self._menu_of(row.rows))
            return item
        number = self._numbers.of(row.key)
        self._actions[number] = lambda _icon: self._callbacks.on_click(row.key)
        item.setTarget_(self._delegate)
        item.setTag_(number)
        return item

    def _refresh(self, rows: tuple[MenuRow, ...]) -> None:
        """Give the rows that are there their looks; of an open menu none comes, goes or moves."""
        visible = visible_keys(rows)
        for row in rows:
            item = self._menu_items.get(row.key)
            is_hidden = row.key not in visible
            if item is None or (self._is_open and item.isHidden() != is_hidden):
                continue
            if row.kind is not RowKind.SEPARATOR:
                item.setTitle_(row.text)
                item.setEnabled_(can_be_chosen(row))
            if row.kind is RowKind.CHECK:
                item.setState_(AppKit.NSOnState if row.is_checked else AppKit.NSOffState)
            item.setHidden_(is_hidden)
            self._refresh(row.rows)

    def _notify(self, message: str, title: str | None = None) -> None:
        notification = Notification(key="pystray", title=title or self.title, body=message)
        NotifyCommand(_NOTIFY).show(notification)


def _image_of(icon: IconImages) -> Any:
    """One picture, with as many pixels as there are: AppKit takes those that fit the screen."""
    size = AppKit.NSMakeSize(_HEIGHT_PT, _HEIGHT_PT)
    image = AppKit.NSImage.alloc().initWithSize_(size)
    large = [each for size_px, each in icon.by_size_px if size_px >= _HEIGHT_PT]
    for each in large or [each for _size_px, each in icon.by_size_px]:
        data = Foundation.NSData.dataWithBytes_length_(*_png(each))
        pixels = AppKit.NSBitmapImageRep.imageRepWithData_(data)
        pixels.setSize_(size)
        image.addRepresentation_(pixels)
    image.setTemplate_(icon.is_template)
    return image


def _png(image: Image) -> tuple[bytes, int]:
    """With its length."""
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue(), len(file.getvalue())


class AppKitBackend(PystrayBackend):
    """The backend for `host`."""

    def __init__(self) -> None:
        """Show an `AppKitIcon`."""
        super().__init__(AppKitIcon)
        self._notify_command = NotifyCommand(_NOTIFY)

    def on_main_thread(self, call: Callable[[], None]) -> None:
        """See `ToolkitBackend`."""
        AppHelper.callAfter(call)

    def notify(self, message: Notification) -> None:
        """See `ToolkitBackend`."""
        self._notify_command.show(message)
