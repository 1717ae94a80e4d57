"""Asks macOS whose TCP sockets there are.

`sysctl net.inet.tcp.pcblist_n`, from which netstat has its list, gives records that each begin with
their length and kind, and are padded to 8 bytes: for every socket its addresses (`xinpcb_n`), its
owner (`xsocket_n`), its buffers, and TCP's state (`xtcpcb_n`). Their layout is that of the kernel's
bsd/netinet/in_pcb.h, bsd/sys/socketvar.h and bsd/netinet/tcp_var.h, packed to 4 bytes. Newer
kernels have appended to the records, so that each is read by its own length.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING

from offramp_daemon.server.tcp_socket import V4_MAPPED, End, TcpSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = b"net.inet.tcp.pcblist_n"
_TRIES = 4
_RECORD = struct.Struct("<II")
"""Length and kind."""
_KIND_SOCKET, _KIND_ADDRESS, _KIND_TCP = 0x01, 0x10, 0x20
_PORTS = struct.Struct("!HH")
"""inp_fport, inp_lport at 16."""
_PORTS_AT, _VERSION_AT, _REMOTE_AT, _LOCAL_AT = 16, 44, 48, 64
_IPV4 = 0x01
"""INP_IPV4 in inp_vflag; the address is then in the last 4 of its 16 bytes."""
_FAMILY_AT, _USER_AT = 40, 64
_STATE_AT, _ESTABLISHED = 36, 4
_LONGEST_ADDRESS = _LOCAL_AT + 16


def table(client: End, server: End) -> tuple[TcpSocket, ...] | None:
    """List the sockets of the connection between `client` and `server`; None if none can be read.

    It blocks for a fraction of a millisecond, longer where there are thousands of sockets.
    """
    data = _sysctl()
    if not data:
        return None
    ends = {client, server}
    return tuple(each for each in read(data) if each.local in ends and each.remote in ends)


def read(data: bytes) -> Iterator[TcpSocket]:
    """Read the sockets out of what `sysctl` gave; a record that is cut short ends it."""
    address: bytes | None = None
    user: int | None = None
    for kind, record in _records(data):
        if kind == _KIND_ADDRESS:
            address, user = record, None
        elif kind == _KIND_SOCKET:
            user = _user_in(record)
        elif kind == _KIND_TCP and address is not None:
            local, remote = _ends_in(address)
            state = int.from_bytes(record[_STATE_AT : _STATE_AT + 4], "little")
            yield TcpSocket(local=local, remote=remote, uid=user, is_open=state == _ESTABLISHED)
            address = None


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each record behind the head, whose second number is no kind."""
    start = _padded(_RECORD.unpack_from(data)[0]) if len(data) >= _RECORD.size else len(data)
    while start + _RECORD.size <= len(data):
        length, kind = _RECORD.unpack_from(data, start)
        if length < _RECORD.size or start + length > len(data):
            return
        yield kind, data[start : start + length]
        start += _padded(length)


def _padded(length: int) -> int:
    return max((length + 7) & ~7, _RECORD.size)


def _ends_in(record: bytes) -> tuple[End, End]:
    record = record.ljust(_LONGEST_ADDRESS, b"\0")
    remote_port, local_port = _PORTS.unpack_from(record, _PORTS_AT)
    is_v4 = bool(record[_VERSION_AT] & _IPV4)
    local = record[_LOCAL_AT : _LOCAL_AT + 16]
    remote = record[_REMOTE_AT : _REMOTE_AT + 16]
    return End(_host(local, is_v4=is_v4), local_port), End(_host(remote, is_v4=is_v4), remote_port)


def _host(address: bytes, *, is_v4: bool) -> bytes:
    return address[12:] if is_v4 or address.startswith(V4_MAPPED) else address


def _user_in(record: bytes) -> int | None:
    """Return the socket's owner; None once there is no socket: all but its head is 0 then."""
    family = record[_FAMILY_AT : _FAMILY_AT + 4]
    user = record[_USER_AT : _USER_AT + 4]
    return int.from_bytes(user, "little") if any(family) and len(user) == 4 else None


def _sysctl() -> bytes | None:
    """Ask the kernel; None where it refuses, or where this is another system."""
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "sysctlbyname", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_char_p, *(ctypes.c_void_p,) * 3, ctypes.c_size_t)
    call.restype = ctypes.c_int
    for _ in range(_TRIES):
        size = ctypes.c_size_t(0)
        if call(_NAME, None, ctypes.byref(size), None, 0) != 0:
            return None
        buffer = ctypes.create_string_buffer(size.value)
        if call(_NAME, buffer, ctypes.byref(size), None, 0) == 0:
            return buffer.raw[: size.value]
        if ctypes.get_errno() != errno.ENOMEM:  # else: more sockets were opened in between
            return None
    return None
