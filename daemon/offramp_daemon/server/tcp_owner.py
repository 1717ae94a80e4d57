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

ROOT = 0

_PARTS = 2
"""Host and port, to which IPv6 adds two more."""


class NoOwner(Enum):
    """Why there is no user to name."""

    GONE = "gone"
    """The other end has been closed: nobody waits for an answer."""
    ELSEWHERE = "elsewhere"
    """The connection is open, but its other end is not a socket of this machine or container: it is
    another machine's, or a virtual machine's network translates it."""
    UNREADABLE = "unreadable"
    """The system does not show this connection in its tables, or not so that it is understood."""


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


def end(address: tuple[object, ...]) -> End | None:
    """Return a socket's address as the tables have it; None for what is not a TCP address.

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


def find(client: End, server: End, system: System, *, own: int) -> Owner:
    """Find who is at `client`, as seen from `own`'s end of it, `server`. It may block."""
    owner = system.at_once(client, server)
    return find_in_table(client, server, system.table, own=own) if owner is None else owner


def find_in_table(client: End, server: End, table: Table, *, own: int) -> Owner:
    """Find who is at `client`, as seen from `own`'s end of it, `server`. It blocks.

    A table that does not show the own end as it is has another form than is known, and says
    nothing. Some systems show it as root's, who has opened the port and passed it on.
    """
    sockets = {(each.local, each.remote): each for each in table(client, server) or ()}
    here, there = sockets.get((server, client)), sockets.get((client, server))
    if here is None or here.uid not in {own, ROOT}:
        return NoOwner.UNREADABLE
    if there is not None:
        return NoOwner.GONE if there.uid is None else there.uid
    return NoOwner.ELSEWHERE if here.is_open else NoOwner.GONE
