"""All cases, in the order of the table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cases_processes import Fresh, Idle, WholeRun
from cases_requests import agents_turn, bodies, burst, small_json
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
            raise ValueError(f"{word!r} is not a case, and none begins with it")
        names.update(found)
    return [case for case in cases if case.name in names]


def _traffic() -> tuple[Case, ...]:
    return (
        small_json(1),
        small_json(32),
        burst(1),
        burst(32),
        SlowStreams(20, 50),
        SlowStreams(200, 50),
        SlowStreams(1000, 100),
        agents_turn("same"),
        agents_turn("delegated"),
        bodies(1, "same", most_ratio=0.8),
        bodies(1, "cut", most_ratio=1.5),
        bodies(1, "delegated", most_ratio=1.5),
        bodies(8, "same", most_ratio=0.7),
        bodies(8, "cut", most_ratio=1.2),
        CalmStreams("same"),
        CalmStreams("cut"),
    )
