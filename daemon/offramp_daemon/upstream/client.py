"""The connections to the backends: one request out, its answer's head back.

Everything of aiohttp's client that would bend a request is switched off here: cookies, redirects,
time limits, re-quoting, decompression, header defaults. The answer's body is the caller's to read.
"""

from __future__ import annotations

import asyncio
import functools
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from offramp_core.outbound_proxy import DIRECT
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream import connector, failures, tls
from offramp_daemon.upstream.connector import SocksConnector, SocksRequest, open_socket
from offramp_daemon.upstream.network_watch import NetworkWatch
from offramp_daemon.upstream.proxy_ways import ProxyWays
from offramp_daemon.upstream.socks import SocksError, SocksUnreachableError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from aiohappyeyeballs import AddrInfoType
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from offramp_core.outbound_proxy import OutboundProxy, WayOut

_PROXY_LOGIN = "Proxy-Authorization"
_HEADERS_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_LARGE_BYTES = 512 * 1024
_SLICE_BYTES = 128 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024
_IDLE_KEEP_S = 30.0
_SLEPT_S = 5.0
_NOT_CONNECTED = (
    aiohttp.ClientProxyConnectionError,
    aiohttp.ConnectionTimeoutError,
    SocksUnreachableError,
)
"""A proxy that may be skipped, is: nothing of the request has gone out."""


@dataclass(slots=True, eq=False)
class _Pool:
    """A session, and how many requests on it, or answers, have not ended."""

    session: aiohttp.ClientSession
    in_use: int = 0

    def give_back(self) -> None:
        """Count one less: its connection was given back or closed."""
        self.in_use -= 1


@dataclass(slots=True)
class _Attempt:
    """Whether the connection that a request went out on had served another before."""

    pool: _Pool
    is_reused: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, whichever connection it goes out on."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes
    limits: aiohttp.ClientTimeout


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


class _TrackedRequest(SocksRequest):
    """A request that notes whether its connection is a kept one, which may have gone stale."""

    used: ClassVar[WeakSet[ResponseHandler]] = WeakSet()

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        protocol = conn.protocol
        if protocol is not None:
            attempt = _attempt.get()
            if attempt is not None:
                attempt.is_reused = protocol in self.used
                attempt.pool.in_use += 1
                conn.add_callback(attempt.pool.give_back)
            if attempt is None or not attempt.is_reused:
                self.used.add(protocol)
                if protocol.closed is not None:
                    protocol.closed.add_done_callback(_note_end)
        return await super().send(conn)


