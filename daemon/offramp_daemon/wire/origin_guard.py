"""Keeps web pages and other machines away: a pure check of a request's headers.

Any page in a browser can send requests to a local port, and so spend the user's keys. A browser
can't forge Host, Origin or Sec-Fetch-Site, so those tell.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import re
from typing import TYPE_CHECKING

from offramp_daemon.wire.headers import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.settings import Settings

_AUTHORITY = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]+)(?:%[^\]]*)?\]|(?P<name>[^\s/\\?#@:\[\]]+))(?::[0-9]*)?",
    re.IGNORECASE,
)
"""Host and port alone: what else a URL could hold there, no browser sends."""


def refusal(headers: Mapping[str, str], settings: Settings) -> str | None:
    """Why a request with these headers is refused; None if it may pass.

    `headers` looks names up without regard to case.
    """
    if settings.client_token is not None:
        token = headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(
            token.encode("utf-8", "surrogateescape"), settings.client_token.reveal().encode()
        ):
            return f"This Offramp wants its client token in the header {TOKEN_HEADER}."
    allowed = (settings.host, *settings.allowed_hosts)
    host = headers.get("Host")
    if host is not None and settings.client_token is None and not _is_local(host, allowed):
        return (
            f"The host {host[:100]!r} is not this machine. "
            "To allow the name, add it to allowed_hosts in config.toml."
        )
    origin = headers.get("Origin")
    if origin is not None and not _is_local(origin.partition("://")[2], allowed):
        return f"Requests from web pages are refused (origin {origin[:100]!r})."
    if headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        return "Requests from other sites' web pages are refused."
    return None


@functools.lru_cache(maxsize=64)
def _is_local(authority: str, allowed: tuple[str, ...]) -> bool:
    """Whether a URL's `authority` names this machine or one of the `allowed` names."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    name = (match["address"] or match["name"]).lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if any(name == other.lower() for other in allowed):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
