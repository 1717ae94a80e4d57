"""Which worker serves, comes, leaves or is ended: decided by the supervisor, on a made-up clock."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import pytest

from offramp_daemon.supervisor.worker_pool import LEAVE, Limits, WorkerPool

LIMITS = Limits()


@dataclass
class FakeOperations:
    """Does as it is told, and keeps what that was."""

    now_s: float = 1000.0
    started: list[float] = field(default_factory=list)
    told: list[tuple[int, str]] = field(default_factory=list)
    signals: list[tuple[int, signal.Signals]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)
    can_start: bool = True

    def start(self) -> int | None:
        self.started.append(self.now_s)
        return len(self.started) if self.can_start else None

    def send(self, pid: int, line: str) -> None:
        self.told.append((pid, line))

    def signal(self, pid: int, number: signal.Signals) -> None:
        self.signals.append((pid, number))

    def say(self, text: str) -> None:
        self.said.append(text)

    def now_serves(self, pid: int) -> None:
        self.serving.append(pid)


class Played:
    """A pool whose workers are played by the test; pids count from 1."""

    def __init__(self) -> None:
        self.operations = FakeOperations()
        self.pool = WorkerPool(self.operations, LIMITS, lambda: self.operations.now_s)
        self.pool.tick()

    def ready(self, pid: int) -> None:
        self.pool.heard(pid, "READY", "1")

    def wait(self, seconds: float, *, alive: tuple[int, ...] = ()) -> None:
        """Let time pass, looked at as often as the supervisor would."""
        end_s = self.operations.now_s + seconds
        while self.operations.now_s < end_s:
            self.operations.now_s = min(
                end_s, self.operations.now_s + max(self.pool.nap_s(), 0.001)
            )
            for pid in alive:
                self.pool.heard(pid, "WATCHDOG", "1")
            self.pool.tick()

    @property
    def phases(self) -> dict[int, str]:
        return {worker.pid: worker.phase for worker in self.pool.workers}


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def serving(played) -> Played:
    """Worker 1 serves, and has for long."""
    played.ready(1)
    played.wait(60, alive=(1,))
    return played


def test_first_worker_is_started_and_serves_once_it_is_ready(played):
    assert played.phases == {1: "coming"}
    assert played.operations.serving == []
    played.ready(1)
    assert played.phases == {1: "serving"}
    assert played.operations.serving == [1]
    assert played.operations.told == []


def test_old_worker_is_told_to_leave_only_once_the_new_one_is_ready(serving):
    serving.pool.restart()
    assert serving.phases == {1: "serving", 2: "coming"}
    assert serving.operations.told == []
    serving.ready(2)
    assert serving.phases == {1: "leaving", 2: "serving"}
    assert serving.operations.told == [(1, LEAVE)]
    assert serving.pool.has_changed_hands
    serving.pool.ended(1, "ended")
    assert serving.phases == {2: "serving"}
    assert len(serving.operations.started) == 2


def test_leaving_worker_has_all_the_time_it_needs(serving):
    serving.pool.restart()
    serving.ready(2)
    serving.wait(3600, alive=(1, 2))
    assert serving.phases == {1: "leaving", 2: "serving"}
    assert serving.operations.signals == []


@pytest.mark.parametrize("how", ["was ended by SIGKILL", "ended with exit code 1", "ended"])
def test_worker_that_ended_after_long_service_is_replaced_at_once(serving, how):
    serving.pool.ended(1, how)
    assert serving.phases == {2: "coming"}
    assert serving.operations.started[-1] == serving.operations.now_s
    assert how in serving.operations.said[-1]


def test_row_of_failures_waits_longer_each_time_and_never_gives_up(played):
    pauses_s = []
    for pid in range(1, 12):
        ended_s = played.operations.now_s
        played.pool.ended(pid, "ended with exit code 1")
        played.wait(LIMITS.last_pause_s)
        pauses_s.append(played.operations.started[pid] - ended_s)
    assert pauses_s[:6] == pytest.approx([0, 0.2, 0.4, 0.8, 1.6, 3.2], abs=0.01)
    assert pauses_s[6:] == pytest.approx([5.0] * 5, abs=0.01)


def test_worker_that_serves_briefly_and_crashes_is_part_of_a_row(played):
    for pid in (1, 2, 3):
        played.ready(pid)
        played.pool.ended(pid, "was ended by SIGSEGV")
        played.wait(5)
    assert played.operations.started[1:] == pytest.approx([1000.0, 1005.2, 1010.4], abs=0.01)


def test_long_service_ends_a_row_of_failures(played):
    for pid in (1, 2, 3):
        played.pool.ended(pid, "ended with exit code 1")
        played.wait(5)
    played.ready(4)
    played.wait(LIMITS.stable_s, alive=(4,))
    played.pool.ended(4, "was ended by SIGSEGV")
    assert played.operations.started[-1] == played.operations.now_s


def test_process_that_cannot_be_started_is_tried_again(played):
    played.operations.can_start = False
    played.pool.ended(1, "ended with exit code 1")
    played.wait(1)
    assert played.phases == {}
    played.operations.can_start = True
    played.wait(5)
    assert len(played.phases) == 1


def test_silent_worker_is_replaced_at_once_and_killed_in_two_steps(serving):
    serving.wait(LIMITS.hang_s)
    assert serving.phases == {1: "ending", 2: "coming"}
    assert serving.operations.signals == [(1, signal.SIGABRT)]
    serving.wait(LIMITS.kill_s)
    assert serving.operations.signals == [(1, signal.SIGABRT), (1, signal.SIGKILL)]
    serving.pool.ended(1, "was ended by SIGKILL")
    serving.ready(2)
    assert serving.phases == {2: "serving"}


def test_hung_worker_that_leaves_is_ended_and_nobody_takes_its_place(serving):
    serving.pool.restart()
    serving.ready(2)
    serving.wait(LIMITS.hang_s, alive=(2,))
    assert serving.phases == {1: "ending", 2: "serving"}
    assert len(serving.operations.started) == 2


def test_killed_worker_that_does_not_die_is_not_looked_at_in_haste(serving):
    serving.wait(LIMITS.hang_s + LIMITS.kill_s)
    serving.ready(2)
    assert serving.pool.nap_s() == pytest.approx(LIMITS.nap_s)


def test_time_in_which_the_supervisor_did_not_run_counts_against_nobody(serving):
    serving.operations.now_s += 3600  # the machine slept, or all of it was stopped
    serving.pool.tick()
    assert serving.phases == {1: "serving"}
    serving.wait(LIMITS.hang_s + LIMITS.nap_s)
    assert serving.phases[1] == "ending"


def test_successor_that_ends_before_it_is_ready_leaves_the_old_one_in_place(serving):
    serving.pool.heard(1, "RESTART", "1")
    serving.pool.heard(2, "STATUS", "config.toml: port is wrong.")
    serving.pool.ended(2, "ended with exit code 3")
    assert serving.phases == {1: "serving"}
    assert serving.operations.told == [(1, "RESTART_FAILED=Config.toml: port is wrong.")]
    assert "the old one (pid 1) stays" in serving.operations.said[-1]
    serving.wait(60, alive=(1,))
    assert len(serving.operations.started) == 2


def test_successor_that_is_not_ready_in_time_is_ended_and_the_old_one_stays(serving):
    serving.pool.restart(asker=1)
    serving.wait(LIMITS.ready_s / 2, alive=(1,))
    serving.pool.heard(2, "STATUS", "still at it")  # which gains it no time
    serving.wait(LIMITS.ready_s / 2, alive=(1,))
    assert serving.phases == {1: "serving", 2: "ending"}
    assert serving.operations.signals == [(2, signal.SIGABRT)]
    assert serving.operations.told == [(1, "RESTART_FAILED=It was not ready within 60 s.")]
    serving.ready(2)  # too late
    assert serving.phases == {1: "serving", 2: "ending"}


def test_restart_during_a_restart_makes_one_more(serving):
    serving.pool.restart()
    serving.pool.restart()
    serving.pool.restart()
    assert len(serving.operations.started) == 2
    serving.ready(2)
    assert serving.phases == {1: "leaving", 2: "serving", 3: "coming"}
    serving.ready(3)
    assert serving.phases == {1: "leaving", 2: "leaving", 3: "serving"}
    assert len(serving.operations.started) == 3


def test_restart_cuts_the_pause_after_failures_short(played):
    for pid in (1, 2, 3, 4):
        played.pool.ended(pid, "ended with exit code 1")
        played.wait(5 if pid < 4 else 0)
    assert played.phases == {}
    played.pool.restart()
    assert played.operations.started[-1] == played.operations.now_s
    assert played.phases == {5: "coming"}


def test_worker_that_crashes_while_its_successor_comes_is_not_replaced_twice(serving):
    serving.pool.restart()
    serving.pool.ended(1, "was ended by SIGSEGV")
    assert serving.phases == {2: "coming"}
    serving.ready(2)
    assert serving.phases == {2: "serving"}
    assert len(serving.operations.started) == 2


def test_worker_that_ends_of_its_own_accord_is_replaced_while_it_drains(serving):
    serving.pool.heard(1, "STOPPING", "1")
    assert serving.phases == {1: "leaving", 2: "coming"}
    serving.ready(2)
    assert serving.operations.told == []
    serving.pool.ended(1, "ended")
    assert serving.phases == {2: "serving"}


def test_stop_passes_each_signal_on_and_is_over_once_all_have_ended(serving):
    serving.pool.restart()
    serving.ready(2)
    serving.pool.stop()
    serving.pool.stop()
    assert serving.operations.signals == [
        (1, signal.SIGTERM),
        (2, signal.SIGTERM),
        (1, signal.SIGTERM),
        (2, signal.SIGTERM),
    ]
    serving.pool.ended(1, "ended")
    assert not serving.pool.is_over
    serving.pool.restart()
    serving.pool.ended(2, "ended")
    serving.pool.tick()
    assert serving.pool.is_over
    assert len(serving.operations.started) == 2


def test_worker_that_is_ready_as_all_stop_is_followed_by_no_other(serving):
    serving.pool.restart()
    serving.pool.restart()
    serving.pool.stop()
    serving.ready(2)  # said before the signal reached it
    assert len(serving.operations.started) == 2
    serving.pool.ended(1, "ended")
    serving.pool.ended(2, "ended")
    assert serving.pool.is_over


def test_worker_that_hangs_while_it_stops_is_ended(serving):
    serving.pool.stop()
    serving.wait(LIMITS.hang_s + LIMITS.kill_s)
    assert (1, signal.SIGKILL) in serving.operations.signals


def test_lines_and_ends_of_strangers_are_passed_over(serving):
    serving.pool.heard(99, "READY", "1")
    serving.pool.heard(1, "NO_SUCH", "1")
    serving.pool.ended(99, "ended")
    assert serving.phases == {1: "serving"}


def test_workers_of_the_supervisor_before_are_kept(played):
    pool = WorkerPool(played.operations, LIMITS, lambda: played.operations.now_s)
    pool.take_up([(41, "serving"), (40, "leaving")])
    pool.tick()
    assert len(played.operations.started) == 1
    assert pool.is_settled()
    pool.ended(41, "was ended by SIGKILL")
    assert len(played.operations.started) == 2
