"""What the systems' tables say of one TCP socket."""

from __future__ import annotations

from typing import NamedTuple

V4_MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv6 address begins that stands for an IPv4 one."""


class End(NamedTuple):
    """One end of a connection: 4 or 16 bytes of address, and the port."""

    host: bytes
    port: int


class TcpSocket(NamedTuple):
    """One socket; `uid` is None where no process has it any more."""

    local: End
    remote: End
    uid: int | None
    is_open: bool
    """Whether it is connected, and has heard of no end from the other side."""
