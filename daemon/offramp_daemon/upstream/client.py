"""The connections to the backends: one request out, its answer's head back.

An HTTP/1.1 client for this one purpose. It follows no redirect, keeps no cookie, adds no header but
Host and Content-Length, undoes no coding and sets no limit but one on connecting: what a request or
an answer holds passes as it came. The answer's body is the caller's to read.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.outbound_proxy import DIRECT
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream import failures, request_head, tls
from offramp_daemon.upstream.connection import unheard
from offramp_daemon.upstream.dialer import PROXY_LOGIN, Dialer
from offramp_daemon.upstream.errors import (
    ConnectTimeoutError,
    DisconnectedError,
    ProxyUnreachableError,
    UpstreamError,
)
from offramp_daemon.upstream.network_watch import NetworkWatch
from offramp_daemon.upstream.pool import Pool
from offramp_daemon.upstream.proxy_ways import ProxyWays
from offramp_daemon.upstream.request_head import Origin, origin_of
from offramp_daemon.upstream.sockets import SocketOpener, open_socket
from offramp_daemon.upstream.socks import SocksError, SocksUnreachableError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from aiohappyeyeballs import AddrInfoType

    from offramp_core.outbound_proxy import OutboundProxy, WayOut
    from offramp_daemon.upstream.answer import Answer
    from offramp_daemon.upstream.connection import Connection, OnEarly

_SLEPT_S = 5.0
_NOT_CONNECTED = (ProxyUnreachableError, ConnectTimeoutError, SocksUnreachableError)
"""A proxy that may be skipped, is: nothing of the request has gone out."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, whichever connection it goes out on."""

    method: str
    origin: Origin
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    connect_timeout_s: float
    on_early: OnEarly

    def head(self, proxy: OutboundProxy | None) -> bytes:
        """The request's head; to a proxy that is asked for the answer itself, with its login."""
        target = self.origin.prefix + self.target
        headers = self.headers
        if proxy is not None and not proxy.is_socks and not self.origin.is_secure:
            target = f"{self.origin.scheme}://{self.origin.authority}{target}"
            if proxy.login:
                headers = (*headers, (PROXY_LOGIN, proxy.login.encode()))
        return request_head.write(
            self.method, target, self.origin.authority, headers, len(self.body)
        )


class Upstream:
    """The client side of the proxy; an async context manager that owns every connection out."""

    def __init__(
        self,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
        socket_factory: Callable[[AddrInfoType], socket.socket] = open_socket,
    ) -> None:
        """Open nothing yet. Only of the two clocks `wall_s` goes on while the machine sleeps."""
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._sockets = SocketOpener(socket_factory)
        self._pool = Pool(clock_s)
        self._dialer: Dialer | None = None
        self._network = NetworkWatch()
        self._on_network_change: Callable[[], None] = lambda: None
        self._clock_gap_s = wall_s() - clock_s()
        self._ways = ProxyWays(clock_s)

    async def __aenter__(self) -> Upstream:
        """Read the system's proxy settings and its certificates."""
        await self._ways.read()
        tls.keep_buffers_small()
        self._dialer = Dialer(await asyncio.to_thread(tls.client_context), self._sockets)
        self._network.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self._dialer = None
        self._network.close()
        self._pool.close()
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next turn

    @property
    def connection_count(self) -> int:
        """How many connections there are, in use or idle."""
        return self._pool.count

    @property
    def idle_count(self) -> int:
        """How many of them wait for a request."""
        return self._pool.idle_count

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the ways out, in sentences; empty while all is well."""
        return self._ways.warnings

    def follow_network(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the way out has changed, or the machine has slept."""
        self._on_network_change = callback

    async def send(
        self,
        method: str,
        base_url: str,
        target: str,
        *,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        connect_timeout_s: float,
        on_early: OnEarly = unheard,
    ) -> Answer:
        """Send one request to `base_url` + `target` and return the answer once its head is there.

        `on_early` gets each informational answer that comes before it.

        A kept connection that turns out at once to be dead is replaced by a fresh one, once; never
        one that ends later, since the service may be at work by then. The caller reads the answer
        to its end, or closes it.

        Raises:
            RequestFailedError: no answer; the failure says why, in words for the client.
        """
        if self._dialer is None:
            raise RuntimeError("Upstream is not open")
        self._look_around()
        way = DIRECT
        try:
            call = _Call(
                method, origin_of(base_url), target, headers, body, connect_timeout_s, on_early
            )
            way = await self._ways.to(base_url)
            if not way.is_optional:
                return await self._request(call, way.proxy)
            return await self._request_by_option(call, way)
        except (UpstreamError, SocksError, OSError, ValueError) as error:
            failure = failures.of_error(error, base_url, skipped=way.skipped)
            raise RequestFailedError(failure) from error

    async def _request_by_option(self, call: _Call, way: WayOut) -> Answer:
        """Through a proxy that may be skipped if it gives no connection: then directly.

        Where that is not a way out either, the proxy's failure is the one to be reported.
        """
        try:
            answer = await self._request(call, way.proxy)
        except _NOT_CONNECTED as error:
            try:
                answer = await self._request(call, DIRECT.proxy)
            except (UpstreamError, OSError):
                raise error from None
            self._ways.note_skipped(way)
            return answer
        self._ways.note_passed(way)
        return answer

    async def _request(self, call: _Call, proxy: OutboundProxy | None) -> Answer:
        """Send it on a kept connection; on a fresh one if that turns out to be dead."""
        head = call.head(proxy)
        key = (call.origin.scheme, call.origin.host, call.origin.port, proxy)
        kept = self._pool.take(key)
        if kept is not None:
            try:
                return await kept.ask(call.method, head, call.body, call.on_early)
            except DisconnectedError as error:
                if not error.is_stale:
                    raise
        fresh = self._pool.new(key)
        try:
            await self._open(fresh, call, proxy)
        except BaseException:
            self._pool.drop(fresh)
            raise
        return await fresh.ask(call.method, head, call.body, call.on_early)

    async def _open(self, fresh: Connection, call: _Call, proxy: OutboundProxy | None) -> None:
        """Connect, within a limit from the name's look-up to TLS and a proxy's answer."""
        if self._dialer is None:
            raise RuntimeError("Upstream is not open")
        try:
            async with asyncio.timeout(call.connect_timeout_s):
                await self._dialer.open(fresh, call.origin, proxy)
        except TimeoutError as error:
            raise ConnectTimeoutError("there was no connection in time") from error

    def _look_around(self) -> None:
        """Trust no connection that may lead nowhere.

        That is so after the machine slept, since the other side may have forgotten them, and once
        an address of this machine has gone. Wall time goes on in a sleep, the monotonic clock does
        not. Answers under way may still end.
        """
        gap_s = self._wall_s() - self._clock_s()
        has_slept = abs(gap_s - self._clock_gap_s) > _SLEPT_S
        self._clock_gap_s = gap_s
        if has_slept or self._network.has_changed():
            self._on_network_change()
            self._pool.distrust()
            self._sockets.forget()
