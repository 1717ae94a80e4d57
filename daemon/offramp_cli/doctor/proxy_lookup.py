"""Which proxy stands on the way to an address, by the variables of any environment."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from offramp_core import no_proxy, outbound_proxy
from offramp_core.addresses import is_loopback
from offramp_core.outbound_proxy import DIRECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.outbound_proxy import WayOut


def way_for(base_url: str, environ: Mapping[str, str], *, platform: str) -> WayOut:
    """The way to `base_url`.

    `environ` holds the variables by their upper-case names. Without any the system's settings
    count on macOS, as they do for the daemon.

    Raises:
        BadProxyError: what is set for the address's scheme can't be used.
    """
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or ""):
        return DIRECT
    settings = settings_in(environ)
    if settings or platform != "darwin":
        is_direct = no_proxy.spares(environ.get("NO_PROXY", ""), base_url)
    else:
        settings = getproxies()
        is_direct = bool(proxy_bypass(parts.netloc))
    return DIRECT if is_direct else outbound_proxy.find_way(parts.scheme, settings)


def settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies that variables with upper-case names set, by scheme."""
    return {
        scheme: environ[name]
        for scheme in ("http", "https", "all")
        if (name := f"{scheme.upper()}_PROXY") in environ
    }
