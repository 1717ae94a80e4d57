"""The kernel's news of addresses, read as Linux and macOS write it."""

from __future__ import annotations

import errno
import shutil
import socket
import struct
import subprocess
import sys
from collections import deque

import pytest

from offramp_daemon.upstream.network_watch import NetworkWatch, has_lost_address


def linux(*kinds: int) -> bytes:
    return b"".join(struct.pack("=IHHII5s3x", 21, kind, 0, 0, 0, b"12345") for kind in kinds)


def macos(*kinds: int) -> bytes:
    return b"".join(struct.pack("=HBB16s", 20, 5, kind, b"") for kind in kinds)


@pytest.mark.parametrize(
    ("news", "is_linux", "is_loss"),
    [
        (linux(20, 20), True, False),
        (linux(20, 21), True, True),
        (macos(0xC, 0xE), False, False),
        (macos(0xC, 0xD), False, True),
        (b"", True, False),
        (linux(20)[:3], True, False),
        (struct.pack("=IH", 0, 20), True, False),
        (struct.pack("=HBB", 0, 5, 1), False, False),
    ],
)
def test_address_that_went_is_told_from_one_that_came(news, is_linux, is_loss):
    assert has_lost_address(news, is_linux=is_linux) is is_loss


def test_watch_that_is_not_open_knows_of_no_change():
    watch = NetworkWatch()
    assert not watch.has_changed()
    watch.open()
    assert not watch.has_changed()
    watch.close()
    watch.close()
    assert not watch.has_changed()


@pytest.mark.skipif(sys.platform != "linux", reason="takes an address of Linux's away")
def test_address_that_went_is_noticed_once():
    ip = shutil.which("ip")
    if ip is None:
        pytest.skip("there is no ip command here")
    watch = NetworkWatch()
    watch.open()
    try:
        address = ("127.86.0.77/32", "dev", "lo")
        added = subprocess.run([ip, "addr", "add", *address], check=False, capture_output=True)
        if added.returncode != 0:
            pytest.skip("addresses can't be changed here")
        assert not watch.has_changed()
        subprocess.run([ip, "addr", "del", *address], check=True)
        assert watch.has_changed()
        assert not watch.has_changed()
    finally:
        watch.close()


def memory_of(message: bytes) -> int:
    """What xnu counts for it: an address, and small blocks or a large one."""
    has_large_header = message[3] not in {0xC, 0xD}  # of an address, it is 20 bytes
    return 256 + (256 + 2048 if has_large_header else 256 * -(-len(message) // 88))


class RoutingSocket:
    """The kernel's side of a socket of news: it drops what does not fit, as macOS in silence."""

    def __init__(self, *, default_bytes: int = 8192, most_bytes: int = 8 * 1024 * 1024) -> None:
        self.buffer_bytes = default_bytes
        self._most_bytes = most_bytes
        self._errors: deque[int] = deque()
        self._news: deque[bytes] = deque()
        self.is_closed = False

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        if value > self._most_bytes:
            raise OSError(errno.ENOBUFS, "no buffer of this size")
        self.buffer_bytes = value

    def getsockopt(self, level: int, option: int, /) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        return self.buffer_bytes

    def tell(self, *messages: bytes) -> int:
        """Queue `messages` as far as there is room; how many were dropped."""
        dropped = 0
        size = sum(map(len, self._news))
        memory = sum(map(memory_of, self._news))
        for message in messages:
            size, memory = size + len(message), memory + memory_of(message)
            if size > self.buffer_bytes or memory > 8 * self.buffer_bytes:
                dropped += 1
            else:
                self._news.append(message)
        return dropped

    def fail(self, *numbers: int) -> None:
        self._errors.extend(numbers)

    def recv(self, _most_bytes: int, /) -> bytes:
        if self._errors:
            raise OSError(self._errors.popleft(), "it failed")
        if not self._news:
            raise BlockingIOError(errno.EAGAIN, "nothing yet")
        return self._news.popleft()

    def close(self) -> None:
        self.is_closed = True


ROUTE = macos(0x1).ljust(124, b"\0")
"""macOS's news of a route that was added, which says nothing of an address."""
INTERFACE = macos(0xE).ljust(112, b"\0")
GONE = macos(0xD).ljust(80, b"\0")


@pytest.fixture
def routing() -> RoutingSocket:
    return RoutingSocket()


def watch_of(*sockets: RoutingSocket) -> NetworkWatch:
    watch = NetworkWatch(iter(sockets).__next__)
    watch.open()
    return watch


@pytest.mark.parametrize("most_bytes", [8 * 1024 * 1024, 64 * 1024])
@pytest.mark.parametrize("news", [ROUTE, INTERFACE, macos(0xC).ljust(80, b"\0")])
def test_flood_that_may_have_hidden_an_address_that_went_is_a_change(most_bytes, news):
    routing = RoutingSocket(most_bytes=most_bytes)
    watch = watch_of(routing)
    count = routing.buffer_bytes // len(news) + 50
    assert routing.tell(*[news] * count, GONE) > 1
    assert watch.has_changed()
    assert not watch.has_changed()


def test_news_of_some_idle_hours_fits_and_is_no_change(routing):
    watch = watch_of(routing)
    assert routing.tell(*[ROUTE] * 400) == 0
    assert not watch.has_changed()
    assert routing.tell(*[ROUTE] * 400, GONE) == 0
    if sys.platform == "darwin":
        assert watch.has_changed()


@pytest.mark.parametrize("times", [1, 3])
def test_news_that_the_system_says_was_dropped_is_one_change(routing, times):
    watch = watch_of(routing)
    routing.fail(*[errno.ENOBUFS] * times)
    routing.tell(*[ROUTE] * 20)
    assert watch.has_changed()
    assert not watch.has_changed()
    assert not routing.is_closed


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.EBADF, errno.ENETDOWN])
def test_socket_that_broke_is_one_change_and_replaced(routing, number):
    other = RoutingSocket()
    watch = watch_of(routing, other)
    routing.fail(*[number] * 5)
    assert watch.has_changed()
    assert routing.is_closed
    assert not watch.has_changed()
    other.fail(errno.ENOBUFS)
    assert watch.has_changed()
