"""Repairs the tool calls of a delegate's answer, so that a client can store them as they are.

A client sends what it stored with every later turn, to Claude too: a name or an id that Anthropic
refuses ends the conversation there, and of two calls with one id Claude Code drops the second with
its result. Only the block of a faulty call changes; all else keeps its bytes. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from offramp_daemon.messages import block_words, json_splice, tool_names
from offramp_daemon.messages.json_splice import SpliceError
from offramp_daemon.messages.lone_surrogates import shield
from offramp_daemon.messages.tool_names import KnownTools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from offramp_daemon.messages.json_splice import Piece
    from offramp_daemon.messages.request_body import RequestBody

MARK = b'"tool_use"'
"""What no call is written without. Within a text it would have backslashes."""

_ABOUT_TOOLS = b'"tool'
_CALL = "tool_use"
_ANY_ID = re.compile(rb'"(?:id|tool_use_id)"\s*:\s*"([^"\\]*)"')
_NO_INPUT = b"{}"


class _Block(msgspec.Struct, gc=False):
    """What is looked at in a content block of an answer."""

    type: Any = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct, gc=False):
    """What is looked at in an event."""

    type: Any = None
    content_block: _Block | None = None


_read_block = msgspec.json.Decoder(_Block).decode
_read_event = msgspec.json.Decoder(_Event).decode
_read_name = msgspec.json.Decoder(str).decode


def may_call_tools(body: RequestBody) -> bool:
    """Whether an answer to `body` may hold tool calls: it offers tools, or speaks of some."""
    if body.view is None:
        return False
    return bool(body.view.tools) or _ABOUT_TOOLS in body.source


class ToolCallRepair:
    """Repairs the calls of one answer, in their order.

    The request's own ids and tools are read when they are needed, as most answers call nothing.
    """

    def __init__(self, body: RequestBody) -> None:
        """`body` is the request as the client sent it, and so what the client has stored."""
        self._body = body
        self._taken: set[str] | None = None
        self._known_tools: KnownTools | None = None
        self._next_number = 2

    def event(self, data: bytes) -> bytes | None:
        """Repair the JSON of the event that begins a call; None if there is nothing to repair."""
        return _with_surrogates(self._event, data)

    def answer(self, body: bytes) -> bytes | None:
        """Repair a whole answer in JSON; None if there is nothing to repair."""
        return _with_surrogates(self._answer, body) if MARK in body else None

    def _event(self, data: bytes) -> bytes | None:
        event = _read_event(data)
        block = event.content_block
        if event.type != "content_block_start" or block is None or block.type != _CALL:
            return None
        changes = self._changes(block)
        if not changes:
            return None
        if "input" in changes:
            changes["input"] = _NO_INPUT  # the input itself comes with the events behind this one
        parts = json_splice.members(data)
        parts["content_block"] = _changed(parts["content_block"], changes)
        return json_splice.join_members(parts)

    def _answer(self, body: bytes) -> bytes | None:
        parts = json_splice.members(body)
        before = json_splice.items(parts.get("content", b"[]"))
        after = [self._repaired(piece) for piece in before]
        if all(new is old for new, old in zip(after, before, strict=True)):
            return None
        parts["content"] = json_splice.join_items(after)
        return json_splice.join_members(parts)

    def _repaired(self, piece: Piece) -> Piece:
        """The block in `piece`, itself if it is fine."""
        if not json_splice.starts_with(piece, b"{"):
            return piece
        block = _read_block(piece)
        changes = self._changes(block) if block.type == _CALL else {}
        return _changed(piece, changes) if changes else piece

    def _changes(self, block: _Block) -> dict[str, bytes]:
        """The members of a call that have to change, as JSON; its id is taken from now on."""
        changes: dict[str, bytes] = {}
        if self._taken is None:
            self._taken = _ids_in(self._body)
        call_id = block.id
        if not tool_names.is_valid_id(call_id) or call_id in self._taken:
            call_id = tool_names.repaired_id(call_id, self._taken, first_number=self._next_number)
            self._next_number += 1
            changes["id"] = json_splice.value_text(call_id)
        self._taken.add(call_id)
        if not tool_names.is_valid_name(block.name):
            name = tool_names.repaired_name(block.name, self._tools())
            changes["name"] = json_splice.value_text(name)
        if not json_splice.starts_with(block.input, b"{"):
            changes["input"] = bytes(json_splice.as_object(block.input))
        return changes

    def _tools(self) -> KnownTools:
        if self._known_tools is None:
            self._known_tools = KnownTools(_tools_in(self._body))
        return self._known_tools


def _with_surrogates(repair: Callable[[bytes], bytes | None], text: bytes) -> bytes | None:
    """What `repair` makes of `text`, which may hold halves of surrogate pairs; None if unreadable.

    An answer that can't be read is passed on as it came.
    """
    try:
        return repair(text)
    except (ValueError, RecursionError, SpliceError):
        pass
    try:
        source, surrogates = shield(text)
        repaired = repair(source) if surrogates.taken else None
    except (ValueError, RecursionError, SpliceError):
        return None
    return None if repaired is None else surrogates.restore(repaired)


def _changed(piece: Piece, changes: dict[str, bytes]) -> bytes:
    return json_splice.join_members({**json_splice.members(piece), **changes})


def _ids_in(body: RequestBody) -> set[str]:
    """The ids that the conversation holds, and what becomes of those that are not valid."""
    if body.is_odd:
        ids = {found.decode("utf-8", "replace") for found in _ANY_ID.findall(body.source)}
    else:
        blocks = (block for message in body.messages for block in message.blocks)
        both = (call_id for block in blocks for call_id in (block.id, block.tool_use_id))
        ids = {call_id for call_id in both if isinstance(call_id, str)}
    invalid = {call_id for call_id in ids if not tool_names.is_valid_id(call_id)}
    return ids | {tool_names.repaired_id(call_id, ()) for call_id in invalid}


def _tools_in(body: RequestBody) -> Iterable[str]:
    """The names of the tools that the request offers, or that its system items add."""
    try:
        parts = json_splice.members(body.source)
        for tool in json_splice.items(parts.get("tools", b"[]")):
            yield _read_name(json_splice.members(tool)["name"])
        if not any(message.role == "system" for message in body.messages):
            return
        pieces = json_splice.items(parts["messages"])
        for message, piece in zip(body.messages, pieces, strict=True):
            if message.role == "system" and message.blocks:
                for block in json_splice.items(json_splice.members(piece)["content"]):
                    change = block_words.change_of_tools(block)
                    if change is not None:
                        yield change[0]
    except (SpliceError, KeyError, ValueError):
        return
