"""Fits the schema of a tool's input to the keywords that a service takes. Pure.

References go: what they lead to stands in their place. What leads elsewhere, or in a circle, is
left open, so that a schema may allow more than it did, and never less.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

from offramp_daemon.messages import json_splice
from offramp_daemon.messages.json_splice import Piece, SpliceError

if TYPE_CHECKING:
    import re

_MOST_NODES = 5000
"""So many schemas within one are looked at; what references blow up beyond that is left open."""
_MOST_BYTES = 256 * 1024
"""So much stands in the place of references at most, for the same reason."""
_DEEPEST = 64
_ANYTHING = b"{}"
_SCHEMAS_BY_NAME = ("properties",)
_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")
_NAMES = ("$id", "$anchor", "$dynamicAnchor")
"""By these a reference may name a part of the schema, besides its path."""
_SUBSCHEMAS = ("$defs", "definitions", *_SCHEMAS_BY_NAME)
"""Where parts with names of their own are looked for."""


class SchemaFilter:
    """One schema, and how many of its parts were looked at so far."""

    def __init__(
        self, root: Piece, keywords: frozenset[str], safe_pattern: re.Pattern[str]
    ) -> None:
        """Keep of `root` the `keywords`, and patterns that `safe_pattern` matches."""
        self._root = root
        self._keywords = keywords
        self._safe_pattern = safe_pattern
        self._nodes = 0
        self._bytes = 0
        self._named: dict[str, Piece] | None = None

    def clean(self) -> Piece:
        """The schema with known keywords only, references replaced by what they lead to."""
        return self._node(self._root, ())

    def _node(self, piece: Piece, trail: tuple[str, ...], depth: int = 0) -> Piece:
        try:
            before = json_splice.members(piece)
        except SpliceError:
            return piece if bytes(piece) in (b"true", b"false") else _ANYTHING
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            return _ANYTHING
        members = before
        if "$ref" in before:
            reference = _text(before["$ref"])
            members = _merged(self._target(reference, trail), before)
            del members["$ref"]
            trail = (*trail, reference)
        after: dict[str, Piece] = {}
        for key, value in members.items():
            if key in self._keywords and self._is_safe(key, value):
                cleaned = self._value(key, value, trail, depth + 1)
                if cleaned is not None:
                    after[key] = cleaned
        if "patternProperties" in members and "patternProperties" not in after:
            after.pop("additionalProperties", None)  # it would exclude what they had allowed
        return piece if after == before else json_splice.join_members(after)

    def _target(self, reference: str, trail: tuple[str, ...]) -> dict[str, Piece]:
        """What a reference within the schema leads to; nothing for a circle or another place."""
        if not reference or reference in trail or len(trail) > _DEEPEST:
            return {}
        try:
            piece = self._place(reference)
            found = json_splice.members(piece)
        except (SpliceError, KeyError, ValueError, IndexError):
            return {}
        self._bytes += len(memoryview(piece))
        if self._bytes > _MOST_BYTES:
            return {}
        if "$ref" in found:
            inner = _text(found.pop("$ref"))
            found = _merged(self._target(inner, (*trail, reference)), found)
        return found

    def _place(self, reference: str) -> Piece:
        """Find the part of the schema that a reference names, by its path or by a name.

        Raises:
            SpliceError, KeyError, ValueError, IndexError: there is none.
        """
        base, _, path = reference.partition("#")
        piece = self._root
        if base and base != _text(json_splice.members(self._root).get("$id", b"")):
            piece = self._part_named(base)
        path = unquote(path)
        if path and not path.startswith("/"):
            return self._part_named(path)
        for step in path.split("/")[1:]:
            if json_splice.starts_with(piece, b"["):
                piece = json_splice.items(piece)[int(step)]
            else:
                piece = json_splice.members(piece)[step.replace("~1", "/").replace("~0", "~")]
        return piece

    def _part_named(self, name: str) -> Piece:
        """Find a part that has a name of its own among the definitions."""
        if self._named is None:
            self._named = {}
            members = json_splice.members(self._root)
            for key in _SUBSCHEMAS:
                for part in json_splice.members(members.get(key, _ANYTHING)).values():
                    self._note_names(part)
        return self._named[name]

    def _note_names(self, part: Piece) -> None:
        if self._named is None or not json_splice.starts_with(part, b"{"):
            return
        members = json_splice.members(part)
        for key in _NAMES:
            if key in members:
                self._named.setdefault(_text(members[key]), part)

    def _is_safe(self, key: str, value: Piece) -> bool:
        if key != "pattern":
            return True
        pattern = _text(value)
        return bool(pattern) and self._safe_pattern.match(pattern) is not None

    def _value(self, key: str, value: Piece, trail: tuple[str, ...], depth: int) -> Piece | None:
        """The value of a keyword, the schemas in it cleaned; None if it is of no use."""
        try:
            if key in _SCHEMAS_BY_NAME:
                before = json_splice.members(value)
                after = {name: self._node(each, trail, depth) for name, each in before.items()}
                return value if after == before else json_splice.join_members(after)
            if key in _LISTS_OF_SCHEMAS or (
                key in _SCHEMAS and json_splice.starts_with(value, b"[")
            ):
                listed = json_splice.items(value)
                cleaned = [self._node(each, trail, depth) for each in listed]
                if not cleaned and key in _LISTS_OF_SCHEMAS:
                    return None
                return value if cleaned == listed else json_splice.join_items(cleaned)
        except SpliceError:
            return None
        return self._node(value, trail, depth) if key in _SCHEMAS else value


def _merged(target: dict[str, Piece], own: dict[str, Piece]) -> dict[str, Piece]:
    """What stands beside a reference, added to what it leads to."""
    merged = {**target, **own}
    for key in ("properties", "required"):
        if key in target and key in own:
            merged[key] = _joined(target[key], own[key])
    return merged


def _joined(first: Piece, second: Piece) -> Piece:
    """The members of two objects, or the items of two lists; `second` if they are neither."""
    try:
        if json_splice.starts_with(second, b"{"):
            return json_splice.join_members(
                {**json_splice.members(first), **json_splice.members(second)}
            )
        listed = [bytes(each) for each in (*json_splice.items(first), *json_splice.items(second))]
        return json_splice.join_items(list(dict.fromkeys(listed)))
    except SpliceError:
        return second


def _text(piece: Piece) -> str:
    try:
        value = json.loads(bytes(piece))
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""
