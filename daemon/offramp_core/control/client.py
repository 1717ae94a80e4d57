"""The one client of the daemon's control socket: for the command line, the tray and the window.

It is synchronous, keeps no connection and no state, and may be used from any thread. It never
starts a daemon and never reconnects: both are the caller's to decide. But where one daemon takes
over from another, or replaces one that crashed, it waits out the moment in which nobody answers: a
socket is there then, and nobody behind it. Where there is no socket at all, it does not wait.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import time
from typing import TYPE_CHECKING, TypeVar

from offramp_core import __version__
from offramp_core.control import api
from offramp_core.control.api import (
    MOST_BYTES,
    CommandAnswer,
    CommandRefusal,
    ControlAnswer,
    OtherProtocolError,
    PauseCommand,
    ReloadAnswer,
    RestartCommand,
    Status,
    UnreadableError,
)
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import msgspec

A = TypeVar("A", bound=ControlAnswer)

_TIMEOUT_S = 5.0
_GAP_S = 2.0
"""For a daemon to take the place of the last one."""
_GAP_POLL_S = 0.05
_HOW_TO_START = (
    "Start it with offramp start or, if Offramp is not installed, with offramp serve in a terminal."
)
_SILENCE_S = 3 * api.KEEP_ALIVE_S


class ControlError(OfframpError):
    """The daemon could not be asked, or did not do what it was asked for."""


class NotRunningError(ControlError):
    """Nobody is there to be asked."""


class OtherVersionError(ControlError):
    """The daemon speaks another version of the control protocol."""

    def __init__(self, daemon: ControlAnswer) -> None:
        """Say which of the two has to be renewed."""
        is_older = daemon.protocol < api.PROTOCOL
        super().__init__(
            f"The daemon is Offramp {daemon.version} and this is Offramp {__version__}: they "
            f"speak different control protocols ({daemon.protocol} and {api.PROTOCOL}).",
            hint="The daemon is older: restart it with this version."
            if is_older
            else "The daemon is newer: use the offramp command of its version.",
        )
        self.daemon = daemon


class ControlClient:
    """Asks the daemon whose control socket is at `path`; each call is a connection of its own."""

    def __init__(
        self,
        path: Path,
        *,
        timeout_s: float = _TIMEOUT_S,
        gap_s: float = _GAP_S,
        how_to_start: str = _HOW_TO_START,
    ) -> None:
        """Wait for `timeout_s` at most, each time that the daemon is waited for.

        `gap_s` is how long one may take to follow on another. `how_to_start` is what people can do
        if nobody is there.
        """
        self._path = path
        self._timeout_s = timeout_s
        self._gap_s = gap_s
        self._how_to_start = how_to_start

    def status(self) -> Status:
        """Return the daemon at this moment.

        Raises:
            NotRunningError: nobody is there.
            ControlError: it can't be asked; all that follows is the same for every method.
        """
        return self._ask("GET", api.STATUS, Status)

    def pause(self, until: datetime | None = None) -> CommandAnswer:
        """Have everything go to Anthropic until then (aware), or until `resume`."""
        return self._ask("POST", api.PAUSE, CommandAnswer, PauseCommand(until=until))

    def resume(self) -> CommandAnswer:
        """Have delegation go on."""
        return self._ask("POST", api.RESUME, CommandAnswer)

    def reload(self) -> ReloadAnswer:
        """Have the settings read now."""
        return self._ask("POST", api.RELOAD, ReloadAnswer)

    def drain(self) -> CommandAnswer:
        """Have the daemon end as it does when told to stop: streams in flight may end first."""
        # Done twice, it might end the successor of the one that was meant.
        return self._ask("POST", api.DRAIN, CommandAnswer, is_repeatable=False)

    def restart(self, program: str = "") -> CommandAnswer:
        """Have another daemon take this one's place, while this one finishes its streams.

        `program` is the `offramp-daemon` to go on as, if it is another than the running one. It
        returns once the other one serves; the answer is the last of the one that leaves.

        Raises:
            ControlError: as ever; or none could take its place, and it stays.
        """
        command = RestartCommand(program=program) if program else None
        return self._ask("POST", api.RESTART, CommandAnswer, command, timeout_s=api.RESTART_LIMIT_S)

    def events(self) -> EventStream:
        """Follow the daemon: its full status now and after each change.

        Close it, best with `contextlib.closing`.
        """
        connection, response = self._connect("GET", api.EVENTS)
        try:
            if response.status != http.client.OK:
                raise _refused(self._read(response))
            return EventStream(connection, response)
        except BaseException:
            connection.close()
            raise

    def _ask(
        self,
        method: str,
        route: str,
        kind: type[A],
        command: msgspec.Struct | None = None,
        *,
        timeout_s: float | None = None,
        is_repeatable: bool = True,
    ) -> A:
        connection, response = self._connect(
            method, route, command, timeout_s=timeout_s, is_repeatable=is_repeatable
        )
        try:
            data = self._read(response)
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise _refused(data)
        return _decoded(data, kind)

    def _connect(
        self,
        method: str,
        route: str,
        command: msgspec.Struct | None = None,
        *,
        timeout_s: float | None = None,
        is_repeatable: bool = True,
    ) -> tuple[_UnixConnection, http.client.HTTPResponse]:
        """Send the request to whoever listens, now or in a moment; the answer has begun."""
        deadline_s = time.monotonic() + self._gap_s
        while True:
            connection = _UnixConnection(self._path, timeout_s or self._timeout_s)
            try:
                return connection, self._answer(connection, method, route, command)
            except ControlError as error:
                connection.close()
                is_gap = _is_gap(error.__cause__, is_repeatable=is_repeatable)
                if not is_gap or time.monotonic() >= deadline_s:
                    raise
            except BaseException:
                connection.close()
                raise
            time.sleep(_GAP_POLL_S)

    def _answer(
        self, connection: _UnixConnection, method: str, route: str, command: msgspec.Struct | None
    ) -> http.client.HTTPResponse:
        headers = {api.PROTOCOL_HEADER: str(api.PROTOCOL)}
        body = None if command is None else api.encode(command)
        try:
            connection.request(method, route, body, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._explained(error) from error

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> ControlError:
        match error:
            case FileNotFoundError() | NotADirectoryError() | ConnectionRefusedError():
                return NotRunningError(
                    f"The daemon is not running (no reply at {self._path}).",
                    hint=self._how_to_start,
                )
            case PermissionError():
                return ControlError(
                    f"No permission to use the daemon's control socket, {self._path}.",
                    hint="Run the command as the user who runs the daemon, even if you are root.",
                )
            case TimeoutError() | BlockingIOError():
                return ControlError(
                    f"The daemon did not answer within {self._timeout_s:g} s at {self._path}.",
                    hint="Its log may show why. If it happens again, restart it.",
                )
            case _:
                return ControlError(
                    f"The connection to the daemon broke off ({type(error).__name__}).",
                    hint="It may have been shutting down; try again.",
                )


class EventStream:
    """Yields a `Status` now and at each change; ends when the daemon does.

    `close` may be called from another thread, and ends a wait for the next one.
    """

    def __init__(self, connection: _UnixConnection, response: http.client.HTTPResponse) -> None:
        """Read `response`, which has begun."""
        self._connection = connection
        self._response = response
        self._is_closed = False
        connection.opened.settimeout(_SILENCE_S)

    def __iter__(self) -> Iterator[Status]:
        """Wait for the next status, again and again.

        Raises:
            ControlError: the daemon fell silent, or what it says can't be read.
        """
        while line := self._next_line():
            if line.strip():
                yield _decoded(line, Status)

    def close(self) -> None:
        """End the stream; from any thread, and more than once."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._connection.opened.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _next_line(self) -> bytes:
        """Return the next line; nothing once the stream has ended, however that came."""
        try:
            line = self._response.readline(MOST_BYTES)
        except TimeoutError as error:
            raise ControlError(
                f"The daemon has been silent for {_SILENCE_S:g} s.",
                hint="It may hang. If it stays silent, restart it.",
            ) from error
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            return b""  # a daemon that was killed; a stream that was closed under the reader
        return line if line.endswith(b"\n") and not self._is_closed else b""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self.opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        """Kept apart, for the connection lets go of a socket whose answer ends with it."""
        self.opened.settimeout(timeout_s)

    def connect(self) -> None:
        """Connect to a socket that nobody but this user can have made, root included.

        In a folder that others may write to, somebody could wait there for root's commands.
        """
        for each in (self._path.parent, self._path):
            if each.lstat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another user", str(each))
        self.opened.connect(os.fspath(self._path))
        self.sock = self.opened

    def close(self) -> None:
        """Close, connected or not."""
        super().close()
        self.opened.close()


def _is_gap(cause: BaseException | None, *, is_repeatable: bool) -> bool:
    """Return whether nobody was there though somebody had been, as between two daemons.

    A connection that broke off before the answer may have been in the queue of one that ended.
    """
    if isinstance(cause, ConnectionRefusedError):
        return True
    return is_repeatable and isinstance(cause, (ConnectionResetError, BrokenPipeError))


def _decoded(data: bytes, kind: type[A]) -> A:
    try:
        return api.decode_answer(data, kind)
    except OtherProtocolError as error:
        raise OtherVersionError(error.head) from error
    except UnreadableError as error:
        raise ControlError(
            "The daemon's answer can't be understood.",
            hint="It may be of another version: restart it with this one.",
        ) from error


def _refused(data: bytes) -> ControlError:
    refusal = _decoded(data, CommandRefusal)
    return ControlError(refusal.title, hint=refusal.hint)
