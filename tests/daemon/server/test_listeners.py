"""The sockets that the daemon listens on, and what is said when it can't."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import wildcard_port
from daemon_process import free_port
from patience import PATIENCE_S

from offramp_core.control import port_owner
from offramp_core.errors import OfframpError
from offramp_daemon.server.listeners import PortBusyError, open_listeners

if TYPE_CHECKING:
    from collections.abc import Iterator


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    """Sockets that are closed when the test ends."""
    sockets: list[socket.socket] = []
    yield sockets
    for each in sockets:
        each.close()


@needs_ipv6
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_listened_on_in_both_families(opened, host):
    opened += open_listeners(host, 0)
    addresses = [each.getsockname()[:2] for each in opened]
    assert {host for host, _ in addresses} == {"127.0.0.1", "::1"}
    assert len({port for _, port in addresses}) == 1
    for address in addresses:
        socket.create_connection(address, timeout=PATIENCE_S).close()


def test_listeners_do_not_block(opened):
    opened += open_listeners("127.0.0.1", 0)
    assert not any(each.getblocking() for each in opened)


@needs_ipv6
def test_address_of_one_family_is_listened_on_alone(opened):
    opened += open_listeners("::1", 0)
    assert [each.family for each in opened] == [socket.AF_INET6]


def test_port_in_use_names_port_and_cure(opened):
    opened.append(socket.create_server(("127.0.0.1", 0)))
    port = opened[0].getsockname()[1]
    with pytest.raises(PortBusyError, match=f"Port {port} on 127.0.0.1") as caught:
        open_listeners("127.0.0.1", port)
    assert f"--port {port + 1}" in caught.value.hint


def test_highest_port_in_use_leads_to_one_that_exists(opened):
    try:
        opened.append(socket.create_server(("127.0.0.1", 65535)))
    except OSError:
        pytest.skip("somebody else has that port")
    with pytest.raises(PortBusyError) as caught:
        open_listeners("127.0.0.1", 65535)
    assert "--port 65534" in caught.value.hint


@pytest.fixture
def bsd(monkeypatch) -> None:
    wildcard_port.allow_beside(monkeypatch)


def drain(listener: socket.socket) -> None:
    """Take the connections that wait, which are those that probed."""
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
    listener.setblocking(True)


@pytest.mark.usefixtures("bsd")
@pytest.mark.parametrize(
    ("kind", "host"),
    [
        *(("ipv4", host) for host in ("127.0.0.1", "localhost", "0.0.0.0")),
        *(("ipv6", host) for host in ("127.0.0.1", "localhost", "::1", "::")),
        *(("both", host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")),
    ],
)
def test_port_of_a_program_at_every_address_is_in_use_and_stays_its_own(opened, kind, host):
    if kind != "ipv4" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    family = socket.AF_INET if kind == "ipv4" else socket.AF_INET6
    opened.append(wildcard_port.listen_everywhere(family, is_dual=kind == "both"))
    port = opened[0].getsockname()[1]
    with pytest.raises(PortBusyError, match=f"Port {port} on") as caught:
        open_listeners(host, port)
    assert f"--port {port + 1}" in caught.value.hint
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in caught.value.title
    drain(opened[0])
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_connection((address, port), timeout=PATIENCE_S) as client:
        accepted, peer = opened[0].accept()
        accepted.close()
        assert peer[1] == client.getsockname()[1]


@pytest.mark.usefixtures("bsd")
def test_port_that_only_another_address_has_is_free(opened):
    opened.append(socket.socket())
    opened[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened[0].bind(("127.0.0.2", free_port()))
    opened[0].listen()
    opened += open_listeners("127.0.0.1", opened[0].getsockname()[1])


@needs_ipv6
def test_port_in_use_in_the_other_family_alone_is_in_use(opened):
    opened.append(socket.create_server(("::1", free_port()), family=socket.AF_INET6))
    port = opened[0].getsockname()[1]
    with pytest.raises(PortBusyError):
        open_listeners("127.0.0.1", port)
    socket.create_server(("127.0.0.1", port)).close()  # nothing of ours is left on it


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.1"])
def test_host_that_is_not_this_machine_is_said(host):
    with pytest.raises(OfframpError, match=host) as caught:
        open_listeners(host, 0)
    assert not isinstance(caught.value, PortBusyError)
    assert "privileges" not in caught.value.hint


def test_port_of_a_daemon_that_just_ended_can_be_taken_again(opened):
    first = open_listeners("127.0.0.1", 0)
    address = first[0].getsockname()
    with socket.create_connection(address, timeout=PATIENCE_S) as client:
        accepted = None
        first[0].setblocking(True)
        accepted, _ = first[0].accept()
        accepted.close()  # this side closes first, so that the pair lingers
        assert client.recv(1) == b""
    for each in first:
        each.close()
    opened += open_listeners("127.0.0.1", address[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_port_in_use_names_the_program_that_has_it(opened):
    opened.append(socket.create_server(("127.0.0.1", 0)))
    with pytest.raises(PortBusyError, match=rf"in use by [\w.-]+ \(pid {os.getpid()}\)"):
        open_listeners("127.0.0.1", opened[0].getsockname()[1])


def test_port_that_nobody_is_seen_to_have_is_said_so(opened, monkeypatch):
    monkeypatch.setattr(port_owner, "find", lambda _host, _port: None)
    opened.append(socket.create_server(("127.0.0.1", 0)))
    with pytest.raises(PortBusyError, match="is in use") as caught:
        open_listeners("127.0.0.1", opened[0].getsockname()[1])
    assert "Can't tell" in caught.value.hint
