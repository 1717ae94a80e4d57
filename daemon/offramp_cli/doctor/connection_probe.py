"""Goes the way to one backend step by step, as the daemon would, and notes where it ends.

It sends one request that asks for nothing and carries no credential (but the proxy's own login, to
the proxy). Where the certificate is not trusted it shakes hands once more, without trust and
without sending anything, to see who issued it. Blocks; not for the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from offramp_cli.doctor import certificate_issuer, proxy_lookup
from offramp_core.outbound_proxy import BadProxyError
from offramp_daemon.upstream import request_head, socks
from offramp_daemon.upstream import tls as trust
from offramp_daemon.upstream.connection import Connection
from offramp_daemon.upstream.dialer import PROXY_LOGIN
from offramp_daemon.upstream.errors import BadAnswerError, DisconnectedError
from offramp_daemon.upstream.socks import SocksError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from offramp_core.outbound_proxy import OutboundProxy

Stage = Literal["proxy", "dns", "connect", "certificate", "tls", "http"]
Method = Literal["GET", "HEAD"]

LIMIT_S = 6.0
_PER_ADDRESS_S = 2.5
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True, kw_only=True)
class ConnectionTrace:
    """How far it went, and what was seen on it. Filled in step by step."""

    base_url: str
    proxy: str | None = None
    """The proxy's address without its login; None for the direct way."""
    skipped_proxy: str | None = None
    """The address of a proxy of ALL_PROXY that can't be reached, so that the way is direct."""
    addresses: tuple[str, ...] = ()
    """What the name of the backend, or of the proxy, stands for."""
    unanswered: list[str] = field(default_factory=list)
    """Addresses that were tried in vain."""
    tls: str | None = None
    issuer: str | None = None
    days_left: float | None = None
    """Until the certificate expires."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, by their lower-case names."""
    skew_s: float | None = None
    """How far this machine's clock is ahead of the answer's date."""
    took_s: float = 0.0
    failed: Stage | None = None
    why: str = ""


class _EndError(Exception):
    """The way ends here; `is_short_of_proxy` if it does before it reaches the proxy."""

    def __init__(self, stage: Stage, why: str, *, is_short_of_proxy: bool = False) -> None:
        super().__init__(why)
        self.stage: Stage = stage
        self.why = why
        self.is_short_of_proxy = is_short_of_proxy


