"""A change to a login item: described before it is made, then applied step by step.

A failure halfway leaves known what was done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.login_item import planned_files
from offramp_core.login_item.runner import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from offramp_core.login_item.planned_files import PlannedFile
    from offramp_core.login_item.runner import Command

_WIDTH = 10


def _run_nothing(command: Command) -> None:
    raise AssertionError(f"A plan of files only has no command: {command}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginItemPlan:
    """What it takes, in this order: commands, folders, files, commands."""

    first: tuple[Command, ...] = ()
    folders: tuple[Path, ...] = ()
    """What a manager does not make for itself; the user's only."""
    files: tuple[PlannedFile, ...] = ()
    then: tuple[Command, ...] = ()
    interrupts: str | None = None
    """Why the port is closed, or new requests wait, for a moment; None if they don't."""
    limits: str = ""
    """What the manager will not do for the login item here; empty if nothing."""
    hands_over: bool = False
    """The daemon that runs is of another program than the files name, and is to go on as that."""
    run: Callable[[Command], object] = field(default=_run_nothing, compare=False, repr=False)
    """Runs one of the commands to its end."""

    @property
    def is_change(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.first or self.then or any(file.is_change for file in self.files))

    def describe(self) -> Iterator[str]:
        """Yield the lines that `apply` would, and do nothing."""
        yield from map(command_line, self.first)
        yield from map(_file_line, self.files)
        yield from map(command_line, self.then)

    def apply(self) -> Iterator[str]:
        """Do all of it; yield a line for each step done, and for each file that was right.

        Raises:
            OfframpError: a command failed or a file can't be written; the steps before are done.
        """
        for command in self.first:
            self.run(command)
            yield command_line(command)
        for folder in self.folders:
            planned_files.make_folder(folder)
        for file in self.files:
            if file.is_change:
                planned_files.apply(file)
            yield _file_line(file)
        for command in self.then:
            self.run(command)
            yield command_line(command)


def _file_line(file: PlannedFile) -> str:
    return step_line(file.fate.value, str(file.path))


def command_line(command: Command) -> str:
    """Return the line for a command that is run."""
    return step_line("run", shown(command))


def step_line(action: str, target: str) -> str:
    """Return the line for one step, in two columns."""
    return f"  {action:<{_WIDTH}}{target}"
