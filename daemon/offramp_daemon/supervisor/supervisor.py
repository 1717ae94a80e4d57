"""`offramp-daemon`: owns the listening sockets, and has workers (`offramp serve`) serve on them.

It is what the login items run. It takes no connection, reads no setting and holds no key, so that
there is next to nothing in it that could fail: a worker that crashes or hangs is replaced while
connections wait in the sockets' queues, and on a restart the next worker serves before the old one
finishes its streams and leaves. Standard library only, to stay small.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from offramp_core import __version__
from offramp_core.errors import OfframpError
from offramp_daemon.supervisor import (
    processes,
    sd_notify,
    self_upgrade,
    socket_activation,
    start_failure,
    stderr_file,
)
from offramp_daemon.supervisor.sd_notify import Channel, SdNotifier
from offramp_daemon.supervisor.self_upgrade import HandedState
from offramp_daemon.supervisor.worker_pool import RESTART_FAILED, Limits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_USAGE = """\
Usage: offramp-daemon

Serves Claude Code on sockets that systemd or launchd hold open. It is what the login items run,
which `offramp install` writes. To run the daemon by hand: offramp serve
"""
_USAGE_ERROR = 2
_MOST_MISHAPS = 10
_LONGER_USEC = 30_000_000
"""By how much the manager waits longer for the end, each time that it is told so."""


class Supervisor:
    """The process: waits for signals, lines and times, and does what its pool decides."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        environ: Mapping[str, str],
        *,
        limits: Limits | None = None,
        breath_s: float = 0.2,
    ) -> None:
        """Serve on `listeners`; `environ` is what the workers get, and says who watches.

        It waits for `breath_s` after each mishap of its own.
        """
        self._breath_s = breath_s
        self._listeners = tuple(listeners)
        watched = dict(environ)
        told = sd_notify.take_from(watched)
        self._environ = watched
        self._manager = SdNotifier(told)
        self._limits = limits or Limits()
        limit_s = sd_notify.watchdog_limit_s(told, os.getpid())
        self._pet_every_s = limit_s / 2 if limit_s else None
        self._petted_s = 0.0
        self._channels: dict[int, Channel] = {}
        self._selector = selectors.DefaultSelector()
        self._pool = WorkerPool(self, self._limits)
        self._mark = self_upgrade.mark()
        self._next_program = ""
        """The program to go on as, if it is another than this process was started as."""
        self._has_served = False
        self._is_stopping = False

    def run(self, handed: HandedState | None = None) -> None:
        """Run until told to stop, and all workers have ended; `handed` is what ran before."""
        with self._on_signals() as signals:
            self._selector.register(signals, selectors.EVENT_READ)
            if handed is not None:
                self._take_up(handed)
            self._pool.tick()
            mishaps = 0
            while not self._pool.is_over:
                try:
                    self.handle_events(signals)
                    mishaps = 0
                except Exception:
                    # Its end would cut every stream: a mishap that passes is better lived through.
                    mishaps += 1
                    if mishaps > _MOST_MISHAPS:
                        raise
                    self._say_mishap()
                    time.sleep(self._breath_s)
        self._selector.close()
        for listener in self._listeners:
            listener.close()

    def handle_events(self, signals: socket.socket) -> None:
        """Wait for whatever comes next, and do what it asks for."""
        self._pet()
        stderr_file.bound(self._environ)
        events = self._selector.select(self._nap_s())
        for pid in [key.data for key, _ in events if key.data is not None]:
            self._listen_to(pid)
        self._obey(_drained(signals))
        self.reap()
        self._pool.tick()
        self._renew_if_changed(signals)

    def _say_mishap(self) -> None:
        self.say(f"An internal error in the supervisor, which continues:\n{_traceback()}")

    @property
    def workers_heard(self) -> tuple[int, ...]:
        """The pids of the workers whose lines are listened for."""
        return tuple(self._channels)

    # What the pool's decisions need.

    def start(self) -> int | None:
        """Start a worker."""
        try:
            pid, channel = processes.start_worker(
                processes.worker_command(self._program()),
                self._listeners,
                self._environ,
                watchdog_s=self._limits.hang_s,
                is_successor=self._pool.serving is not None,
            )
        except OSError as error:
            self.say(f"No worker can be started: {error.strerror or error}.")
            return None
        self._watch(pid, channel)
        return pid

    def send(self, pid: int, line: str) -> None:
        """Send a line to a worker."""
        if line.startswith(RESTART_FAILED):
            self._next_program = ""
        if pid in self._channels:
            self._channels[pid].send(line)

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a worker, which is a child of ours until it is reaped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def say(self, text: str) -> None:
        """Tell the user, who reads the manager's log."""
        with contextlib.suppress(OSError):
            os.write(2, f"offramp-daemon: {text}\n".encode(errors="replace"))

    def now_serves(self, pid: int) -> None:
        """Tell the manager, the first time that it is ready."""
        first = () if self._has_served else (sd_notify.READY,)
        self._has_served = True
        self._manager.send(*first, sd_notify.status(f"Serving (worker {pid})"))

    # What comes in.

    def _listen_to(self, pid: int) -> None:
        channel = self._channels.get(pid)
        if channel is None:
            return
        for name, value in channel.read():
            if name == "RESTART":
                self._next_program = processes.other_program(value)
            self._pool.heard(pid, name, value)
        if not channel.is_open:
            self._forget(pid)  # its end is seen when it is reaped

    def _obey(self, numbers: bytes) -> None:
        for number in numbers:
            if number in {signal.SIGTERM, signal.SIGINT}:
                self.stop()
            elif number == signal.SIGHUP:
                self._next_program = ""
                self._pool.restart()

    def stop(self) -> None:
        """End all workers, and then the run; streams in flight may end first."""
        if not self._is_stopping:
            self.say("Stopping, after the streams in flight have ended.")
        self._is_stopping = True
        self._manager.send(sd_notify.STOPPING, sd_notify.status("Stopping"))
        self._pool.stop()

    def reap(self) -> None:
        """Take note of each worker that has ended."""
        for pid, how in processes.ended_children():
            self._listen_to(pid)  # its last words
            self._forget(pid)
            self._pool.ended(pid, how)

    # Its own upkeep.

    def _program(self) -> str:
        """Return the program to start workers of: another one only beside a worker that serves."""
        return self._next_program if self._next_program and self._pool.serving else sys.argv[0]

    def _nap_s(self) -> float:
        nap_s = self._pool.nap_s()
        if self._pet_every_s is not None:
            nap_s = min(nap_s, self._petted_s + self._pet_every_s - time.monotonic())
        return max(nap_s, 0.0)

    def _pet(self) -> None:
        now_s = time.monotonic()
        if self._pet_every_s is None or now_s < self._petted_s + self._pet_every_s:
            return
        self._petted_s = now_s
        longer = (f"EXTEND_TIMEOUT_USEC={_LONGER_USEC}",) if self._is_stopping else ()
        self._manager.send(sd_notify.WATCHDOG, *longer)

    def _watch(self, pid: int, channel: Channel) -> None:
        self._channels[pid] = channel
        self._selector.register(channel, selectors.EVENT_READ, pid)

    def _forget(self, pid: int) -> None:
        channel = self._channels.pop(pid, None)
        if channel is not None:
            self._selector.unregister(channel)
            channel.close()

    def _take_up(self, handed: HandedState) -> None:
        self._has_served = handed.has_served
        for worker in handed.workers:
            self._watch(worker.pid, Channel(socket.socket(fileno=worker.channel)))
        self._pool.take_up((worker.pid, worker.phase) for worker in handed.workers)
        self.say(f"Renewed: Offramp {__version__}, pid {os.getpid()}.")

    def _renew_if_changed(self, signals: socket.socket) -> None:
        """Run the code that an upgrade has put in this one's place, as this very process.

        Only once a worker of the new code has proved, by serving, that it works.
        """
        if not self._pool.has_changed_hands or not self._pool.is_settled():
            return
        self._pool.has_changed_hands = False
        program, self._next_program = self._program(), ""
        if self_upgrade.mark() == self._mark and program == sys.argv[0]:
            return
        handed = HandedState.of(
            self._listeners, self._channels, self._pool.workers, has_served=self._has_served
        )
        with _blocked_signals():  # those that come from here on are the new code's to obey
            self._obey(_drained(signals))
            if not self._pool.is_settled():  # told to stop, or to restart, a moment ago
                self._pool.has_changed_hands, self._next_program = True, program
                return
            try:
                self_upgrade.re_execute([program, *sys.argv[1:]], handed)
            except OSError as error:
                self.say(
                    f"The supervisor could not be renewed ({error.strerror or error}) "
                    f"and goes on as Offramp {__version__}."
                )

    @contextlib.contextmanager
    def _on_signals(self) -> Iterator[socket.socket]:
        """Yield a socket from which the numbers of signals can be read as they come."""
        reader, writer = socket.socketpair()
        with reader, writer:
            reader.setblocking(False)
            writer.setblocking(False)
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            handlers = {number: signal.signal(number, _ignore_signal) for number in _SIGNALS}
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            try:
                yield reader
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(before)


