"""Which worker serves, which is to come, which leave: the supervisor's decisions.

It starts and ends nothing itself: its `WorkerOperations` do, so that every case can be played
through on an injected clock. Standard library only, as the supervisor is to stay small.

A worker's life: coming (started, not ready), serving, leaving (told to, or by its own decision;
it finishes its streams), ending (hung, so killed). At most one is coming, at most one serves.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Phase = Literal["coming", "serving", "leaving", "ending"]

LEAVE = "LEAVE=1"
RESTART_FAILED = "RESTART_FAILED"


class Limits(NamedTuple):
    """Times in seconds."""

    ready_s: float = 60.0
    """From a worker's start until it says that it serves."""
    hang_s: float = 30.0
    """A worker that served is silent for no longer."""
    kill_s: float = 2.0
    """For a hung worker to say where it hangs, before it is killed outright."""
    first_pause_s: float = 0.2
    last_pause_s: float = 5.0
    """Before starts that follow on failures: the first at once, then between these two."""
    stable_s: float = 10.0
    """A worker that served for so long is not part of a row of failures."""
    nap_s: float = 5.0
    """The clock is looked at so often at least."""


class Worker:
    """One worker process, as far as is known."""

    __slots__ = ("aborted_s", "heard_s", "killed", "phase", "pid", "since_s", "status")

    def __init__(self, pid: int, phase: Phase, now_s: float) -> None:
        """Process `pid` has been in `phase` since `now_s`."""
        self.pid = pid
        self.phase = phase
        self.since_s = self.heard_s = now_s
        self.aborted_s = 0.0
        self.killed = False
        self.status = ""


