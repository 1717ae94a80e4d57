"""Opens the Unix socket for commands, where only this user can reach it.

A socket that a dead daemon left is replaced, a live one's never. A live daemon holds a lock for as
long as it listens: macOS refuses connections to a socket whose queue is full as if nobody were
there. All of it blocks for moments: call it in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.errors import OfframpError
from offramp_daemon.storage.locked_file import open_locked, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BACKLOG = 64
_PROBE_TIMEOUT_S = 1.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SocketBusyError(OfframpError):
    """Another daemon, which lives, takes its commands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSocket:
    """A socket that listens at `path`."""

    path: Path
    listener: _LiveListener

    def kept(self) -> contextlib.AbstractContextManager[None]:
        """Let no other daemon have the place meanwhile, though the listener is closed."""
        return self.listener.kept()

    def abandon(self) -> None:
        """Close it, and leave its name: whoever finds nobody there knows that one is to come."""
        self.listener.close()

    def release(self) -> None:
        """Close it, and remove its name unless that is another daemon's by now."""
        self.listener.close()
        # Not by the inode: a successor's new socket may well get the same one.
        with contextlib.suppress(OSError), _locked(self.path):
            life = _take_life(self.path)
            if life is not None:
                try:
                    self.path.unlink()
                finally:
                    os.close(life)


def claim(path: Path) -> ControlSocket:
    """Listen at `path`: its folder 0700, itself 0600.

    Raises:
        SocketBusyError: a live daemon listens there.
        OfframpError: it can't be made.
    """
    try:
        _make_folder(path.parent)
        # Two daemons that start at once must not take each other's new socket for a dead one's.
        with _locked(path):
            life = _take_life(path)
            if life is None:
                raise SocketBusyError(
                    f"Another Offramp receives the commands at {path}.",
                    hint="This daemon serves requests, but commands reach the other one.",
                )
            return _listen(path, life)
    except OSError as error:
        raise OfframpError(
            f"The control socket {path} can't be created: {error.strerror or error}.",
            hint="Requests are served, but pause, resume and status do not work.",
        ) from error


def _make_folder(folder: Path) -> None:
    private_files.make_folder(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "its folder is a link or a file")
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "its folder belongs to another user")
    if found.st_mode & _OTHERS:
        folder.chmod(0o700)


def _locked(path: Path) -> contextlib.AbstractContextManager[object]:
    return open_locked(path.with_suffix(".lock"))


class _LiveListener(socket.socket):
    """A listening socket that gives its daemon's lock back when it is closed."""

    def __init__(self, life: int) -> None:
        """Own the locked descriptor `life`."""
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._life = life

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the lock meanwhile, though the listener is closed."""
        life = os.dup(self._life)
        try:
            yield
        finally:
            os.close(life)

    def close(self) -> None:
        """Close it; more than once is harmless."""
        super().close()
        life, self._life = self._life, -1
        if life >= 0:
            os.close(life)


def _take_life(path: Path) -> int | None:
    """Take the lock of whoever listens at `path`: its descriptor; None if somebody does."""
    if _answers(path):
        return None
    life = private_files.open_file(path.with_suffix(".live.lock"), os.O_RDWR | os.O_CREAT)
    try:
        if try_lock(life):
            return life
    except BaseException:
        os.close(life)
        raise
    os.close(life)
    return None


def _answers(path: Path) -> bool:
    """Return whether connections to `path` are taken; whatever is unclear counts as taken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (TimeoutError, BlockingIOError):
            return True  # too busy to take another connection
        except OSError as error:
            if error.errno in {errno.ENOTSOCK, errno.EPROTOTYPE}:
                return False  # something else of that name
            raise
    return True


def _listen(path: Path, life: int) -> ControlSocket:
    """Listen, and only then put the socket in the place of one that a dead daemon left."""
    new = path.with_name(f"{path.name}.n")
    listener = _LiveListener(life)
    try:
        new.unlink(missing_ok=True)
        listener.bind(os.fspath(new))
        # Before it listens, so that there is no moment at which others could connect.
        new.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        new.replace(path)
    except BaseException:
        listener.close()
        raise
    return ControlSocket(path=path, listener=listener)
