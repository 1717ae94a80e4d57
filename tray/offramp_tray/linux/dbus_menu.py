"""The menu on the session bus: com.canonical.dbusmenu, as libdbusmenu's XML describes it.

A menu that is open changes its words, check marks and greys, but no row comes, goes or moves under
the pointer: such a change waits until the menu is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from dbus_fast.signature import Variant

from offramp_tray.linux.dbus_menu_layout import LAYOUT, ROOT, MenuLayout, chosen
from offramp_tray.linux.dbus_object import BusMethod, BusObject, BusSignals, refused
from offramp_tray.view.row_order import RowNumbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_fast.message import Message

    from offramp_tray.linux.dbus_menu_layout import MenuEntry
    from offramp_tray.view.view_model import MenuRow

MENU_PATH: Final = "/StatusNotifierItem/menu"
MENU_INTERFACE: Final = "com.canonical.dbusmenu"

_OPEN_S = 60.0
"""How long after its last sign of life a menu counts as open, if its end is never told."""
_ASKED_FOR_S = 15.0
"""The same if only its beginning was: libdbusmenu, hence Xfce, says it of submenus only."""

_VERSION = 3
_EVENT = (("id", "i"), ("eventId", "s"), ("data", "v"), ("timestamp", "u"))
_NAMES = ("propertyNames", "as")

_SIGNALS: BusSignals = {
    "ItemsPropertiesUpdated": (("updatedProps", "a(ia{sv})"), ("removedProps", "a(ias)")),
    "LayoutUpdated": (("revision", "u"), ("parent", "i")),
    "ItemActivationRequested": (("id", "i"), ("timestamp", "u")),
}


class DBusMenu:
    """The menu, and what the panel may ask of it. Lives on one event loop."""

    def __init__(
        self,
        *,
        send: Callable[[Message], None],
        on_click: Callable[[str], None],
        on_open: Callable[[], None],
        open_s: float = _OPEN_S,
        asked_for_s: float = _ASKED_FOR_S,
    ) -> None:
        """Have no rows until `show`. `on_open` is called once each time the menu is opened."""
        self._on_click = on_click
        self._on_open = on_open
        self._open_s = open_s
        self._asked_for_s = asked_for_s
        self._numbers = RowNumbers()
        self._shown = MenuLayout.of((), self._numbers)
        self._before = self._shown
        """What was there before the last change of structure: a click on it may be on its way."""
        self._waiting: MenuLayout | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._revision = 1
        self._open_until_s = 0.0
        """By the loop's clock; in the past while it is closed."""
        self._is_announced = False
        self._says_opened = False
        """The panel says when it has opened the menu; then it says when it was closed, too."""
        self.bus_object = BusObject(
            MENU_PATH,
            MENU_INTERFACE,
            methods=self._methods(),
            properties=_properties,
            signals=_SIGNALS,
            send=send,
        )

    def show(self, rows: tuple[MenuRow, ...]) -> None:
        """Have these rows from now on, or as soon as the menu is closed."""
        wanted = MenuLayout.of(rows, self._numbers)
        if self._open_for_s() > 0 and wanted.places != self._shown.places:
            self._repaint(self._shown.repainted(wanted))
            self._waiting = wanted
            self._wait()
        else:
            self._forget_waiting()
            self._take(wanted)

    def forget_panel(self) -> None:
        """The panel is gone, and with it the menu that it may have had open."""
        self._says_opened = False
        self._close()

    def _take(self, layout: MenuLayout) -> None:
        if layout.structure == self._shown.structure:
            self._repaint(layout)
        else:
            self._replace(layout)

    def _repaint(self, layout: MenuLayout) -> None:
        changes = layout.changes_from(self._shown)
        self._shown = layout
        if changes:
            self.bus_object.emit("ItemsPropertiesUpdated", changes, [])

    def _replace(self, layout: MenuLayout) -> None:
        self._before, self._shown = self._shown, layout
        self._revision += 1
        self.bus_object.emit("LayoutUpdated", self._revision, ROOT)

    def _forget_waiting(self) -> None:
        self._waiting = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _wait(self) -> None:
        """Do what waits once the menu counts as closed."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        open_for_s = self._open_for_s()
        if open_for_s > 0:
            self._patience = asyncio.get_running_loop().call_later(open_for_s, self._wait)
        else:
            self._close()

    def _open_for_s(self) -> float:
        return self._open_until_s - asyncio.get_running_loop().time()

    def _stay_open(self, for_s: float) -> None:
        self._open_until_s = asyncio.get_running_loop().time() + for_s

    def _close(self) -> None:
        """The menu is closed: what has waited for that can be done."""
        self._open_until_s = 0.0
        waiting = self._waiting
        self._forget_waiting()
        if waiting is not None:
            self._take(waiting)

    def _methods(self) -> dict[str, BusMethod]:
        return {
            "GetLayout": BusMethod(
                self._get_layout,
                (("parentId", "i"), ("recursionDepth", "i"), _NAMES),
                (("revision", "u"), ("layout", LAYOUT)),
            ),
            "GetGroupProperties": BusMethod(
                self._get_group, (("ids", "ai"), _NAMES), (("properties", "a(ia{sv})"),)
            ),
            "GetProperty": BusMethod(
                self._get_property, (("id", "i"), ("name", "s")), (("value", "v"),)
            ),
            "Event": BusMethod(self._event, _EVENT),
            "EventGroup": BusMethod(
                self._event_group, (("events", "a(isvu)"),), (("idErrors", "ai"),)
            ),
            "AboutToShow": BusMethod(self._about_to_show, (("id", "i"),), (("needUpdate", "b"),)),
            "AboutToShowGroup": BusMethod(
                self._about_to_show_group,
                (("ids", "ai"),),
                (("updatesNeeded", "ai"), ("idErrors", "ai")),
            ),
        }

    def _get_layout(self, parent: int, depth: int, names: list[str]) -> list[Any]:
        self._current(parent)
        return [self._revision, self._shown.tree(parent, depth, names)]

    def _get_group(self, numbers: list[int], names: list[str]) -> list[Any]:
        entries = self._shown.entries
        wanted = [number for number in numbers if number in entries] if numbers else entries
        return [[[number, chosen(entries[number].properties, names)] for number in wanted]]

    def _get_property(self, number: int, name: str) -> list[Any]:
        value = self._current(number).properties.get(name)
        if value is None:
            raise refused(f"Row {number} has no property {name}.")
        return [value]

    def _event(self, number: int, event: str, _data: Variant, _timestamp: int) -> list[Any]:
        self._handle(number, event)
        return []

    def _event_group(self, events: list[list[Any]]) -> list[Any]:
        strange = []
        for number, event, _data, _timestamp in events:
            if self._find(number) is None:
                strange.append(number)
            else:
                self._handle(number, event)
        if events and len(strange) == len(events):
            raise refused(f"There are no rows {strange}.")
        return [strange]

    def _handle(self, number: int, event: str) -> None:
        entry = self._known(number)
        match event:
            case "clicked":
                if entry.row is not None and entry.can_be_clicked:
                    # After the answer.
                    asyncio.get_running_loop().call_soon(self._on_click, entry.row.key)
                    self._close()  # every panel closes it then, and not every one says so
            case "opened":
                self._opened(number)
            case "closed" if number == ROOT:
                self._close()
            case "closed" if not self._says_opened:
                self._stay_open(self._asked_for_s)  # the whole menu may be closed by now
            case _:  # hovered, and what a panel may think of
                if self._open_for_s() > 0:
                    self._stay_open(self._open_s)

    def _opened(self, number: int) -> None:
        self._stay_open(self._open_s)
        if number != ROOT:
            return  # libdbusmenu says this of submenus only
        self._says_opened = True
        if not self._is_announced:
            self._on_open()
        self._is_announced = False

    def _about_to_show(self, number: int) -> list[Any]:
        self._known(number)
        return [self._prepare(number)]

    def _about_to_show_group(self, numbers: list[int]) -> list[Any]:
        known = [number for number in numbers if self._find(number) is not None]
        if numbers and not known:
            raise refused(f"There are no rows {numbers}.")
        return [
            [number for number in known if self._prepare(number)],
            [number for number in numbers if number not in known],
        ]

    def _prepare(self, number: int) -> bool:
        """A menu is about to be opened; whether it has changed by that."""
        if number != ROOT:
            return False
        # It can't be open and about to be: the panel did not say when it closed it.
        has_waited = self._waiting is not None and self._says_opened
        if has_waited or self._waiting is None:
            self._close()
        # A panel that says nothing of opening shows the menu without waiting for this answer
        # (libdbusmenu): rows that came now would be cut off by a menu that is too small for them.
        self._stay_open(self._asked_for_s)
        self._is_announced = True
        self._on_open()
        return has_waited

    def _current(self, number: int) -> MenuEntry:
        entry = self._shown.entries.get(number)
        if entry is None:
            raise refused(f"There is no row {number}.")
        return entry

    def _find(self, number: int) -> MenuEntry | None:
        return self._shown.entries.get(number) or self._before.entries.get(number)

    def _known(self, number: int) -> MenuEntry:
        entry = self._find(number)
        if entry is None:
            raise refused(f"There is no row {number}.")
        return entry


def _properties() -> dict[str, Variant]:
    return {
        "Version": Variant("u", _VERSION),
        "TextDirection": Variant("s", "ltr"),
        "Status": Variant("s", "normal"),
        "IconThemePath": Variant("as", []),
    }
