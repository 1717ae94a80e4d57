"""Where each request comes in: the daemon's own are answered here, all others by the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from offramp_core.addresses import is_loopback
from offramp_daemon.messages.answers.errors import Failure
from offramp_daemon.proxy import streaming
from offramp_daemon.wire import origin_guard, path_check

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection

    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.proxy.handler import ProxyHandler
    from offramp_daemon.proxy.peer_users import PeerUsers

    Report = Callable[[web.BaseRequest], Awaitable[web.Response]]

METRICS_PATH = "/metrics"

_STRANGER = (
    "its settings can't be read, so only its own machine is served for now. There, `offramp "
    "config check` shows what is wrong."
)
"""To another machine's client, while the token that it would need can't be read."""

_OTHER_USER = (
    "this port belongs to another user of this machine, and requests to it would use that "
    "user's keys. Run your own Offramp on another port (PORT). Or ask that user for the "
    "client_token, or to let all users in with other_users = true in config.toml."
)

_PAGES = frozenset({"/", "/ui", "/ui/"})
_HTML = "text/html"


class RequestEntry:
    """One daemon's door for clients."""

    def __init__(
        self,
        proxy: ProxyHandler,
        *,
        live: LiveSettings,
        report_health: Callable[[web.BaseRequest], web.Response],
        show_page: Callable[[], Awaitable[web.Response]],
        catch_up: Callable[[], Awaitable[None]],
        watchers: Collection[asyncio.Event],
        leaving: asyncio.Event,
        users: PeerUsers | None = None,
        report_metrics: Report | None = None,
    ) -> None:
        """Pass requests on to `proxy`; `show_page` makes the page for a browser.

        `catch_up` takes over what other daemons were asked for, and the events of `watchers`, if
        anybody watches, are set when a request begins and when it ends. `leaving` is set once
        another process serves in this one's place. `users` keeps other users away, and
        `report_metrics` answers `/metrics`, if given; else that path is Anthropic's like any other.
        """
        self._proxy = proxy
        self._live = live
        self._report_health = report_health
        self._show_page = show_page
        self._catch_up = catch_up
        self._watchers = watchers
        self._leaving = leaving
        self._users = users
        self._report_metrics = report_metrics

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
        elif self._users is not None and not (
            self._users.is_known(request) or await self._users.may_pass(request, self._live.current)
        ):
            response = _refused(_OTHER_USER)
            if not request.content.is_eof():
                response.force_close()
        elif _asks_for_health(request):
            response = self._report_health(request)
        elif self._is_for_people(request):
            response = await self._show_page()
        elif self._report_metrics is not None and _asks_for(request, METRICS_PATH):
            response = await self._report_metrics(request)
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

    def _is_for_people(self, request: web.BaseRequest) -> bool:
        """Whether somebody opened the address in a browser; clients of the API ask for no page.

        What a guard refuses is left to the proxy, which says why. A name that only containers use
        gets no page: a hostile name server can have it lead here, and so a site read the page.
        """
        if request.method != "GET" or request.raw_path.partition("?")[0] not in _PAGES:
            return False
        accepted = request.headers.get("Accept", "").lower()
        if _HTML not in (each.partition(";")[0].strip() for each in accepted.split(",")):
            return False
        return origin_guard.refusal(request.headers, self._live.current) is None


def _asks_for_health(request: web.BaseRequest) -> bool:
    if request.method not in {"GET", "HEAD"}:
        return False
    return path_check.is_health(request.raw_path.partition("?")[0])


def _asks_for(request: web.BaseRequest, path: str) -> bool:
    return request.method in {"GET", "HEAD"} and request.raw_path.partition("?")[0] == path


def _refused(why: str) -> web.Response:
    failure = Failure(status=403, message=f"Offramp: {why}")
    return web.Response(status=403, body=failure.body(), content_type="application/json")
