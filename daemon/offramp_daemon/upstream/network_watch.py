"""Notices that an address of this machine has gone: connections from it lead nowhere any more.

A socket of the kernel's own tells: netlink on Linux, the routing socket on macOS. Nothing waits on
it; it is looked at when somebody wants to know. Where there is none, the network never changes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

_BUFFER_BYTES = 64 * 1024
_ADDRESS_GROUPS = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR: told of addresses that come and go."""

_LINUX_ADDRESS_GONE = 21
"""RTM_DELADDR of linux/rtnetlink.h; the type stands behind the message's length."""

_MACOS_ADDRESS_GONE = 0xD
"""RTM_DELADDR of net/route.h; the type stands behind length and version."""

_PF_ROUTE = 17


class NetworkWatch:
    """Looks at the kernel's news of addresses."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Watch from now on, if the system lets us."""
        with contextlib.suppress(OSError):
            self._socket = _open_socket()

    def close(self) -> None:
        """Watch no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def has_changed(self) -> bool:
        """Whether an address has gone since the last call; never blocks."""
        is_gone = False
        while self._socket is not None:
            try:
                news = self._socket.recv(_BUFFER_BYTES)
            except BlockingIOError:
                break
            except OSError:
                return True  # more news than it could hold
            if not news:
                break
            is_gone = is_gone or has_lost_address(news, is_linux=sys.platform == "linux")
        return is_gone


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
