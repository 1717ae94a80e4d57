"""Makes the messages of a conversation fit for a delegate: the same on every turn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.messages import account_email, allow_list, block_words, json_splice
from offramp_daemon.messages.allow_list import PLACEHOLDER

if TYPE_CHECKING:
    from offramp_daemon.messages.allow_list import AllowList
    from offramp_daemon.messages.json_splice import Piece
    from offramp_daemon.messages.request_body import Message, RequestBody
    from offramp_daemon.messages.thinking import Cuts

_REMINDER = b'"<system-reminder>'
_OPEN, _CLOSE, _BETWEEN = rb"<system-reminder>\n", rb"\n</system-reminder>", rb"\n\n"
_NOTHING: frozenset[int] = frozenset()


class MessageFitter:
    """Goes through the messages of one request, oldest first."""

    def __init__(self, allowed: AllowList, cuts: Cuts) -> None:
        """`cuts` are the blocks that belong to another service."""
        self._allowed = allowed
        self._folds = not allowed.wanted.system_role
        self._cuts = cuts.blocks
        self._calls: set[str] = set()
        self._fitted: list[Piece] = []
        self._last_role: object = None
        self._reminders: list[Piece] = []
        self._behind = 0
        self._defined: dict[str, bytes] = {}
        self.tool_changes: dict[str, bytes | None] = {}
        """What system items change in the list of tools: the tool, or None for one that is gone."""

    def fit(self, body: RequestBody, messages: Piece) -> Piece:
        """The messages as the delegate gets them; the very piece that came if it is fine."""
        pieces = json_splice.items(messages)
        has_email = account_email.MARK in body.source
        for index, (message, piece) in enumerate(zip(body.messages, pieces, strict=True)):
            gone = self._cuts.get(index, _NOTHING)
            if message.role == "system" and self._folds:
                self._fold(message, piece)
                continue
            holds_email = has_email and account_email.MARK in bytes(piece)
            is_touched = bool(gone or self._reminders) or holds_email or self._has_orphan(message)
            if is_touched or not self._allowed.is_clean(piece):
                fitted = self._taken_apart(message, piece, gone)
                self._fitted.append(fitted)
            else:
                self._fitted.append(piece)
            self._remember(message)
        if self._reminders:
            self._fitted.append(_user_turn(self._reminders))
        if self._fitted == pieces:
            return messages
        return json_splice.join_items(self._fitted)

    def _remember(self, message: Message) -> None:
        """Remember what the messages after this one depend on."""
        self._last_role = message.role
        self._behind = -1
        if message.role == "assistant" and isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use" and isinstance(block.id, str):
                    self._calls.add(block.id)

    def _has_orphan(self, message: Message) -> bool:
        """Whether a tool's result answers no call that came before."""
        if message.role == "assistant" or not isinstance(message.content, list):
            return False
        for block in message.content:
            if block.type == "tool_result":
                call_id = block.tool_use_id
                if not isinstance(call_id, str) or call_id not in self._calls:
                    return True
        return False

    def _taken_apart(self, message: Message, piece: Piece, gone: frozenset[int]) -> Piece:
        parts, blocks = self._allowed.clean(message, piece, gone, self._calls)
        if message.role == "user":  # a result's call may be missing: its words stand in its place
            blocks.sort(key=lambda block: allow_list.kind_of(block) != "tool_result")
        if self._reminders and message.role == "user":
            place = _behind_results(blocks)
            blocks[place:place] = self._reminders
            self._reminders = []
        elif self._reminders:
            self._fitted.append(_user_turn(self._reminders))
            self._reminders = []
        elif _is_text(message) and blocks and not gone:
            text = json_splice.members(blocks[0])["text"]
            return json_splice.join_members(_in_order({**parts, "content": text}))
        parts["content"] = json_splice.join_items(blocks or [PLACEHOLDER])
        return json_splice.join_members(_in_order(parts))

    def _fold(self, message: Message, piece: Piece) -> None:
        """Put what a system item says before the user's own text of the turn beside it."""
        content = json_splice.members(piece).get("content", b"[]")
        blocks = json_splice.items(content) if json_splice.starts_with(content, b"[") else []
        for block in blocks:
            change = block_words.change_of_tools(block)
            if change is not None:
                self._change_tools(*change)
        _, kept = self._allowed.clean(message, piece, _NOTHING, frozenset())
        reminder = _reminder(kept)
        if reminder is None:
            return
        if self._last_role != "user":
            self._reminders.append(reminder)
            return
        turn = json_splice.members(self._fitted[-1])
        own = _content_blocks(turn.get("content", b"[]"))
        if self._behind < 0:
            self._behind = _behind_results(own)
        own.insert(self._behind, reminder)
        self._behind += 1
        turn["content"] = json_splice.join_items(own)
        self._fitted[-1] = json_splice.join_members(turn)

    def _change_tools(self, name: str, tool: bytes | None) -> None:
        if tool:
            self._defined[name] = tool
        elif tool is not None:
            tool = self._defined.get(name)
            if tool is None:  # it stands in the request's own list
                self.tool_changes.pop(name, None)
                return
        self.tool_changes[name] = tool


def _reminder(blocks: list[Piece]) -> Piece | None:
    """One text block of all texts of a system item, marked as no words of the user's."""
    texts = []
    for block in blocks:
        text = json_splice.members(block).get("text", b'""')
        raw = bytes(account_email.without(text, is_reminder=True))
        if raw.startswith(b'"') and raw != b'""':
            texts.append(raw)
    if not texts:
        return None
    if len(texts) == 1 and texts[0].startswith(_REMINDER):
        whole = texts[0]
    else:
        inner = _BETWEEN.join(text[1:-1] for text in texts)
        whole = b'"' + _OPEN + inner + _CLOSE + b'"'
    return b'{"type":"text","text":' + whole + b"}"


def _behind_results(blocks: list[Piece]) -> int:
    """The place behind the last tool result, which has to stand before any text."""
    kinds = [allow_list.kind_of(block) for block in blocks]
    return len(kinds) - kinds[::-1].index("tool_result") if "tool_result" in kinds else 0


def _content_blocks(content: Piece) -> list[Piece]:
    """`content`, text or blocks, as blocks; empty text and a mere placeholder give none."""
    if json_splice.starts_with(content, b"["):
        blocks = json_splice.items(content)
        is_nothing = len(blocks) == 1 and bytes(blocks[0]) == PLACEHOLDER
        return [] if is_nothing else blocks
    return [b'{"type":"text","text":' + bytes(content) + b"}"] if content else []


def _is_text(message: Message) -> bool:
    return isinstance(message.content, str)


def _in_order(parts: dict[str, Piece]) -> dict[str, Piece]:
    """The role first, as clients write it."""
    return {name: parts[name] for name in ("role", *parts) if name in parts}


def _user_turn(blocks: list[Piece]) -> bytes:
    return b'{"role":"user","content":' + json_splice.join_items(blocks) + b"}"
