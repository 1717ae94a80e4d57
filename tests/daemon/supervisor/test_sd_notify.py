"""sd_notify's lines: as systemd gets them, and as supervisor and worker exchange them."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from patience import PATIENCE_S

from offramp_daemon.supervisor import sd_notify
from offramp_daemon.supervisor.sd_notify import Channel, SdNotifier


@pytest.fixture
def manager(tmp_path):
    """Where a manager reads, and the path that it is at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        path = str(tmp_path / "notify")
        reader.bind(path)
        reader.settimeout(PATIENCE_S)
        yield reader, path


@pytest.fixture
def pair():
    ours, theirs = (Channel(end) for end in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_manager_gets_all_lines_in_one_message(manager):
    reader, path = manager
    SdNotifier({"NOTIFY_SOCKET": path}).send("READY=1", sd_notify.status("Well\nenough"))
    assert reader.recv(4096) == b"READY=1\nSTATUS=Well enough"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no files are Linux's own")
def test_manager_at_a_name_that_is_no_file_is_reached():
    name = f"offramp-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(f"\0{name}")
        reader.settimeout(PATIENCE_S)
        SdNotifier({"NOTIFY_SOCKET": f"@{name}"}).send("WATCHDOG=1")
        assert reader.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": "/no/such"}, {"NOTIFY_SOCKET": "x" * 200}]
)
def test_manager_that_is_not_there_is_no_trouble(environ):
    assert SdNotifier(environ).send("READY=1") is None


def test_manager_that_reads_nothing_holds_up_nobody(manager):
    _, path = manager
    told = SdNotifier({"NOTIFY_SOCKET": path})
    for _ in range(2000):  # far more than any queue holds
        told.send("WATCHDOG=1")


@pytest.mark.parametrize(
    ("environ", "limit_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_watchdogs_limit_is_read_as_systemd_means_it(environ, limit_s):
    assert sd_notify.watchdog_limit_s(environ, 7) == limit_s


def test_variables_are_taken_and_not_left_for_children():
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "2", "HOME": "/h"}
    told = sd_notify.take_from(environ)
    assert environ == {"HOME": "/h"}
    assert told == {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "2"}


def test_channel_carries_lines_both_ways(pair):
    ours, theirs = pair
    theirs.send("READY=1", "STATUS=a=b")
    assert ours.read() == [("READY", "1"), ("STATUS", "a=b")]
    ours.send("LEAVE=1")
    assert theirs.read() == [("LEAVE", "1")]
    assert ours.read() == []
    assert ours.is_open


def test_line_in_pieces_is_read_once_it_is_whole():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        theirs.send(b"READY=1\nSTA")
        assert channel.read() == [("READY", "1")]
        theirs.send(b"TUS=\xff\n")
        assert channel.read() == [("STATUS", "\ufffd")]
        theirs.send(b"x" * 100_000)
        assert channel.read() == []
    channel.close()


def test_last_words_are_read_before_the_end_is_seen(pair):
    ours, theirs = pair
    theirs.send("STATUS=bye")
    theirs.close()
    assert ours.read() == [("STATUS", "bye")]
    assert ours.read() == []
    assert not ours.is_open
    ours.send("LEAVE=1")  # to nobody


def test_full_channel_holds_up_nobody(pair):
    ours, _ = pair
    for _ in range(100_000):
        ours.send("WATCHDOG=1")
    assert ours.is_open


def test_channel_is_not_for_children(pair):
    assert not os.get_inheritable(pair[0].fileno())
