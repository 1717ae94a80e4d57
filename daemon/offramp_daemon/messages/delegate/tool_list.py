"""Fits the list of tools, and their schemas, to what a service takes. Pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from offramp_core.services import anthropic
from offramp_daemon.messages import json_splice
from offramp_daemon.messages.delegate.allow_list import keep_within
from offramp_daemon.messages.delegate.tool_schema import SchemaFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_daemon.messages.delegate.allow_list import Wanted
    from offramp_daemon.messages.json_splice import Piece

_LARGEST_KEPT_BYTES = 1024 * 1024
"""A longer list of tools is not remembered."""


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

        `changes` are those that messages make: a tool by name, or None for one that is gone.
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
            if tool is not None  # the newest definition of a tool counts
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
        if head.name in ("", anthropic.PLACEHOLDER_TOOL):  # no model can call these
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
            schema = SchemaFilter(after["input_schema"], self._keywords, self._pattern)
            after["input_schema"] = schema.clean()
        return raw if after == before else json_splice.join_members(after)


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