def _note_end(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended, or asyncio would complain that nobody did."""
    if not closed.cancelled():
        closed.exception()


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
        self._socket_factory = socket_factory
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._kept: _Pool | None = None
        self._fresh: _Pool | None = None
        self._left: list[_Pool] = []
        """With connections that are not trusted any more: answers on them may still end."""
        self._network = NetworkWatch()
        self._on_network_change: Callable[[], None] = lambda: None
        self._tls: ssl.SSLContext | None = None
        self._clock_gap_s = wall_s() - clock_s()
        self._ways = ProxyWays(clock_s)

    async def __aenter__(self) -> Upstream:
        """Read the system's proxy settings and make the sessions."""
        await self._ways.read()
        self._tls = context = await asyncio.to_thread(tls.client_context)
        self._kept = _Pool(self._open_session(context, keeps_connections=True))
        self._fresh = _Pool(self._open_session(context, keeps_connections=False))
        self._network.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self._network.close()
        for pool in (self._kept, self._fresh, *self._left):
            if pool is not None:
                await pool.session.close()

    @property
    def sessions_left(self) -> tuple[aiohttp.ClientSession, ...]:
        """Those that take no more requests, and are closed once their last answer has ended."""
        return tuple(pool.session for pool in self._left)

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
        headers: CIMultiDict[str],
        body: bytes,
        connect_timeout_s: float,
    ) -> aiohttp.ClientResponse:
        """Send one request to `base_url` + `target` and return the answer once its head is there.

        A kept connection that turns out to be dead before a byte came back is replaced by a fresh
        one, once. The caller closes or releases the answer.

        Raises:
            RequestFailedError: no answer; the failure says why, in words for the client.
        """
        if self._kept is None or self._fresh is None:
            raise RuntimeError("Upstream is not open")
        kept = await self._trusted(self._kept)
        call = _Call(
            method, URL(base_url + target, encoded=True), headers, body, _limits(connect_timeout_s)
        )
        if body:
            headers["Content-Length"] = str(len(body))
        kept.in_use += 1  # until there is a connection to be counted by
        way = DIRECT
        try:
            way = await self._ways.to(base_url)
            if not way.is_optional:
                return await self._request(kept, self._fresh, call, way.proxy)
            return await self._request_by_option(kept, self._fresh, call, way)
        except (aiohttp.ClientError, SocksError, OSError, ValueError) as error:
            failure = failures.of_error(error, base_url, skipped=way.skipped)
            raise RequestFailedError(failure) from error
        finally:
            kept.in_use -= 1

    async def _request_by_option(
        self, kept: _Pool, fresh: _Pool, call: _Call, way: WayOut
    ) -> aiohttp.ClientResponse:
        """Through a proxy that may be skipped if it gives no connection: then directly.

        Where that is no way out either, the proxy's failure is the one to be reported.
        """
        try:
            answer = await self._request(kept, fresh, call, way.proxy)
        except _NOT_CONNECTED as error:
            try:
                answer = await self._request(kept, fresh, call, DIRECT.proxy)
            except (aiohttp.ClientError, OSError):
                raise error from None
            self._ways.note_skipped(way)
            return answer
        self._ways.note_passed(way)
        return answer

    async def _request(
        self, kept: _Pool, fresh: _Pool, call: _Call, proxy: OutboundProxy | None
    ) -> aiohttp.ClientResponse:
        """Send it on a kept connection; on a fresh one if that turns out to be dead."""
        attempt = _Attempt(kept)
        tokens = (
            _attempt.set(attempt),
            connector.socks_proxy.set(proxy if proxy and proxy.is_socks else None),
        )
        try:
            try:
                return await _send(kept.session, call, proxy)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not attempt.is_reused or not _is_without_answer(error):
                    raise
            attempt.pool = fresh
            return await _send(fresh.session, call, proxy)
        finally:
            _attempt.reset(tokens[0])
            connector.socks_proxy.reset(tokens[1])

    def _open_session(
        self, context: ssl.SSLContext, *, keeps_connections: bool
    ) -> aiohttp.ClientSession:
        connections = SocksConnector(
            context=context,
            limit=0,
            socket_factory=self._socket_factory,
            **({"keepalive_timeout": _IDLE_KEEP_S} if keeps_connections else {"force_close": True}),
        )
        return aiohttp.ClientSession(
            connector=connections,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_TrackedRequest,
            max_line_size=_HEAD_LIMIT_BYTES,
            max_field_size=_HEAD_LIMIT_BYTES,
        )

    async def _trusted(self, kept: _Pool) -> _Pool:
        """`kept`, or a new one if its idle connections may lead nowhere.

        That is so after the machine slept, since the other side may have forgotten them, and once
        an address of this machine has gone. Wall time goes on in a sleep, the monotonic clock does
        not. A session that was left is closed when the last answer on it has ended.
        """
        gap_s = self._wall_s() - self._clock_s()
        has_slept = abs(gap_s - self._clock_gap_s) > _SLEPT_S
        self._clock_gap_s = gap_s
        if (has_slept or self._network.has_changed()) and self._tls is not None:
            self._on_network_change()
            self._left.append(kept)
            self._kept = kept = _Pool(self._open_session(self._tls, keeps_connections=True))
        if self._left:
            ended = [pool for pool in self._left if not pool.in_use]
            self._left = [pool for pool in self._left if pool.in_use]
            for pool in ended:
                await pool.session.close()
        return kept


def _is_without_answer(error: aiohttp.ClientError) -> bool:
    """Whether the connection ended before a byte of the answer came."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    begun = error.message if isinstance(error, aiohttp.ServerDisconnectedError) else None
    return begun is None or isinstance(begun, str)


async def _send(
    session: aiohttp.ClientSession, call: _Call, proxy: OutboundProxy | None
) -> aiohttp.ClientResponse:
    body = call.body
    data = _slices(body) if len(body) > _LARGE_BYTES else body or None
    headers = _spelled_alike(call.headers)
    through = proxy if proxy is not None and not proxy.is_socks else None
    login = through.login if through else None
    if login and call.url.scheme == "http":  # with TLS there is a CONNECT that has it
        headers = CIMultiDict([*headers.items(), (_PROXY_LOGIN, login)])
    return await session.request(
        call.method,
        call.url,
        headers=headers,
        data=data,
        skip_auto_headers=[name for name in _HEADERS_NOT_ADDED if name not in headers] or None,
        allow_redirects=False,
        proxy=URL.build(scheme=through.scheme, host=through.host, port=through.port)
        if through
        else None,
        proxy_headers={_PROXY_LOGIN: login} if login else None,
        timeout=call.limits,
    )


def _spelled_alike(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """`headers` with repeated names spelled alike: aiohttp drops one that differs in case."""
    if len(headers.keys() & headers.keys()) == len(headers):  # a set, case ignored
        return headers
    spellings: dict[str, str] = {}
    return CIMultiDict(
        [(spellings.setdefault(name.lower(), name), value) for name, value in headers.items()]
    )


async def _slices(body: bytes) -> AsyncIterator[memoryview]:
    """`body` in parts, so that a large one does not hold up the streams beside it."""
    view = memoryview(body)
    for start in range(0, len(body), _SLICE_BYTES):
        yield view[start : start + _SLICE_BYTES]


@functools.lru_cache(maxsize=4)
def _limits(connect_timeout_s: float) -> aiohttp.ClientTimeout:
    """A limit on connecting alone, from the name's look-up to TLS and an HTTP proxy's answer.

    What comes after may take as long as it takes.
    """
    return aiohttp.ClientTimeout(
        total=None, connect=connect_timeout_s, sock_connect=None, sock_read=None
    )
