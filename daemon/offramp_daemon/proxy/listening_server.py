"""The server that clients are connected to, and the ways in which it stops."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_daemon.proxy import passed_response
from offramp_daemon.server import lifecycle

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from aiohttp import web

    from offramp_daemon.proxy.handler import ProxyHandler
    from offramp_daemon.server.lifecycle import InFlight


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningServer:
    """One daemon's server; `say` shows a sentence to the user."""

    proxy: ProxyHandler
    in_flight: InFlight
    server: web.Server
    listeners: tuple[socket.socket, ...]
    sites: tuple[web.BaseSite, ...]
    say: Callable[[str], None]

    async def stop_listening(self) -> None:
        """Take no more connections; another process that holds the sockets goes on."""
        await lifecycle.stop_accepting(self.listeners, self.sites)

    async def leave(self, asked: asyncio.Event) -> None:
        """Serve the connections that there are until they end by themselves, or until `asked`."""
        if count := self.in_flight.count:
            self.say(f"Another worker serves; {_requests(count)} still running.")
        await lifecycle.until_left(self.server, self.in_flight, asked)

    async def stop(self, timeout_s: float, hurried: asyncio.Event) -> None:
        """Let answers reach their clients, in `timeout_s` at most; break off what is left."""
        self.server.pre_shutdown()  # closes the connections that nobody uses
        if count := self.in_flight.count:
            self.say(f"Stopping; {_requests(count)} in flight may end first.")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        if await self.in_flight.drain(timeout_s, hurried):
            await lifecycle.flush(self.server, deadline_s - loop.time(), hurried)
        self.proxy.is_stopping = True
        for request in self.in_flight.requests:
            passed_response.cut_off(request)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
