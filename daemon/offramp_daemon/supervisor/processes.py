"""Starts workers, and tells how they ended: the supervisor's hold on the system's processes.

A worker gets the listening sockets by systemd's protocol, and one more descriptor over which it
and the supervisor talk. Standard library only, as the supervisor is to stay small.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

from offramp_core import programs
from offramp_daemon.supervisor import sd_notify, socket_activation
from offramp_daemon.supervisor.sd_notify import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHANNEL_VARIABLE = "OFFRAMP_SUPERVISOR_FD"
"""Names the descriptor to talk over, in a worker's environment."""

SUCCESSOR_VARIABLE = "OFFRAMP_SUPERVISOR_SERVED"
"""Set for a worker that takes over from one that serves, so that it need not hurry."""

_NOT_EXECUTED = 127
_USEC = 1_000_000


def worker_command(own_path: str) -> list[str]:
    """Return how a worker is started, where the supervisor was started as `own_path`.

    The path is not resolved: an upgrade swaps what is behind it.
    """
    program = os.path.join(os.path.dirname(own_path), "offramp")  # noqa: PTH118, PTH120 - pathlib costs memory
    if os.access(program, os.X_OK):
        return [program, "serve"]
    return [*programs.start_command("offramp"), "serve"]


def other_program(asked: str) -> str:
    """Return the `offramp-daemon` that a restart names by its path; nothing if it names none."""
    name = os.path.basename(asked)  # noqa: PTH119 - pathlib costs memory
    is_one = name == "offramp-daemon" and os.path.isabs(asked)  # noqa: PTH117 - the same
    return asked if is_one and os.access(asked, os.X_OK) else ""


def start_worker(
    command: Sequence[str],
    listeners: Sequence[socket.socket],
    environ: Mapping[str, str],
    *,
    watchdog_s: float,
    is_successor: bool,
) -> tuple[int, Channel]:
    """Start `command` with `listeners`, to be heard of every `watchdog_s` at least.

    Raises:
        OSError: there can be no further process.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # No signal may be taken for one to the supervisor between fork and exec.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                if is_successor:
                    environ = {**environ, SUCCESSOR_VARIABLE: "1"}
                _become(command, listeners, theirs, environ, watchdog_s)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid, Channel(ours)


def ended_children() -> Iterator[tuple[int, str]]:
    """Yield each child that has ended since the last call: its pid, and how, to follow on `it`."""
    while True:
        try:
            pid, state = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, _how(os.waitstatus_to_exitcode(state))


def _become(
    command: Sequence[str],
    listeners: Sequence[socket.socket],
    channel: socket.socket,
    environ: Mapping[str, str],
    watchdog_s: float,
) -> None:
    """Turn this forked process into the worker; does not return."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        pid = os.getpid()
        socket_activation.renumber([*(each.fileno() for each in listeners), channel.fileno()])
        environ = socket_activation.environment_for(environ, len(listeners), pid) | {
            CHANNEL_VARIABLE: str(socket_activation.FIRST_DESCRIPTOR + len(listeners)),
            sd_notify.WATCHDOG_VARIABLE: str(int(watchdog_s * _USEC)),
            sd_notify.WATCHDOG_PID_VARIABLE: str(pid),
        }
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(command[0], list(command), environ)
    except OSError as error:
        text = f"offramp-daemon: {command[0]} can't be run: {error.strerror or error}.\n"
        os.write(2, text.encode(errors="replace"))
    finally:
        os._exit(_NOT_EXECUTED)


def _how(code: int) -> str:
    if code == 0:
        return "ended"
    if code > 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
