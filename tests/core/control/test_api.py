"""The control contract: what was encoded reads back, and what is foreign is said to be."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.control import api
from offramp_core.control.api import (
    BackendStatus,
    CommandAnswer,
    CommandRefusal,
    ControlAnswer,
    OtherProtocolError,
    Pause,
    PauseCommand,
    RecordsStatus,
    Status,
    UnreadableError,
)

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, 2**53)
STATUSES = st.builds(
    Status,
    pid=COUNTS,
    started=MOMENTS,
    uptime_s=COUNTS,
    address=TEXT,
    pause=st.none() | st.builds(Pause, since=MOMENTS, until=st.none() | MOMENTS),
    backends=st.lists(
        st.builds(
            BackendStatus, name=TEXT, key=st.sampled_from(["not needed", "present", "missing"])
        ),
        max_size=3,
    ).map(tuple),
    in_flight=COUNTS,
    records=st.builds(
        RecordsStatus, written=COUNTS, waiting=COUNTS, lost=COUNTS, last_error=st.none() | TEXT
    ),
    settings_file=TEXT,
    is_stopping=st.booleans(),
)


@given(STATUSES)
def test_status_reads_back_as_one_line(status):
    data = api.encode(status)
    assert b"\n" not in data
    assert api.decode_answer(data, Status) == status


@given(st.builds(PauseCommand, until=st.none() | MOMENTS))
def test_pause_reads_back(command):
    assert api.decode_pause(api.encode(command)) == command


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_unreadable(data):
    for decode in (
        api.decode_pause,
        lambda data: api.decode_answer(data, Status),
        lambda data: api.decode_answer(data, CommandRefusal),
    ):
        with contextlib.suppress(UnreadableError, OtherProtocolError):
            decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"until":"2026-11-26T22:00:00"}',
        b'{"until":5}',
        b'{"until":null,"only_for":"haiku"}',
        b"[]",
        b"[" * 100_000,
    ],
)
def test_pause_that_may_mean_something_else_is_not_taken(data):
    with pytest.raises(UnreadableError):
        api.decode_pause(data)


def test_pause_without_words_has_no_end():
    assert api.decode_pause(b"") == PauseCommand(until=None)


def test_answer_of_another_protocol_says_whose_it_is_whatever_else_it_holds():
    data = json.dumps({"protocol": 7, "version": "9.1", "status": "all new"}).encode()
    with pytest.raises(OtherProtocolError) as caught:
        api.decode_answer(data, CommandAnswer)
    assert (caught.value.head.protocol, caught.value.head.version) == (7, "9.1")


def test_answer_with_more_than_we_know_is_understood():
    data = json.dumps({"protocol": api.PROTOCOL, "version": "9", "new": [1]}).encode()
    assert api.decode_answer(data, ControlAnswer) == ControlAnswer(version="9")


def test_answer_without_protocol_is_unreadable():
    with pytest.raises(UnreadableError):
        api.decode_answer(b'{"title":"nothing of ours"}', CommandRefusal)
