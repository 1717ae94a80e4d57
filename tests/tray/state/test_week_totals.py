"""The running week from the log: only what is new is read, and the week rolls over."""

from __future__ import annotations

import queue
import threading
from datetime import UTC, datetime, timedelta

import pytest
from log_samples import sample_line
from patience import PATIENCE_S
from tray_states import BOUNDARY, NOW

from offramp_core.errors import OfframpError
from offramp_core.usage.week_log import WeekLog
from offramp_tray.state.week_totals import WeekFollower


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "requests-2026-11.jsonl"


@pytest.fixture
def log(tmp_path, clock):
    return WeekLog(tmp_path, BOUNDARY, clock)


def requests(log):
    return {name: totals.requests for name, totals in log.totals().by_backend.items()}


def append(file, *lines):
    with file.open("ab") as opened:
        opened.writelines(lines)


def test_no_log_is_an_empty_week(log):
    assert requests(log) == {}
    assert log.totals().span == BOUNDARY.week_of(NOW)


def test_this_weeks_records_count_and_last_weeks_do_not(log, file):
    start = BOUNDARY.week_of(NOW).start
    append(
        file,
        sample_line(start - timedelta(seconds=1)),
        sample_line(start),
        sample_line(NOW, backend="anthropic"),
        sample_line(NOW + timedelta(days=30)),
    )
    assert requests(log) == {"zai": 1, "anthropic": 1}


def test_tokens_of_every_kind_are_summed(log, file):
    append(file, sample_line(NOW), sample_line(NOW, cache_read_input_tokens=10))
    assert log.totals().by_backend["zai"].tokens == 2 * (1250 + 890) + 10


def test_only_what_is_new_is_read(log, file):
    append(file, *[sample_line(NOW)] * 1000)
    assert requests(log) == {"zai": 1000}
    read = log.bytes_read
    line = sample_line(NOW)
    append(file, line)
    assert requests(log) == {"zai": 1001}
    assert log.bytes_read - read < 4 * len(line)


def test_the_week_rolls_over_at_its_boundary(log, file, clock):
    append(file, sample_line(NOW))
    assert requests(log) == {"zai": 1}
    clock.now = BOUNDARY.week_of(NOW).end
    assert requests(log) == {}
    append(file, sample_line(clock.now + timedelta(minutes=1), backend="anthropic"))
    assert requests(log) == {"anthropic": 1}


def test_a_clock_that_is_set_back_begins_anew(log, file, clock):
    append(file, sample_line(NOW - timedelta(days=7)), sample_line(NOW))
    assert requests(log) == {"zai": 1}
    clock.now = NOW - timedelta(days=7)
    assert requests(log) == {"zai": 1}
    assert log.totals().span == BOUNDARY.week_of(clock.now)


def test_a_log_that_was_replaced_is_counted_anew(log, file):
    append(file, *[sample_line(NOW)] * 3)
    assert requests(log) == {"zai": 3}
    file.write_bytes(sample_line(NOW, backend="anthropic"))
    assert requests(log) == {"anthropic": 1}


def test_a_torn_line_waits_for_its_end(log, file):
    line = sample_line(NOW)
    append(file, line[:40])
    assert requests(log) == {}
    append(file, line[40:])
    assert requests(log) == {"zai": 1}


def test_a_folder_that_is_none_is_an_error_with_a_cure(tmp_path, clock):
    (tmp_path / "log").write_bytes(b"")
    with pytest.raises(OfframpError, match="can't be read"):
        WeekLog(tmp_path / "log", BOUNDARY, clock).totals()


class Looks:
    """Counts looks, and says when the next is due."""

    def __init__(self, due_s=None):
        self.seen: queue.Queue[datetime] = queue.Queue()
        self.due_s = due_s
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self):
        self.seen.put(datetime.now(UTC))
        self.may_go_on.wait(PATIENCE_S)
        return self.due_s

    def next(self):
        return self.seen.get(timeout=PATIENCE_S)


@pytest.fixture
def following():
    followers = []

    def follow(look, **fields):
        follower = WeekFollower(look, **fields)
        followers.append(follower)
        follower.start()
        return follower

    yield follow
    for follower in followers:
        follower.stop()


def test_the_follower_looks_at_once_and_then_when_nudged(following):
    looks = Looks()
    follower = following(looks, gap_s=0.001)
    looks.next()
    follower.nudge()
    looks.next()
    assert looks.seen.empty()


def test_a_nudge_long_after_the_last_look_is_acted_upon_at_once(following):
    looks = Looks()
    hours = iter(range(0, 10**9, 3600))
    follower = following(looks, gap_s=3600.0, monotonic=lambda: float(next(hours)))
    looks.next()
    follower.nudge()
    looks.next()


def test_nudges_during_a_look_make_one_more_after_a_gap(following):
    looks = Looks()
    looks.may_go_on.clear()
    follower = following(looks, gap_s=0.2)
    first = looks.next()
    for _ in range(50):
        follower.nudge()
    looks.may_go_on.set()
    assert looks.next() - first >= timedelta(seconds=0.2)
    follower.stop()
    assert looks.seen.empty()


def test_the_follower_looks_when_the_week_is_over(following):
    looks = Looks(due_s=0.01)
    following(looks, gap_s=0.01)
    looks.next()
    looks.next()


def test_a_look_that_fails_is_not_the_last(following, caplog):
    seen = queue.Queue()

    def look():
        seen.put(None)
        raise RuntimeError("the disk is gone")

    follower = following(look, gap_s=0.001)
    seen.get(timeout=PATIENCE_S)
    follower.nudge()
    seen.get(timeout=PATIENCE_S)
    assert "could not be read" in caplog.text
