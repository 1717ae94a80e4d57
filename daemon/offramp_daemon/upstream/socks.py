"""Opens connections through a SOCKS proxy. It knows no HTTP and no TLS: those come on top.

`socks5h` and `socks4a` leave the look-up of names to the proxy, `socks5` and `socks4` do it here.
`socks` is version 5 with names looked up by the proxy, as browsers read it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

if TYPE_CHECKING:
    from offramp_core.outbound_proxy import OutboundProxy

_VERSION_4 = frozenset({"socks4", "socks4a"})
_NAMES_LOOKED_UP_HERE = frozenset({"socks4", "socks5"})
_NO_LIMIT_S = 86_400.0
"""The caller has a limit of its own; without a number the library would take one minute."""


class SocksError(Exception):
    """No connection through the proxy; the text says why, as the end of a sentence."""

    is_unreachable = False
    """Whether the proxy was not reached at all."""


class SocksUnreachableError(SocksError):
    """The proxy was not reached at all."""

    is_unreachable = True


async def open_tunnel(proxy: OutboundProxy, host: str, port: int) -> socket.socket:
    """A connected socket, not blocking, that leads through `proxy` to `port` at `host`.

    It has no limit on time.

    Raises:
        SocksError: there is none.
    """
    target = await _look_up(proxy, host, port) if proxy.scheme in _NAMES_LOOKED_UP_HERE else host
    way = Proxy(
        ProxyType.SOCKS4 if proxy.scheme in _VERSION_4 else ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user,
        password=proxy.password,
        rdns=True,  # what is still a name here is the proxy's to look up
    )
    try:
        return await way.connect(target, port, timeout=_NO_LIMIT_S)
    except ProxyConnectionError as error:
        raise SocksUnreachableError(_strerror(error)) from error
    except ProxyError as error:
        raise SocksError(_lowered(str(error))) from error
    except OSError as error:
        raise SocksError(_strerror(error)) from error
    except ValueError:
        # Not chained: an error of encoding repeats the login.
        raise SocksError("its login, or the name, can't be written as SOCKS wants it") from None


async def _look_up(proxy: OutboundProxy, host: str, port: int) -> str:
    """An address of `host`, an IPv4 one if there is any: not every proxy has IPv6.

    A name that is not known here stays one for version 5, which can look it up.
    """
    family = socket.AF_INET if proxy.scheme in _VERSION_4 else socket.AF_UNSPEC
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        if proxy.scheme in _VERSION_4:
            raise SocksError(f"{host} could not be looked up (DNS)") from error
        return host
    addresses = sorted(found, key=lambda each: each[0] != socket.AF_INET)
    return str(addresses[0][4][0])


def _strerror(error: OSError) -> str:
    if error.errno and error.errno < 0:
        return "its name could not be looked up"  # getaddrinfo's numbers are negative
    return _lowered(os.strerror(error.errno)) if error.errno else "connection failed"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
