"""Names and ids of tool calls: which of them Anthropic accepts, and what to put for the others.

Models other than Claude leak tokens of their templates into a tool's name (`Bash</arg_value>`), and
number their calls in their own ways (`functions.Bash:0`). What is valid never changes here. Pure.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

NO_NAME = "tool"
"""Takes the place of a name of which nothing is left."""

_NO_ID = "call"
_NAME_LIMIT = 128
_ID_LIMIT = 64
"""A repaired id is no longer than that before its number; a valid one may be."""
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]+")
_TOKEN = re.compile(
    r"<[|\uff5c][^<>]{0,64}>|</?[a-z_|]{1,64}/?>|<[/|\uff5c]?[a-z_|\u2581]{0,64}$|[\r\n]"
)
"""A token of a template: `<tool_call>`, `</arg_value>`, `<|im_end|>`, or one that is cut short.

A line end parts a name from its arguments in templates; some write wide bars and low lines.
"""
_NUMBERED = re.compile(r"\A(?:functions?[.:/])?(.*?)(?::\d+)?\Z", re.DOTALL)
"""Some templates write `functions.Bash:0`."""
_NAMESPACES = frozenset({"function", "functions", "tool", "tools", "default_api", "name"})
"""What templates put beside a name."""


def is_valid_name(name: object) -> bool:
    """Whether Anthropic accepts `name` as a tool's."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_valid_id(call_id: object) -> bool:
    """Whether Anthropic accepts `call_id` as a tool call's."""
    return isinstance(call_id, str) and _ID.fullmatch(call_id) is not None


class KnownTools:
    """The tools that a request offers, to be found by what a model wrote for one of them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Names that are not valid are passed over: no call can have them."""
        self._names = {name for name in names if is_valid_name(name)}
        self._in_lower_case: dict[str, str | None] = {}
        """None for what is the name of two tools but for the case."""
        for name in self._names:
            lower = name.lower()
            self._in_lower_case[lower] = None if lower in self._in_lower_case else name

    def find(self, reading: str) -> str | None:
        """The tool of that name, or else the only one that has it in another case."""
        return reading if reading in self._names else self._in_lower_case.get(reading.lower())


NO_TOOLS = KnownTools()


def repaired_name(name: object, known_tools: KnownTools = NO_TOOLS) -> str:
    """The name that `name` was meant to be; itself if it is valid.

    That is the one of `known_tools` that it spells, tokens, namespaces and case aside. Otherwise it
    is what stands before the first token, or behind it, made valid.
    """
    if not isinstance(name, str):
        return NO_NAME
    if is_valid_name(name):
        return name
    parts = [part.strip() for part in _TOKEN.split(name) if part.strip()]
    first = parts[0] if parts else ""
    whole = "".join(map(_made_valid, parts))
    readings = (_made_valid(first), whole, _only_word(first), _only_word(name))
    for reading in (*readings, *parts, *first.split()):
        meant = known_tools.find(reading)
        if meant is not None:
            return meant
    plain = _made_valid(_NUMBERED.sub(r"\1", first))[:_NAME_LIMIT]
    return plain if plain.strip("_-") else NO_NAME


def repaired_id(call_id: object, taken: Container[str], *, first_number: int = 2) -> str:
    """An id that is valid and not in `taken`, as much like `call_id` as may be.

    One that is taken gets a number behind it, `first_number` or the next that is free: whoever has
    many to repair counts up, so that no search is long.
    """
    text = call_id if isinstance(call_id, str) else ""
    plain = text if is_valid_id(text) else _made_valid(text)[:_ID_LIMIT] or _NO_ID
    if plain not in taken:
        return plain
    stem = plain[:_ID_LIMIT]
    numbered = (f"{stem}_{number}" for number in itertools.count(first_number))
    return next(candidate for candidate in numbered if candidate not in taken)


class CallIds:
    """Gives the calls of a conversation their ids, oldest first, each only once."""

    def __init__(self) -> None:
        """Begin a conversation."""
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, call_id: object) -> str:
        """Return `call_id` if it is valid and new, else one made of it; it is taken from now on.

        What comes out depends only on the ids that were taken before.
        """
        given = call_id if is_valid_id(call_id) and call_id not in self._taken else None
        if given is None:
            stem = call_id if isinstance(call_id, str) else ""
            number = self._next.get(stem, 2)
            given = repaired_id(call_id, self._taken, first_number=number)
            self._next[stem] = number + 1
        self._taken.add(str(given))
        return str(given)


def _made_valid(text: str) -> str:
    """`text` with one `_` for each run of characters that names must not hold."""
    return _OTHER.sub("_", text.strip())


def _only_word(text: str) -> str:
    """The word in `text`, namespaces and numbers aside; empty if it has more than one."""
    words = {word for word in _OTHER.split(text) if word and not word.isdigit()} - _NAMESPACES
    return words.pop() if len(words) == 1 else ""
