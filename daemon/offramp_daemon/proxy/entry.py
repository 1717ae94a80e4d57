"""Where each request comes in: the daemon's own path is answered here, all others by the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from offramp_core.addresses import is_loopback
from offramp_daemon.messages.answers.errors import Failure
from offramp_daemon.proxy import streaming
from offramp_daemon.wire import path_check

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection

    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.proxy.handler import ProxyHandler
    from offramp_daemon.proxy.peer_users import PeerUsers

_STRANGER = (
    "its settings can't be read, so only its own machine is served for now. There, `offramp "
    "config check` shows what is wrong."
)
"""To another machine's client, while the token that it would need can't be read."""

_OTHER_USER = (
    "this port is another user's of this machine, and requests to it would spend that user's "
    "keys. Run an Offramp of your own on another port (PORT). Or ask that user for the "
    "client_token, or to let all users in with other_users = true in config.toml."
)


class RequestEntry:
    """One daemon's door for clients."""

    def __init__(
        self,
        proxy: ProxyHandler,
        *,
        live: LiveSettings,
        report_health: Callable[[web.BaseRequest], web.Response],
        catch_up: Callable[[], Awaitable[None]],
        watchers: Collection[asyncio.Event],
        leaving: asyncio.Event,
        users: PeerUsers | None = None,
    ) -> None:
        """Pass requests on to `proxy`.

        `catch_up` takes over what other daemons were asked for, and the events of `watchers`, if
        anybody watches, are set when a request begins and when it ends. `leaving` is set once
        another process serves in this one's place. `users` keeps other users away, if
        given.
        """
        self._proxy = proxy
        self._live = live
        self._report_health = report_health
        self._catch_up = catch_up
        self._watchers = watchers
        self._leaving = leaving
        self._users = users

    def meet(self, transport: asyncio.Transport) -> None:
        """Note a connection that has been opened; of other users not too many may stay."""
        if self._users is not None:
            self._users.meet(transport, self._live.current)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `request`; while leaving, as the last one on its connection."""
        is_last = self._leaving.is_set()
        if is_last:
            streaming.end_connection_after(request)
        if self._live.is_fallback and not is_loopback(request.remote or ""):
            response: web.StreamResponse = _refused(_STRANGER)
        elif self._users and not await self._users.may_pass(request, self._live.current):
            response = _refused(_OTHER_USER)
            if not request.content.is_eof():
                response.force_close()
        elif _asks_for_health(request):
            response = self._report_health(request)
        else:
            await self._catch_up()
            for watcher in self._watchers:
                watcher.set()
            try:
                response = await self._proxy.handle(request)
            finally:
                for watcher in self._watchers:
                    watcher.set()
        if not response.prepared:
            response.headers.setdefault("Server", "Offramp")  # else aiohttp names all its versions
            if is_last:
                response.force_close()
        return response


def _asks_for_health(request: web.BaseRequest) -> bool:
    if request.method not in {"GET", "HEAD"}:
        return False
    return path_check.is_health(request.raw_path.partition("?")[0])


def _refused(why: str) -> web.Response:
    failure = Failure(status=403, message=f"Offramp: {why}")
    return web.Response(status=403, body=failure.body(), content_type="application/json")
