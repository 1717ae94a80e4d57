"""The two LaunchAgents of macOS, daemon and tray, as property lists; pure."""

from __future__ import annotations

import math
import plistlib
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from offramp_core.login_item.sockets import Address
from offramp_core.login_item.systemd_units import STOP_MARGIN_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DAEMON_LABEL = "local.offramp.daemon"
TRAY_LABEL = "local.offramp.tray"

SOCKETS_NAME = "Listeners"
"""By which the daemon asks launchd for its listening sockets."""

_DESCRIPTORS = 16_384
_PRIVATE_UMASK = 0o077
_THROTTLE_S = 10
"""A program that ended within this time after its start is only started again when it is over.

One that ran for longer is started again at once, and connections wait in launchd's sockets. Without
this a program that can't run, its interpreter having gone, say, would be started all the time.
"""


# What plistlib raises for what is not a property list, and for one that is not of ours.
_UNREADABLE = (plistlib.InvalidFileException, ExpatError, ValueError, LookupError, TypeError)


def render_daemon(
    program: Path,
    addresses: Sequence[Address],
    environment: Mapping[str, str],
    *,
    drain_timeout_s: float,
    error_file: Path,
) -> bytes:
    """The daemon's agent: launchd keeps the port open and the program running."""
    agent: dict[str, Any] = {
        "Label": DAEMON_LABEL,
        "ProgramArguments": [str(program)],
        "Sockets": {SOCKETS_NAME: [_socket(address) for address in addresses]},
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": _THROTTLE_S,
        # What a person waits for; any other type has its timers and its disk held back.
        "ProcessType": "Interactive",
        "ExitTimeOut": math.ceil(drain_timeout_s) + STOP_MARGIN_S,
        "SoftResourceLimits": {"NumberOfFiles": _DESCRIPTORS},
        "Umask": _PRIVATE_UMASK,
        # Without it, launchd refuses the agent where nobody is logged in at the screen.
        "LimitLoadToSessionType": ["Aqua", "Background"],
        "StandardErrorPath": str(error_file),
    }
    return _property_list(agent, environment)


def render_tray(program: Path, environment: Mapping[str, str]) -> bytes:
    """The tray's agent: only in graphical sessions, back after a crash, gone after a quit."""
    agent: dict[str, Any] = {
        "Label": TRAY_LABEL,
        "ProgramArguments": [str(program), "tray"],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _THROTTLE_S,
        "LimitLoadToSessionType": "Aqua",
        "ProcessType": "Interactive",
        "Umask": _PRIVATE_UMASK,
    }
    return _property_list(agent, environment)


def program_of(agent: bytes) -> str | None:
    """The program that an agent runs; None where that can't be read."""
    try:
        return str(plistlib.loads(agent)["ProgramArguments"][0])
    except _UNREADABLE:
        return None


def listens_on(agent: bytes) -> tuple[str, ...]:
    """The addresses of a daemon's agent, in order; none where they can't be read."""
    try:
        sockets = plistlib.loads(agent)["Sockets"][SOCKETS_NAME]
        pairs = [(each["SockNodeName"], int(each["SockServiceName"])) for each in sockets]
    except _UNREADABLE:
        return ()
    return tuple(str(Address(host, port)) for host, port in pairs)


def _property_list(agent: dict[str, Any], environment: Mapping[str, str]) -> bytes:
    variables = {"EnvironmentVariables": dict(environment)} if environment else {}
    return plistlib.dumps({**agent, **variables}, sort_keys=False)


def _socket(address: Address) -> dict[str, str]:
    return {
        "SockNodeName": address.host,
        "SockServiceName": str(address.port),
        "SockFamily": "IPv6" if address.is_ipv6 else "IPv4",
        "SockType": "stream",
    }
