"""A panel of the tests' own: the watcher that icons register with, and a host that shows them.

It is written against the specifications, with nothing of the tray's, so that both can't share a
mistake.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusSignature, DBusStr
from dbus_fast.constants import MessageType, PropertyAccess, RequestNameReply
from dbus_fast.errors import DBusError
from dbus_fast.message import Message
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal
from dbus_fast.signature import Variant
from dbus_fast.unpack import unpack_variants
from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"

Nothing = Annotated[None, DBusSignature("")]


class _Watcher(ServiceInterface):
    """What icons register with."""

    def __init__(self, *, has_host: bool, refusals: int, on_item: Callable[[str], None]) -> None:
        super().__init__(WATCHER)
        self.has_host = has_host
        self._refusals = refusals
        self._on_item = on_item

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> Nothing:  # noqa: N802 - D-Bus's name
        if self._refusals:
            self._refusals -= 1
            raise DBusError("org.example.Error.Busy", "not now")
        self._on_item(service)

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802 - D-Bus's name
        return self.has_host

    @dbus_signal()
    def StatusNotifierHostRegistered(self) -> Nothing:  # noqa: N802 - D-Bus's name
        """A host came."""

    @dbus_signal()
    def StatusNotifierHostUnregistered(self) -> Nothing:  # noqa: N802 - D-Bus's name
        """A host went."""


@dataclass(frozen=True)
class ShownRow:
    """A row of the menu as a panel got it."""

    number: int
    properties: dict[str, Any]
    rows: tuple[ShownRow, ...]

    @property
    def label(self) -> str:
        """Its words; of a separator a line."""
        if self.properties.get("type") == "separator":
            return "---"
        return str(self.properties.get("label", ""))

    @property
    def words(self) -> list[str]:
        """The visible rows below it, top to bottom."""
        return [row.label for row in self.rows if row.properties.get("visible", True)]

    def find(self, label: str) -> ShownRow:
        """The row with these words, however deep."""
        for row in self.rows:
            if row.label == label:
                return row
            with contextlib.suppress(LookupError):
                return row.find(label)
        raise LookupError(label)


@dataclass
class Panel:
    """A panel on the bus, and what came to it."""

    bus: MessageBus
    watcher: _Watcher
    items: list[str] = field(default_factory=list)
    signals: list[Message] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def item(self, number: int = 1) -> PanelItem:
        """The icon that registered as the `number`-th, waited for."""
        await self.until(lambda: len(self.items) >= number)
        return PanelItem(self, self.items[number - 1])

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until what came makes it so."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(is_so)

    async def next_signal(self, member: str, after: int = 0) -> list[Any]:
        """The values of the first signal of that name among those from `after` on."""
        await self.until(lambda: any(s.member == member for s in self.signals[after:]))
        found = next(s for s in self.signals[after:] if s.member == member)
        return list(unpack_variants(found.body))

    def members(self, after: int = 0) -> list[str]:
        """The names of the signals that came, from `after` on."""
        return [signal.member or "" for signal in self.signals[after:]]

    async def say_host(self, *, is_there: bool) -> None:
        """Have a host come or go."""
        self.watcher.has_host = is_there
        if is_there:
            self.watcher.StatusNotifierHostRegistered()
        else:
            self.watcher.StatusNotifierHostUnregistered()

    async def tell(self) -> None:
        """Wake whoever waits."""
        async with self._news:
            self._news.notify_all()


@dataclass
class PanelItem:
    """An icon as a panel sees it."""

    panel: Panel
    name: str

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> Any:
        """Call a method; the answer's values."""
        reply = await self.send(path, interface, member, signature, *body)
        assert reply.message_type is MessageType.METHOD_RETURN, (reply.error_name, reply.body)
        return unpack_variants(reply.body)

    async def send(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> Message:
        """Call a method; the answer as it came, be it an error."""
        async with asyncio.timeout(PATIENCE_S):
            reply = await self.panel.bus.call(
                Message(self.name, path, interface, member, signature=signature, body=list(body))
            )
        assert reply is not None
        return reply

    async def properties(self) -> dict[str, Any]:
        """All of the icon."""
        [values] = await self.call(
            "/StatusNotifierItem", "org.freedesktop.DBus.Properties", "GetAll", "s", ITEM
        )
        return dict(values)

    async def menu_call(self, member: str, signature: str = "", *body: Any) -> Any:
        """Call a method of the menu."""
        return await self.call(await self._menu_path(), MENU, member, signature, *body)

    async def menu_send(self, member: str, signature: str = "", *body: Any) -> Message:
        """The same, be the answer an error."""
        return await self.send(await self._menu_path(), MENU, member, signature, *body)

    async def layout(self) -> ShownRow:
        """The whole menu."""
        [_revision, tree] = await self.menu_call("GetLayout", "iias", 0, -1, [])
        return _row(tree)

    async def event(self, number: int, event: str) -> None:
        """Tell of what the user did."""
        await self.menu_call("Event", "isvu", number, event, Variant("i", 0), 0)

    async def open(self) -> ShownRow:
        """Open the menu as panels do."""
        await self.menu_call("AboutToShow", "i", 0)
        layout = await self.layout()
        await self.event(0, "opened")
        return layout

    async def row(self, label: str) -> ShownRow:
        """The row with these words, waited for by the panel's own signals.

        A row has other words while what it was clicked for is under way.
        """
        while True:
            seen = len(self.panel.signals)
            with contextlib.suppress(LookupError):
                return (await self.layout()).find(label)
            await self.panel.until(lambda seen=seen: len(self.panel.signals) > seen)

    async def click(self, label: str) -> None:
        """Click on the row with these words, once it is there."""
        await self.event((await self.row(label)).number, "clicked")

    async def _menu_path(self) -> str:
        return str((await self.properties())["Menu"])


def _row(tree: Any) -> ShownRow:
    number, properties, below = tree
    return ShownRow(number, properties, tuple(_row(each) for each in below))


@contextlib.asynccontextmanager
async def panel(address: str, *, has_host: bool = True, refusals: int = 0) -> AsyncIterator[Panel]:
    """A panel on the bus at `address`; it leaves the bus at the end.

    Its watcher refuses the first `refusals` icons.
    """
    bus = await MessageBus(address).connect()
    tellers: set[asyncio.Task[None]] = set()

    def tell() -> None:
        task = asyncio.get_running_loop().create_task(made.tell())
        tellers.add(task)
        task.add_done_callback(tellers.discard)

    def add_item(service: str) -> None:
        made.items.append(service)
        tell()

    def hear(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.interface in {ITEM, MENU}:
            made.signals.append(message)
            tell()

    made = Panel(bus, _Watcher(has_host=has_host, refusals=refusals, on_item=add_item))
    bus.add_message_handler(hear)
    bus.export("/StatusNotifierWatcher", made.watcher)
    for interface in (ITEM, MENU):
        await _match(bus, f"type='signal',interface='{interface}'")
    assert await bus.request_name(WATCHER) is RequestNameReply.PRIMARY_OWNER
    try:
        yield made
    finally:
        if bus.connected:
            bus.disconnect()
        with contextlib.suppress(OSError, EOFError):
            await bus.wait_for_disconnect()


async def _match(bus: MessageBus, rule: str) -> None:
    reply = await bus.call(
        Message(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "AddMatch",
            signature="s",
            body=[rule],
        )
    )
    assert reply is not None
    assert reply.message_type is MessageType.METHOD_RETURN
