"""Connects sockets: looks names up, tries their addresses, and has the system watch the peer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from typing import TYPE_CHECKING, Any

import aiohappyeyeballs

from offramp_daemon.upstream.errors import ConnectError, NameLookupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiohappyeyeballs import AddrInfoType
    from typing_extensions import Buffer

_DEAD_PEER_S = 30
_STALLED_S = 120
"""How long a peer may leave what was sent unread: longer than any upload waits for its turn."""
_PROBE_EVERY_S = 10
_NEXT_ADDRESS_S = 0.25
"""So long after one address the next is tried beside it (RFC 8305, section 5)."""
_KNOWN_S = 10.0
"""How long what a name stands for is kept: a burst of connections needs one look-up."""


class _PatientSocket(socket.socket):
    """One whose peer may refuse the rest of what is sent, and still is heard to its end.

    A service that wants no more of an upload says why and closes. A write after that fails, upon
    which asyncio would close at once and lose the answer. So that is said where reading ends.
    """

    _problem: ConnectionError | None = None

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        """Send; what the peer refuses counts as sent."""
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError) as error:
            self._problem = error
            return memoryview(data).nbytes

    def sendmsg(self, buffers: Iterable[Buffer], *others: Any) -> int:
        """Send; what the peer refuses counts as sent."""
        pieces = list(buffers)
        try:
            return super().sendmsg(pieces, *others)
        except (BrokenPipeError, ConnectionResetError) as error:
            self._problem = error
            return sum(memoryview(piece).nbytes for piece in pieces)

    def recv(self, length_bytes: int, flags: int = 0, /) -> bytes:
        """Receive; a refused write is not an orderly end.

        Raises:
            ConnectionError: all is read, and a write had failed.
        """
        data = super().recv(length_bytes, flags)
        if not data and self._problem is not None:
            raise self._problem
        return data

    def recv_into(self, buffer: Buffer, *others: int) -> int:
        """Receive into `buffer`, as `recv` does."""
        length_bytes = super().recv_into(buffer, *others)
        if not length_bytes and self._problem is not None:
            raise self._problem
        return length_bytes


def open_socket(address: AddrInfoType) -> socket.socket:
    """Open a socket that notices within a minute that its peer has gone, even while it waits."""
    family, kind, protocol, _, _ = address
    opened = _PatientSocket(family, kind, protocol)
    watch_peer(opened)
    return opened


def adopt(opened: socket.socket) -> socket.socket:
    """The same connection, by a socket such as `open_socket` makes; `opened` is spent."""
    adopted = _PatientSocket(fileno=opened.detach())
    adopted.setblocking(False)
    watch_peer(adopted)
    return adopted


def watch_peer(opened: socket.socket) -> None:
    """Have the system notice that the peer of `opened` has gone."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": _DEAD_PEER_S,
        "TCP_KEEPALIVE": _DEAD_PEER_S,
        "TCP_KEEPINTVL": _PROBE_EVERY_S,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": _STALLED_S * 1000,
        "TCP_NODELAY": 1,
    }
    for name, value in options.items():
        option = getattr(socket, name, None)  # which ones there are depends on the system
        if option is not None:
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.IPPROTO_TCP, option, value)


class SocketOpener:
    """Connects to names and addresses."""

    def __init__(self, make: Callable[[AddrInfoType], socket.socket] = open_socket) -> None:
        """`make` makes the sockets."""
        self._make = make
        self._known: dict[tuple[str, int], tuple[float, Sequence[AddrInfoType]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[Sequence[AddrInfoType]]] = {}
        """Look-ups under way: each takes a thread for as long as the system likes."""

    def forget(self) -> None:
        """Look every name up again: the network is another."""
        self._known.clear()
        self._asked.clear()

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket, not blocking. It has no limit on time.

        Raises:
            NameLookupError: the name is not known.
            ConnectError: none of its addresses takes a connection.
        """
        addresses = await self._look_up(host, port)
        try:
            return await aiohappyeyeballs.start_connection(
                addresses,
                happy_eyeballs_delay=_NEXT_ADDRESS_S,
                interleave=1,
                socket_factory=self._make,
            )
        except OSError as error:
            self._known.pop((host, port), None)
            raise ConnectError(reason(error)) from error

    async def _look_up(self, host: str, port: int) -> Sequence[AddrInfoType]:
        loop = asyncio.get_running_loop()
        known = self._known.get((host, port))
        if known is not None and loop.time() < known[0]:
            return known[1]
        found: Sequence[AddrInfoType] = _as_number(host, port)
        try:
            # Whoever gives up leaves the look-up to the others who wait for it.
            found = found or await asyncio.shield(self._ask(host, port))
        except (OSError, UnicodeError) as error:
            raise NameLookupError("the name could not be looked up") from error
        if not found:
            raise NameLookupError("the name stands for no address")
        self._known[host, port] = loop.time() + _KNOWN_S, found
        return found

    def _ask(self, host: str, port: int) -> asyncio.Future[Sequence[AddrInfoType]]:
        """Ask the system in a thread, only once at a time for each name."""
        name = host, port
        asked = self._asked.get(name)
        if asked is None:
            look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            asked = asyncio.get_running_loop().run_in_executor(None, look_up)
            self._asked[name] = asked
            asked.add_done_callback(functools.partial(self._note_answered, name))
        return asked

    def _note_answered(
        self, name: tuple[str, int], asked: asyncio.Future[Sequence[AddrInfoType]]
    ) -> None:
        if self._asked.get(name) is asked:
            del self._asked[name]
        if not asked.cancelled():
            asked.exception()  # it is known, even if everybody who asked has gone


def reason(error: OSError) -> str:
    """The system's reason, by number, since Python's text holds the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else "connection failed"


def _as_number(host: str, port: int) -> Sequence[AddrInfoType]:
    """The address that is written in `host`; none where it is a name. Asks nobody."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
