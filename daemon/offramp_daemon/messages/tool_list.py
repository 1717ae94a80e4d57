"""Fits the list of tools, and their schemas, to what a service takes. Pure."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from offramp_core.services import anthropic
from offramp_daemon.messages import json_splice
from offramp_daemon.messages.allow_list import keep_within
from offramp_daemon.messages.json_splice import Piece, SpliceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_daemon.messages.allow_list import Wanted

_LARGEST_KEPT_BYTES = 1024 * 1024
"""A longer list of tools is not remembered."""
_MOST_NODES = 5000
"""So many schemas within one are looked at; what references blow up beyond that is left open."""
_DEEPEST = 64
_ANYTHING = b"{}"
_SCHEMAS_BY_NAME = ("properties",)
_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")


class _Head(msgspec.Struct, gc=False):
    name: str = ""
    type: str | None = None


_HEAD = msgspec.json.Decoder(_Head)
_NO_CHANGES: Mapping[str, bytes | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Filtered:
    """A list of tools as it is sent, or None for none, and the names in it."""

    tools: bytes | None
    names: frozenset[str]
    has_advisor: bool


class ToolFilter:
    """Applies what is wanted to tools; build one with `for_wanted`."""

    def __init__(self, wanted: Wanted) -> None:
        """Remember the lists seen last: clients send the same one with every request."""
        accepts = wanted.accepts
        self._wanted = wanted
        self._fields = wanted.names("tools", accepts.tool)
        self._cache_control = wanted.names("cache_control", accepts.cache_control)
        self._choice = wanted.names("tool_choice", accepts.tool_choice)
        self._keywords = wanted.names("schema", accepts.schema) or frozenset()
        self._pattern = re.compile(accepts.safe_pattern)
        self._remembered = functools.lru_cache(maxsize=16)(self._filtered)

    def apply(
        self,
        parts: dict[str, Piece],
        changes: Mapping[str, bytes | None],
        *,
        server_tools: bool,
    ) -> bool:
        """Change `tools` and `tool_choice`; return whether the advisor was among the tools.

        `changes` are those that system items make: a tool by name, or None for one that is gone.
        """
        if "tools" not in parts and not any(changes.values()):
            self._fit_choice(parts, frozenset())
            return False
        raw = bytes(parts.get("tools", b""))
        is_kept = not changes and len(raw) <= _LARGEST_KEPT_BYTES
        filtered = (
            self._remembered(raw, server_tools)
            if is_kept
            else self._filtered(raw, server_tools, changes)
        )
        if filtered.tools is None:
            parts.pop("tools", None)
        elif filtered.tools != raw:
            parts["tools"] = filtered.tools
        self._fit_choice(parts, filtered.names)
        return filtered.has_advisor

    def _filtered(
        self, raw: bytes, server_tools: bool, changes: Mapping[str, bytes | None] = _NO_CHANGES
    ) -> _Filtered:
        before = json_splice.items(raw) if raw.startswith(b"[") else []
        after: dict[str, Piece] = {}
        has_advisor = False
        for tool in before:
            head = _head(tool)
            has_advisor = has_advisor or is_advisor(head.type)
            if self._is_wanted(head, changes, server_tools=server_tools):
                after[head.name or f"#{len(after)}"] = self._cleaned(tool)
        after |= {
            name: self._cleaned(tool)
            for name, tool in changes.items()
            if tool is not None and name not in after
        }
        tools = list(after.values())
        text = raw if tools == before else json_splice.join_items(tools)
        return _Filtered(text if tools else None, frozenset(after), has_advisor)

    def _is_wanted(
        self, head: _Head, changes: Mapping[str, bytes | None], *, server_tools: bool
    ) -> bool:
        if head.name in changes and changes[head.name] is None:
            return False
        if self._wanted.takes_any_field:
            return True
        if head.name == anthropic.PLACEHOLDER_TOOL:
            return False
        return head.type in (None, "custom") or (server_tools and not is_advisor(head.type))

    def _fit_choice(self, parts: dict[str, Piece], names: frozenset[str]) -> None:
        """Leave out a choice of a tool that is not there."""
        if "tool_choice" not in parts:
            return
        name = _head(parts["tool_choice"]).name
        if not names or (name and name not in names):
            del parts["tool_choice"]
        else:
            keep_within(parts, "tool_choice", self._choice)

    def _cleaned(self, tool: Piece) -> Piece:
        raw = bytes(tool)
        cleaned = self._tool(raw)
        return tool if cleaned == raw else cleaned

    def _tool(self, raw: bytes) -> bytes:
        if self._fields is None:
            return raw
        before = json_splice.members(raw)
        after = {key: value for key, value in before.items() if key in self._fields}
        keep_within(after, "cache_control", self._cache_control)
        if "input_schema" in after:
            schema = _Schema(after["input_schema"], self._keywords, self._pattern)
            after["input_schema"] = schema.clean()
        return raw if after == before else json_splice.join_members(after)


class _Schema:
    """One schema, and how many of its parts were looked at so far."""

    def __init__(
        self, root: Piece, keywords: frozenset[str], safe_pattern: re.Pattern[str]
    ) -> None:
        self._root = root
        self._keywords = keywords
        self._safe_pattern = safe_pattern
        self._nodes = 0

    def clean(self) -> Piece:
        """The schema with known keywords only, references replaced by what they lead to."""
        return self._node(self._root, ())

    def _node(self, piece: Piece, trail: tuple[str, ...], depth: int = 0) -> Piece:
        try:
            before = json_splice.members(piece)
        except SpliceError:  # true or false
            return piece
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            return _ANYTHING
        members = before
        if "$ref" in before:
            reference = _text(before["$ref"])
            members = {**self._target(reference, trail), **before}
            del members["$ref"]
            trail = (*trail, reference)
        after = {
            key: self._value(key, value, trail, depth + 1)
            for key, value in members.items()
            if key in self._keywords and self._is_safe(key, value)
        }
        if "patternProperties" in members and "patternProperties" not in after:
            after.pop("additionalProperties", None)  # it would exclude what they had allowed
        return piece if after == before else json_splice.join_members(after)

    def _target(self, reference: str, trail: tuple[str, ...]) -> dict[str, Piece]:
        """What a reference within the schema leads to; nothing for a circle or another place."""
        is_path = reference == "#" or reference.startswith("#/")
        if reference in trail or not is_path or len(trail) > _DEEPEST:
            return {}
        piece = self._root
        try:
            for step in reference.removeprefix("#").split("/")[1:]:
                piece = json_splice.members(piece)[step.replace("~1", "/").replace("~0", "~")]
            found = json_splice.members(piece)
        except (SpliceError, KeyError):
            return {}
        if "$ref" in found:
            inner = _text(found.pop("$ref"))
            found = {**self._target(inner, (*trail, reference)), **found}
        return found

    def _is_safe(self, key: str, value: Piece) -> bool:
        return key != "pattern" or self._safe_pattern.match(_text(value)) is not None

    def _value(self, key: str, value: Piece, trail: tuple[str, ...], depth: int) -> Piece:
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
                return value if cleaned == listed else json_splice.join_items(cleaned)
        except SpliceError:
            return value
        return self._node(value, trail, depth) if key in _SCHEMAS else value


@functools.lru_cache(maxsize=64)
def for_wanted(wanted: Wanted) -> ToolFilter:
    """Find the filter, which remembers the lists seen last."""
    return ToolFilter(wanted)


def is_advisor(kind: object) -> bool:
    """Whether a tool of that type is Anthropic's advisor, which no delegate has."""
    return isinstance(kind, str) and kind.startswith(anthropic.ADVISOR_TOOLS)


def _head(tool: Piece) -> _Head:
    try:
        return _HEAD.decode(tool)
    except (ValueError, RecursionError):
        return _Head()


def _text(piece: Piece) -> str:
    try:
        value = json.loads(bytes(piece))
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""
