"""Waiting for something in a folder."""

from __future__ import annotations

import threading
import time

import pytest

from offramp_tray.state.folder_watch import FolderWatch

LONG_S = 20.0


@pytest.fixture
def watch(tmp_path):
    made = FolderWatch(tmp_path)
    yield made
    made.close()


def waited_s(watch, timeout_s=LONG_S):
    began_s = time.monotonic()
    watch.wait(timeout_s)
    return time.monotonic() - began_s


def test_a_new_file_ends_the_wait(watch, tmp_path):
    with watch.watching():
        threading.Timer(0.01, (tmp_path / "control.sock").touch).start()
        assert waited_s(watch) < LONG_S / 2


def test_what_came_before_the_wait_is_not_lost(watch, tmp_path):
    with watch.watching():
        (tmp_path / "control.sock").touch()
        assert waited_s(watch) < LONG_S / 2


def test_a_file_that_is_moved_there_ends_the_wait(watch, tmp_path_factory, tmp_path):
    made = tmp_path_factory.mktemp("other") / "control.sock"
    made.touch()
    with watch.watching():
        made.rename(tmp_path / "control.sock")
        assert waited_s(watch) < LONG_S / 2


def test_a_wake_ends_this_wait_or_the_next_and_only_one(watch):
    watch.wake()
    assert waited_s(watch) < LONG_S / 2
    assert waited_s(watch, 0.05) >= 0.05


def test_many_wakes_are_one(watch):
    for _ in range(100_000):
        watch.wake()
    while waited_s(watch, 0.01) < 0.01:
        pass
    assert waited_s(watch, 0.05) >= 0.05


def test_a_folder_that_is_not_there_is_waited_out(tmp_path):
    watch = FolderWatch(tmp_path / "nowhere")
    with watch.watching():
        assert waited_s(watch, 0.05) >= 0.05
    watch.close()


def test_nothing_stays_open_after_watching(watch, tmp_path):
    for _ in range(2000):  # more than a process may have open
        with watch.watching():
            pass
    with watch.watching():
        (tmp_path / "late").touch()
        assert waited_s(watch) < LONG_S / 2
