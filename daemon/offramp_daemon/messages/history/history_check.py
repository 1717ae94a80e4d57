"""Sees quickly that a history has no faults, which is so for most of them. Pure.

It never calls a history fine that `history_survey` finds a fault in; in doubt that has to look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.messages.history.thinking import SERVER_CALLS, THINKING, is_own_thinking
from offramp_daemon.messages.request_body import (
    ContentBlock,
    ToolInput,
    is_blank,
    is_blank_text,
)
from offramp_daemon.messages.tool_names import is_valid_id, is_valid_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from offramp_daemon.messages.history.thinking import Signer
    from offramp_daemon.messages.request_body import Message

_NOTHING: frozenset[int] = frozenset()
_MEDIA = ("image", "document")
_OTHER_FAULTS = ("tool_result", *SERVER_CALLS)
"""Blocks of an answer that may have faults, unless they go anyway."""


def is_fine(
    messages: Sequence[Message], gone: Mapping[int, Set[int]], own: Signer | None = None
) -> bool:
    """Whether nothing has to change but that the blocks in `gone` go, by message.

    With `own` it is seen to as well that no block is foreign to that signer.
    """
    check = _Check(own)
    before: object = None
    is_item_before = False
    for index, message in enumerate(messages):
        role, content = message.role, message.content
        is_blank_turn = is_blank(content) if isinstance(content, str) else not content
        if is_blank_turn and not (role == "system" and message.output_config and not content):
            return False
        blocks = content if isinstance(content, list) else ()
        places = gone.get(index, _NOTHING)
        if role == "assistant":
            is_well = before is not None and check.answer(blocks, places)
        elif role == "user":
            is_well = not is_item_before and check.prompt(blocks, places)
        else:
            is_well = before == "user" and role == "system" and _is_text(blocks)
        if not is_well:
            return False
        is_item_before = role == "system"
        before = before if is_item_before else role
    return before == "user"


def _is_text(blocks: Sequence[ContentBlock]) -> bool:
    """Whether a system item holds only texts."""
    return all(block.type == "text" and not is_blank_text(block) for block in blocks)


class _Check:
    """What one conversation held so far."""

    def __init__(self, own: Signer | None) -> None:
        self._own = own
        self._ids: set[str] = set()
        self._names: set[str] = set()
        self._open: set[str] = set()

    def prompt(self, blocks: Sequence[ContentBlock], gone: Set[int]) -> bool:
        """Whether a user turn is fine, and answers all calls before it."""
        calls = self._open
        has_text = False
        for number, block in enumerate(blocks):
            kind = block.type
            if kind == "tool_result":
                if gone and number in gone:
                    continue
                call_id = block.tool_use_id
                if has_text or not isinstance(call_id, str) or call_id not in calls:
                    return False
                calls.remove(call_id)
                if has_odd_content(block):
                    return False
            elif kind == "text":
                if is_blank_text(block):
                    return False
                has_text = True
            elif kind == "tool_use" or (self._own is not None and kind not in _MEDIA):
                return False
            else:
                has_text = True
        return not calls

    def answer(self, blocks: Sequence[ContentBlock], gone: Set[int]) -> bool:
        """Whether an assistant turn is fine."""
        for number, block in enumerate(blocks):
            kind = block.type
            if kind == "text":
                if is_blank_text(block):
                    return False
            elif kind == "tool_use":
                if not isinstance(block.input, ToolInput) or not self._is_call(block):
                    return False
            elif self._own is not None:
                if kind not in THINKING or not is_own_thinking(block, self._own):
                    return False
            elif kind in _OTHER_FAULTS and number not in gone:
                return False
        return True

    def _is_call(self, block: ContentBlock) -> bool:
        call_id, name = block.id, block.name
        if not isinstance(call_id, str) or call_id in self._ids or not is_valid_id(call_id):
            return False
        if not isinstance(name, str):
            return False
        if name not in self._names:
            if not is_valid_name(name):
                return False
            self._names.add(name)
        self._ids.add(call_id)
        self._open.add(call_id)
        return True


def has_odd_content(result: ContentBlock) -> bool:
    """Whether a result's own content is not a list or text, or holds thinking or blank texts."""
    content = result.content
    if isinstance(content, list):
        return not _are_fine(content)
    if isinstance(content, str):
        return content.isspace()
    return content is not None


def _are_fine(blocks: list[ContentBlock]) -> bool:
    for block in blocks:
        if block.type == "text":
            if is_blank_text(block):
                return False
        elif block.type in THINKING:
            return False
    return True
