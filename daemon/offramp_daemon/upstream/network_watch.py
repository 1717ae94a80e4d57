"""Notices that an address of this machine has gone: connections from it lead nowhere any more.

A socket of the kernel's own tells: netlink on Linux, the routing socket on macOS. Nothing waits on
it; it is looked at when somebody wants to know. Where there is none, the network never changes.
News that did not fit into the socket's buffer may be of any kind, so it counts as a change. Linux
says so; macOS drops it in silence, and much is then found in the buffer.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_MESSAGE_BYTES = 64 * 1024
_BUFFER_BYTES = 256 * 1024
"""For the news of some idle hours, in which macOS reports each route too; its default is 8 KiB."""
_FULL = 0.25
"""What part of the buffer has been read where there may have been no room for more.

macOS also counts the memory that messages take, up to eight times the buffer, and news of a route
takes 2.5 KiB for some 110 bytes (xnu: rt_msg1, sbreserve): a third of the buffer is then all.
"""
_ADDRESS_GROUPS = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR: told of addresses that come and go."""

_LINUX_ADDRESS_GONE = 21
"""RTM_DELADDR of linux/rtnetlink.h; the type stands behind the message's length."""

_MACOS_ADDRESS_GONE = 0xD
"""RTM_DELADDR of net/route.h; the type stands behind length and version."""

_PF_ROUTE = 17


class NewsSocket(Protocol):
    """A socket of the kernel's news that never blocks."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set one of its options."""

    def getsockopt(self, level: int, option: int, /) -> int:
        """Return one of its options."""

    def recv(self, most_bytes: int, /) -> bytes:
        """Return the next message."""

    def close(self) -> None:
        """Close it."""


class NetworkWatch:
    """Looks at the kernel's news of addresses."""

    def __init__(self, open_socket: Callable[[], NewsSocket] | None = None) -> None:
        """Watch nothing yet; `open_socket` opens the socket, the system's own if None."""
        self._open_socket = open_socket or _open_socket
        self._socket: NewsSocket | None = None
        self._buffer_bytes = _BUFFER_BYTES

    def open(self) -> None:
        """Watch from now on, if the system lets us."""
        with contextlib.suppress(OSError):
            self._socket = self._open_socket()
            with contextlib.suppress(OSError):  # the system may allow no buffer of this size
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._buffer_bytes = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def close(self) -> None:
        """Watch no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def has_changed(self) -> bool:
        """Whether an address has gone since the last call; never blocks."""
        is_gone = False
        read_bytes = 0
        while self._socket is not None and read_bytes < 2 * self._buffer_bytes:
            try:
                news = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                is_gone = True  # more news than it could hold
                if error.errno != errno.ENOBUFS:
                    self._reopen()
                    break
                continue
            if not news:
                break
            read_bytes += len(news)
            is_gone = is_gone or has_lost_address(news, is_linux=sys.platform == "linux")
        return is_gone or read_bytes >= _FULL * self._buffer_bytes

    def _reopen(self) -> None:
        """Have a new socket in the place of a broken one, which would never be quiet again."""
        self.close()
        self.open()


def has_lost_address(news: bytes, *, is_linux: bool) -> bool:
    """Whether one of the messages in `news` says that an address has gone."""
    layout, gone = ("=IH", _LINUX_ADDRESS_GONE) if is_linux else ("=HBB", _MACOS_ADDRESS_GONE)
    start = 0
    while len(news) - start >= struct.calcsize(layout):
        length, *_, kind = struct.unpack_from(layout, news, start)
        if kind == gone:
            return True
        if length <= 0:
            return False
        start += (length + 3) & ~3 if is_linux else length
    return False


def _open_socket() -> socket.socket:
    netlink = getattr(socket, "AF_NETLINK", None)
    family = _PF_ROUTE if netlink is None else netlink
    opened = socket.socket(family, socket.SOCK_RAW, 0)
    try:
        opened.setblocking(False)
        if netlink is not None:
            opened.bind((0, _ADDRESS_GROUPS))
    except OSError:
        opened.close()
        raise
    return opened
