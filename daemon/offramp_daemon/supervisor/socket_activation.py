"""Listening sockets that somebody else opened: taken over from systemd or launchd, passed on.

systemd's protocol is three variables and descriptors from 3 on; the supervisor passes its sockets
to its workers by the same one. launchd is asked by a call. Standard library only, as the
supervisor is to stay small.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Mapping, MutableMapping, Sequence

FIRST_DESCRIPTOR = 3
COUNT_VARIABLE = "LISTEN_FDS"
PID_VARIABLE = "LISTEN_PID"
VARIABLES = (COUNT_VARIABLE, PID_VARIABLE, "LISTEN_FDNAMES", "LISTEN_PIDFDID")
LAUNCHD_NAME = "Listeners"
"""The sockets' name in the launchd agent."""

_LAUNCHD_WORDS = {
    errno.ENOENT: f"the agent's file has no sockets of the name {LAUNCHD_NAME}",
    errno.EALREADY: "they were already taken",
}


class ActivationError(OfframpError):
    """Sockets were passed on, and can't be used."""


def inherited(environ: MutableMapping[str, str], pid: int) -> list[socket.socket]:
    """Return the listening sockets, if any, that `environ` says were passed to process `pid`.

    The variables are taken out of `environ`: they are not for children.

    Raises:
        ActivationError: what was passed on is not listening sockets of TCP.
    """
    told = {name: environ.pop(name) for name in VARIABLES if name in environ}
    if told.get(PID_VARIABLE) != str(pid):
        return []
    count = told.get(COUNT_VARIABLE, "")
    if not count.isdecimal() or not count.isascii():
        raise ActivationError(
            f"{COUNT_VARIABLE} is {count!r}, which is not a number of sockets.",
            hint="Let a service manager start it, or run `offramp serve`.",
        )
    return adopt(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)))


def adopt(descriptors: Sequence[int]) -> list[socket.socket]:
    """Return the open `descriptors` as listening sockets, not to be inherited by whom we start.

    Raises:
        ActivationError: one of them is not a listening socket of TCP.
    """
    return [_listener(descriptor) for descriptor in descriptors]


def from_launchd(library: ctypes.CDLL | None = None) -> list[socket.socket]:
    """Return the listening sockets that launchd holds for this process; none outside of launchd.

    `library` is where the call is, the system's own if None.

    Raises:
        ActivationError: launchd started this process, and has no sockets for it.
    """
    import ctypes

    library = library or ctypes.CDLL(None)
    activate = getattr(library, "launch_activate_socket", None)
    if activate is None:  # no macOS
        return []
    activate.argtypes = (
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.POINTER(ctypes.c_int)),
        ctypes.POINTER(ctypes.c_size_t),
    )
    activate.restype = ctypes.c_int
    found, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    code = activate(LAUNCHD_NAME.encode(), ctypes.byref(found), ctypes.byref(count))
    if code == errno.ESRCH:
        return []
    if code != 0:
        why = _LAUNCHD_WORDS.get(code, os.strerror(code))
        raise ActivationError(
            f"launchd does not hand out the listening sockets: {why} (error {code}).",
            hint="Write the login items again: offramp install",
        )
    try:
        return adopt([found[index] for index in range(count.value)])
    finally:
        free = library.free
        free.argtypes, free.restype = (ctypes.c_void_p,), None
        free(found)


def environment_for(environ: Mapping[str, str], count: int, pid: int) -> dict[str, str]:
    """Return `environ` for process `pid`, which gets `count` sockets."""
    kept = {name: value for name, value in environ.items() if name not in VARIABLES}
    return {**kept, COUNT_VARIABLE: str(count), PID_VARIABLE: str(pid)}


def renumber(descriptors: Sequence[int]) -> None:
    """Put `descriptors` at 3, 4, … and let them be inherited; for a process about to run another.

    Whatever was there before is closed.
    """
    beyond = FIRST_DESCRIPTOR + len(descriptors)
    aside = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, beyond) for each in descriptors]
    for target, source in enumerate(aside, FIRST_DESCRIPTOR):
        os.dup2(source, target, inheritable=True)


def _listener(descriptor: int) -> socket.socket:
    try:
        opened = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unusable(descriptor, error.strerror or str(error)) from error
    try:
        is_tcp = opened.family in {socket.AF_INET, socket.AF_INET6}
        if not is_tcp or opened.type != socket.SOCK_STREAM:
            raise _unusable(descriptor, "it is not a TCP socket")
        with contextlib.suppress(OSError):  # macOS can't tell
            if not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise _unusable(descriptor, "it does not listen")
        opened.setblocking(False)
        os.set_inheritable(descriptor, False)
    except ActivationError:
        opened.detach()
        raise
    return opened


def _unusable(descriptor: int, why: str) -> ActivationError:
    return ActivationError(
        f"Descriptor {descriptor} was passed on as a listening socket, and can't be used: {why}.",
        hint="The socket unit may have TCP ports only; `offramp install` writes it that way.",
    )