class _Way:
    """An open connection, through TLS once it is secured."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self.connection = connection
        self.transport = transport

    def close(self) -> None:
        """Close at once: an orderly end of TLS would wait for the other side."""
        self.transport.abort()


def probe(
    base_url: str,
    target: str,
    *,
    method: Method,
    environ: Mapping[str, str],
    platform: str,
    limit_s: float = LIMIT_S,
) -> ConnectionTrace:
    """Ask `base_url` + `target`; the answer's body is not read.

    `environ` holds the proxy variables by their upper-case names.
    """
    trace = ConnectionTrace(base_url=base_url)
    started_s = time.monotonic()
    try:
        way = proxy_lookup.way_for(base_url, environ, platform=platform)
        try:
            _follow(trace, way.proxy, method, target, until_s=started_s + limit_s)
        except _EndError as error:
            if not (way.is_optional and error.is_short_of_proxy):
                raise
            skipped, addresses = trace.proxy, trace.addresses
            try:
                _follow(trace, None, method, target, until_s=started_s + limit_s)
            except _EndError:
                trace.proxy, trace.addresses = skipped, addresses
                raise error from None
            trace.skipped_proxy = skipped
    except BadProxyError as error:
        trace.failed, trace.why = "proxy", str(error)
    except _EndError as error:
        trace.failed, trace.why = error.stage, error.why
    trace.took_s = time.monotonic() - started_s
    return trace


def _follow(
    trace: ConnectionTrace,
    proxy: OutboundProxy | None,
    method: Method,
    target: str,
    *,
    until_s: float,
) -> None:
    trace.proxy = proxy.shown if proxy else None
    # Not on the loop: a look-up that hangs would keep the loop from ending.
    trace.addresses = _look_up(trace.base_url, proxy)
    left_s = until_s - time.monotonic()
    asyncio.run(_go(trace, proxy, method, target, max(left_s, 0.0)))


def _look_up(base_url: str, proxy: OutboundProxy | None) -> tuple[str, ...]:
    parts = urlsplit(base_url)
    host = proxy.host if proxy else parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no name"
        raise _EndError(
            "proxy" if proxy else "dns",
            f"{host} is not found ({why})",
            is_short_of_proxy=proxy is not None,
        ) from error
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


async def _go(
    trace: ConnectionTrace, proxy: OutboundProxy | None, method: Method, target: str, limit_s: float
) -> None:
    try:
        async with asyncio.timeout(limit_s):
            try:
                await _ask(trace, proxy, method, target)
            except _EndError as error:
                if error.stage == "certificate":
                    trace.issuer = await _untrusted_issuer(trace, proxy)
                raise
    except TimeoutError:
        stage: Stage = "http" if trace.tls or trace.base_url.startswith("http:") else "connect"
        raise _EndError(stage, f"no answer within {limit_s:.0f} s") from None


async def _ask(
    trace: ConnectionTrace, proxy: OutboundProxy | None, method: Method, target: str
) -> None:
    way = await _connect(trace, proxy, trust.client_context())
    try:
        _note_certificate(trace, way)
        backend = urlsplit(trace.base_url)
        headers = [(b"Accept", b"*/*"), (b"Connection", b"close")]
        whole = f"{backend.path}{target}"
        if proxy is not None and not proxy.is_socks and backend.scheme == "http":
            whole = trace.base_url + target
            headers += _login(proxy)
        head = request_head.write(method, whole, backend.netloc, headers, 0)
        trace.status, trace.headers = await _exchange(way, method, head, "http")
        trace.skew_s = _skew_s(trace.headers.get("date", ""))
    finally:
        way.close()


async def _connect(
    trace: ConnectionTrace, proxy: OutboundProxy | None, context: ssl.SSLContext
) -> _Way:
    """A connection to the backend, with TLS where its address wants that."""
    backend = urlsplit(trace.base_url)
    port = backend.port or _DEFAULT_PORTS[backend.scheme]
    if proxy is None:
        way = await _open(trace, port, "connect")
    elif proxy.is_socks:
        way = await _open_tunnel(proxy, backend.hostname or "", port)
    else:
        way = await _open(trace, proxy.port, "proxy")
    try:
        if proxy is not None and proxy.scheme == "https":
            await _secure(way, trust.client_context(), proxy.host, "proxy")
        if proxy is not None and not proxy.is_socks and backend.scheme == "https":
            await _ask_for_tunnel(way, backend, proxy)
        if backend.scheme == "https":
            await _secure(way, context, backend.hostname or "", "certificate")
    except BaseException:
        way.close()
        raise
    return way


async def _open(trace: ConnectionTrace, port: int, stage: Stage) -> _Way:
    why = ""
    trace.unanswered.clear()
    for address in trace.addresses:
        try:
            async with asyncio.timeout(_PER_ADDRESS_S):
                return await _attach(host=address, port=port)
        except TimeoutError:
            why = "no answer"
        except OSError as error:
            why = _strerror(error)
        trace.unanswered.append(address)
    raise _EndError(
        stage,
        f"port {port} at {', '.join(trace.addresses)}: {why}",
        is_short_of_proxy=stage == "proxy",
    )


async def _open_tunnel(proxy: OutboundProxy, host: str, port: int) -> _Way:
    try:
        tunnel = await socks.open_tunnel(proxy, host, port)
    except SocksError as error:
        raise _EndError("proxy", str(error), is_short_of_proxy=error.is_unreachable) from error
    return await _attach(sock=tunnel)


async def _attach(**where: Any) -> _Way:
    connection = Connection()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: connection, **where)
    return _Way(connection, transport)


async def _secure(way: _Way, context: ssl.SSLContext, host: str, stage: Stage) -> None:
    broken: Stage = "proxy" if stage == "proxy" else "tls"
    try:
        secured = await asyncio.get_running_loop().start_tls(
            way.connection.detach(), way.connection, context, server_hostname=host
        )
    except ssl.SSLCertVerificationError as error:
        raise _EndError(stage, error.verify_message.rstrip(".")) from error
    except ssl.SSLError as error:
        raise _EndError(broken, (error.reason or "no TLS").replace("_", " ").lower()) from error
    except OSError as error:
        raise _EndError(broken, _strerror(error)) from error
    except DisconnectedError as error:
        raise _EndError(broken, "the connection was closed") from error
    if secured is None:
        raise _EndError(broken, "the connection was closed")
    way.connection.connection_made(secured)
    way.transport = secured


async def _ask_for_tunnel(way: _Way, backend: SplitResult, proxy: OutboundProxy) -> None:
    port = backend.port or _DEFAULT_PORTS[backend.scheme]
    host = f"[{backend.hostname}]" if ":" in (backend.hostname or "") else backend.hostname
    name = f"{host}:{port}"
    head = request_head.write("CONNECT", name, name, _login(proxy), 0)
    status, _ = await _exchange(way, "CONNECT", head, "proxy")
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise _EndError("proxy", f"it refused with status {status}")


async def _exchange(
    way: _Way, method: str, head: bytes, stage: Stage
) -> tuple[int, dict[str, str]]:
    """Send a request without a body; the status and the headers of what comes back."""
    try:
        answer = await way.connection.ask(method, head)
    except DisconnectedError as error:
        raise _EndError(stage, "the connection was closed without an answer") from error
    except BadAnswerError as error:
        raise _EndError(stage, "the reply is not an HTTP answer") from error
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}


def _note_certificate(trace: ConnectionTrace, way: _Way) -> None:
    tls = way.transport.get_extra_info("ssl_object")
    if tls is None:
        return
    trace.tls = tls.version()
    issuer = {name: value for part in tls.getpeercert().get("issuer", ()) for name, value in part}
    trace.issuer = issuer.get("organizationName") or issuer.get("commonName")
    if ends := tls.getpeercert().get("notAfter"):
        trace.days_left = (ssl.cert_time_to_seconds(ends) - time.time()) / 86_400


async def _untrusted_issuer(trace: ConnectionTrace, proxy: OutboundProxy | None) -> str | None:
    """Who issued the certificate that was not trusted; nothing is sent over the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        way = await _connect(trace, proxy, context)
    except _EndError:
        return None
    with contextlib.closing(way):
        tls = way.transport.get_extra_info("ssl_object")
        return certificate_issuer.issuer_of(tls.getpeercert(binary_form=True) or b"")


def _login(proxy: OutboundProxy) -> list[tuple[bytes, bytes]]:
    return [] if proxy.login is None else [(PROXY_LOGIN, proxy.login.encode())]


def _skew_s(date: str) -> float | None:
    try:
        said = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    return (datetime.now(UTC) - said.replace(tzinfo=said.tzinfo or UTC)).total_seconds()


def _strerror(error: OSError) -> str:
    # By number, for asyncio puts the address into the text.
    text = os.strerror(error.errno) if error.errno else type(error).__name__
    return text[:1].lower() + text[1:]
