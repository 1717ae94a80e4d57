"""Asks Linux whose TCP sockets there are.

`ask` asks for one socket through netlink (sock_diag(7)), which takes microseconds and never waits.
`table` reads /proc/net/tcp and /proc/net/tcp6, for systems that do not offer that (a sandbox, or a
kernel without the module) and for sockets that it does not find.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_daemon.server.tcp_socket import V4_MAPPED, End, TcpSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

_AF_NETLINK, _SOCK_DIAG = 16, 4
"""AF_NETLINK, which Python has on Linux only, and NETLINK_SOCK_DIAG of linux/netlink.h."""
_BY_FAMILY, _REQUEST = 20, 1
_HEAD = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_QUERY = struct.Struct("=BBBxI")
"""inet_diag_req_v2 as far as the socket's address: family, protocol, extensions, states."""
_ADDRESS = struct.Struct("!HH16s16s")
"""inet_diag_sockid: ports and addresses, those of the socket first; interface and cookie follow."""
_REST = struct.Struct("=III")
_ANY = 0xFFFFFFFF
"""Of states, and of cookies."""
_LOOPBACK = 1
"""The interface `lo`, which is the first one everywhere: matches a socket that is bound to it, too,
and one that is bound to none."""
_FOUND = struct.Struct("=BBxx48sIIIII")
"""inet_diag_msg: family, state, address; expiry and two queues, user and inode."""
_ESTABLISHED, _LISTENS = 1, 10
_MOST_BYTES = 4096

_IPV4_BYTES = 4
_COLUMNS = 10
_NO_INODE = "0"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def ask(local: End, remote: End) -> TcpSocket | None:
    """Return the socket that is connected from `local` to `remote`.

    None if there is no such socket, or if the kernel does not say.
    """
    try:
        with socket.socket(_AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
            netlink.setblocking(False)
            netlink.sendto(query(local, remote), (0, 0))
            return socket_in(netlink.recv(_MOST_BYTES), local, remote)
    except OSError:
        return None


def query(local: End, remote: End) -> bytes:
    """Write the request for one socket."""
    family = socket.AF_INET if len(local.host) == _IPV4_BYTES else socket.AF_INET6
    asked = (
        _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ANY)
        + _ADDRESS.pack(local.port, remote.port, local.host, remote.host)
        + _REST.pack(_LOOPBACK, _ANY, _ANY)
    )
    return _HEAD.pack(_HEAD.size + len(asked), _BY_FAMILY, _REQUEST, 1, 0) + asked


def socket_in(answer: bytes, local: End, remote: End) -> TcpSocket | None:
    """Read the kernel's `answer`; None if it is about no such socket.

    Where nothing is connected so, the kernel may answer with a socket that listens at the port. A
    socket that its process has closed has no inode, and user 0.
    """
    if len(answer) < _HEAD.size + _FOUND.size or _HEAD.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    _, state, address, _, _, _, uid, inode = _FOUND.unpack_from(answer, _HEAD.size)
    ports = _ADDRESS.unpack_from(address)[:2]
    if state == _LISTENS or ports != (local.port, remote.port):
        return None
    return TcpSocket(
        local=local, remote=remote, uid=uid if inode else None, is_open=state == _ESTABLISHED
    )


def table(
    client: End, server: End, tables: tuple[Path, ...] = _TABLES
) -> tuple[TcpSocket, ...] | None:
    """List the sockets of the connection between `client` and `server`; None if none can be read.

    It blocks: for milliseconds where there are many sockets.
    """
    found: list[TcpSocket] = []
    texts = [text for text in map(_read, tables) if text is not None]
    for text in texts:
        found += _between(text, client, server)
    return tuple(found) if texts else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _between(text: str, client: End, server: End) -> Iterator[TcpSocket]:
    ends = {spelling: each for each in (client, server) for spelling in _spellings(each)}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _COLUMNS or fields[1] not in ends or fields[2] not in ends:
            continue
        has_process = fields[9] != _NO_INODE and fields[7].isdecimal()
        yield TcpSocket(
            local=ends[fields[1]],
            remote=ends[fields[2]],
            uid=int(fields[7]) if has_process else None,
            is_open=fields[3] == f"{_ESTABLISHED:02X}",
        )


def _spellings(end: End) -> Iterator[str]:
    """Write an end as the tables do: words of 4 bytes in the machine's order, in hexadecimal.

    An IPv4 address may be in the table of IPv6, too.
    """
    hosts = [end.host]
    if len(end.host) == _IPV4_BYTES:
        hosts.append(V4_MAPPED + end.host)
    for host in hosts:
        words = struct.unpack(f"={len(host) // 4}I", host)
        yield "".join(f"{word:08X}" for word in words) + f":{end.port:04X}"
