"""Whose socket is at the other end of a connection, as each system's tables say."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from offramp_daemon.server import tcp_owner, tcp_owner_linux, tcp_owner_macos
from offramp_daemon.server.tcp_owner import NoOwner
from offramp_daemon.server.tcp_socket import End, TcpSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SERVER = End(bytes((127, 0, 0, 1)), 41000), End(bytes((127, 0, 0, 1)), 3001)
CLIENT_V6, SERVER_V6 = End(bytes(15) + b"\1", 41000), End(bytes(15) + b"\1", 3001)
SO_BINDTODEVICE = 25
OWN_USER = os.geteuid()

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux itself")


@contextlib.contextmanager
def connection(
    listens: str = "127.0.0.1", connects: str | None = None, *, device: bytes = b""
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the accepted one; a listener at `::` takes IPv4, too."""
    connects = connects or listens
    with (
        socket.socket(socket.AF_INET6 if ":" in listens else socket.AF_INET) as listener,
        socket.socket(socket.AF_INET6 if ":" in connects else socket.AF_INET) as client,
    ):
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((listens, 0))
        listener.listen()
        if device:
            client.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device)
        client.connect((connects, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


def ends_of(accepted: socket.socket) -> tuple[End, End]:
    client, server = (
        tcp_owner.end(accepted.getpeername()),
        tcp_owner.end(accepted.getsockname()),
    )
    assert client is not None
    assert server is not None
    return client, server


KINDS = [
    ("127.0.0.1", None, b""),
    ("127.0.0.1", "::ffff:127.0.0.1", b""),
    ("::1", None, b""),
    ("::", "127.0.0.1", b""),
    ("::", "::1", b""),
    ("127.0.0.1", None, b"lo\0"),
    ("::1", None, b"lo\0"),
]


@on_linux
@pytest.mark.parametrize(("listens", "connects", "device"), KINDS)
def test_own_connection_is_found_at_once_and_in_the_table(listens, connects, device):
    system = tcp_owner.of_platform()
    with connection(listens, connects, device=device) as (_, accepted):
        client, server = ends_of(accepted)
        assert system.at_once(client, server) == os.geteuid()
        assert tcp_owner.find_in_table(client, server, system.table, own=OWN_USER) == os.geteuid()
        assert tcp_owner.find(client, server, system, own=OWN_USER) == os.geteuid()


@on_linux
@pytest.mark.parametrize(("listens", "connects", "device"), KINDS)
def test_closed_connection_is_nobodys_and_not_roots(listens, connects, device):
    """The kernel shows the user 0 for a socket that its process has closed."""
    system = tcp_owner.of_platform()
    with connection(listens, connects, device=device) as (client_socket, accepted):
        client, server = ends_of(accepted)
        client_socket.sendall(b"x")
        client_socket.close()
        assert system.at_once(client, server) is NoOwner.GONE
        assert tcp_owner.find_in_table(client, server, system.table, own=OWN_USER) is NoOwner.GONE


@on_linux
def test_reset_connection_is_in_no_table():
    system = tcp_owner.of_platform()
    with connection() as (client_socket, accepted):
        client, server = ends_of(accepted)
        client_socket.sendall(b"x")
        client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client_socket.close()
        assert tcp_owner.find(client, server, system, own=OWN_USER) is NoOwner.UNREADABLE


@on_linux
def test_half_closed_connection_still_has_its_owner():
    system = tcp_owner.of_platform()
    with connection() as (client_socket, accepted):
        client, server = ends_of(accepted)
        client_socket.shutdown(socket.SHUT_WR)
        assert tcp_owner.find(client, server, system, own=OWN_USER) == os.geteuid()


@on_linux
def test_listener_at_the_clients_port_is_not_taken_for_the_client():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listening = tcp_owner.end(listener.getsockname())
        assert listening is not None
        assert tcp_owner_linux.ask(listening, SERVER) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 41000), CLIENT),
        (("::ffff:127.0.0.1", 41000, 0, 0), CLIENT),
        (("::1", 41000, 0, 0), CLIENT_V6),
        (("fe80::1%lo0", 80, 0, 1), End(b"\xfe\x80" + bytes(13) + b"\1", 80)),
        ((), None),
        (("/run/socket",), None),
        (("localhost", 80), None),
        (("127.0.0.1", "x"), None),
    ],
)
def test_address_is_written_as_the_tables_have_it(address, expected):
    assert tcp_owner.end(address) == expected


def row(local: End, remote: End, uid: int | None = 1000, *, is_open: bool = True) -> TcpSocket:
    return TcpSocket(local=local, remote=remote, uid=uid, is_open=is_open)


OWN = row(SERVER, CLIENT, 1000)


