"""Who can use the daemon's port, and so spend the user's keys."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import note, ok, warning
from offramp_daemon.server import tcp_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.doctor.finding import Remark
    from offramp_core.settings import Settings

_TOKEN_CURE = (
    "If others use this machine, set client_token in config.toml and run `offramp connect`, so "
    "that Claude Code sends it."
)
_PATIENCE_S = 1.0


def knows_owners() -> bool:
    """Whether this system says which user a connection belongs to, tried with one of our own."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(_PATIENCE_S)
            address = listener.getsockname()
            with (
                socket.create_connection(address, timeout=_PATIENCE_S) as client,
                listener.accept()[0],
            ):
                near, far = tcp_owner.end(client.getsockname()), tcp_owner.end(address)
                if near is None or far is None:
                    return False
                own = os.geteuid()
                return tcp_owner.find(near, far, tcp_owner.of_platform(), own=own) == own
    except OSError:
        return False


def judge(settings: Settings, *, knows_owners: bool) -> Iterator[Remark]:
    """Say who is served: this user only, every user, or who has the token; and which web pages."""
    if settings.client_token is not None:
        yield ok("Only those who send the client_token can use the port.")
    elif settings.other_users:
        yield note(
            "Every user of this machine can use the port and spend your keys (other_users).",
            f"To change that, set other_users = false. {_TOKEN_CURE}",
        )
    elif knows_owners:
        yield ok("Only you and root can use the port; other users of this machine are refused.")
    else:
        yield warning(
            "This system does not show which user a connection belongs to, so every user of this "
            "machine can use the port and spend your keys.",
            _TOKEN_CURE,
        )
    if settings.allowed_origins:
        yield note(f"Web pages of {', '.join(settings.allowed_origins)} can use it too.")
