"""One value that somebody set, and how it is refused: without ever showing a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENT = "environment"
"""The place of values that come from the process's environment."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CREDENTIAL = re.compile(
    r"\bsk-|(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{20,}"
)
_LONGEST_SHOWN = 60
_LARGEST_SHOWN = 10**18
_HIDDEN = "***"


class ConfigError(OfframpError):
    """Settings that can't be used: the title says where, key and value; the hint what would do.

    Where one value is to blame, `label` is its key as its author wrote it, and `problem` the part
    of the title that says what is wrong with it, for a form that shows it beside the value.
    """

    def __init__(self, title: str, *, hint: str = "", label: str = "", problem: str = "") -> None:
        """Keep what an error has, and which value is to blame."""
        super().__init__(title, hint=hint)
        self.label = label
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value as it was found, before it was read.

    `place` is a file (with its line, where known) or `ENVIRONMENT`; `label` is the key or variable
    as its author wrote it; `origin` is what `config show` prints. `rival` is the variable that
    would win over this one.
    """

    label: str
    place: str
    origin: str
    value: object = field(repr=False)
    is_text: bool = False
    """Comes from a variable, so that numbers are text."""
    is_secret: bool = False
    rival: str = ""

    def refused(self, problem: str, *, hint: str) -> ConfigError:
        """Make the error that says what is wrong with this value, for the caller to raise."""
        value = "" if self.is_secret else _equals(self.value)
        if self.rival:
            hint += f" If {self.label} is meant for another program, set {self.rival}: it wins."
        title = f"{self.place}: {self.label}{value} {problem}."
        return ConfigError(title, hint=hint, label=self.label, problem=problem)


def shown(value: object) -> str:
    """Show `value` on one short line, with whatever may be a credential masked."""
    match value:
        case bool():
            return str(value).lower()
        case int() if abs(value) > _LARGEST_SHOWN:
            return "a huge number"  # its text could take more digits than Python agrees to print
        case int() | float():
            return repr(value)
        case str():
            return repr(_without_credentials(value))
        case dict():
            return "a table"
        case list():
            return "an array"
        case _:
            return f"a {type(value).__name__}"


def plain(value: str) -> str:
    """`value` without quotes, for a program to read, with whatever may be a credential masked."""
    return _without_credentials(value)


def shown_key(key: str) -> str:
    """Show a key of the file as TOML writes it, for messages."""
    text = _without_credentials(key)
    return text if _BARE_KEY.fullmatch(text) else repr(text)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that `word` is most likely a slip for; None where none is near."""
    import difflib  # only for errors: start-up is quicker without it

    near = difflib.get_close_matches(word.lower()[:_LONGEST_SHOWN], choices, n=1)
    return near[0] if near else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`Did you mean X?`, or nothing where no choice is near."""
    near = nearest(word, choices)
    return f"Did you mean {near}?" if near else ""


def listed(choices: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def _equals(value: object) -> str:
    """What comes after a key: `= value`, or only the kind of what has no short text."""
    return f" ({shown(value)})" if isinstance(value, dict | list) else f" = {shown(value)}"


def _without_credentials(text: str) -> str:
    """`text`, shortened, without what looks like a key, a URL's password or its query."""
    text = re.sub(r"^.*@", f"{_HIDDEN}@", text, flags=re.DOTALL)
    text = re.sub(r"([?#]).*$", rf"\1{_HIDDEN}", text, flags=re.DOTALL)
    if _CREDENTIAL.search(text):
        return _HIDDEN
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