def main(*, limits: Limits | None = None, failure_pause_s: float = start_failure.PAUSE_S) -> None:
    """Run the supervisor; what is wrong is said on standard error.

    Where it can't start, or can't go on, it waits for `failure_pause_s` before it ends: a manager
    that starts it again at once would do so without end, and fill the file in which it collects
    the messages.
    """
    if len(sys.argv) > 1:
        sys.exit(_answer(sys.argv[1:]))
    stderr_file.bound(os.environ)
    try:
        handed = self_upgrade.take_from(os.environ)
        Supervisor(_listeners(handed), os.environ, limits=limits).run(handed)
    except OfframpError as error:
        start_failure.end(error.title, error.hint, pause_s=failure_pause_s)
    except Exception:  # noqa: BLE001 - whatever it is, it is likely to come again
        start_failure.end(f"It can't run:\n{_traceback()}", pause_s=failure_pause_s)


def _answer(arguments: Sequence[str]) -> int:
    """Answer arguments, of which it has none to run with; the exit code."""
    if arguments == ["--version"]:
        sys.stdout.write(f"offramp-daemon, version {__version__}\n")
        return 0
    is_asked = arguments[0] in {"-h", "--help"}
    (sys.stdout if is_asked else sys.stderr).write(_USAGE)
    return 0 if is_asked else _USAGE_ERROR


def _listeners(handed: HandedState | None) -> Sequence[socket.socket]:
    """Return the listening sockets, from whoever holds them.

    Raises:
        OfframpError: nobody does, or they can't be used.
    """
    if handed is not None and handed.listeners:
        return socket_activation.adopt(handed.listeners)
    found = socket_activation.inherited(os.environ, os.getpid()) or socket_activation.from_launchd()
    if not found:
        raise OfframpError(
            "No listening sockets were passed to offramp-daemon, which opens none itself.",
            hint="Run the daemon by hand with `offramp serve`, or have it started at login: "
            "offramp install",
        )
    return found


def _traceback() -> str:
    import traceback  # costs memory that is better saved as long as all is well

    return traceback.format_exc()


def _drained(reader: socket.socket) -> bytes:
    try:
        return reader.recv(4096)
    except BlockingIOError:
        return b""


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_signal(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wakeup descriptor carries the number."""
