"""When no daemon ran, told from a file that daemons write who come, go and die."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offramp_core.usage import state_events
from offramp_core.usage.records import format_timestamp
from offramp_core.usage.state_events import StateEvent
from offramp_dashboard.data.events.daemon_gaps import (
    Absence,
    absences_of,
    common_absences,
    is_watched,
)

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
STARTED, STOPPED, PAUSED = state_events.STARTED, state_events.STOPPED, state_events.PAUSED


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([], [], id="nothing told"),
        pytest.param([(0, STARTED, 1)], [], id="runs"),
        pytest.param([(0, STARTED, 1), (9, STOPPED, 1)], [(9, None)], id="has ended"),
        pytest.param([(0, STARTED, 1), (9, STOPPED, 1), (30, STARTED, 2)], [(9, 30)], id="a break"),
        pytest.param(
            [(0, STARTED, 1), (9, STOPPED, 1), (9.5, STARTED, 2)], [], id="a restart is no break"
        ),
        pytest.param(
            [(0, STARTED, 1), (9, STARTED, 2), (9.2, STOPPED, 1)], [], id="one takes over"
        ),
        pytest.param([(0, STARTED, 1), (30, STARTED, 2)], [(30, 30)], id="died, nobody knows when"),
        pytest.param(
            [(0, STARTED, 1), (5, PAUSED, 1), (9, STOPPED, 1), (30, STARTED, 2), (40, STOPPED, 2)],
            [(9, 30), (40, None)],
            id="twice",
        ),
        pytest.param([(9, STOPPED, 1), (30, STARTED, 2)], [(9, 30)], id="begins in the middle"),
    ],
)
def test_absences_are_told_by_who_came_and_went(
    lines: list[tuple[float, str, int]], found: list[tuple[float, float | None]]
) -> None:
    told = [
        StateEvent(ts=format_timestamp(at(minutes)), event=event, pid=pid)
        for minutes, event, pid in lines
    ]
    assert list(absences_of(told)) == [
        Absence(at(start), None if end is None else at(end)) for start, end in found
    ]


def test_time_without_a_moment_is_passed_over() -> None:
    assert absences_of([StateEvent(ts="yesterday", event=STOPPED, pid=1)]) == ()


@pytest.mark.parametrize(
    ("start", "end", "is_so"),
    [(0, 8, True), (8, 10, False), (12, 14, False), (31, 39, True), (35, 99, False)],
)
def test_a_stretch_is_watched_if_no_absence_reaches_into_it(
    start: float, end: float, is_so: bool
) -> None:
    absences = (Absence(at(9), at(30)), Absence(at(40), None))
    assert is_watched(absences, at(start), at(end)) is is_so


@pytest.mark.parametrize(
    ("machines", "found"),
    [
        pytest.param([], [], id="no machine"),
        pytest.param([[(0, STARTED), (9, STOPPED)]], [(9, None)], id="one"),
        pytest.param(
            [[(0, STARTED), (9, STOPPED), (30, STARTED)], [(0, STARTED)]], [], id="other runs"
        ),
        pytest.param(
            [
                [(0, STARTED), (9, STOPPED), (30, STARTED)],
                [(0, STARTED), (20, STOPPED), (40, STARTED)],
            ],
            [(20, 30)],
            id="both away",
        ),
        pytest.param(
            [
                [(0, STARTED), (9, STOPPED), (30, STARTED)],
                [(0, STARTED), (30, STOPPED), (40, STARTED)],
            ],
            [],
            id="one goes as the other comes",
        ),
        pytest.param(
            [[(20, STARTED)], [(0, STARTED), (9, STOPPED)]],
            [(9, 20)],
            id="before there was another",
        ),
        pytest.param(
            [[(0, STARTED), (9, STOPPED)], [(20, STARTED)]], [(9, 20)], id="got a name meanwhile"
        ),
        pytest.param(
            [[(0, STARTED), (9, STOPPED)], [(5, STARTED), (10, STARTED)]],
            [(10, 10)],
            id="other died while this was away",
        ),
    ],
)
def test_absences_of_several_machines_are_those_that_all_share(
    machines: list[list[tuple[float, str]]], found: list[tuple[float, float | None]]
) -> None:
    told = [
        [
            StateEvent(ts=format_timestamp(at(minutes)), event=event, pid=pid)
            for pid, (minutes, event) in enumerate(lines)
        ]
        for lines in machines
    ]
    for each in told:  # whoever stops is the one that started before
        for place, event in enumerate(each):
            if event.event == STOPPED:
                each[place] = StateEvent(ts=event.ts, event=STOPPED, pid=place - 1)
    assert list(common_absences(told)) == [
        Absence(at(start), None if end is None else at(end)) for start, end in found
    ]
