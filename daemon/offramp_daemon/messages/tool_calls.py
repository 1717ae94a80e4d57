"""Repairs names, ids and inputs of tool calls that a model wrote amiss. Pure.

GLM leaks tokens of its template into names, writes ids such as `functions.Bash:0`, repeats ids in
later turns, and writes inputs that are no objects: reports. Claude refuses each of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_daemon.messages import json_splice

if TYPE_CHECKING:
    from collections.abc import Collection

    from offramp_daemon.messages.json_splice import Piece

_LONGEST_NAME = 128
_LONGEST_ID = 64
"""Of an id that is changed; one that is valid may be longer."""
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_ODD = re.compile(r"[^a-zA-Z0-9_-]+")
_TOKEN = re.compile(r"<[^<>]*>?")
"""A token of a template, whole (`</arg_value>`) or cut short (`<arg_key`)."""
_NUMBERED = re.compile(r"\A(?:functions?[.:/])?(.*?)(?::\d+)?\Z", re.DOTALL)
"""Some templates write `functions.Bash:0`."""
_UNNAMED = "unknown_tool"
_NO_ID = "call"


def is_id(call_id: str) -> bool:
    """Whether Claude takes `call_id` for a call."""
    return _ID.fullmatch(call_id) is not None


def is_name(name: str) -> bool:
    """Whether Claude takes `name` for a tool."""
    return _NAME.fullmatch(name) is not None


def repaired_name(name: object, tools: Collection[str]) -> str:
    """Find the tool that a name means, which Claude takes; `tools` are those that there are."""
    if not isinstance(name, str):
        return _UNNAMED
    if is_name(name):
        return name
    parts = [part.strip() for part in _TOKEN.split(name)]
    parts = [part for part in parts if part] or [name]
    unnumbered = [_NUMBERED.sub(r"\1", part) for part in parts]
    words = [word for part in parts for word in _ODD.split(part)]
    for candidate in (*parts, *unnumbered, *words):
        if candidate in tools and is_name(candidate):
            return candidate
    for candidate in (*parts, *unnumbered):
        if is_name(candidate):
            return candidate
    plain = "_".join(word for word in _ODD.split(unnumbered[0]) if word)
    return plain[:_LONGEST_NAME] or _UNNAMED


class CallIds:
    """Hands out the ids of a conversation's calls, oldest first, each only once."""

    def __init__(self) -> None:
        """Begin a conversation."""
        self._taken: set[str] = set()
        self._repeats: dict[str, int] = {}

    def take(self, call_id: object) -> str:
        """Return `call_id` if it is valid and new, else one made of it; it is taken from now on.

        What comes out depends only on the ids that were taken before.
        """
        if isinstance(call_id, str):
            if call_id not in self._taken and is_id(call_id):
                self._taken.add(call_id)
                return call_id
            is_valid = call_id in self._taken
        else:
            is_valid = False
        base = str(call_id) if is_valid else _plain_id(call_id)
        made = base
        while made in self._taken:
            self._repeats[base] = self._repeats.get(base, 1) + 1
            made = f"{base}_{self._repeats[base]}"
        self._taken.add(made)
        return made


def _plain_id(call_id: object) -> str:
    return _ODD.sub("_", call_id)[:_LONGEST_ID] if isinstance(call_id, str) and call_id else _NO_ID


def as_object(value: Piece | None) -> Piece:
    """Return the input of a call as the object that it has to be."""
    if value is None or bytes(value) == b"null":
        return b"{}"
    if json_splice.starts_with(value, b"{"):
        return value
    return b'{"value":' + bytes(value) + b"}"
