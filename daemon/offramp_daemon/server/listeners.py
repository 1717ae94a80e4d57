"""Opens the sockets that the daemon listens on."""

from __future__ import annotations

import errno
import os
import socket
from datetime import UTC, datetime

from offramp_core.errors import OfframpError
from offramp_core.usage.weeks import system_zone
from offramp_core.wording.formatting import format_moment

_BACKLOG = 1024
_PROBE_S = 0.5
_LOOPBACKS = ("127.0.0.1", "::1")
_REACHED_AT = {
    "127.0.0.1": _LOOPBACKS,
    "localhost": _LOOPBACKS,
    "0.0.0.0": ("127.0.0.1",),
    "::": ("::1",),
}
"""Where clients on this machine connect, for the hosts that are more than one address."""
_HIGHEST_PORT = 65535
_HINTS = {
    errno.EACCES: "Ports below 1024 need privileges; choose another in config.toml or with PORT.",
    errno.EADDRNOTAVAIL: (
        "It is not an address of this machine; correct host in config.toml, or HOST."
    ),
}


class PortBusyError(OfframpError):
    """Something else already listens where the daemon should."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for `host`; for IPv4's loopback also IPv6's, which `localhost` may mean.

    Raises:
        PortBusyError: the port is taken.
        OfframpError: the address can't be listened on.
    """
    if port:
        _require_silence(host, port)
    listeners = [_listen(host, port)]
    if host in {"127.0.0.1", "localhost"}:
        bound_port = listeners[0].getsockname()[1]
        twin = "::1" if listeners[0].family == socket.AF_INET else "127.0.0.1"
        try:
            listeners.append(_listen(twin, bound_port))
        except PortBusyError:
            listeners[0].close()
            raise
        except OfframpError:
            pass  # a machine without IPv6
    return listeners


def _require_silence(host: str, port: int) -> None:
    """Refuse a port on which somebody takes connections already.

    The system does not always refuse it: those of BSD, macOS too, let one address be listened on
    beside a program that listens at every address, and that program would lose its connections.
    """
    for address in _REACHED_AT.get(host, (host,)):
        if _takes_connections(address, port):
            raise _busy(address, port)


def _takes_connections(host: str, port: int) -> bool:
    """Whether somebody listens there; what is unclear is left to the system to refuse.

    The probe comes from the same address, so that it never leaves this machine: an address of
    another one can't be used.
    """
    try:
        with socket.create_connection(
            (host, port), timeout=_PROBE_S, source_address=(host, 0)
        ) as probe:
            # Its own port may be the one that it asks for; it is then connected to itself.
            return bool(probe.getsockname() != probe.getpeername())
    except OSError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OfframpError(f"Can't listen on {host}: {error.strerror or error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _busy(host, port) from error
        raise OfframpError(
            f"Can't listen on {host}, port {port}: {error.strerror}.",
            hint=_HINTS.get(error.errno or 0, ""),
        ) from error
    return listener


def _busy(host: str, port: int) -> PortBusyError:
    """Says who has the port, as far as that can be found out."""
    from offramp_core.control import port_owner  # loads OpenSSL, which each command would wait for

    holder = port_owner.find(host, port)
    other = f"--port {port + 1 if port < _HIGHEST_PORT else port - 1}"
    if holder is None:
        return PortBusyError(
            f"Port {port} on {host} is in use.",
            hint="Can't tell which program is using it; it may belong to another user. End it, "
            f"or choose a port: {other}",
        )
    if holder.is_offramp:
        now = datetime.now(UTC)
        since = format_moment(holder.since or now, now, system_zone(os.environ))
        return PortBusyError(
            f"Port {port} on {host} is in use by another Offramp (pid {holder.pid}, "
            f"since {since}).",
            hint=f"It is already serving: use it, or end it first. To use another port: {other}",
        )
    return PortBusyError(
        f"Port {port} on {host} is in use by {holder.name} (pid {holder.pid}).",
        hint=f"End it, or choose a port: {other}",
    )
