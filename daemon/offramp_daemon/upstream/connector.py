"""Opens connections for aiohttp's client, through a SOCKS proxy where one is set.

HTTP proxies are aiohttp's own business. What is SOCKS about it stands in `socks`.
"""

from __future__ import annotations

import contextlib
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from offramp_daemon.upstream import socks

if TYPE_CHECKING:
    import ssl

    from aiohappyeyeballs import AddrInfoType
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

    from offramp_core.outbound_proxy import OutboundProxy

_DEAD_PEER_S = 30
_STALLED_S = 120
"""How long a peer may leave what was sent unread: longer than any upload waits for its turn."""
_PROBE_EVERY_S = 10

socks_proxy: ContextVar[OutboundProxy | None] = ContextVar("socks_proxy", default=None)
"""What a connection that is opened now goes through; aiohttp hands on only HTTP proxies."""


def open_socket(address: AddrInfoType) -> socket.socket:
    """Open a socket that notices within a minute that its peer has gone, even while it waits."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    _watch_peer(opened)
    return opened


def _watch_peer(opened: socket.socket) -> None:
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


class SocksRequest(aiohttp.ClientRequest):
    """A request that takes only connections of its own way from the pool."""

    @property
    def connection_key(self) -> ConnectionKey:
        """What a kept connection must have in common with this request."""
        key, proxy = super().connection_key, socks_proxy.get()
        return key if proxy is None else key._replace(proxy=URL(proxy.shown))


class SocksConnector(aiohttp.TCPConnector):
    """A connector that goes through the `socks_proxy` in force, or works as usual without one."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:
        """Trust what `context` trusts, whatever stands in between."""
        super().__init__(ssl=context, **options)
        self._context = context

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the overridden method has it
    ) -> ResponseHandler:
        """Connect as `aiohttp.UnixConnector` does, which overrides this method as well.

        Raises:
            SocksError: the proxy gave no connection.
        """
        proxy = socks_proxy.get()
        host, port = req.url.raw_host, req.url.port
        if proxy is None or host is None or port is None:
            return await super()._create_connection(req, traces, timeout)
        tunnel = await socks.open_tunnel(proxy, host.rstrip("."), port)
        try:
            _watch_peer(tunnel)
            is_secure = req.is_ssl()
            _, protocol = await self._wrap_existing_connection(
                self._factory,
                sock=tunnel,
                ssl=self._context if is_secure else None,
                server_hostname=host.rstrip(".") if is_secure else None,
                req=req,
                timeout=timeout,
            )
        except BaseException:
            tunnel.close()
            raise
        return protocol
