"""All cases, in the order of the table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cases_processes import Fresh, Idle, WholeRun
from cases_requests import Bodies, Burst, SmallJson, TodaysRequest
from cases_streams import CalmStreams, SlowReaders, SlowStreams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from case import Case


def all_cases() -> tuple[Case, ...]:
    """Every case: those with a plain upstream first, then the same over TLS."""
    return (
        *_traffic(),
        SlowReaders(),
        Idle(),
        Fresh(),
        WholeRun(_traffic()),
        *(over_tls(case) for case in (*_traffic(), WholeRun(_traffic()))),
    )


def over_tls(case: Case) -> Case:
    """Make `case` one with a TLS upstream."""
    case.name = f"tls-{case.name}"
    case.is_over_tls = True
    case.figures = tuple(
        dataclasses.replace(figure, label=figure.label and f"TLS: {figure.label}")
        for figure in case.figures
    )
    return case


def chosen(cases: Sequence[Case], words: Sequence[str]) -> list[Case]:
    """The cases that `words` choose: by its name, or all whose names begin with a word.

    Raises:
        ValueError: a word chooses none.
    """
    names: set[str] = set()
    known = [case.name for case in cases]
    for word in words:
        found = [word] if word in known else [name for name in known if name.startswith(word)]
        if not found:
            raise ValueError(f"{word!r} is no case, and none begins with it")
        names.update(found)
    return [case for case in cases if case.name in names]


def _traffic() -> tuple[Case, ...]:
    return (
        SmallJson(1),
        SmallJson(32),
        Burst(1),
        Burst(32),
        SlowStreams(20, 50),
        SlowStreams(200, 50),
        SlowStreams(1000, 100),
        TodaysRequest("same"),
        TodaysRequest("delegated"),
        Bodies(1, "same", most_ratio=0.8),
        Bodies(1, "cut", most_ratio=1.5),
        Bodies(1, "delegated", most_ratio=1.5),
        Bodies(8, "same", most_ratio=0.7),
        Bodies(8, "cut", most_ratio=1.2),
        CalmStreams("same"),
        CalmStreams("cut"),
    )
