"""Has this Python on Linux take itself for one on macOS, as far as Python code can tell.

What that is: the name of the system, the packages that are installed on Linux only, the calls and
constants that macOS lacks, and the one module of the standard library that only macOS has.
`platform.system()` stays Linux: truststore and keyring would load the system's own libraries.

It is loaded before anything else, by a `sitecustomize`, in every process of a run.
"""

from __future__ import annotations

import sys
import types

HIDDEN = frozenset(["dbus_fast", "secretstorage", "jeepney", "gi", "Xlib"])
"""Packages whose pins are for Linux only, or that come with a Linux desktop."""

LACKING = {
    "os": (
        *("pidfd_open", "memfd_create", "eventfd", "splice", "copy_file_range", "getrandom"),
        *("sched_getaffinity", "sched_setaffinity", "posix_fadvise", "posix_fallocate"),
        *("setresuid", "setresgid", "getresuid", "getresgid", "O_TMPFILE", "O_PATH"),
        "pipe2",
    ),
    "signal": ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo", "SIGPWR", "SIGSTKFLT"),
    "socket": (
        *("SO_PEERCRED", "SO_PASSCRED", "SO_PEERSEC", "SO_BINDTODEVICE", "SO_MARK"),
        *("SOCK_CLOEXEC", "SOCK_NONBLOCK", "TCP_KEEPIDLE", "TCP_USER_TIMEOUT", "TCP_DEFER_ACCEPT"),
        *("AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_CAN"),
    ),
}
"""What these modules do not have on macOS."""


class _Hiding:
    """Finds none of the hidden packages."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        del path, target
        if fullname.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def simulate() -> None:
    """Be on macOS from now on."""
    if sys.platform == "darwin":
        return
    _take_away_what_macos_lacks()
    scproxy = types.ModuleType("_scproxy")
    scproxy._get_proxy_settings = lambda: {"exclude_simple": False}  # type: ignore[attr-defined]
    scproxy._get_proxies = dict  # type: ignore[attr-defined]
    sys.modules["_scproxy"] = scproxy
    sys.meta_path.insert(0, _Hiding)  # type: ignore[arg-type]
    sys.platform = "darwin"


def _take_away_what_macos_lacks() -> None:
    import ctypes  # noqa: F401 - it would take Linux's release for an ancient macOS
    import os
    import signal
    import socket

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # on a Mac there is always a display
    # How Python was built is in a file that has the system's name in its own.
    multiarch = getattr(sys.implementation, "_multiarch", "")
    os.environ.setdefault(
        "_PYTHON_SYSCONFIGDATA_NAME", f"_sysconfigdata_{sys.abiflags}_linux_{multiarch}"
    )
    if (keep_idle := getattr(socket, "TCP_KEEPIDLE", None)) is not None:
        socket.TCP_KEEPALIVE = keep_idle  # by which macOS calls the same
    for module in (os, signal, socket):
        for name in LACKING[module.__name__]:
            if hasattr(module, name):
                delattr(module, name)
