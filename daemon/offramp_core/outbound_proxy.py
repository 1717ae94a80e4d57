"""Which proxy stands on the way to a service, by the variables that are set for the system.

The daemon and the doctor both go by it. It looks up no name and opens no connection. No text here
repeats an address, since it may hold a password.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from offramp_core.addresses import is_usable_host

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_SCHEMES: Final = frozenset({"http", "https"})
SOCKS_SCHEMES: Final = frozenset({"socks", "socks4", "socks4a", "socks5", "socks5h"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080
_MOST_SCHEME_CHARACTERS = 20
_KNOWN_SCHEMES = "http://, https://, socks4://, socks4a://, socks5:// or socks5h://"


class BadProxyError(ValueError):
    """What is set for a proxy can't be used; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundProxy:
    """A proxy on the way out."""

    scheme: str
    """In lower case, of `HTTP_SCHEMES` or `SOCKS_SCHEMES`."""
    host: str
    port: int
    user: str | None = None
    password: str = ""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS rather than HTTP."""
        return self.scheme in SOCKS_SCHEMES

    @property
    def shown(self) -> str:
        """Its address without the login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def login(self) -> str | None:
        """The value of the header that logs in to an HTTP proxy; None if it wants no login."""
        if not self.user:
            return None
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """How to reach a service: through `proxy`, or directly where that is None."""

    proxy: OutboundProxy | None = None
    is_optional: bool = False
    """Whether the proxy is set for all schemes only (ALL_PROXY), which Claude Code ignores."""
    skipped: str | None = None
    """Why an ALL_PROXY is not used, as a sentence; None where none is skipped."""


DIRECT: Final = WayOut()


def find_way(scheme: str, settings: Mapping[str, str]) -> WayOut:
    """The way to an address that begins with `scheme`.

    `settings` are as `urllib.request.getproxies` returns them: an address for each scheme, and one
    for `all`. What is set for the scheme is used, or reported as an error: the user may depend on
    it. An unusable ALL_PROXY is skipped, since Claude Code by itself would get through.

    Raises:
        BadProxyError: what is set for the scheme can't be used.
    """
    if own := settings.get(scheme):
        return WayOut(proxy=parse(own))
    address = settings.get("all")
    if not address:
        return DIRECT
    try:
        return WayOut(proxy=parse(address), is_optional=True)
    except BadProxyError as error:
        return WayOut(
            skipped=f"ALL_PROXY is ignored, as Claude Code ignores it too: {error}. Requests go "
            f"out directly. Correct or unset ALL_PROXY where the daemon runs, or set HTTPS_PROXY."
        )


def unreachable_note(proxy: OutboundProxy) -> str:
    """The sentence on a proxy of ALL_PROXY that is skipped since it can't be reached."""
    return (
        f"ALL_PROXY is ignored for now, as Claude Code ignores it too: {proxy.shown} can't be "
        "reached. Requests go out directly. Start that proxy, or unset ALL_PROXY where the daemon "
        "runs."
    )


def parse(address: str) -> OutboundProxy:
    """The proxy at `address`; a missing scheme means http.

    Raises:
        BadProxyError: it is not an address of a proxy that can be used.
    """
    address = address.strip()
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
    except ValueError:
        raise BadProxyError("its address can't be read") from None  # the error repeats the address
    if "@" in parts.path + parts.query + parts.fragment:
        # What stands for the host then is a part of the password.
        raise BadProxyError(
            "its login contains a character that must be percent-encoded (%2F for /)"
        )
    default_port = _default_port(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        raise BadProxyError("its port is not a number from 1 to 65535") from None
    if port == 0:
        raise BadProxyError("its port is not a number from 1 to 65535")
    return OutboundProxy(
        scheme=parts.scheme,
        host=_host(parts.hostname or ""),
        port=port or default_port,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
    )


def _default_port(scheme: str) -> int:
    if scheme in SOCKS_SCHEMES:
        return _SOCKS_PORT
    port = _DEFAULT_PORTS.get(scheme)
    if port is None:
        named = f" ({scheme}://)" if scheme and len(scheme) <= _MOST_SCHEME_CHARACTERS else ""
        raise BadProxyError(
            f"its scheme is not supported{named}; it must begin with {_KNOWN_SCHEMES}"
        )
    return port


def _host(host: str) -> str:
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not name or not is_usable_host(name):
        raise BadProxyError("its address has no usable host")
    return name
