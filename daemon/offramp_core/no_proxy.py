"""Which hosts NO_PROXY spares, as most programs read it: names, domains, `*`, each with a port."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_SEPARATORS = re.compile(r"[\s,]+")
_ENTRY = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*|[0-9a-f:]*:[0-9a-f:]*)(?::(?P<port>\d+))?")
"""An IPv6 address has a port only if it is in brackets."""


def spares(no_proxy: str, url: str) -> bool:
    """Whether requests to `url` go past the proxy."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return any(_matches(entry, host, port) for entry in _SEPARATORS.split(no_proxy.lower()))


def _matches(entry: str, host: str, port: int | None) -> bool:
    found = _ENTRY.fullmatch(entry)
    if found is None or found["port"] not in {None, str(port)}:
        return False
    name = found["name"].strip("[]").lstrip(".")
    return name == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))
