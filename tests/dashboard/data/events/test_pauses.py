"""When delegation was paused, told from a file that daemons write who come, go and die."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from offramp_core.usage import state_events
from offramp_core.usage.records import format_timestamp
from offramp_core.usage.state_events import StateEvent
from offramp_dashboard.data.events import event_reader
from offramp_dashboard.data.events.pauses import PausePeriod, all_pauses, pauses_of

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def told(minutes: float, event: str, until: float | None = None, **fields: object) -> StateEvent:
    return StateEvent(
        ts=format_timestamp(at(minutes)),
        event=event,
        until=None if until is None else format_timestamp(at(until)),
        **fields,  # type: ignore[arg-type]
    )


STARTED, STOPPED = state_events.STARTED, state_events.STOPPED
PAUSED, RESUMED = state_events.PAUSED, state_events.RESUMED


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([], [], id="nothing told"),
        pytest.param([(0, STARTED), (9, STOPPED)], [], id="never paused"),
        pytest.param([(0, STARTED), (5, PAUSED), (8, RESUMED)], [(5, 8)], id="resumed"),
        pytest.param([(0, STARTED), (5, PAUSED)], [(5, None)], id="still paused"),
        pytest.param([(5, PAUSED, 60), (8, RESUMED)], [(5, 8)], id="resumed before its time"),
        pytest.param([(5, PAUSED, 60)], [(5, 60)], id="daemon died before the time was over"),
        pytest.param([(5, PAUSED, 60), (60, RESUMED)], [(5, 60)], id="time over"),
        pytest.param([(5, PAUSED, 60), (90, STARTED)], [(5, 60)], id="over while no daemon ran"),
        pytest.param([(5, PAUSED), (7, PAUSED, 60)], [(5, 60)], id="given an end later"),
        pytest.param([(5, PAUSED, 9), (20, PAUSED, 30)], [(5, 9), (20, 30)], id="twice"),
        pytest.param([(5, PAUSED), (9, STOPPED)], [(5, None)], id="outlives a daemon"),
        pytest.param(
            [(5, PAUSED, 60), (9, STOPPED), (20, STARTED), (20.01, PAUSED, 60), (30, RESUMED)],
            [(5, 30)],
            id="taken up by the next daemon",
        ),
        pytest.param([(5, PAUSED), (20, STARTED), (40, RESUMED)], [(5, 20)], id="forgotten"),
        pytest.param(
            [(5, PAUSED), (20, STARTED), (25, PAUSED), (30, RESUMED)],
            [(5, 20), (25, 30)],
            id="forgotten, then paused anew",
        ),
        pytest.param(
            [(5, PAUSED), (20, STARTED), (20, PAUSED), (20.1, STOPPED), (40, RESUMED)],
            [(5, 40)],
            id="handed over",
        ),
        pytest.param([(5, RESUMED), (6, "a newer event")], [], id="resumed without a pause"),
        pytest.param([(5, PAUSED), (4, RESUMED)], [], id="clock put back"),
    ],
)
def test_pauses_are_told_from_the_changes(
    lines: list[tuple[float, str, float]], found: list[tuple[float, float | None]]
) -> None:
    expected = tuple(
        PausePeriod(at(start), None if end is None else at(end)) for start, end in found
    )
    assert pauses_of(told(*line) for line in lines) == expected


def test_file_is_read_with_its_torn_and_foreign_lines(tmp_path: Path) -> None:
    lines = [
        state_events.encode(told(0, STARTED)),
        b'{"ts": "yesterday", "event": "paused"}\n',
        b'{"ts": "0001-01-01T00:00:00Z", "event": "paused"}\n',
        b'{"ts": "2026-11-26T12:00:00.000Z", "event": "pau\n',
        b"[]\n",
        state_events.encode(told(5, PAUSED)),
        state_events.encode(told(8, RESUMED))[:-1],
    ]
    (tmp_path / state_events.FILE_NAME).write_bytes(b"".join(lines))
    assert all_pauses(event_reader.read(tmp_path)) == (PausePeriod(at(5), at(8)),)


def test_only_the_end_of_a_huge_file_is_read(tmp_path: Path) -> None:
    lines = [
        state_events.encode(told(minute, PAUSED if minute % 2 else RESUMED)) for minute in range(40)
    ]
    (tmp_path / state_events.FILE_NAME).write_bytes(b"".join(lines))
    found = all_pauses(event_reader.read(tmp_path, most_bytes=300))
    assert 0 < len(found) <= 5
    assert found[-1] == PausePeriod(at(39), None)


def test_without_a_readable_file_nothing_was_paused(tmp_path: Path) -> None:
    assert all_pauses(event_reader.read(tmp_path / "none")) == ()
    os.mkfifo(tmp_path / state_events.FILE_NAME)
    assert all_pauses(event_reader.read(tmp_path)) == ()


@pytest.mark.parametrize("mark", [".sync-conflict-20261130-101010-ABCDEFG", "-ANNAS-PC", " 2"])
def test_each_machines_pauses_are_its_own(tmp_path: Path, mark: str) -> None:
    laptop = [told(0, STARTED), told(1, PAUSED), told(9, RESUMED)]
    desktop = [told(2, STARTED), told(4, PAUSED), told(5, RESUMED)]
    copy = [*desktop[:2], told(6, RESUMED)]
    for name, events in (
        ("events.laptop.jsonl", laptop),
        ("events.desktop.jsonl", desktop),
        (f"events.desktop{mark}.jsonl", copy),
    ):
        (tmp_path / name).write_bytes(b"".join(map(state_events.encode, events)))
    assert len(event_reader.read(tmp_path)) == 2
    assert all_pauses(event_reader.read(tmp_path)) == (
        PausePeriod(at(1), at(9)),
        PausePeriod(at(4), at(5)),
    )


def test_pause_of_a_machine_that_got_a_name_meanwhile_ends_with_the_old_file(
    tmp_path: Path,
) -> None:
    old = [told(0, STARTED), told(1, PAUSED), told(4, state_events.STOPPED)]
    new = [told(5, STARTED), told(5, PAUSED), told(8, RESUMED)]
    for name, events in (("events.jsonl", old), ("events.laptop.jsonl", new)):
        (tmp_path / name).write_bytes(b"".join(map(state_events.encode, events)))
    found = all_pauses(event_reader.read(tmp_path))
    assert found == (PausePeriod(at(1), at(4)), PausePeriod(at(5), at(8)))
