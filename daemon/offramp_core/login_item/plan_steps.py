"""Carries a plan out step by step, so that a failure halfway leaves known what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.login_item import planned_files
from offramp_core.login_item.runner import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from offramp_core.login_item.planned_files import PlannedFile
    from offramp_core.login_item.runner import Command
    from offramp_core.login_item.service import Plan

_WIDTH = 10


def carried_out(plan: Plan, run: Callable[[Command], object]) -> Iterator[str]:
    """Do all of `plan`; a line for each step that was done, and for each file that was right."""
    for command in plan.first:
        run(command)
        yield line_of_command(command)
    for folder in plan.folders:
        planned_files.make_folder(folder)
    for file in plan.files:
        if file.is_change:
            planned_files.apply(file)
        yield line_of_file(file)
    for command in plan.then:
        run(command)
        yield line_of_command(command)


def described(plan: Plan) -> Iterator[str]:
    """The same lines, and nothing done."""
    yield from map(line_of_command, plan.first)
    yield from map(line_of_file, plan.files)
    yield from map(line_of_command, plan.then)


def line_of_file(file: PlannedFile) -> str:
    """A file and what becomes of it."""
    return line(file.fate.value, str(file.path))


def line_of_command(command: Command) -> str:
    """A command."""
    return line("run", shown(command))


def line(what: str, to: str) -> str:
    """One thing that is done, in two columns."""
    return f"  {what:<{_WIDTH}}{to}"
