"""`offramp statusline`: passes what Claude Code says to the daemon, and prints the daemon's line.

Claude Code waits for it, and shows whatever it prints. So it imports next to nothing, never takes
much longer than a second, and never fails: without a daemon it says so. The words are the daemon's.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time

from offramp_core import control_place

ROUTE = "/status-line"
"""The daemon's side of this contract is `offramp_core.control.api`, which takes longer to load."""

_MOST_S = 1.0
_MOST_BYTES = 256 * 1024
"""Of Claude Code's JSON, which is a few kilobytes, and of the answer."""
_BLOCK_BYTES = 64 * 1024
_MOST_COLUMNS = 99999
_MARGINS = 4
"""Claude Code shows so much less than the columns that it tells (seen with 2.1.197 and 2.1.332)."""

_NAME = "offramp"
_NOT_RUNNING = "Offramp: the daemon is not running"
_NO_ANSWER = "Offramp: the daemon does not answer"
_OTHER_VERSION = "Offramp: the daemon is older than this program"
_NOT_ALLOWED = "Offramp: the daemon belongs to another user"
_CURES = {_NOT_RUNNING: "start", _NO_ANSWER: "doctor", _OTHER_VERSION: "restart", _NOT_ALLOWED: ""}
"""What to type; nothing where that would not help."""


def show(*, is_demo: bool = False) -> None:
    """Print the line; never raises."""
    try:
        deadline_s = time.monotonic() + _MOST_S
        said = _read_input(deadline_s)
        path = control_place.control_socket(os.environ, is_demo=is_demo)
        line = _ask(path, said, deadline_s)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        line = _NOT_RUNNING
    except PermissionError:
        line = _NOT_ALLOWED
    except Exception:  # noqa: BLE001 - a traceback would stand in Claude Code's screen
        line = _NO_ANSWER
    if line in _CURES:
        line = _fitted(line, "demo" if is_demo and line == _NOT_RUNNING else _CURES[line])
    _print(line)


def _fitted(line: str, command: str) -> str:
    """Return one of the lines above with what to type, as far as the screen has room."""
    whole = f"{line} ({_own_name()} {command})" if command else line
    columns = _columns()
    if not columns or len(whole) <= columns:
        return whole
    return line if len(line) <= columns else f"{line[: columns - 1].rstrip()}…"


def _own_name() -> str:
    """Return what `own_name` says, which takes longer to load than all else here."""
    started = sys.argv[0]
    if "/" not in started or started.rpartition("/")[2] != _NAME or _leads_to(started):
        return _NAME
    if started.isascii() and started.translate({ord(each): "a" for each in "/._-+@"}).isalnum():
        return started
    import shlex  # only where there is something to quote

    return shlex.quote(started)


def _print(line: str) -> None:
    # In UTF-8 whatever the locale says, for Claude Code reads that; and past Python's buffer, which
    # would complain at the end where nobody reads any more.
    try:
        os.write(1, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        return


def _leads_to(started: str) -> bool:
    """Whether the program's name is enough to start it, for the PATH leads to it."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = f"{folder or os.curdir}/{_NAME}"
        if os.access(found, os.X_OK):
            try:
                return os.path.samefile(found, started)  # noqa: PTH121 - as for pathlib above
            except OSError:
                return False
    return False


def _read_input(deadline_s: float) -> bytes:
    """Return what Claude Code wrote; nothing from a terminal, or of what is far too long."""
    found = b""
    try:
        if os.isatty(0):
            return b""
        while len(found) <= _MOST_BYTES:
            left_s = deadline_s - _MOST_S / 2 - time.monotonic()
            if not select.select([0], [], [], max(left_s, 0.0))[0]:
                return found
            block = os.read(0, _BLOCK_BYTES)
            if not block:
                return found
            found += block
    except (OSError, ValueError):  # there is no standard input
        return b""
    return b""


def _ask(path: str, said: bytes, deadline_s: float) -> str:
    """Return the daemon's line.

    Raises:
        OSError: nobody is there, or nobody answers in time.
    """
    _check_owner(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _wait_until(connection, deadline_s)
        connection.connect(path)
        connection.sendall(_request(said))
        answer = b""
        while len(answer) <= _MOST_BYTES:
            _wait_until(connection, deadline_s)
            block = connection.recv(_BLOCK_BYTES)
            if not block:
                break
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"404"]:
        return _OTHER_VERSION
    return body.decode() if status == [b"200"] and body else _NO_ANSWER


def _request(said: bytes) -> bytes:
    """Return the whole request: what was said, and what the daemon must know of the screen."""
    environ = os.environ
    has_colour = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    query = f"?columns={_columns()}&colour={int(has_colour)}"
    head = (
        f"POST {ROUTE}{query} HTTP/1.0\r\n"
        f"Host: localhost\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + said


def _columns() -> int:
    """Return how wide the screen is; 0 where nobody knows."""
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        value = os.environ.get("COLUMNS", "")
    if value.isascii() and value.isdigit() and 0 < int(value[:9]) <= _MOST_COLUMNS:
        return max(int(value) - _MARGINS, 1)
    return 0


def _check_owner(path: str) -> None:
    """Refuse a socket that another user may have put there, as `ControlClient` does."""
    for each in (os.path.dirname(path), path):  # noqa: PTH120 - pathlib takes as long as all else
        if os.lstat(each).st_uid != os.geteuid():
            raise PermissionError


def _wait_until(connection: socket.socket, deadline_s: float) -> None:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    connection.settimeout(left_s)
