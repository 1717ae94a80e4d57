"""Keeps web pages and other machines away: a pure check of a request's headers.

Any page in a browser can send requests to a local port, and so spend the user's keys. A browser
can't forge Host, Origin, Referer or Sec-Fetch-Site, so those are what is checked. A page on another
port of this machine is another site's as well: whatever runs there, perhaps as another user, must
not spend the keys either. Offramp's own page sends no requests; Claude Code and the SDKs send none
of these headers but Host.

A container reaches this machine by a name that its software made up (`host.docker.internal`), and
the request arrives from a loopback address. Such names are served as Host. All of them lie below
`internal`, which no public name server answers for, so a page from the internet can't have its own
name lead here (DNS rebinding). A hostile name server in the local network could; its page may then
send GET and HEAD, to which a browser adds neither Origin nor Sec-Fetch-Site, and no credentials:
they reach no delegate. Whatever can spend a key is a POST, which carries Origin, and as an Origin
these names are refused.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import re
from typing import TYPE_CHECKING

from offramp_core.addresses import is_loopback, is_usable_host, normal_origin
from offramp_daemon.wire.headers import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.settings import Settings

_AUTHORITY = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]+)(?:%[^\]]*)?\]|(?P<name>[^\s/\\?#@:\[\]]+))(?::(?P<port>[0-9]{0,5}))?",
    re.IGNORECASE,
)
"""Only host and port: no browser sends what else a URL could hold there."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_HTTP_PORT = 80
_OWN_SITES = frozenset({"", "none", "same-origin"})
"""What Sec-Fetch-Site says of Offramp's own origin, and of an address that the user typed."""

_CONTAINER_DOMAIN = ".internal"
_CONTAINER_GATEWAYS = tuple(
    map(
        ipaddress.ip_network,
        (
            "172.16.0.0/12",  # Docker's bridges
            "192.168.65.0/24",  # Docker Desktop
            "192.168.5.0/24",  # Lima
            "10.0.2.2/32",  # slirp4netns: rootless Podman and Docker
            "10.88.0.0/16",  # Podman's bridge
        ),
    )
)
"""This machine as seen from a container. An address can't be rebound, as a name can."""


def refusal(headers: Mapping[str, str], settings: Settings, *, peer: str = "") -> str | None:
    """Why a request with these headers from the address `peer` is refused; None if it may pass.

    `headers` looks names up without regard to case.
    """
    if settings.client_token is not None:
        token = headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(
            token.encode("utf-8", "surrogateescape"), settings.client_token.reveal().encode()
        ):
            return (
                f"This Offramp wants its client token in the header {TOKEN_HEADER}. "
                "For Claude Code, `offramp connect` writes it."
            )
    allowed = (settings.host, *settings.allowed_hosts)
    host = headers.get("Host")
    if (
        host is not None
        and settings.client_token is None
        and not _is_local(host, allowed)
        and not (is_loopback(peer) and _is_seen_from_container(host))
    ):
        return (
            f"The host {host[:100]!r} is not this machine. "
            "To allow the name, add it to allowed_hosts in config.toml."
        )
    return _refusal_of_page(headers, settings, allowed)


def _refusal_of_page(
    headers: Mapping[str, str], settings: Settings, allowed: tuple[str, ...]
) -> str | None:
    """Why a request is refused that a web page has sent; None for any other."""
    page = headers.get("Origin")
    if page is None and (referer := headers.get("Referer")) is not None:
        found = _ORIGIN.match(referer)
        page = found[0] if found else referer
    if page is not None:
        if settings.allowed_origins and normal_origin(page) in settings.allowed_origins:
            return None
        if not _is_own(page, (headers.get("Host"), settings.port), allowed):
            return (
                f"Requests from web pages are refused (origin {page[:100]!r}). "
                "To allow one, add it to allowed_origins in config.toml."
            )
    if headers.get("Sec-Fetch-Site", "").strip().lower() not in _OWN_SITES:
        return "Requests from other sites' web pages are refused."
    return None


@functools.lru_cache(maxsize=64)
def _is_own(origin: str, address: tuple[str | None, int], allowed: tuple[str, ...]) -> bool:
    """Whether a page of `origin` has the address by which the request came.

    `address` is the Host header, which has the port that the browser connected to, and the port
    for a request without one.
    """
    scheme, _, authority = origin.partition("://")
    if scheme.lower() != "http" or not _is_local(authority, allowed):
        return False
    host, port = address
    return _port_in(authority) == (port if host is None else _port_in(host))


@functools.lru_cache(maxsize=64)
def _is_local(authority: str, allowed: tuple[str, ...]) -> bool:
    """Whether a URL's `authority` names this machine or one of the `allowed` names."""
    name = _name_in(authority)
    if name is None:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if any(name == other.lower() for other in allowed):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@functools.lru_cache(maxsize=64)
def _is_seen_from_container(authority: str) -> bool:
    """Whether a URL's `authority` names this machine as a container on it does."""
    name = _name_in(authority)
    if name is None:
        return False
    if name.endswith(_CONTAINER_DOMAIN):
        return is_usable_host(name)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return any(address in network for network in _CONTAINER_GATEWAYS)


def _name_in(authority: str) -> str | None:
    """The host in a URL's `authority`, in lower case; None where there is anything else in it."""
    match = _AUTHORITY.fullmatch(authority)
    return None if match is None else (match["address"] or match["name"]).lower().rstrip(".")


def _port_in(authority: str) -> int | None:
    """The port in a URL's `authority`, or HTTP's own; None where there is anything else in it."""
    match = _AUTHORITY.fullmatch(authority)
    return None if match is None else int(match["port"] or _HTTP_PORT)
