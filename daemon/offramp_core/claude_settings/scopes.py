"""What each of Claude Code's settings sets, and the shell beside them, the strongest first.

Files that can't be read are passed over: Claude Code passes them over too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.claude_settings.editing import ENV
from offramp_core.claude_settings.jsonc import Document, JsoncError, Value, parse, place
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from offramp_core.claude_settings.locations import Places

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
    beyond_json: tuple[int, int] | None = None
    """Line and column of a comment or trailing comma, for which Claude Code may pass over it."""

    @property
    def shown(self) -> str:
        """What to call it at the beginning of a sentence."""
        return self.name if self.path is None else f"{self.path} ({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value, and where it is set."""

    name: str
    value: str = field(repr=False)
    scope: Scope


def read(places: Places, environ: Mapping[str, str]) -> tuple[Scope, ...]:
    """All that are there, the strongest first: the files win over the shell."""
    files = (*places.stronger(), (OWN, places.user))
    found = [scope for name, path in files if (scope := _of_file(name, path)) is not None]
    return (
        *found,
        Scope(name="This shell's environment", path=None, variables=environ, settings={}),
    )


def variables(scopes: Sequence[Scope], *names: str) -> Iterator[Setting]:
    """Each place that sets one of the variables `names` to something, by name, strongest first."""
    for name in names:
        for scope in scopes:
            if value := scope.variables.get(name, "").strip():
                yield Setting(name=name, value=value, scope=scope)


def in_force(scopes: Sequence[Scope], *names: str) -> Setting | None:
    """What holds for the first of `names` that is set anywhere."""
    return next(variables(scopes, *names), None)


def settings(scopes: Sequence[Scope], name: str) -> Iterator[Setting]:
    """Each file that sets `name` itself, strongest first."""
    for scope in scopes:
        if value := scope.settings.get(name, "").strip():
            yield Setting(name=name, value=value, scope=scope)


def is_on(value: str) -> bool:
    """Whether Claude Code takes this for yes."""
    return value.strip().lower() in _TRUTHS


def _of_file(name: str, path: Path) -> Scope | None:
    try:
        text = (atomic_file.read(path) or b"").decode()
        document = parse(text)
    except (OfframpError, UnicodeDecodeError, JsoncError):
        return None
    if document.root is None:
        return None
    env = document.root.last(ENV)
    beyond = document.beyond_json
    return Scope(
        name=name,
        path=path,
        variables=dict(_plain(document, env.value)) if env else {},
        settings=dict(_plain(document, document.root)),
        beyond_json=None if beyond is None else place(text, beyond),
    )


def _plain(document: Document, value: Value) -> Iterable[tuple[str, str]]:
    """The members that are text, numbers or truth values, as text."""
    for member in value.members:
        decoded = document.decoded(member.value)
        if isinstance(decoded, bool):
            yield member.key, str(decoded).lower()
        elif isinstance(decoded, str | int | float):
            yield member.key, str(decoded)
