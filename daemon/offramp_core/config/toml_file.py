"""Reads `config.toml` into single named values; knows its keys and tables, not what they mean."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from offramp_core.config.schema import BACKEND, KEEP, ROUTE, SECRETS, SETTINGS, SHORTHANDS, TRAY
from offramp_core.config.text_file import read_text
from offramp_core.config.values import ConfigError, Given, did_you_mean, listed, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

KEY_ENV = "key_env"

_ORIGIN = "file"
_FLAT_TABLES = {"keep_on_anthropic": KEEP, "tray": TRAY}
"""The tables that hold plain values, with their keys."""
_TABLES = (*_FLAT_TABLES, "backend", "route")
BACKEND_NAME = re.compile(r"[a-z0-9_-]+")
_OWN_SIGNS = re.compile(r"'[\[\]{}=,.]{1,2}'")
_POSITION = re.compile(r"\(at (line \d+, column \d+)\)")


@dataclass(slots=True)
class FileValues:
    """What the file sets: `values` by full name, backends in the file's order, routes if any.

    The value of `backend.NAME.key` is a variable's name where NAME is in `with_key_env`.
    """

    values: dict[str, Given] = field(default_factory=dict)
    with_key_env: list[str] = field(default_factory=list)
    backend_names: list[str] = field(default_factory=list)
    routes: list[dict[str, Given]] | None = None


def read_values(path: Path, text: str | None = None) -> FileValues:
    """Read what `path` sets, or would set with `text` in it; nothing if there is no such file.

    Raises:
        ConfigError: unreadable, no TOML, an unknown key, a table where a value belongs or the other
            way round, or one setting given twice.
    """
    if text is None:
        text = read_text(path)
    return collect({} if text is None else _parse(text, path), str(path))


def collect(document: Mapping[str, Any], place: str) -> FileValues:
    """Collect the values of a parsed file; `place` is what messages call it."""
    found = FileValues()
    known = (*SETTINGS, *SHORTHANDS, *_TABLES)
    _refuse_unknown(document, known, table="", place=place)
    for key, value in document.items():
        if key not in _TABLES:
            found.values[SHORTHANDS.get(key, key)] = _given(key, key, value, place)
    for table, keys in _FLAT_TABLES.items():
        content = _table(document.get(table, {}), table, place)
        _refuse_unknown(content, keys, table=table, place=place)
        for key, value in content.items():
            name = f"{table}.{key}"
            found.values[name] = _given(name, name, value, place)
    for name, table in _table(document.get("backend", {}), "backend", place).items():
        _collect_backend(found, name, table, place)
    if "route" in document:
        found.routes = _routes(document["route"], place)
    return found


def _collect_backend(found: FileValues, name: str, content: object, place: str) -> None:
    label = f"backend.{shown_key(name)}"
    if not BACKEND_NAME.fullmatch(name):
        raise ConfigError(
            f"{place}: [{label}] is not a valid name for a backend.",
            hint="Use lower-case letters, digits, - and _ only.",
        )
    table = _table(content, label, place)
    _refuse_unknown(table, (*BACKEND, KEY_ENV), table=label, place=place)
    found.backend_names.append(name)
    for key, value in table.items():
        given = _given(f"{label}.{key}", key, value, place)
        # Both lead to the backend's key, so that only one of them can be meant.
        full_name = f"backend.{name}.{'key' if key == KEY_ENV else key}"
        if full_name in found.values:
            raise given.refused(
                f"sets the same as {found.values[full_name].label}",
                hint="Keep one of the two.",
            )
        found.values[full_name] = given
        if key == KEY_ENV:
            found.with_key_env.append(name)


def _routes(content: object, place: str) -> list[dict[str, Given]]:
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ConfigError(
            f"{place}: route is not a list of tables.",
            hint="Begin each route with a line [[route]], in double brackets.",
        )
    routes = []
    for number, table in enumerate(content, start=1):
        label = f"[[route]] number {number}"
        _refuse_unknown(table, ROUTE, table=label, place=place)
        for key in ("match", "backend"):
            if key not in table:
                raise ConfigError(
                    f"{place}: {label} has no {key}.",
                    hint="A route needs match (a part of the model's name) and backend.",
                )
        routes.append(
            {key: _given(f"{label}: {key}", key, value, place) for key, value in table.items()}
        )
    return routes


def _given(label: str, key: str, value: object, place: str) -> Given:
    return Given(label=label, place=place, origin=_ORIGIN, value=value, is_secret=key in SECRETS)


def _table(content: object, label: str, place: str) -> Mapping[str, Any]:
    if isinstance(content, dict):
        return content
    # What stands there is not shown: it may be a key in the wrong place.
    raise ConfigError(
        f"{place}: {label} is not a table.", hint=f"Begin it with a line [{label}], in brackets."
    )


def _refuse_unknown(
    content: Mapping[str, object], known: Iterable[str], *, table: str, place: str
) -> None:
    choices = tuple(known)
    unknown = next((key for key in content if key not in choices), None)
    if unknown is None:
        return
    where = f" in {table}" if table else ""
    hint = did_you_mean(unknown, choices) or f"Possible here: {listed(choices)}."
    # Its value is not shown: it may be a key under a misspelt name.
    raise ConfigError(f"{place}: unknown key {shown_key(unknown)}{where}.", hint=hint)


def _parse(text: str, path: Path) -> dict[str, Any]:
    """The document. No library error is chained: its text can repeat the file's."""
    problem = ""
    document: dict[str, Any] = {}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = _described(str(error), last_line=text.count("\n") + 1)
    except (ValueError, RecursionError):
        problem = "a number of too many digits, or brackets too deep"
    if problem:
        raise ConfigError(
            f"{path} is not valid TOML: {problem}.",
            hint='Write text in quotes (key = "value") and tables in brackets ([backend.zai]).',
        )
    return document


def _described(message: str, *, last_line: int) -> str:
    """Where the parser stopped and, unless it quotes the file, what it says."""
    position = _POSITION.search(message)
    where = position[1] if position else f"line {last_line}, the end"
    what = message.partition(" (at ")[0]
    # What is quoted may be the file's; signs of TOML's own are not.
    is_quoting = re.search("['\"(]", _OWN_SIGNS.sub("", what))
    return where if is_quoting else f"{where}: {what[:1].lower()}{what[1:]}"
