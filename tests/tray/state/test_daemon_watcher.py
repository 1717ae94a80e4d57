"""What the watcher tells of a daemon that comes, changes, ends, is replaced, or falls silent."""

from __future__ import annotations

import queue
import threading

import pytest
from patience import PATIENCE_S
from tray_states import status_of

from offramp_core.control.client import ControlError, NotRunningError
from offramp_tray.state.daemon_watcher import DaemonWatcher, Patience
from offramp_tray.state.folder_watch import FolderWatch

QUICK = Patience(first_s=0.01, longest_s=0.05, handover_s=0.3, handover_try_s=0.005, missed_s=0.2)
NOBODY = NotRunningError("The daemon is not running.")


class FakeStream:
    """A stream that a test fills."""

    def __init__(self):
        self._items = queue.Queue()
        self.closed = threading.Event()

    def tell(self, status):
        self._items.put(status)

    def fail(self, error):
        self._items.put(error)

    def end(self):
        self._items.put(None)

    def __iter__(self):
        while (item := self._items.get(timeout=PATIENCE_S)) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self):
        self.closed.set()
        self.end()


class FakeClient:
    """Follows what the test puts there; without any, nobody answers."""

    def __init__(self):
        self.streams: queue.Queue[FakeStream | ControlError] = queue.Queue()
        self.tries = 0

    def add(self):
        stream = FakeStream()
        self.streams.put(stream)
        return stream

    def events(self):
        self.tries += 1
        try:
            found = self.streams.get_nowait()
        except queue.Empty:
            raise NOBODY from None
        if isinstance(found, ControlError):
            raise found
        return found


class Told:
    """What the watcher said, in order."""

    def __init__(self):
        self.said = queue.Queue()

    def on_status(self, status):
        self.said.put(status)

    def on_gone(self):
        self.said.put("gone")

    def on_missed(self):
        self.said.put("missed")

    def on_unreachable(self, error):
        self.said.put(error)

    def next(self):
        return self.said.get(timeout=PATIENCE_S)


class World:
    def __init__(self, folder, patience=QUICK):
        self.folder = folder
        self.client = FakeClient()
        self.told = Told()
        self.watch = FolderWatch(folder)
        self.watcher = DaemonWatcher(self.client, self.watch, self.told, patience=patience)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.watcher.stop()
    made.watch.close()


def test_each_status_is_passed_on(world):
    stream = world.client.add()
    first, second = status_of(), status_of(in_flight=2)
    stream.tell(first)
    world.watcher.start()
    assert world.told.next() == first
    stream.tell(second)
    assert world.told.next() == second


def test_no_daemon_at_the_start_is_told_once_and_missed_by_nobody(world):
    world.watcher.start()
    assert world.told.next() == "gone"
    stream = world.client.add()
    stream.tell(status_of())
    assert world.told.next() == status_of()
    assert world.told.said.empty()


def test_a_daemon_that_was_killed_is_gone_at_once_and_missed_later(world):
    stream = world.client.add()
    stream.tell(status_of())
    world.watcher.start()
    world.told.next()
    stream.end()
    assert world.told.next() == "gone"
    assert world.told.next() == "missed"


def test_a_daemon_that_comes_back_in_time_is_not_missed(world):
    stream = world.client.add()
    stream.tell(status_of())
    world.watcher.start()
    world.told.next()
    stream.end()
    assert world.told.next() == "gone"
    world.client.add().tell(status_of(pid=2))
    assert world.told.next() == status_of(pid=2)
    assert world.told.said.empty()


def test_a_hand_over_is_not_told_of(world):
    old = world.client.add()
    old.tell(status_of())
    old.tell(status_of(is_stopping=True))
    world.watcher.start()
    world.told.next()
    world.told.next()
    old.end()
    world.client.add().tell(status_of(pid=2))
    assert world.told.next() == status_of(pid=2)


@pytest.mark.parametrize("error", [NOBODY, ControlError("The connection to the daemon broke off.")])
def test_a_supervised_daemon_that_is_killed_has_a_successor(world, error):
    old = world.client.add()
    old.tell(status_of(supervisor_pid=1))
    world.watcher.start()
    world.told.next()
    world.client.streams.put(error)
    world.client.add().tell(status_of(pid=2))
    old.end()
    assert world.told.next() == status_of(pid=2)


def test_a_successor_that_cannot_be_asked_is_told_of(world):
    old = world.client.add()
    old.tell(status_of(is_stopping=True))
    world.client.events = events_once(world.client.events, ControlError("Another protocol."))
    world.watcher.start()
    world.told.next()
    old.end()
    assert str(world.told.next()) == "Another protocol."


def events_once(events, error):
    """A client's `events` that works once."""
    left = [events]

    def follow():
        if left:
            return left.pop()()
        raise error

    return follow


def test_a_daemon_that_was_stopped_is_gone_after_a_while_and_not_missed(tmp_path):
    patience = Patience(
        first_s=0.01, longest_s=0.02, handover_s=0.05, handover_try_s=0.005, missed_s=0.1
    )
    world = World(tmp_path, patience)
    stream = world.client.add()
    stream.tell(status_of(is_stopping=True))
    stream.end()
    world.watcher.start()
    world.told.next()
    assert world.told.next() == "gone"
    tries = world.client.tries
    while world.client.tries < tries + 10:  # for longer than it takes to be missed
        world.watcher.look_now()
    world.watcher.stop()
    world.watch.close()
    assert world.told.said.empty()


def test_one_that_cannot_be_asked_is_told_with_the_reason_and_asked_again(world):
    world.client.streams.put(ControlError("It speaks another protocol."))
    world.watcher.start()
    assert str(world.told.next()) == "It speaks another protocol."
    world.client.add().tell(status_of())
    while (said := world.told.next()) == "gone":
        pass
    assert said == status_of()


def test_one_that_falls_silent_is_told_of(world):
    stream = world.client.add()
    stream.tell(status_of())
    stream.fail(ControlError("The daemon has been silent for 45 s."))
    world.watcher.start()
    world.told.next()
    assert "silent" in str(world.told.next())


def test_a_daemon_that_comes_is_noticed_though_the_next_try_is_far(tmp_path):
    world = World(tmp_path, Patience(first_s=3600.0, longest_s=3600.0))
    world.watcher.start()
    assert world.told.next() == "gone"
    world.client.add().tell(status_of())
    (tmp_path / "control.sock").touch()
    assert world.told.next() == status_of()
    world.watcher.stop()
    world.watch.close()


def test_tries_become_rare():
    patience = Patience(first_s=1.0, longest_s=30.0)
    waits = [patience.wait_s(tries) for tries in range(8)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_stop_ends_a_stream_that_waits(world):
    stream = world.client.add()
    stream.tell(status_of())
    world.watcher.start()
    world.told.next()
    world.watcher.stop()
    assert stream.closed.is_set()
    assert "watcher" not in {thread.name for thread in threading.enumerate()}
    assert world.told.said.empty()


def test_a_listener_that_fails_does_not_end_it(world, caplog):
    world.client.add().tell(status_of())
    is_first = iter((True, False))

    def on_status(status):
        if next(is_first):
            raise RuntimeError("a mistake")
        world.told.said.put(status)

    world.told.on_status = on_status
    world.client.add().tell(status_of(pid=2))
    world.watcher.start()
    assert world.told.next() == status_of(pid=2)
    assert "could not be followed" in caplog.text
