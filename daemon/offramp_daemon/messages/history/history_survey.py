"""Finds what Claude, or a delegate, would refuse in the history of a conversation. Pure.

A service at times writes what it does not take back itself, and what one service wrote the other
may refuse: inputs that are not objects, names and ids that break a pattern, ids that come twice,
calls without results, blank texts, blocks out of place. This says what has to change, message by
message; a conversation that is fine has no changes, and only the few fields of `request_body` are
looked at to find that out. What is found for a message depends on those before it, and on the turn
that answers it, so that a growing conversation stays the same from turn to turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from offramp_daemon.messages import json_splice
from offramp_daemon.messages.history import thinking
from offramp_daemon.messages.history.history_check import has_odd_content, is_fine
from offramp_daemon.messages.history.message_edit import Change
from offramp_daemon.messages.history.system_places import misplaced
from offramp_daemon.messages.history.thinking import SERVER_CALLS
from offramp_daemon.messages.request_body import (
    ContentBlock,
    ToolInput,
    is_blank,
    is_blank_text,
    text_of,
)
from offramp_daemon.messages.tool_names import CallIds, KnownTools, is_valid_name, repaired_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.messages.history.thinking import Cuts, Signer
    from offramp_daemon.messages.json_splice import Piece
    from offramp_daemon.messages.request_body import Message, RequestBody

Target = Literal["claude", "gateway", "delegate"]
"""Who gets the conversation: Claude; another service that takes system items among the messages;
one that takes none."""

_BEGINNINGS = ("compaction",)
"""An answer with such a block stands for all that was before it."""
_INTERRUPTED = "The call was interrupted."
_NOTHING: frozenset[int] = frozenset()


class _Named(msgspec.Struct, gc=False):
    name: str = ""


class _ToolNames(msgspec.Struct, gc=False):
    tools: list[_Named] = []


_TOOL_NAMES = msgspec.json.Decoder(_ToolNames)


@dataclass(slots=True)
class Repairs:
    """What has to change in a conversation."""

    changes: dict[int, Change] = field(default_factory=dict)
    """By the index of the message."""
    misplaced: frozenset[int] = _NOTHING
    """System items that Claude takes nowhere where they stand."""
    in_calls: set[int] = field(default_factory=set)
    """System items between a call and its result, which no turn may part."""
    at_end: list[Piece] = field(default_factory=list)
    """Results that a user turn needs if one is put behind the last message."""
    lacks_user: bool = False
    """Whether a user turn has to stand before the first answer."""
    breaks_tool_loop: bool = False
    """Whether the last answer, in a tool loop, no longer begins with thinking."""

    def is_none(self) -> bool:
        """Whether the conversation is fine as it came."""
        return not self.changes and not self.misplaced and not self.lacks_user

    def are_in_place(self, messages: Sequence[Message]) -> bool:
        """Whether each message stays a message of its own, where it stands."""
        if self.misplaced or self.lacks_user:
            return False
        return not any(
            change.joins or messages[index].role == "system"
            for index, change in self.changes.items()
        )


def survey(body: RequestBody, own: Signer, target: Target, *, strip_all: bool = False) -> Repairs:
    """Find what has to change in the messages of `body`, blocks foreign to `own` among it.

    `strip_all`: all thinking goes.
    """
    if is_fine(body.messages, {}, thinking.NO_SIGNER if strip_all else own):
        return Repairs()
    cuts = thinking.cuts_for(body, own, strip_all=strip_all)
    if is_fine(body.messages, cuts.blocks):
        repairs = Repairs({index: Change(foreign=gone) for index, gone in cuts.blocks.items()})
    else:
        repairs = _Surveyor(body, cuts, target).run()
    repairs.breaks_tool_loop = cuts.breaks_tool_loop
    return repairs


class _Surveyor:
    """Goes through the messages of one conversation, oldest first."""

    def __init__(self, body: RequestBody, cuts: Cuts, target: Target) -> None:
        self._body = body
        self._cuts = cuts.blocks
        self._target = target
        self._found = Repairs()
        self._ids = CallIds()
        self._tools: KnownTools | None = None
        self._open: dict[object, list[str]] = {}
        """Calls without results: the new ids, by the id that came."""
        self._before: object = None
        """The role of the turn before; system items are none."""
        self._last = 0
        """Where that turn is."""
        self._first = 0
        """The first of the user turns since the last assistant turn, or the other way round."""
        self._loose: list[int] = []
        """Those of them that may stay turns of their own."""
        self._text_at: int | None = None
        """The first of them that holds something else than results."""

    def run(self) -> Repairs:
        messages = self._body.messages
        for index, message in enumerate(messages):
            if gone := self._cuts.get(index):
                self._change(index).foreign = gone
            if message.role in ("user", "assistant"):
                self._turn(index, message)
            elif message.role == "system" or self._target == "delegate":
                self._system(index, message)
        if self._open and self._before == "user":
            self._add_missing()
        if self._target == "claude":
            self._end()
        self._found.at_end = self._missing() if self._before == "assistant" else []
        self._found.misplaced = misplaced(messages, self._found.changes, self._target)
        return self._found

    def _change(self, index: int) -> Change:
        found = self._found.changes.get(index)
        if found is None:
            found = self._found.changes[index] = Change()
        return found

    def _system(self, index: int, message: Message) -> None:
        if self._open and self._before == "assistant":
            self._found.in_calls.add(index)
        content = message.content
        if isinstance(content, str):
            is_empty = is_blank(content)
        else:
            is_empty = not content
            self._blocks(index, message)
        if is_empty and (content or not message.output_config):
            self._change(index)

    def _turn(self, index: int, message: Message) -> None:
        is_user = message.role == "user"
        if message.role != self._before:
            if not is_user and self._open:
                self._add_missing()
            if self._before is None and not is_user:
                self._found.lacks_user = self._target == "delegate" or not any(
                    block.type in _BEGINNINGS for block in message.blocks
                )
            self._before = message.role
            self._first = index
            self._loose = []
            self._text_at = None
        self._loose.append(index)
        self._last = index
        content = message.content
        if isinstance(content, list) and content:
            self._blocks(index, message)
            return
        if not isinstance(content, str) or is_blank(content):
            self._change(index)
        self._saw_text(index)

    def _blocks(self, index: int, message: Message) -> None:
        role = message.role
        gone = self._cuts.get(index, _NOTHING)
        for number, block in enumerate(message.blocks):
            kind = block.type
            if role == "user" and (kind != "tool_result" or number in gone):
                self._saw_text(index)  # what goes may leave words, or an empty turn
            if number in gone:
                continue
            if kind == "text":
                if is_blank_text(block):
                    self._change(index).dropped.add(number)
            elif kind == "tool_use":
                if role == "assistant":
                    self._call(index, number, block)
                else:
                    self._change(index).dropped.add(number)
            elif kind == "tool_result":
                self._result(index, number, block, is_user=role == "user")
            elif kind in SERVER_CALLS and not isinstance(block.input, ToolInput):
                self._change(index).inputs.add(number)

    def _saw_text(self, index: int) -> None:
        if self._text_at is None:
            self._text_at = index

    def _call(self, index: int, number: int, block: ContentBlock) -> None:
        call_id = self._ids.take(block.id)
        self._open.setdefault(_key(block.id), []).append(call_id)
        if call_id != block.id:
            self._set(index, number, "id", call_id)
        name = block.name
        if not isinstance(name, str) or not is_valid_name(name):
            self._set(index, number, "name", repaired_name(name, self._tool_names()))
        if not isinstance(block.input, ToolInput):
            self._change(index).inputs.add(number)

    def _result(self, index: int, number: int, block: ContentBlock, *, is_user: bool) -> None:
        key = _key(block.tool_use_id)
        waiting = self._open.get(key) if is_user else None
        if not waiting:
            self._change(index).opened.add(number)
            if is_user:
                self._saw_text(index)
            return
        call_id = waiting.pop(0)
        if not waiting:
            del self._open[key]
        if call_id != block.tool_use_id:
            self._set(index, number, "tool_use_id", call_id)
        if has_odd_content(block):
            self._change(index).refilled.add(number)
        if self._text_at is not None:
            self._move_up(index, self._text_at)

    def _move_up(self, index: int, text_at: int) -> None:
        """Have a result stand before the text of its turn, and of those that are one with it."""
        self._change(index)
        for each in self._loose:
            if each > text_at:
                self._change(each).joins = True
        self._loose = []

    def _set(self, index: int, number: int, name: str, value: str) -> None:
        new = self._change(index).members.setdefault(number, {})
        new[name] = json_splice.value_text(value)

    def _add_missing(self) -> None:
        """Give the calls that were not answered a result, in the first turn that could have."""
        self._change(self._first).added += self._missing()
        self._open.clear()

    def _missing(self) -> list[Piece]:
        return [_interrupted(call_id) for waiting in self._open.values() for call_id in waiting]

    def _tool_names(self) -> KnownTools:
        if self._tools is None:
            try:
                tools = _TOOL_NAMES.decode(self._body.source).tools
            except (ValueError, RecursionError):
                tools = []
            self._tools = KnownTools(tool.name for tool in tools)
        return self._tools

    def _end(self) -> None:
        """Look for white space at the end of an answer that has to be continued."""
        if self._before != "assistant":
            return
        index = self._last
        message = self._body.messages[index]
        if isinstance(message.content, str):
            text = message.content
        else:
            change = self._found.changes.get(index) or Change()
            if change.opened:  # what they held may be the end now
                change.trims = True
                return
            kept = [
                block
                for number, block in enumerate(message.blocks)
                if number not in change.foreign and number not in change.dropped
            ]
            text = text_of(kept[-1]) if kept and kept[-1].type == "text" else ""
        if text[-1:].isspace() and not text.isspace():
            self._change(index).trims = True


def _key(call_id: object) -> object:
    """Return what finds a call's result again; ids of odd types have to be hashable too."""
    return call_id if isinstance(call_id, str) else (repr(call_id),)


def _interrupted(call_id: str) -> Piece:
    result = {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": _INTERRUPTED,
        "is_error": True,
    }
    return msgspec.json.encode(result)
