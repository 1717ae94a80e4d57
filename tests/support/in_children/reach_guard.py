"""Refuses what would reach the machine of whoever runs the tests, in this process.

Its programs for login items, keyrings, messages and the like; its session bus, and the bus of the
system. What was tried is written down too, for the code under test may take the refusal for any
failure. It is loaded by every Python that the tests start, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROGRAMS = frozenset(
    [
        # Service managers and login items.
        *("launchctl", "systemctl", "loginctl", "systemd-run", "defaults"),
        # Keyrings.
        *("security", "secret-tool"),
        # Messages, and whatever else the person at the screen would see.
        *("osascript", "notify-send", "gdbus", "busctl", "dbus-send"),
        *("open", "xdg-open", "gio", "gtk-launch"),
        *("pbcopy", "wl-copy", "xclip", "xsel"),
        # The network's settings.
        *("scutil", "networksetup"),
    ]
)
_SYSTEM_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_LAUNCHERS = frozenset(
    ["sh", "bash", "dash", "zsh", "env", "nohup", "nice", "setsid", "timeout", "xargs", "sudo"]
)
"""Programs that start what their arguments name, in this machine's own surroundings."""
_BETWEEN_WORDS = str.maketrans({**dict.fromkeys(";&|()[]{}<>,$`", " "), "'": None, '"': None})
_NOT_IMPORTED = "keyring.backends.macOS.api"
"""Without it keyring has no way to the Keychain, on which no path and no address leads."""


class ReachedPastTheTestsError(RuntimeError):
    """A test, or a process that it started, tried to reach what is not its own."""


class _Guard:
    """What is refused, and where it is written down."""

    def __init__(self, record: str, folders: list[str], sockets: list[str]) -> None:
        self._record = record
        self._folders = {*_SYSTEM_FOLDERS, *folders}
        self._sockets = frozenset(sockets)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: called for all that this process does, so it is brief."""
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1]
            if (os.fsdecode(address) if isinstance(address, bytes) else address) in self._sockets:
                self._refuse(f"a connection to {address!r}")
        elif event == "subprocess.Popen":
            program, words, folder, environ = arguments
            self._look_at(program, words, environ, folder)
        elif event in ("os.exec", "os.posix_spawn"):
            program, words, environ = arguments
            self._look_at(program, words, environ, None)
        elif event == "os.system":
            self._look_at("/bin/sh", ["sh", "-c", arguments[0]], None, None)

    def _look_at(self, program: Any, words: Any, environ: object, folder: Any) -> None:
        """Refuse a guarded program, also one that a shell or the like would start."""
        path = os.fsdecode(program)
        if self._is_guarded(path, environ, folder):
            self._refuse(path)
        is_launcher = path.rpartition("/")[2] in _LAUNCHERS
        for text in words[1:]:
            for word in os.fsdecode(text).translate(_BETWEEN_WORDS).split():
                if word.startswith("PATH="):
                    environ = {"PATH": word.removeprefix("PATH=")}
                elif "/" not in word and not is_launcher:
                    continue
                elif any(self._is_guarded(part, environ, folder) for part in word.split("=")):
                    self._refuse(word)

    def _is_guarded(self, path: str, environ: object, folder: Any) -> bool:
        """Whether it is one of this machine's programs; `folder` is where it is started."""
        place, slash, name = path.rpartition("/")
        if name not in PROGRAMS:
            return False
        if not slash:
            place = self._found(name, environ)
        elif not place.startswith("/"):
            place = f"{os.fsdecode(folder or os.getcwd())}/{place}"  # noqa: PTH109 - no pathlib here
        return os.path.normpath(place) in self._folders

    @staticmethod
    def _found(name: str, environ: object) -> str:
        """The folder in which the process finds it."""
        names = environ if isinstance(environ, dict) else None
        for folder in os.get_exec_path(names):
            if os.access(os.path.join(folder, name), os.X_OK):  # noqa: PTH118 - no pathlib here
                return os.fsdecode(folder)
        return ""

    def _refuse(self, what: str) -> None:
        with open(self._record, "a", encoding="utf-8") as record:  # noqa: PTH123 - no pathlib here
            record.write(f"{what}\n")
        raise ReachedPastTheTestsError(f"This is not for tests to reach: {what}")


class _WithoutKeychain:
    """Finds no way to the Keychain."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        del path, target
        if fullname == _NOT_IMPORTED:
            raise ImportError(f"{fullname} is not for tests to reach")


def install(record: str, folders: list[str], sockets: list[str]) -> None:
    """Refuse from now on: `folders` are this machine's programs, `sockets` its buses."""
    sys.addaudithook(_Guard(record, folders, sockets).hear)
    sys.meta_path.insert(0, _WithoutKeychain)
    os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


def install_from(folder: str) -> None:
    """Refuse what the tests have written into `folder`."""
    with open(f"{folder}/guarded", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib here
        folders, _, sockets = file.read().partition("\n\n")
    install(f"{folder}/reached", folders.splitlines(), sockets.splitlines())
