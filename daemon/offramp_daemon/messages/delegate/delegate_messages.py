"""Makes the messages of a conversation fit for a delegate. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.messages import block_words, json_splice
from offramp_daemon.messages.delegate import account_email

if TYPE_CHECKING:
    from offramp_daemon.messages.delegate.allow_list import AllowList
    from offramp_daemon.messages.history.message_edit import Block
    from offramp_daemon.messages.json_splice import Piece
    from offramp_daemon.messages.request_body import Message, RequestBody


class DelegateCleaner:
    """Keeps of each message of one request what a delegate takes."""

    def __init__(self, allowed: AllowList, body: RequestBody) -> None:
        """Begin a request."""
        self.folds = not allowed.wanted.system_role
        self._allowed = allowed
        self._has_email = account_email.MARK in body.source
        self._untaken_changes = tuple(
            kind for kind in block_words.TOOL_CHANGES if not allowed.wanted.takes_block(kind)
        )
        """Blocks that the service does not take, so that they change the list of tools."""
        self._defined: dict[str, bytes] = {}
        self.tool_changes: dict[str, bytes | None] = {}
        """What messages change in the list of tools: the tool, or None for one that is gone."""

    def is_clean(self, piece: Piece) -> bool:
        """Whether the delegate takes a message as it came."""
        if self._has_email and account_email.MARK in bytes(piece):
            return False
        return self._allowed.is_clean(piece)

    def clean(self, message: Message, parts: dict[str, Piece], blocks: list[Block]) -> list[Piece]:
        """Keep known members in `parts`; return known blocks, and the words of others."""
        self._allowed.members(parts)
        self._note_changes(blocks, self._untaken_changes)
        return self._allowed.blocks(message.role, blocks)

    def texts(self, message: Message, parts: dict[str, Piece], blocks: list[Block]) -> list[bytes]:
        """Return what a system item says."""
        self._note_changes(blocks, block_words.TOOL_CHANGES)
        kept = (json_splice.members(each) for each in self.clean(message, parts, blocks))
        return [bytes(each["text"]) for each in kept if "text" in each]

    def _note_changes(self, blocks: list[Block], kinds: tuple[str, ...]) -> None:
        """Note what blocks of these kinds change in the tools, in results too."""
        for block in blocks:
            content = block.seen.content
            inner = content if isinstance(content, list) else []
            if block.seen.type in kinds:
                self._note_change(block.piece)
            elif block.seen.type == "tool_result" and any(each.type in kinds for each in inner):
                for piece in json_splice.items(json_splice.members(block.piece)["content"]):
                    self._note_change(piece)

    def _note_change(self, piece: Piece) -> None:
        change = block_words.change_of_tools(piece)
        if change is not None:
            self._change_tools(*change)

    def _change_tools(self, name: str, tool: bytes | None) -> None:
        if tool:
            self._defined[name] = tool
        elif tool is not None:
            tool = self._defined.get(name)
            if tool is None:  # it stands in the request's own list
                self.tool_changes.pop(name, None)
                return
        self.tool_changes[name] = tool
