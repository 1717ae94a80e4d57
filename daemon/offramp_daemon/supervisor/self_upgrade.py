"""Replaces the supervisor's code under its feet: the same process runs the upgraded program.

What the new code has to know travels in one environment variable. Sockets and children stay, since
the process does. Standard library only, as the supervisor is to stay small.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from offramp_core import programs

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable, Mapping, MutableMapping, Sequence

    from offramp_daemon.supervisor.sd_notify import Channel
    from offramp_daemon.supervisor.worker_pool import Phase, Worker

VARIABLE = "OFFRAMP_SUPERVISOR_STATE"

_PHASES: tuple[Phase, ...] = ("coming", "serving", "leaving", "ending")
_MOST_DESCRIPTORS = 4096


class HandedWorker(NamedTuple):
    """A worker that runs, and the descriptor over which it is talked to."""

    pid: int
    channel: int
    phase: Phase


class HandedState(NamedTuple):
    """What one supervisor leaves to the next."""

    listeners: tuple[int, ...] = ()
    workers: tuple[HandedWorker, ...] = ()
    has_served: bool = False

    @classmethod
    def of(
        cls,
        listeners: Sequence[socket.socket],
        channels: Mapping[int, Channel],
        workers: Sequence[Worker],
        *,
        has_served: bool,
    ) -> HandedState:
        """Return what there is to hand on at this moment."""
        return cls(
            listeners=tuple(each.fileno() for each in listeners),
            workers=tuple(
                HandedWorker(worker.pid, channels[worker.pid].fileno(), worker.phase)
                for worker in workers
                if worker.pid in channels
            ),
            has_served=has_served,
        )


def mark() -> Hashable:
    """Return what differs once an upgrade has put other code in this one's place."""
    files = (sys.argv[0], os.path.realpath(sys.argv[0]), __file__)
    return tuple((each, _state(each)) for each in files)


def take_from(environ: MutableMapping[str, str]) -> HandedState | None:
    """Return what the supervisor before this one left; None where there was none.

    What can't be read, since a version in between wrote it differently, is let go of: workers
    whose channel closes finish their streams and end.
    """
    text = environ.pop(VARIABLE, None)
    if text is None:
        return None
    listeners: tuple[int, ...] = ()
    try:
        told = json.loads(text)
        listeners = tuple(int(each) for each in told["listeners"])
        workers = tuple(_worker(each) for each in told["workers"])
        return HandedState(listeners, workers, bool(told["has_served"]))
    except (ValueError, TypeError, KeyError):
        _close_all_but(listeners)
        return HandedState(listeners)


def re_execute(argv: Sequence[str], handed: HandedState) -> None:
    """Run the program behind `argv[0]` as this process; returns only by raising.

    Raises:
        OSError: it can't be run; nothing has changed.
    """
    text = json.dumps(
        {
            "listeners": handed.listeners,
            "workers": [worker._asdict() for worker in handed.workers],
            "has_served": handed.has_served,
        }
    )
    kept = (*handed.listeners, *(worker.channel for worker in handed.workers))
    try:
        for each in kept:
            os.set_inheritable(each, True)
        program, arguments = _program(argv)
        os.execve(program, arguments, {**os.environ, VARIABLE: text})
    finally:
        for each in kept:
            os.set_inheritable(each, False)


def _program(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the path as the login item names it; a module is run as one."""
    if argv[0].endswith(".py"):
        command = programs.start_command("offramp-daemon")
        return command[0], list(command)
    return argv[0], list(argv)


def _worker(told: Mapping[str, object]) -> HandedWorker:
    pid, channel, phase = told["pid"], told["channel"], told["phase"]
    if not isinstance(pid, int) or not isinstance(channel, int):
        raise TypeError("a worker without numbers")
    return HandedWorker(pid, channel, _PHASES[_PHASES.index(str(phase))])


def _close_all_but(kept: Sequence[int]) -> None:
    beyond = 3
    for each in sorted(kept):
        os.closerange(beyond, each)
        beyond = each + 1
    os.closerange(beyond, max(beyond, _MOST_DESCRIPTORS))


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib costs memory
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
