"""Where a login item has to listen, as numbers: no service manager looks names up."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

from offramp_core.errors import OfframpError

_BOTH_LOOPBACKS = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric address to listen on."""

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether it is one of IPv6."""
        return ":" in self.host

    def __str__(self) -> str:
        """The address as systemd and URLs write it."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def addresses(host: str, port: int) -> tuple[Address, ...]:
    """Where to listen for `host`: on both loopbacks, where there are two, for either of them.

    Raises:
        OfframpError: `host` is not an address of any kind.
    """
    if host in _BOTH_LOOPBACKS:
        twin = (Address("::1", port),) if has_ipv6_loopback() else ()
        return (Address("127.0.0.1", port), *twin)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OfframpError(
            f"Can't listen on {host}: {error.strerror or error}.",
            hint="Correct host in config.toml.",
        ) from error
    return (Address(str(found[0][4][0]), port),)


def has_ipv6_loopback() -> bool:
    """Whether this machine can listen on ::1."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener,
    ):
        listener.bind(("::1", 0))
        return True
    return False