class WorkerOperations(Protocol):
    """Does what `WorkerPool` decides."""

    def start(self) -> int | None:
        """Start a worker; its pid, or None where that failed."""

    def send(self, pid: int, line: str) -> None:
        """Send a line to a worker."""

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a worker."""

    def say(self, text: str) -> None:
        """Tell the user."""

    def now_serves(self, pid: int) -> None:
        """Worker `pid` serves from now on."""


class WorkerPool:
    """All workers, and what becomes of them."""

    def __init__(
        self,
        operations: WorkerOperations,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody is there yet; `tick` starts the first."""
        self._operations = operations
        self._limits = limits
        self._clock = clock
        self._workers: dict[int, Worker] = {}
        self._is_stopping = False
        self._is_wanted_anew = False
        self._asker: int | None = None
        self._failures = 0
        self.has_changed_hands = False
        """Set when one worker has taken over from another; for whoever cares to clear."""
        self._next_start_s = self._ticked_s = clock()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All of them, the oldest first."""
        return tuple(self._workers.values())

    @property
    def serving(self) -> Worker | None:
        """The one that takes connections."""
        return self._only("serving")

    def is_settled(self) -> bool:
        """Return whether one serves, none is to come, and it is to stay so."""
        has_odd = any(worker.phase in {"coming", "ending"} for worker in self.workers)
        return self.serving is not None and not (has_odd or self._is_stopping)

    @property
    def is_over(self) -> bool:
        """Whether all have ended, after they were told to."""
        return self._is_stopping and not self._workers

    def take_up(self, workers: Iterable[tuple[int, Phase]]) -> None:
        """Go on with workers that a supervisor before this one started."""
        for pid, phase in workers:
            self._workers[pid] = Worker(pid, phase, self._clock())

    def restart(self, asker: int | None = None) -> None:
        """Have a new worker take the serving one's place; `asker` is told if that fails."""
        if self._is_stopping:
            return
        self._asker = asker or self._asker
        if self._only("coming") is not None:
            self._is_wanted_anew = True  # it may be older than the reason for this
            return
        self._next_start_s = self._clock()
        self._start()

    def stop(self) -> None:
        """Have all workers end in order; once more, at once."""
        self._is_stopping = True
        for worker in self.workers:
            self._operations.signal(worker.pid, signal.SIGTERM)

    def heard(self, pid: int, name: str, value: str) -> None:
        """Take note of a worker's line."""
        worker = self._workers.get(pid)
        if worker is None or worker.phase == "ending":
            return
        if worker.phase != "coming":  # which has its time, however much it says
            worker.heard_s = self._clock()
        if name == "STATUS":
            worker.status = value
        elif name == "READY" and worker.phase == "coming":
            self._hand_over(worker)
        elif name == "STOPPING" and worker.phase in {"coming", "serving"}:
            self._let_go(worker)
        elif name == "RESTART" and worker.phase == "serving":
            self.restart(asker=pid)

    def ended(self, pid: int, how: str) -> None:
        """Take note of a worker's end; `how` follows on `it`."""
        worker = self._workers.pop(pid, None)
        if worker is None or self._is_stopping:
            return
        if worker.phase == "coming":
            self._failed_to_come(worker, worker.status or f"it {how}")
        elif worker.phase == "serving":
            self._operations.say(f"The worker (pid {pid}) {how}; a new one is started.")
            self._note_failure(served_s=self._clock() - worker.since_s)
            self.tick()
        elif worker.phase == "leaving" and how != "ended":
            self._operations.say(f"A worker that was finishing its streams (pid {pid}) {how}.")

    def tick(self) -> None:
        """Do what is due by the clock."""
        now_s = self._clock()
        self._forgive(now_s)
        for worker in self.workers:
            self._check(worker, now_s)
        is_vacant = self.serving is None and self._only("coming") is None
        if is_vacant and not self._is_stopping and now_s >= self._next_start_s:
            self._start()

    def nap_s(self) -> float:
        """Return how long nothing is due, unless somebody is heard."""
        now_s, limits = self._clock(), self._limits
        due_s = [now_s + limits.nap_s]
        for worker in self.workers:
            if worker.phase != "ending":
                due_s.append(worker.heard_s + self._patience_s(worker))
            elif not worker.killed:
                due_s.append(worker.aborted_s + limits.kill_s)
        if self.serving is None and self._only("coming") is None and not self._is_stopping:
            due_s.append(self._next_start_s)
        return max(min(due_s) - now_s, 0.0)

    def _only(self, phase: Phase) -> Worker | None:
        return next((each for each in self.workers if each.phase == phase), None)

    def _start(self) -> None:
        self._is_wanted_anew = False
        pid = self._operations.start()
        if pid is None:
            self._failed_to_come(None, "no process can be started")
        else:
            self._workers[pid] = Worker(pid, "coming", self._clock())

    def _hand_over(self, worker: Worker) -> None:
        before = self.serving
        worker.phase = "serving"
        worker.since_s = worker.heard_s = self._clock()
        if before is not None:
            self.has_changed_hands = True
            before.phase = "leaving"
            self._operations.send(before.pid, LEAVE)
            self._operations.say(
                f"Worker {worker.pid} serves; worker {before.pid} finishes its streams."
            )
        self._asker = None
        self._operations.now_serves(worker.pid)
        if self._is_wanted_anew and not self._is_stopping:
            self._start()

    def _let_go(self, worker: Worker) -> None:
        """Replace a worker that ends of its own accord while it still has streams."""
        was_serving = worker.phase == "serving"
        worker.phase = "leaving"
        if was_serving:
            self._next_start_s = self._clock()
            self.tick()

    def _failed_to_come(self, worker: Worker | None, why: str) -> None:
        old = self.serving
        if old is None:
            self._note_failure(served_s=0.0)
            whom = f"The worker (pid {worker.pid})" if worker else "The worker"
            wait_s = max(self._next_start_s - self._clock(), 0.0)
            self._operations.say(f"{whom} did not start: {why}. Next try in {wait_s:.1f} s.")
            return
        why = f"{why[:1].upper()}{why[1:]}".rstrip(".")
        self._operations.say(
            f"The new worker did not start; the old one (pid {old.pid}) stays. {why}."
        )
        if self._asker == old.pid:
            self._operations.send(old.pid, f"{RESTART_FAILED}={why}.")
        self._asker, self._is_wanted_anew = None, False

    def _note_failure(self, *, served_s: float) -> None:
        limits = self._limits
        self._failures = 1 if served_s >= limits.stable_s else self._failures + 1
        pause_s = 0.0
        if self._failures > 1:
            pause_s = min(
                limits.first_pause_s * 2.0 ** min(self._failures - 2, 30), limits.last_pause_s
            )
        self._next_start_s = self._clock() + pause_s

    def _forgive(self, now_s: float) -> None:
        """Count no time against the workers in which this process did not run either."""
        lost_s = now_s - self._ticked_s - self._limits.nap_s
        self._ticked_s = now_s
        if lost_s > self._limits.nap_s:
            for worker in self.workers:
                worker.heard_s = min(worker.heard_s + lost_s, now_s)

    def _patience_s(self, worker: Worker) -> float:
        return self._limits.ready_s if worker.phase == "coming" else self._limits.hang_s

    def _check(self, worker: Worker, now_s: float) -> None:
        limits = self._limits
        if worker.phase == "ending":
            if not worker.killed and now_s >= worker.aborted_s + limits.kill_s:
                worker.killed = True
                self._operations.signal(worker.pid, signal.SIGKILL)
            return
        silent_s = now_s - worker.heard_s
        if silent_s < self._patience_s(worker):
            return
        before = worker.phase
        worker.phase, worker.aborted_s = "ending", now_s
        self._operations.signal(worker.pid, signal.SIGABRT)
        if before == "coming":
            self._failed_to_come(worker, f"it was not ready within {limits.ready_s:g} s")
            return
        self._operations.say(
            f"The worker (pid {worker.pid}) hung, silent for {silent_s:.0f} s, and was killed."
        )
        if before == "serving":
            self._note_failure(served_s=now_s - worker.since_s)
