"""The connections to the backends: one request out, its answer's head back.

Everything of aiohttp's client that would bend a request is switched off here: cookies, redirects,
time limits, re-quoting, decompression, header defaults. The answer's body is the caller's to read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import os
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from offramp_core.addresses import is_loopback
from offramp_core.control import api
from offramp_daemon.messages.errors import Failure, RequestFailedError
from offramp_daemon.upstream import tls
from offramp_daemon.upstream.network_watch import NetworkWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from aiohappyeyeballs import AddrInfoType
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

_HEADERS_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_LARGE_BYTES = 512 * 1024
_SLICE_BYTES = 128 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024
_IDLE_KEEP_S = 30.0
_DEAD_PEER_S = 30
_STALLED_S = 120
"""How long a peer may leave what was sent unread: longer than any upload waits for its turn."""
_SLEPT_S = 5.0
_PROBE_EVERY_S = 10
_BAD_PROXY = (
    "The proxy that the system sets (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) can't be used. "
    "Its address must begin with http:// or https://."
)


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
class _Proxy:
    """An HTTP proxy on the way out, and the header that logs in to it."""

    url: URL
    login: CIMultiDict[str] | None


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


class _TrackedRequest(aiohttp.ClientRequest):
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


def open_socket(address: AddrInfoType) -> socket.socket:
    """Open a socket that notices within a minute that its peer has gone, even while it waits."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": _DEAD_PEER_S,
        "TCP_KEEPALIVE": _DEAD_PEER_S,
        "TCP_KEEPINTVL": _PROBE_EVERY_S,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": _STALLED_S * 1000,
        "TCP_NODELAY": 1,
    }
    for name, value in options.items():
        option = getattr(socket, name, None)  # which ones there are depends on the system
        if option is not None:
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


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
        self._proxies: dict[str, _Proxy | None] = {}
        self._proxy_settings: dict[str, str] = {}

    async def __aenter__(self) -> Upstream:
        """Read the system's proxy settings and make the sessions."""
        self._proxy_settings = getproxies()
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
        url = URL(base_url + target, encoded=True)
        if base_url not in self._proxies:
            await self._look_up_proxy(base_url)
        proxy = self._proxies[base_url]
        attempt = _Attempt(kept)
        token = _attempt.set(attempt)
        limits = _limits(connect_timeout_s)
        if body:
            headers["Content-Length"] = str(len(body))
        kept.in_use += 1  # until there is a connection to be counted by
        try:
            try:
                return await _request(kept.session, method, url, headers, body, proxy, limits)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not attempt.is_reused or not _is_without_answer(error):
                    raise
            attempt.pool = self._fresh
            return await _request(self._fresh.session, method, url, headers, body, proxy, limits)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RequestFailedError(_failure(error, base_url)) from error
        finally:
            kept.in_use -= 1
            _attempt.reset(token)

    def _open_session(
        self, context: ssl.SSLContext, *, keeps_connections: bool
    ) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=context,
            socket_factory=self._socket_factory,
            **({"keepalive_timeout": _IDLE_KEEP_S} if keeps_connections else {"force_close": True}),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_TrackedRequest,
            max_line_size=_HEAD_LIMIT_BYTES,
            max_field_size=_HEAD_LIMIT_BYTES,
        )

    async def _look_up_proxy(self, base_url: str) -> None:
        """Keep which HTTP proxy the system sets between here and `base_url`; None if it is direct.

        macOS may look the host up for its list of exceptions.
        """
        found = await asyncio.to_thread(_find_proxy, base_url, self._proxy_settings)
        self._proxies[base_url] = found

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


async def _request(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    body: bytes,
    proxy: _Proxy | None,
    limits: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    data = _slices(body) if len(body) > _LARGE_BYTES else body or None
    headers = _spelled_alike(headers)
    if proxy and proxy.login and url.scheme == "http":  # with TLS there is a CONNECT that has it
        headers = CIMultiDict([*headers.items(), *proxy.login.items()])
    return await session.request(
        method,
        url,
        headers=headers,
        data=data,
        skip_auto_headers=[name for name in _HEADERS_NOT_ADDED if name not in headers] or None,
        allow_redirects=False,
        proxy=proxy.url if proxy else None,
        proxy_headers=proxy.login if proxy else None,
        timeout=limits,
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


def _find_proxy(base_url: str, settings: dict[str, str]) -> _Proxy | None:
    """The HTTP proxy for `base_url`; its address is never shown, as it may hold a password.

    Raises:
        RequestFailedError: it is set to something that can't be used.
    """
    parts = urlsplit(base_url)
    address = settings.get(parts.scheme) or settings.get("all")
    if not address or is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    try:
        url = URL(address if "://" in address else f"http://{address}")
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(url.scheme)
    except ValueError:
        # Not chained: the error repeats the address.
        failure = _unreachable(502, _BAD_PROXY)
        raise RequestFailedError(failure) from None
    if not url.user:
        return _Proxy(url, None)
    login = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    return _Proxy(url.with_user(None), CIMultiDict({"Proxy-Authorization": f"Basic {login}"}))


def _failure(error: Exception, base_url: str) -> Failure:
    """What to tell the client about an upstream that did not answer."""
    host = urlsplit(base_url).netloc
    match error:
        case aiohttp.ClientConnectorDNSError():
            text = f"The name {host} could not be looked up (DNS). Check the network connection."
        case aiohttp.ClientConnectorCertificateError():
            text = f"The certificate of {host} is not trusted: {_tls_detail(error)}."
        case aiohttp.ClientConnectorSSLError():
            text = f"No secure connection (TLS) to {host}: {_tls_detail(error)}."
        case aiohttp.ClientProxyConnectionError():
            text = f"The HTTP proxy on the way to {host} could not be reached. Check HTTPS_PROXY."
        case aiohttp.ClientHttpProxyError():
            text = f"The HTTP proxy on the way to {host} refused with status {error.status}."
        case asyncio.TimeoutError():
            text = f"{host} did not accept a connection in time."
            return _unreachable(504, text)
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            why = os.strerror(number) if number else "connection failed"
            text = f"{host} can't be reached: {why}."
        case aiohttp.ServerDisconnectedError() | OSError():
            text = f"{host} closed the connection before it answered."
        case _:
            text = f"{host} gave no usable answer: {type(error).__name__}."
    return _unreachable(502, text)


def _unreachable(status: int, text: str) -> Failure:
    return Failure(status=status, message=f"Offramp: {text}", trouble=api.UNREACHABLE)


def _tls_detail(
    error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError,
) -> str:
    """OpenSSL's words for what is wrong, without its source lines."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message.rstrip(".")
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    return type(error).__name__
