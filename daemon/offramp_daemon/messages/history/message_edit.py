"""Says what has to change in a message of a conversation, and takes it apart accordingly. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from offramp_daemon.messages import block_words, json_splice
from offramp_daemon.messages.history.thinking import THINKING
from offramp_daemon.messages.request_body import ContentBlock, is_blank, is_blank_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_daemon.messages.json_splice import Piece
    from offramp_daemon.messages.request_body import Message

PLACEHOLDER = b'{"type":"text","text":"(no content)"}'
_MEDIA = ("image", "document", "search_result")
"""What may stand beside text in a user turn, as in a tool's result."""
_NOTHING: frozenset[int] = frozenset()
_TEXT = msgspec.json.Decoder(str)
_BLOCK = msgspec.json.Decoder(ContentBlock)


@dataclass(slots=True)
class Change:
    """What has to change in one message; blocks are named by their places in its content."""

    foreign: frozenset[int] = _NOTHING
    """Blocks that belong to another service."""
    dropped: set[int] = field(default_factory=set)
    """Blank texts, and calls where none may stand."""
    opened: set[int] = field(default_factory=set)
    """Results without a call: what they hold stands in their place."""
    refilled: set[int] = field(default_factory=set)
    """Results whose own content holds what may not stand there."""
    members: dict[int, dict[str, Piece]] = field(default_factory=dict)
    """New values for members of blocks."""
    inputs: set[int] = field(default_factory=set)
    """Calls whose input is not an object."""
    added: list[Piece] = field(default_factory=list)
    """Results for calls that have none, to stand behind the other results."""
    joins: bool = False
    """Whether it has to be one turn with the user turn before it."""
    trims: bool = False
    """Whether the white space at its end goes."""

    def only_cuts(self) -> bool:
        """Return whether blocks of another service go, and nothing else happens."""
        is_more = self.added or self.joins or self.trims or self.edited()
        return bool(self.foreign) and not is_more

    def edited(self) -> set[int]:
        """Return the places of all blocks that change or go, but for foreign ones."""
        return {*self.dropped, *self.opened, *self.refilled, *self.members, *self.inputs}


class Block(NamedTuple):
    """A content block: its JSON, what was seen in it, and whether another service made it."""

    piece: Piece
    seen: ContentBlock
    is_foreign: bool = False


_NO_CHANGE = Change()


def blocks_of(message: Message, content: Piece, change: Change | None) -> list[Block]:
    """Take `content`, that of `message`, apart: its blocks, with `change` made.

    What is plain text becomes a text block, and none if it is blank.
    """
    change = change or _NO_CHANGE
    found: list[Block] = []
    if isinstance(message.content, str):
        if not is_blank(message.content):
            found.append(Block(text_block(content), ContentBlock(type="text")))
    elif message.content:
        edited = change.edited()
        for number, piece in enumerate(json_splice.items(content)):
            block = Block(piece, message.content[number], number in change.foreign)
            if number in edited:
                found += _changed(number, block, change, message.role)
            else:
                found.append(block)
    if change.trims:
        _trim_end(found)
    added = (Block(piece, ContentBlock(type="tool_result")) for piece in change.added)
    return [*found, *added]


class _Typed(msgspec.Struct, gc=False):
    type: Any = None


_TYPED = msgspec.json.Decoder(_Typed)


def kind_of(piece: Piece) -> object:
    """Read the type of a content block; None where it has none."""
    try:
        return _TYPED.decode(piece).type
    except (ValueError, RecursionError):
        return None


def text_block(text: Piece) -> bytes:
    """Build a text block of the JSON of a text."""
    return b'{"type":"text","text":' + bytes(text) + b"}"


def _changed(number: int, block: Block, change: Change, role: object) -> Iterator[Block]:
    if number in change.dropped:
        return
    if number in change.opened:
        yield from _opened(block, is_user=role == "user")
        return
    parts = json_splice.members(block.piece)
    parts |= change.members.get(number, {})
    if number in change.inputs:
        parts["input"] = json_splice.as_object(parts.get("input"))
    if number in change.refilled:
        parts["content"] = _refilled(parts["content"])
    yield block._replace(piece=json_splice.join_members(parts))


def _opened(block: Block, *, is_user: bool) -> Iterator[Block]:
    """Yield what a result holds, as blocks that may stand beside it."""
    content = json_splice.members(block.piece).get("content", b"null")
    if isinstance(block.seen.content, str):
        if not is_blank(block.seen.content):
            yield Block(text_block(content), ContentBlock(type="text"))
        return
    for piece, seen in _inner(content):
        if seen.type == "text" or (is_user and seen.type in _MEDIA):
            yield Block(piece, seen)
        elif words := block_words.words_for(piece):
            yield Block(block_words.text_block(words), ContentBlock(type="text"))


def _refilled(content: Piece) -> Piece:
    """Build a result's content of what may stand in it."""
    kept = [piece for piece, _ in _inner(content)]
    return json_splice.join_items(kept or [PLACEHOLDER])


def _inner(content: Piece) -> Iterator[tuple[Piece, ContentBlock]]:
    """Yield the blocks of a result's content that may stand in it."""
    if json_splice.starts_with(content, b"["):
        pieces = json_splice.items(content)
    else:
        pieces = [content] if json_splice.starts_with(content, b"{") else []
    for piece in pieces:
        seen = _BLOCK.decode(piece)
        if seen.type not in THINKING and not is_blank_text(seen):
            yield piece, seen


def _trim_end(blocks: list[Block]) -> None:
    """Take the white space from the end of the last block that stays, if it is a text."""
    last = max((place for place, block in enumerate(blocks) if not block.is_foreign), default=None)
    if last is not None and blocks[last].seen.type == "text":
        blocks[last] = blocks[last]._replace(piece=_trimmed(blocks[last].piece))


def _trimmed(piece: Piece) -> Piece:
    parts = json_splice.members(piece)
    parts["text"] = json_splice.value_text(_TEXT.decode(parts["text"]).rstrip())
    return json_splice.join_members(parts)
