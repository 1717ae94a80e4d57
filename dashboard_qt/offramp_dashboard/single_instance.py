"""One window for each user: a second start shows the first one's window instead."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from PySide6.QtCore import QLockFile, QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from offramp_core import private_files
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_MS = 2000
_RAISE = b"raise"
_LONGEST_LINE_BYTES = 200


class SingleInstance(QObject):
    """Listens at a socket in a folder that only its user can open.

    Signals:
        raise_asked(str): somebody started the window again, for the place of that name.
    """

    raise_asked = Signal(str)

    def __init__(self, socket: Path, parent: QObject | None = None) -> None:
        """Use `socket`; nothing happens before `claim`."""
        super().__init__(parent)
        self._socket = socket
        self._lock = QLockFile(str(socket.with_suffix(".lock")))
        self._lock.setStaleLockTime(0)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)

    def claim(self, place: str = "") -> bool:
        """Become the one window; False if there is one already, which shows itself then.

        It shows `place` of itself, which names none where it is empty.

        Raises:
            OfframpError: the folder can't be used, or the other window doesn't answer.
        """
        _make_private(self._socket.parent)
        if not self._lock.tryLock(0):
            if self._lock.error() != QLockFile.LockError.LockFailedError:
                raise OfframpError(
                    f"The folder {self._socket.parent} can't be written.",
                    hint="Make your user its owner: offramp keeps its sockets there.",
                )
            self._ask_other(place)
            return False
        QLocalServer.removeServer(str(self._socket))
        if not self._server.listen(str(self._socket)):
            raise OfframpError(
                f"The window can't listen at {self._socket}: {self._server.errorString()}.",
                hint="Make its folder writable for your user.",
            )
        return True

    def release(self) -> None:
        """Let the next one be first."""
        self._server.close()
        self._lock.unlock()

    def _ask_other(self, place: str) -> None:
        socket = QLocalSocket()
        socket.connectToServer(str(self._socket))
        if socket.waitForConnected(_PATIENCE_MS):
            socket.write(b" ".join((_RAISE, place.encode())).strip() + b"\n")
            if socket.waitForBytesWritten(_PATIENCE_MS):
                socket.disconnectFromServer()
                return
        raise OfframpError(
            "The charts window is already open, but does not answer.",
            hint="Close it, or end its process, and try again.",
        )

    def _accept(self) -> None:
        while (connection := self._server.nextPendingConnection()) is not None:
            connection.disconnected.connect(connection.deleteLater)
            connection.readyRead.connect(self._read)
            if connection.canReadLine():
                self._say_asked(connection)

    @Slot()
    def _read(self) -> None:
        connection = self.sender()
        if isinstance(connection, QLocalSocket) and connection.canReadLine():
            self._say_asked(connection)

    def _say_asked(self, connection: QLocalSocket) -> None:
        words = (
            bytes(connection.readLine(_LONGEST_LINE_BYTES).data()).decode(errors="replace").split()
        )
        if words[:1] == [_RAISE.decode()]:
            self.raise_asked.emit(words[1] if len(words) > 1 else "")


def _make_private(folder: Path) -> None:
    """Make `folder` if it is missing, and see that nobody else can open it."""
    try:
        private_files.make_folder(folder)
        found = folder.stat()
    except OSError as error:
        raise OfframpError(
            f"The folder {folder} can't be created: {error.strerror}.",
            hint="offramp keeps its sockets there; make its parent writable for your user.",
        ) from error
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OfframpError(
            f"The folder {folder} can be opened by other users.",
            hint=f"Type: chmod 700 {folder}",
        )
