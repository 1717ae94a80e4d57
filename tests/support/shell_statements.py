"""The commands in the pages' blocks of code, and whether Offramp's own command line knows them."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from offramp_cli.program import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pages import Page

_PROGRAM = re.compile(r"(?:^|[\s(;&|`])(?:\.venv/bin/)?offramp ([^;&|)`\n]*)")
_LANGUAGES = ("sh", "bash", "zsh", "fish", "console")
_COMMAND = re.compile(r"(?:offramp|make|git|python|\.venv/bin/\w+) ")


@dataclass(frozen=True, slots=True)
class Statement:
    """One command of a page, which may be long (a loop) or several (`a && b`)."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.partition('  #')[0].splitlines()[0].strip()}"


def statements(page: Page) -> Iterator[Statement]:
    """Yield the commands of the page's blocks of shell, one by one and with their comments."""
    for block in page.blocks():
        if block.language in _LANGUAGES or (not block.language and _COMMAND.match(block.text)):
            yield from (Statement(page.name, text) for text in _split(block.text))


def _split(text: str) -> Iterator[str]:
    gathered = ""
    for line in text.splitlines():
        gathered += line + "\n"
        if gathered.strip() and not line.endswith("\\") and _is_complete(gathered):
            yield gathered.strip()
            gathered = ""
    assert not gathered.strip(), f"no shell can read this: {gathered}"


def _is_complete(text: str) -> bool:
    checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    return checked.returncode == 0


def words_for_offramp(text: str) -> list[list[str]]:
    """Return the arguments of every `offramp …` in the shell text."""
    return [shlex.split(found, comments=True) for found in _PROGRAM.findall(text)]


def problem_with(words: list[str]) -> str | None:
    """Say which subcommand or option of `offramp WORDS` does not exist; None if all do."""
    command: click.Command = command_line
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            return f"there is no command {name!r}"
        command = found
    options = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in option_names(command)]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else None


def option_names(command: click.Command) -> set[str]:
    """Return all spellings of the command's options."""
    context = click.Context(command)
    names = {
        name
        for parameter in command.get_params(context)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    return names | {"-h"}
