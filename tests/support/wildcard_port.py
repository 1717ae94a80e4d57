"""A program that has a port at every address, and a system that lets others have it beside that."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from daemon_process import free_port

if TYPE_CHECKING:
    import pytest


def allow_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system let one address be listened on beside a program at all, as BSD's do.

    Linux does so for sockets that all ask for SO_REUSEPORT.
    """
    monkeypatch.setattr(socket, "SO_REUSEADDR", socket.SO_REUSEPORT)


def listen_everywhere(family: socket.AddressFamily, *, is_dual: bool = False) -> socket.socket:
    """Listen on a free port at every address of `family`, or of both."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not is_dual))
    listener.bind(("", free_port()))
    listener.listen()
    return listener
