"""Reads `.env`: `NAME=value` lines, for variables that stand behind the real environment.

A line may begin with `export`. Single quotes keep everything as it is; double quotes know the
escapes of `_ESCAPES`; without quotes a `#` after a blank begins a comment. Nothing is expanded and
no value spans lines. Errors name file and line, never what the line holds: it may be a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.config.text_file import read_text
from offramp_core.config.values import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<rest>.*)")
_SINGLE_QUOTED = re.compile(r"'(?P<body>[^']*)'[ \t]*(?:#.*)?")
_DOUBLE_QUOTED = re.compile(r'"(?P<body>(?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?')
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable's value and the line that set it, counted from 1."""

    value: str = field(repr=False)
    line: int


def read(path: Path) -> dict[str, Variable]:
    """Read the variables that `path` sets, by name; none if there is no such file.

    Raises:
        ConfigError: the file can't be read, or a line is not an assignment.
    """
    return parse(read_text(path) or "", str(path))


def parse(text: str, place: str) -> dict[str, Variable]:
    """Read the variables that `text` sets, by name, the last one winning.

    Raises:
        ConfigError: a line is not an assignment; it names `place`.
    """
    variables: dict[str, Variable] = {}
    # Not splitlines(), which would also cut at characters that a value may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        parts = _LINE.fullmatch(stripped)
        if parts is None:
            raise ConfigError(
                f"{place} line {number} does not have the form NAME=value.",
                hint="Begin comments with #. Names may contain letters, digits and _ only.",
            )
        value = _value(parts["rest"])
        if value is None:
            raise ConfigError(
                f"{place} line {number}: the quotes around the value of {parts['name']} do not "
                "close where the value ends.",
                hint="Put the whole value in one pair of quotes, on one line.",
            )
        variables[parts["name"]] = Variable(value, number)
    return variables


def _value(text: str) -> str | None:
    """What `text`, all that follows the `=`, stands for; None where its quotes are wrong."""
    if text.startswith("'"):
        quoted = _SINGLE_QUOTED.fullmatch(text)
        return quoted["body"] if quoted else None
    if text.startswith('"'):
        quoted = _DOUBLE_QUOTED.fullmatch(text)
        return _unescaped(quoted["body"]) if quoted else None
    return _COMMENT.sub("", text).strip()


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), text)
