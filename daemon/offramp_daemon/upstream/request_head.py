"""Writes the head of a request: its names and values as they are, in their order. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ALWAYS_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a base URL says of a service."""

    scheme: str
    host: str
    """As it is looked up and as its certificate names it: no brackets, and no dot at its end."""
    port: int
    authority: str
    """As the Host header has it."""
    prefix: str
    """The path before all targets; empty for most services."""

    @property
    def is_secure(self) -> bool:
        """Whether connections to it use TLS."""
        return self.scheme == "https"

    @property
    def host_and_port(self) -> str:
        """The name for a proxy that makes a tunnel to it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@functools.lru_cache(maxsize=64)
def origin_of(base_url: str) -> Origin:
    """What `base_url` says.

    Raises:
        ValueError: it is not an address of a service.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ValueError("the address of a service begins with http:// or https:// and a host")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    default = _DEFAULT_PORTS[parts.scheme]
    port = parts.port or default
    shown = f"[{host}]" if ":" in host else host
    return Origin(
        scheme=parts.scheme,
        host=host,
        port=port,
        authority=shown if port == default else f"{shown}:{port}",
        prefix=parts.path,
    )


def write(
    method: str,
    target: str,
    authority: str,
    headers: Iterable[tuple[bytes, bytes]],
    length_bytes: int,
) -> bytes:
    """The head of a request with a body of that length.

    Raises:
        ValueError: a part of it would end its line.
    """
    first = f"{method} {target} HTTP/1.1\r\nHost: {authority}"
    lines = [first.encode("utf-8", "surrogateescape")]
    lines += [b"%b: %b" % pair for pair in headers]
    if length_bytes or method in _ALWAYS_WITH_LENGTH:
        lines.append(b"Content-Length: %d" % length_bytes)
    head = b"\r\n".join(lines)
    ends = len(lines)
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or " " in target:
        raise ValueError("a line end, NUL or space stands where none may be")
    return head + b"\r\n\r\n"
