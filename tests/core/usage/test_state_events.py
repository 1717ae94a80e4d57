"""The event contract."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.usage import state_events
from offramp_core.usage.records import UNREADABLE
from offramp_core.usage.state_events import StateEvent

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXT


@given(
    st.builds(
        StateEvent,
        ts=TEXT,
        event=TEXT,
        pid=st.none() | st.integers(0, 2**31),
        version=MAYBE,
        until=MAYBE,
        why=MAYBE,
        backend=MAYBE,
    )
)
def test_event_reads_back_from_one_line(event):
    line = state_events.encode(event)
    assert line.count(b"\n") == 1
    assert state_events.decode(line) == event


def test_line_begins_with_time_and_event_and_leaves_out_what_is_not_there():
    line = state_events.encode(
        StateEvent(event=state_events.RESUMED, ts="2026-02-07T10:30:00.000Z", why="x")
    )
    assert list(json.loads(line)) == ["ts", "event", "why"]


def test_events_of_a_newer_version_are_read():
    line = b'{"ts":"t","event":"backend in trouble","depth":3}\n'
    assert state_events.decode(line).event == "backend in trouble"


@pytest.mark.parametrize("line", [b"", b'{"ts":"t"', b'{"ts":1,"event":"x"}', b"\xff"])
def test_line_that_is_none_is_unreadable(line):
    with pytest.raises(UNREADABLE):
        state_events.decode(line)
