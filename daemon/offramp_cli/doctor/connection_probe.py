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
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from offramp_cli.doctor import certificate_issuer, proxy_lookup
from offramp_core.outbound_proxy import BadProxyError
from offramp_daemon.upstream import socks
from offramp_daemon.upstream import tls as trust
from offramp_daemon.upstream.socks import SocksError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

    from offramp_core.outbound_proxy import OutboundProxy

Stage = Literal["proxy", "dns", "connect", "certificate", "tls", "http"]
Method = Literal["GET", "HEAD"]

LIMIT_S = 6.0
_PER_ADDRESS_S = 2.5
_HEAD_LIMIT_BYTES = 64 * 1024
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


@dataclass(frozen=True, slots=True)
class _Connection:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        """Close at once: an orderly end of TLS would wait for the other side."""
        self.writer.transport.abort()


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
    context = trust.client_context()
    connection = await _connect(trace, proxy, context)
    try:
        _note_certificate(trace, connection)
        backend = urlsplit(trace.base_url)
        lines = [f"Host: {backend.netloc}", "Accept: */*", "Connection: close"]
        whole = f"{backend.path}{target}"
        if proxy is not None and not proxy.is_socks and backend.scheme == "http":
            whole = trace.base_url + target
            lines += _login_lines(proxy)
        trace.status, trace.headers = await _exchange(
            connection, f"{method} {whole}", lines, "http"
        )
        trace.skew_s = _skew_s(trace.headers.get("date", ""))
    finally:
        connection.close()


async def _connect(
    trace: ConnectionTrace, proxy: OutboundProxy | None, context: ssl.SSLContext
) -> _Connection:
    """A connection to the backend, with TLS where its address wants that."""
    backend = urlsplit(trace.base_url)
    port = backend.port or _DEFAULT_PORTS[backend.scheme]
    if proxy is None:
        connection = await _open(trace, port, "connect")
    elif proxy.is_socks:
        connection = await _open_tunnel(proxy, backend.hostname or "", port)
    else:
        connection = await _open(trace, proxy.port, "proxy")
    try:
        if proxy is not None and proxy.scheme == "https":
            await _secure(connection, trust.client_context(), proxy.host, "proxy")
        if proxy is not None and not proxy.is_socks and backend.scheme == "https":
            await _ask_for_tunnel(connection, backend, proxy)
        if backend.scheme == "https":
            await _secure(connection, context, backend.hostname or "", "certificate")
    except BaseException:
        connection.close()
        raise
    return connection


async def _open(trace: ConnectionTrace, port: int, stage: Stage) -> _Connection:
    why = ""
    trace.unanswered.clear()
    for address in trace.addresses:
        try:
            async with asyncio.timeout(_PER_ADDRESS_S):
                streams = await asyncio.open_connection(address, port, limit=_HEAD_LIMIT_BYTES)
        except TimeoutError:
            why = "no answer"
        except OSError as error:
            why = _strerror(error)
        else:
            return _Connection(*streams)
        trace.unanswered.append(address)
    raise _EndError(
        stage,
        f"port {port} at {', '.join(trace.addresses)}: {why}",
        is_short_of_proxy=stage == "proxy",
    )


async def _open_tunnel(proxy: OutboundProxy, host: str, port: int) -> _Connection:
    try:
        tunnel = await socks.open_tunnel(proxy, host, port)
    except SocksError as error:
        raise _EndError("proxy", str(error), is_short_of_proxy=error.is_unreachable) from error
    return _Connection(*await asyncio.open_connection(sock=tunnel, limit=_HEAD_LIMIT_BYTES))


async def _secure(
    connection: _Connection, context: ssl.SSLContext, host: str, stage: Stage
) -> None:
    try:
        await connection.writer.start_tls(context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _EndError(stage, error.verify_message.rstrip(".")) from error
    except ssl.SSLError as error:
        why = (error.reason or "no TLS").replace("_", " ").lower()
        raise _EndError("proxy" if stage == "proxy" else "tls", why) from error
    except OSError as error:
        raise _EndError("proxy" if stage == "proxy" else "tls", _strerror(error)) from error


async def _ask_for_tunnel(
    connection: _Connection, backend: SplitResult, proxy: OutboundProxy
) -> None:
    port = backend.port or _DEFAULT_PORTS[backend.scheme]
    host = f"[{backend.hostname}]" if ":" in (backend.hostname or "") else backend.hostname
    lines = [f"Host: {host}:{port}", *_login_lines(proxy)]
    status, _ = await _exchange(connection, f"CONNECT {host}:{port}", lines, "proxy")
    if status != HTTPStatus.OK:
        raise _EndError("proxy", f"it refused with status {status}")


async def _exchange(
    connection: _Connection, request: str, lines: Sequence[str], stage: Stage
) -> tuple[int, dict[str, str]]:
    """Send a request without a body; the status and the headers of what comes back."""
    head = "\r\n".join((f"{request} HTTP/1.1", *lines, "", ""))
    try:
        connection.writer.write(head.encode())
        await connection.writer.drain()
        answer = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        raise _EndError(stage, "the connection was closed without an answer") from error
    except asyncio.LimitOverrunError as error:
        raise _EndError(stage, "what came is no HTTP answer") from error
    except OSError as error:
        raise _EndError(stage, _strerror(error)) from error
    first, *rest = answer.split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1.") or not status[:3].isdecimal():
        raise _EndError(stage, "what came is no HTTP answer")
    pairs = (line.partition(":") for line in rest)
    return int(status[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _note_certificate(trace: ConnectionTrace, connection: _Connection) -> None:
    tls = connection.writer.get_extra_info("ssl_object")
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
        connection = await _connect(trace, proxy, context)
    except _EndError:
        return None
    with contextlib.closing(connection):
        tls = connection.writer.get_extra_info("ssl_object")
        return certificate_issuer.issuer_of(tls.getpeercert(binary_form=True) or b"")


def _login_lines(proxy: OutboundProxy) -> list[str]:
    return [] if proxy.login is None else [f"Proxy-Authorization: {proxy.login}"]


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
