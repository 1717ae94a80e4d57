"""The control socket as tests use it: the real client, off the event loop."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from patience import PATIENCE_S

from offramp_core.control.client import ControlClient, NotRunningError
from offramp_core.usage import state_events as events

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from offramp_core.control.api import CommandAnswer, ReloadAnswer, Status
    from offramp_core.control.client import EventStream
    from offramp_core.paths import Paths


class Commands:
    """`ControlClient`, awaited."""

    def __init__(self, paths: Paths) -> None:
        self.client = ControlClient(paths.control_socket)
        self._paths = paths

    async def until_there(self) -> Status:
        """Ask until the daemon takes commands, which it does moments after it serves."""
        return await self.until(lambda _status: True)

    async def until(self, is_so: Callable[[Status], bool]) -> Status:
        """Ask until the status is as wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    if is_so(status := await self.status()):
                        return status
                except NotRunningError:
                    pass
                await asyncio.sleep(0.01)

    async def status(self) -> Status:
        return await asyncio.to_thread(self.client.status)

    async def pause(self, until: datetime | None = None) -> CommandAnswer:
        return await asyncio.to_thread(self.client.pause, until)

    async def resume(self) -> CommandAnswer:
        return await asyncio.to_thread(self.client.resume)

    async def reload(self) -> ReloadAnswer:
        return await asyncio.to_thread(self.client.reload)

    async def drain(self) -> CommandAnswer:
        return await asyncio.to_thread(self.client.drain)

    async def restart(self, program: str = "") -> CommandAnswer:
        return await asyncio.to_thread(self.client.restart, program)

    async def events(self) -> EventStream:
        return await asyncio.to_thread(self.client.events)

    def told(self) -> list[dict[str, Any]]:
        """What is in the file of events; every line is whole."""
        file = self._paths.log_dir / events.FILE_NAME
        return [json.loads(line) for line in file.read_bytes().splitlines()]


async def next_of(stream: EventStream) -> Status | None:
    """The stream's next status; None at its end."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.to_thread(next, iter(stream), None)
