"""Keeps web pages and other machines away: a pure check of a request's headers.

Any page in a browser can send requests to a local port, and so spend the user's keys. A browser
can't forge Host, Origin or Sec-Fetch-Site, so those tell.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from offramp_core.settings import Settings

TOKEN_HEADER = "x-offramp-token"


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
    allowed = {settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}
    host = headers.get("Host")
    if host is not None and settings.client_token is None and not _is_local(f"//{host}", allowed):
        return (
            f"The host {host[:100]!r} is not this machine. "
            "To allow the name, add it to allowed_hosts in config.toml."
        )
    origin = headers.get("Origin")
    if origin is not None and not _is_local(origin, allowed):
        return f"Requests from web pages are refused (origin {origin[:100]!r})."
    if headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        return "Requests from other sites' web pages are refused."
    return None


def _is_local(address: str, allowed: Collection[str]) -> bool:
    """Whether the URL `address` names this machine or one of the `allowed` names."""
    try:
        name = urlsplit(address).hostname
    except ValueError:
        return False
    if not name:
        return False
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost") or name in allowed:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
