"""Opens connections to services: directly, through an HTTP proxy, or through a SOCKS proxy.

A connection to an HTTP proxy is secured where the proxy's address says https://, and the service's
own TLS then runs within that. The proxy's login goes to the proxy only.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from offramp_daemon.upstream import request_head, socks
from offramp_daemon.upstream.connection import Connection
from offramp_daemon.upstream.errors import (
    CertificateError,
    ConnectError,
    DisconnectedError,
    NameLookupError,
    ProxyRefusedError,
    ProxyUnreachableError,
    TlsError,
)
from offramp_daemon.upstream.sockets import SocketOpener, adopt, reason

if TYPE_CHECKING:
    import socket

    from offramp_core.outbound_proxy import OutboundProxy
    from offramp_daemon.upstream.request_head import Origin

PROXY_LOGIN = b"Proxy-Authorization"


class Dialer:
    """Opens connections by the certificates that `tls` trusts."""

    def __init__(self, tls: ssl.SSLContext, sockets: SocketOpener) -> None:
        """Connect by `sockets`."""
        self._tls = tls
        self._sockets = sockets

    async def open(
        self, connection: Connection, origin: Origin, proxy: OutboundProxy | None
    ) -> None:
        """Connect `connection` to `origin`. It has no limit on time.

        Raises:
            UpstreamError: it can't be, or the HTTP proxy on the way gave no tunnel.
            SocksError: the SOCKS proxy on the way gave no tunnel.
        """
        if proxy is not None and not proxy.is_socks:
            await self._open_through(proxy, connection, origin)
            return
        if proxy is None:
            opened = await self._sockets.connect(origin.host, origin.port)
        else:
            opened = adopt(await socks.open_tunnel(proxy, origin.host, origin.port))
        await self._attach(opened, connection, origin.host if origin.is_secure else None)

    async def _open_through(
        self, proxy: OutboundProxy, connection: Connection, origin: Origin
    ) -> None:
        try:
            opened = await self._sockets.connect(proxy.host, proxy.port)
        except (NameLookupError, ConnectError) as error:
            raise ProxyUnreachableError(error.title) from error
        tunnel = Connection() if origin.is_secure else connection
        try:
            await self._attach(opened, tunnel, proxy.host if proxy.scheme == "https" else None)
        except TlsError as error:
            error.is_of_proxy = True
            raise
        if tunnel is not connection:
            await self._secure_within(tunnel, proxy, connection, origin)

    async def _secure_within(
        self, tunnel: Connection, proxy: OutboundProxy, connection: Connection, origin: Origin
    ) -> None:
        """Have the proxy make a tunnel, and start TLS in it."""
        name = origin.host_and_port
        login = [(PROXY_LOGIN, proxy.login.encode())] if proxy.login else []
        head = request_head.write("CONNECT", name, name, login, 0)
        answer = await tunnel.ask("CONNECT", head)
        if not 200 <= answer.status < 300:
            tunnel.close()
            raise ProxyRefusedError(answer.status)
        transport = tunnel.detach()
        transport.set_protocol(connection)
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, connection, self._tls, server_hostname=origin.host
            )
        except OSError as error:
            transport.abort()
            raise _named(error) from error
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise DisconnectedError
        connection.connection_made(secured)

    async def _attach(
        self, opened: socket.socket, connection: Connection, secure_for: str | None
    ) -> None:
        """Have `connection` use that socket, with TLS where a host's name is given."""
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=opened,
                ssl=self._tls if secure_for else None,
                server_hostname=secure_for,
            )
        except OSError as error:
            opened.close()
            raise _named(error) from error
        except BaseException:
            opened.close()
            raise


def _named(error: OSError) -> TlsError | ConnectError:
    """What went wrong, by OpenSSL's or the system's words, without source lines or addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLError):
        return TlsError((error.reason or type(error).__name__).replace("_", " ").lower())
    return ConnectError(reason(error))
