"""Gets the icon into the panel: finds the watcher, registers there, and at the next one as well.

It acts by what is true now, not by what was said: every signal only makes it look again, so that
none can come in the wrong order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from offramp_tray.linux.dbus_object import PROPERTIES
from offramp_tray.linux.session_bus import BUS, BUS_PATH, BusError, BusGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_fast.message import Message

    from offramp_tray.linux.session_bus import SessionBus

logger = logging.getLogger(__name__)

WATCHER: Final = "org.kde.StatusNotifierWatcher"
WATCHER_PATH: Final = "/StatusNotifierWatcher"

_PRIMARY_OWNER = 1
_DO_NOT_QUEUE = 4
_MOST_NAMES = 100

_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0

_HOST_SIGNALS = ("StatusNotifierHostRegistered", "StatusNotifierHostUnregistered")


class NotifierRegistration:
    """Keeps the item registered over one connection after another."""

    def __init__(
        self,
        bus: SessionBus,
        on_presence: Callable[[bool], None],
        on_watcher_gone: Callable[[], None],
        *,
        first_retry_s: float = _FIRST_RETRY_S,
    ) -> None:
        """Say by `on_presence` whether the icon is shown: at first, and at each change."""
        self._bus = bus
        self._on_presence = on_presence
        self._on_watcher_gone = on_watcher_gone
        self._first_retry_s = first_retry_s
        self._changed = asyncio.Event()
        self._registered_with = ""
        self._is_present: bool | None = None
        bus.listen(self._heard)

    async def serve(self) -> None:
        """Keep the icon registered, until cancelled.

        Raises:
            BusError: the bus itself refused.
        """
        bus = self._bus
        name = await self._own_name(bus)
        await bus.match(
            sender=BUS, path=BUS_PATH, interface=BUS, member="NameOwnerChanged", arg0=WATCHER
        )
        for member in _HOST_SIGNALS:
            await bus.match(sender=WATCHER, interface=WATCHER, member=member)
        retry_s = self._first_retry_s
        while True:
            self._changed.clear()
            try:
                await self._look(bus, name)
            except BusGoneError:
                raise
            except BusError as error:
                logger.warning("The panel refused the icon.", extra={"error": str(error)})
                self._say(is_present=False)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(retry_s):
                        await self._changed.wait()
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
            else:
                retry_s = self._first_retry_s
                await self._changed.wait()

    def _heard(self, signal: Message) -> None:
        """Look again if this signal is about a watcher."""
        is_about_watcher = (
            signal.member == "NameOwnerChanged" and signal.body[:1] == [WATCHER]
        ) or signal.interface == WATCHER
        if is_about_watcher:
            self._changed.set()

    def lost(self) -> None:
        """There is no connection, hence no icon."""
        self._forget_watcher()
        self._say(is_present=False)

    async def _own_name(self, bus: SessionBus) -> str:
        """A name of the form that watchers expect, and that nobody else has.

        In sandboxes several processes can have the same number.
        """
        for number in range(1, _MOST_NAMES):
            name = f"org.kde.StatusNotifierItem-{os.getpid()}-{number}"
            [answer] = await bus.call(
                BUS, BUS_PATH, f"{BUS}.RequestName", "su", name, _DO_NOT_QUEUE
            )
            if answer == _PRIMARY_OWNER:
                return name
        raise BusError("All names for the icon are taken on the session bus.")

    async def _look(self, bus: SessionBus, name: str) -> None:
        owner = await _owner_of_watcher(bus)
        if not owner:
            self._forget_watcher()
            self._say(is_present=False)
            return
        if owner != self._registered_with:
            self._forget_watcher()
            await bus.call(
                WATCHER, WATCHER_PATH, f"{WATCHER}.RegisterStatusNotifierItem", "s", name
            )
            self._registered_with = owner
            logger.info("The icon is registered.", extra={"watcher": owner})
        self._say(is_present=await _has_host(bus))

    def _forget_watcher(self) -> None:
        if self._registered_with:
            self._registered_with = ""
            self._on_watcher_gone()

    def _say(self, *, is_present: bool) -> None:
        if is_present is not self._is_present:
            self._is_present = is_present
            self._on_presence(is_present)


async def _owner_of_watcher(bus: SessionBus) -> str:
    """The watcher's own address on the bus; empty if there is none."""
    try:
        [owner] = await bus.call(BUS, BUS_PATH, f"{BUS}.GetNameOwner", "s", WATCHER)
    except BusError as error:
        if error.name == f"{BUS}.Error.NameHasNoOwner":
            return ""
        raise
    return str(owner)


async def _has_host(bus: SessionBus) -> bool:
    """Whether a panel shows what the watcher lists.

    A watcher without the property is one within a panel.
    """
    try:
        [value] = await bus.call(
            WATCHER,
            WATCHER_PATH,
            f"{PROPERTIES}.Get",
            "ss",
            WATCHER,
            "IsStatusNotifierHostRegistered",
        )
    except BusGoneError:
        raise
    except BusError:
        return True
    return bool(value.value)