@pytest.mark.parametrize(
    ("rows", "owner"),
    [
        (None, NoOwner.UNREADABLE),
        ((), NoOwner.UNREADABLE),
        ((row(SERVER, CLIENT, 0),), NoOwner.ELSEWHERE),
        ((row(SERVER, CLIENT, 0), row(CLIENT, SERVER, 1001)), 1001),
        ((row(SERVER, CLIENT, 4321), row(CLIENT, SERVER, 4321)), NoOwner.UNREADABLE),
        ((row(SERVER, CLIENT, None), row(CLIENT, SERVER, 1001)), NoOwner.UNREADABLE),
        ((row(CLIENT, SERVER, 1001),), NoOwner.UNREADABLE),
        ((OWN,), NoOwner.ELSEWHERE),
        ((row(SERVER, CLIENT, 1000, is_open=False),), NoOwner.GONE),
        ((OWN, row(CLIENT, SERVER, 1001)), 1001),
        ((row(CLIENT, SERVER, 0), OWN), 0),
        ((OWN, row(CLIENT, SERVER, None)), NoOwner.GONE),
        ((OWN, row(CLIENT, End(SERVER.host, 3002), 1001)), NoOwner.ELSEWHERE),
        ((OWN, row(End(bytes((10, 0, 0, 1)), 41000), SERVER, 1001)), NoOwner.ELSEWHERE),
        ((OWN, row(CLIENT, SERVER, 1001, is_open=False)), 1001),
    ],
)
def test_owner_is_read_from_a_table(rows, owner):
    found = tcp_owner.find_in_table(CLIENT, SERVER, lambda _client, _server: rows, own=1000)
    assert found == owner


# Linux

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
V4, V6 = "0100007F", "00000000000000000000000001000000"
MAPPED = "0000000000000000FFFF0000" + V4


def line(local: str, remote: str, uid: int, *, state: str = "01", inode: int = 5556) -> str:
    """One line of /proc/net/tcp, as Linux 6.18 wrote it."""
    return (
        f"   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 "
        f"{inode} 1 0000000000000000 20 4 30 10 -1\n"
    )


TCP = (
    HEAD
    + line(f"{V4}:0BB9", "00000000:0000", 1000, state="0A")
    + line(f"{V4}:0BB9", f"{V4}:A028", 1000)
    + line(f"{V4}:A028", f"{V4}:0BB9", 1001)
    + line(f"{V4}:0BB9", f"{V4}:A02A", 1000, state="08")
    + line(f"{V4}:0BB9", f"{V4}:A02B", 1000)
)
TCP6 = (
    HEAD
    + line(f"{V6}:0BB9", f"{V6}:A028", 1000)
    + line(f"{V6}:A028", f"{V6}:0BB9", 1002)
    + line(f"{MAPPED}:0BB9", f"{MAPPED}:A029", 1000)
    + line(f"{MAPPED}:A029", f"{MAPPED}:0BB9", 1003)
    + line(f"{MAPPED}:A02A", f"{MAPPED}:0BB9", 0, state="06", inode=0)
)


@pytest.mark.skipif(sys.byteorder != "little", reason="the sample is from such a machine")
@pytest.mark.parametrize(
    ("client", "server", "owner"),
    [
        (CLIENT, SERVER, 1001),
        (CLIENT_V6, SERVER_V6, 1002),
        (End(CLIENT.host, 41001), SERVER, 1003),
        (End(CLIENT.host, 41002), SERVER, NoOwner.GONE),
        (End(CLIENT.host, 41003), SERVER, NoOwner.ELSEWHERE),
        (End(CLIENT.host, 41004), SERVER, NoOwner.UNREADABLE),
    ],
)
def test_owner_is_read_from_proc(tmp_path, client, server, owner):
    tables = (tmp_path / "tcp", tmp_path / "tcp6")
    tables[0].write_text(TCP)
    tables[1].write_text(TCP6)

    def table(*ends: End) -> tuple[TcpSocket, ...] | None:
        return tcp_owner_linux.table(*ends, tables)

    assert tcp_owner.find_in_table(client, server, table, own=1000) == owner


def test_missing_or_broken_tables_name_nobody(tmp_path):
    tables = (tmp_path / "tcp", tmp_path / "tcp6")
    assert tcp_owner_linux.table(CLIENT, SERVER, tables) is None
    tables[0].write_bytes(b"\xff\0 x\n 0: a b c\n" + TCP.encode()[:300])
    assert tcp_owner_linux.table(CLIENT, SERVER, tables) == ()


