"""The pause: when it holds, and the file by which it outlives the daemon."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from privileges import without_root

from offramp_core.control.api import Pause
from offramp_core.errors import OfframpError
from offramp_daemon.routing import pause as delegation
from offramp_daemon.routing.pause import Delegation

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the zones are given beside


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_delegation_goes_on_unless_paused():
    switch = Delegation(clock=Clock())
    assert switch.pause is None
    switch.set(Pause(since=NOW))
    assert switch.pause == Pause(since=NOW)
    assert switch.settle() is None
    switch.set(None)
    assert switch.pause is None


def test_timed_pause_is_over_the_moment_it_is_due_before_anybody_settles_it():
    clock = Clock()
    switch = Delegation(clock=clock)
    pause = Pause(since=NOW, until=NOW + HOUR)
    switch.set(pause)
    clock.now = NOW + HOUR - timedelta(microseconds=1)
    assert switch.pause == pause
    clock.now = NOW + HOUR
    assert switch.pause is None
    assert (switch.settle(), switch.settle(), switch.due) == (pause, None, None)


def test_settled_pause_stays_over_when_the_clock_is_put_back():
    clock = Clock()
    switch = Delegation(clock=clock)
    switch.set(Pause(since=NOW, until=NOW + HOUR))
    clock.now = NOW + 2 * HOUR
    switch.settle()
    clock.now = NOW
    assert switch.pause is None


@given(st.none() | st.builds(Pause, since=MOMENTS, until=st.none() | MOMENTS))
def test_saved_pause_is_loaded_as_it_was(pause):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deep" / "delegation.json"
        delegation.save_pause(file, pause)
        assert delegation.load_pause(file) == pause
        assert [each.name for each in file.parent.iterdir()] == [file.name]
        assert file.stat().st_mode & 0o077 == 0


@given(st.binary(max_size=100) | st.just(b'{"is_paused":true}'))
def test_any_content_is_a_pause_or_said_to_be_damaged(data):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "delegation.json"
        file.write_bytes(data)
        with contextlib.suppress(OfframpError):
            pause = delegation.load_pause(file)
            assert pause is None or pause.since is not None


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_moment_that_no_zone_can_tell_is_damage(tmp_path, year):
    file = tmp_path / "delegation.json"
    file.write_text(f'{{"is_paused":true,"since":"{year}-01-01T00:00:00Z"}}')
    with pytest.raises(OfframpError, match="damaged") as caught:
        delegation.load_pause(file)
    assert str(file) in caught.value.title
    assert "pause again" in caught.value.hint


def test_no_file_is_no_pause(tmp_path):
    assert delegation.load_pause(tmp_path / "none" / "delegation.json") is None
    (tmp_path / "file").write_text("")
    assert delegation.load_pause(tmp_path / "file" / "delegation.json") is None


def test_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(OfframpError, match=r"not a file|denied"):
        delegation.load_pause(tmp_path)


def test_failed_save_leaves_what_was_there(tmp_path):
    file = tmp_path / "data" / "delegation.json"
    delegation.save_pause(file, Pause(since=NOW))
    file.parent.chmod(0o500)
    os.chown(tmp_path, *(2 * [65534])) if os.geteuid() == 0 else None
    try:
        with without_root(), pytest.raises(OSError, match="denied"):
            delegation.save_pause(file, None)
    finally:
        file.parent.chmod(0o700)
    assert delegation.load_pause(file) == Pause(since=NOW)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
