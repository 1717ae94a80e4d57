"""What a process tells the one that watches over it: sd_notify's lines, sent and read.

systemd takes them as datagrams at NOTIFY_SOCKET. Between our own supervisor and its workers the
same lines go over a stream, one each. Nothing here raises or blocks: whoever does not listen must
not hold anybody up. Standard library only, as the supervisor is to stay small.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
VARIABLES = (SOCKET_VARIABLE, WATCHDOG_VARIABLE, WATCHDOG_PID_VARIABLE)

_LONGEST_LINE_BYTES = 4096
_USEC = 1_000_000


def status(text: str) -> str:
    """Return the line that says how it goes, in `text` made one line."""
    return f"STATUS={' '.join(text.split())}"


def watchdog_limit_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Return for how long process `pid` may be silent; None if nobody watches it."""
    limit, whom = environ.get(WATCHDOG_VARIABLE, ""), environ.get(WATCHDOG_PID_VARIABLE, "")
    if whom not in {"", str(pid)} or not limit.isdecimal() or not limit.isascii():
        return None
    return int(limit) / _USEC or None


def take_from(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Take the service manager's variables out of `environ`: they are not for children."""
    return {name: environ.pop(name) for name in VARIABLES if name in environ}


class SdNotifier:
    """The manager that started this process, where there is one that listens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Tell whoever NOTIFY_SOCKET names; nobody without it."""
        self._address = environ.get(SOCKET_VARIABLE, "")
        if self._address.startswith("@"):  # Linux's names that are not files
            self._address = "\0" + self._address[1:]

    def send(self, *lines: str) -> None:
        """Send `lines` in one message."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError:
            pass  # a manager that does not listen is not told


class Channel:
    """One end of the stream between supervisor and worker: lines out, lines in."""

    def __init__(self, end: socket.socket) -> None:
        """Own `end` from now on."""
        end.setblocking(False)
        os.set_inheritable(end.fileno(), False)
        self._end = end
        self._begun = b""
        self.is_open = True
        """False once the other end has gone."""

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._end.fileno()

    def send(self, *lines: str) -> None:
        """Send `lines`; what does not fit at once is dropped, for the other end hangs then."""
        text = "".join(f"{line}\n" for line in lines)
        with contextlib.suppress(OSError):  # gone, which reading will show; or full
            self._end.send(text.encode(errors="replace"))

    def read(self) -> list[tuple[str, str]]:
        """Return the lines that have come, as name and value; none where there is none for now."""
        try:
            data = self._end.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            data = b""
        if not data:
            self.is_open = False
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[:_LONGEST_LINE_BYTES]
        pairs = [line.decode(errors="replace").partition("=") for line in lines]
        return [(name, value) for name, _, value in pairs]

    def close(self) -> None:
        """Let go of it; more than once is harmless."""
        self.is_open = False
        self._end.close()
