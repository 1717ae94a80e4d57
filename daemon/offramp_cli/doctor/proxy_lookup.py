"""Which HTTP proxy stands on the way to an address, by the variables of any environment."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from offramp_core import no_proxy
from offramp_core.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"http": 80, "https": 443}


class BadProxyError(ValueError):
    """The address that is set for a proxy is none; the text does not repeat it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAddress:
    """Where it listens; `login` is the value of the header that logs in to it."""

    scheme: str
    host: str
    port: int
    login: str | None

    @property
    def shown(self) -> str:
        """Its address without the login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def proxy_for(base_url: str, environ: Mapping[str, str], *, platform: str) -> ProxyAddress | None:
    """The proxy for `base_url`; None for the direct way.

    `environ` holds the variables by their upper-case names. Without any the system's settings
    count on macOS, as they do for the daemon.

    Raises:
        BadProxyError: what is set can't be used.
    """
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or ""):
        return None
    settings = {
        scheme: environ[name]
        for scheme in ("http", "https", "all")
        if (name := f"{scheme.upper()}_PROXY") in environ
    }
    if settings or platform != "darwin":
        is_direct = no_proxy.spares(environ.get("NO_PROXY", ""), base_url)
    else:
        settings = getproxies()
        is_direct = bool(proxy_bypass(parts.netloc))
    address = settings.get(parts.scheme) or settings.get("all")
    return None if is_direct or not address else _parse(address)


def _parse(address: str) -> ProxyAddress:
    """The proxy at `address`; a missing scheme means http."""
    proxy = None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        if port is not None and parts.hostname:
            proxy = ProxyAddress(
                scheme=parts.scheme,
                host=parts.hostname,
                port=port,
                login=_login(parts.username, parts.password),
            )
    except ValueError:
        pass  # not chained below: it repeats the address, which may hold a password
    if proxy is None:
        raise BadProxyError("its address must begin with http:// or https://")
    return proxy


def _login(user: str | None, password: str | None) -> str | None:
    if not user:
        return None
    login = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"
