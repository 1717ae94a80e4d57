"""Finds out which user of this machine is at the other end of a TCP connection.

The kernel knows whose socket it is: Linux answers for one connection (`tcp_owner_linux`), macOS
lists all of them (`tcp_owner_macos`). Where both ends are on this machine, both are in its tables.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from offramp_daemon.server import tcp_owner_linux, tcp_owner_macos
from offramp_daemon.server.tcp_socket import V4_MAPPED, End, TcpSocket

_PARTS = 2
"""Host and port, to which IPv6 adds two more."""


class NoOwner(Enum):
    """Why there is no user to name."""

    GONE = "gone"
    """The other end has been closed: nobody waits for an answer."""
    ELSEWHERE = "elsewhere"
    """The connection is open, and its other end is no socket of this machine, or of this container:
    another machine's, or one that a virtual machine's network translates."""
    UNREADABLE = "unreadable"
    """The system does not show its tables to this process."""


Owner = int | NoOwner
"""A user's number."""

Table = Callable[[End, End], Iterable[TcpSocket] | None]
"""Lists at least the sockets of one connection, from both ends; None where it can't. It blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """How one system is asked: `at_once` without blocking, and if that gives None, `table`."""

    at_once: Callable[[End, End], Owner | None]
    table: Table


def of_platform(platform: str = sys.platform) -> System:
    """Return how this system is asked."""
    if platform == "darwin":
        return System(at_once=lambda _client, _server: None, table=tcp_owner_macos.table)
    return System(at_once=_ask_linux, table=tcp_owner_linux.table)


def _ask_linux(client: End, server: End) -> Owner | None:
    """Who is at `client`, as far as the kernel knows the sockets of both ends."""
    if (found := tcp_owner_linux.ask(client, server)) is not None and found.uid is not None:
        return found.uid
    own = tcp_owner_linux.ask(server, client)
    return NoOwner.GONE if own is not None and not own.is_open else None


def find(client: End, server: End, system: System) -> Owner:
    """Find who is at `client`, as seen from this process's own end, `server`. It may block."""
    owner = system.at_once(client, server)
    return find_in_table(client, server, system.table) if owner is None else owner


def end(address: tuple[object, ...]) -> End | None:
    """Return a socket's address as the tables have it; None for what is no TCP address.

    An IPv4 address that was written as an IPv6 one is an IPv4 address again.
    """
    if len(address) < _PARTS:
        return None
    host = str(address[0]).partition("%")[0]
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        return End(packed.removeprefix(V4_MAPPED), int(str(address[1])))
    except (OSError, ValueError):
        return None


def find_in_table(client: End, server: End, table: Table) -> Owner:
    """Find who is at `client`, as seen from this process's own end, `server`. It blocks.

    A socket that is missing although the connection is open is on no account the user's of another
    socket here: the table lists them all.
    """
    sockets = table(client, server)
    if sockets is None:
        return NoOwner.UNREADABLE
    is_open = False
    for each in sockets:
        if (each.local, each.remote) == (client, server):
            return NoOwner.GONE if each.uid is None else each.uid
        if (each.local, each.remote) == (server, client):
            is_open = each.is_open
    return NoOwner.ELSEWHERE if is_open else NoOwner.GONE
