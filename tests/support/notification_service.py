"""A notification service of the tests' own, as a desktop has one; it can be slow, or refuse."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbus_fast.aio import MessageBus
from dbus_fast.constants import MessageType
from dbus_fast.message import Message
from dbus_fast.unpack import unpack_variants
from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "org.freedesktop.Notifications"


@dataclass
class NotificationService:
    """What was asked of it, oldest first: the eight values of each call."""

    refusal: str = ""
    is_mute: bool = False
    calls: asyncio.Queue[list[Any]] = field(default_factory=asyncio.Queue)
    _count: int = 0

    async def next_call(self) -> list[Any]:
        """The values of the next message, waited for."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.calls.get()

    def handle(self, message: Message) -> Message | bool:
        """Of dbus-fast: answer a message to the service."""
        if message.message_type is not MessageType.METHOD_CALL or message.member != "Notify":
            return False
        self.calls.put_nowait(unpack_variants(message.body))
        if self.is_mute:
            return True
        if self.refusal:
            return Message.new_error(message, "org.example.Error.Refused", self.refusal)
        self._count += 1
        number = message.body[1] or self._count
        return Message.new_method_return(message, "u", [number])


@contextlib.asynccontextmanager
async def notification_service(
    address: str, *, refusal: str = "", is_mute: bool = False
) -> AsyncIterator[NotificationService]:
    """A service on the bus at `address`."""
    service = NotificationService(refusal=refusal, is_mute=is_mute)
    bus = await MessageBus(address).connect()
    bus.add_message_handler(service.handle)
    await bus.request_name(SERVICE)
    try:
        yield service
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()