def answer(*, state=1, ports=(41000, 3001), uid=1001, inode=7, kind=20) -> bytes:
    """An inet_diag_msg as the kernel sends it."""
    address = struct.pack("!HH16s16s", *ports, CLIENT.host, SERVER.host) + bytes(12)
    body = struct.pack("=BBxx48sIIIII", socket.AF_INET, state, address, 0, 0, 0, uid, inode)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (answer(), row(CLIENT, SERVER, 1001)),
        (answer(uid=0), row(CLIENT, SERVER, 0)),
        (answer(state=8), row(CLIENT, SERVER, 1001, is_open=False)),
        (answer(state=6, uid=0, inode=0), row(CLIENT, SERVER, None, is_open=False)),
        (answer(inode=0), row(CLIENT, SERVER, None)),
        (answer(state=10), None),
        (answer(ports=(41000, 0)), None),
        (answer(ports=(41001, 3001)), None),
        (answer(kind=2), None),
        (answer()[:-1], None),
        (b"", None),
    ],
)
def test_answer_of_the_kernel_is_read(data, found):
    assert tcp_owner_linux.socket_in(data, CLIENT, SERVER) == found


# macOS


def record(kind: int, length: int, *fields: tuple[int, bytes]) -> bytes:
    """One record as macOS writes it: length, kind, fields at their places, padded to 8 bytes."""
    written = bytearray(struct.pack("<II", length, kind).ljust((length + 7) & ~7, b"\0"))
    for place, value in fields:
        written[place : place + len(value)] = value
    return bytes(written)


def mac_socket(
    local: End, remote: End, uid: int | None, *, state: int = 4, longer: int = 0, version: int = 1
) -> bytes:
    """The six records of one socket; `longer` is what newer kernels have appended to each."""
    owner = () if uid is None else ((40, struct.pack("<i", 2)), (64, struct.pack("<I", uid)))
    return b"".join(
        (
            record(
                0x10,
                104 + longer,
                (16, struct.pack("!HH", remote.port, local.port)),
                (44, bytes((version,))),
                (48, remote.host.rjust(16, b"\0")),
                (64, local.host.rjust(16, b"\0")),
            ),
            record(0x01, 104 + longer, *owner),
            record(0x02, 32),
            record(0x04, 32),
            record(0x08, 136),
            record(0x20, 204 + longer, (36, struct.pack("<i", state))),
        )
    )


def mac_table(*sockets: bytes) -> bytes:
    bounds = struct.pack("<IIQQ", 24, len(sockets), 1, 1)
    return bounds + b"".join(sockets) + bounds


@pytest.mark.parametrize("longer", [0, 4, 24])
def test_sockets_are_read_from_macos(longer):
    data = mac_table(
        mac_socket(SERVER, CLIENT, 501, longer=longer),
        mac_socket(CLIENT, SERVER, 502, longer=longer),
        mac_socket(CLIENT_V6, SERVER_V6, 0, state=5, version=2, longer=longer),
        mac_socket(End(CLIENT.host, 41001), SERVER, None, state=10, longer=longer),
    )
    assert list(tcp_owner_macos.read(data)) == [
        row(SERVER, CLIENT, 501),
        row(CLIENT, SERVER, 502),
        row(CLIENT_V6, SERVER_V6, 0, is_open=False),
        row(End(CLIENT.host, 41001), SERVER, None, is_open=False),
    ]


def test_ipv4_address_in_a_socket_of_ipv6_is_read_from_macos_as_ipv4():
    mapped = [End(bytes(10) + b"\xff\xff" + each.host, each.port) for each in (CLIENT, SERVER)]
    data = mac_table(mac_socket(mapped[0], mapped[1], 501, version=2))
    assert list(tcp_owner_macos.read(data)) == [row(CLIENT, SERVER, 501)]


def test_table_of_macos_that_is_cut_anywhere_invents_no_socket():
    data = mac_table(mac_socket(SERVER, CLIENT, 501), mac_socket(CLIENT, SERVER, 502))
    whole = list(tcp_owner_macos.read(data))
    for length in range(len(data)):
        found = list(tcp_owner_macos.read(data[:length]))
        assert found == whole[: len(found)]


def test_records_of_macos_without_length_end_the_table():
    data = mac_table(mac_socket(SERVER, CLIENT, 501)) + bytes(64)
    assert len(list(tcp_owner_macos.read(data))) == 1
    assert list(tcp_owner_macos.read(bytes(64))) == []


@pytest.mark.skipif(sys.platform != "darwin", reason="asks macOS itself")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_own_connection_is_found_on_macos(host):
    with connection(host) as (client_socket, accepted):
        client, server = ends_of(accepted)
        assert tcp_owner.find(client, server, tcp_owner.of_platform(), own=OWN_USER) == os.geteuid()
        client_socket.close()
        assert tcp_owner.find(client, server, tcp_owner.of_platform(), own=OWN_USER) is NoOwner.GONE


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has the list")
def test_list_of_macos_is_unreadable_elsewhere():
    assert tcp_owner_macos.table(CLIENT, SERVER) is None
