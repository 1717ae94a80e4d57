"""How the icon gets into the panel when the panel makes trouble."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from dbus_fast.aio import MessageBus
from notifier_watcher import panel
from patience import PATIENCE_S

from offramp_tray.linux.session_bus import SessionBus
from offramp_tray.linux.status_notifier_watcher import NotifierRegistration

if TYPE_CHECKING:
    from private_bus import PrivateBus


async def _presences(bus: PrivateBus, expected: list[bool]) -> None:
    """Serve until the icon was as present as expected, in that order."""
    session = SessionBus(bus.address)
    told: list[bool] = []

    def tell(is_present: bool) -> None:
        told.append(is_present)
        if len(told) == len(expected):
            session.close()

    registration = NotifierRegistration(session, tell, lambda: None, first_retry_s=0.01)
    async with asyncio.timeout(PATIENCE_S):
        await session.serve(registration.serve, lambda: None)
    assert told == expected


async def test_watcher_that_refuses_is_asked_again(bus: PrivateBus) -> None:
    async with panel(bus.address, refusals=2) as there:
        await _presences(bus, [False, True])
        assert len(there.items) == 1


async def test_name_that_is_taken_is_left_to_its_owner(bus: PrivateBus) -> None:
    name = f"org.kde.StatusNotifierItem-{os.getpid()}-1"
    other = await MessageBus(bus.address).connect()
    await other.request_name(name)
    async with panel(bus.address) as there:
        await _presences(bus, [True])
        assert there.items == [f"org.kde.StatusNotifierItem-{os.getpid()}-2"]
    other.disconnect()
    await other.wait_for_disconnect()
