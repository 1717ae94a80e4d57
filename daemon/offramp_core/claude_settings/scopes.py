"""What each of Claude Code's settings sets, and the shell beside them, the strongest first.

Files that can't be read set nothing: Claude Code ignores them too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.claude_settings import json_spans
from offramp_core.claude_settings.editing import ENV
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from offramp_core.claude_settings.locations import SettingsLocations

OWN = "your own settings"
"""The name of the scope that connect writes to."""

_TRUTHS = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One place that sets variables; `path` is None for the shell.

    `settings` holds the file's own plain values, what is in `env` aside. Values may be secrets.
    """

    name: str
    path: Path | None
    variables: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(repr=False)
    problem: str = ""
    """Why the file is not JSON, and where, for which Claude Code ignores the whole of it."""

    @property
    def shown(self) -> str:
        """What to call it at the beginning of a sentence."""
        return self.name if self.path is None else f"{self.path} ({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedValue:
    """One value, and where it is set."""

    name: str
    value: str = field(repr=False)
    scope: Scope


def read(locations: SettingsLocations, environ: Mapping[str, str]) -> tuple[Scope, ...]:
    """List all that are there, the strongest first: the files win over the shell."""
    files = (*locations.stronger(), (OWN, locations.user))
    found = [scope for name, path in files if (scope := _of_file(name, path)) is not None]
    return (
        *found,
        Scope(name="This shell's environment", path=None, variables=environ, settings={}),
    )


def variables(scopes: Sequence[Scope], *names: str) -> Iterator[ScopedValue]:
    """List who sets one of the variables `names` to something, by name, strongest first."""
    for name in names:
        for scope in scopes:
            if value := scope.variables.get(name, "").strip():
                yield ScopedValue(name=name, value=value, scope=scope)


def in_force(scopes: Sequence[Scope], *names: str) -> ScopedValue | None:
    """Find what holds for the first of `names` that is set anywhere."""
    return next(variables(scopes, *names), None)


def settings(scopes: Sequence[Scope], name: str) -> Iterator[ScopedValue]:
    """List the files that set `name` itself, strongest first."""
    for scope in scopes:
        if value := scope.settings.get(name, "").strip():
            yield ScopedValue(name=name, value=value, scope=scope)


def is_on(value: str) -> bool:
    """Whether Claude Code takes this for yes."""
    return value.strip().lower() in _TRUTHS


def of_text(name: str, path: Path, text: str) -> Scope:
    """Read what `text` would set as the content of `path`."""
    try:
        found = json_spans.read(text).value
    except json_spans.SettingsTextError as error:
        return Scope(name=name, path=path, variables={}, settings={}, problem=str(error))
    return Scope(name=name, path=path, variables=_plain(found.get(ENV)), settings=_plain(found))


def _of_file(name: str, path: Path) -> Scope | None:
    try:
        data = atomic_file.read(path)
        return None if data is None else of_text(name, path, data.decode())
    except (OfframpError, UnicodeDecodeError):
        return None


def _plain(values: object) -> dict[str, str]:
    """The members that are text, numbers or truth values, as text."""
    members = values.items() if isinstance(values, dict) else ()
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in members
        if isinstance(value, str | int | float)
    }
