"""Writes the messages of a conversation as a service takes them: the same on every turn. Pure.

What has to change is known from `history_survey`; what the service takes besides is the business of
a `Cleaner`. Messages that are fine stay the very pieces that came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from offramp_daemon.messages import json_splice
from offramp_daemon.messages.history.message_edit import (
    PLACEHOLDER,
    Change,
    blocks_of,
    kind_of,
    text_block,
)
from offramp_daemon.messages.history.thinking import THINKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offramp_daemon.messages.history.history_survey import Repairs
    from offramp_daemon.messages.history.message_edit import Block
    from offramp_daemon.messages.json_splice import Part, Piece
    from offramp_daemon.messages.request_body import Message, RequestBody

Parts = dict[str, "Piece"]

_TURNS = ("user", "assistant")
"""Roles that every service knows; others speak to the model beside the conversation."""
_REMINDER = b'"<system-reminder>'
_OPEN, _CLOSE, _BETWEEN = rb"<system-reminder>\n", rb"\n</system-reminder>", rb"\n\n"


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: msgspec.Raw
    content: list[msgspec.Raw]


_PLAIN = msgspec.json.Decoder(_Plain)


class Cleaner(Protocol):
    """Knows what a service takes in a message."""

    folds: bool
    """Whether it takes no system items, so that each becomes a part of a user turn."""

    def is_clean(self, piece: Piece) -> bool:
        """Whether it takes a message that has no other faults."""

    def clean(self, message: Message, parts: Parts, blocks: list[Block]) -> list[Piece]:
        """Take from `parts` what it does not take; return the blocks that it does."""

    def texts(self, message: Message, parts: Parts, blocks: list[Block]) -> list[bytes]:
        """Return the JSON of the texts of a system item that has to become a reminder.

        In `parts` stays what still has to be said in a system item.
        """


class AsTheyCame:
    """Cleans nothing: Claude takes what its client sends, and only foreign blocks go."""

    folds = False

    def is_clean(self, _piece: Piece) -> bool:
        """Return True."""
        return True

    def clean(self, _message: Message, _parts: Parts, blocks: list[Block]) -> list[Piece]:
        """Leave out what belongs to another service."""
        return [block.piece for block in blocks if not block.is_foreign]

    def texts(self, _message: Message, parts: Parts, blocks: list[Block]) -> list[bytes]:
        """Return the texts; what is left are other blocks, and the effort, say."""
        left = [each for each in blocks if not each.is_foreign]
        parts["content"] = json_splice.join_items(
            [block.piece for block in left if block.seen.type != "text"]
        )
        return [
            bytes(json_splice.members(block.piece)["text"])
            for block in left
            if block.seen.type == "text"
        ]


class _Turn:
    """A turn that is put together from parts."""

    def __init__(self, role: object, parts: Parts, blocks: list[Piece]) -> None:
        self.role = role
        self.parts = parts
        self.blocks = blocks
        self.reminders: list[Piece] = []
        self.is_text = False
        """Whether its content came as plain text, and may leave so."""

    def join(self, turn: _Turn) -> None:
        """Add what another turn of the same role holds."""
        self.blocks += turn.blocks
        self.reminders += turn.reminders
        self.is_text = False

    def json(self) -> bytes:
        blocks = self.blocks
        if self.role == "user":
            results = [block for block in blocks if kind_of(block) == "tool_result"]
            others = [block for block in blocks if kind_of(block) != "tool_result"]
            blocks = [*results, *self.reminders, *others]
        if self.is_text and len(blocks) == 1 and not self.reminders:
            content = json_splice.members(blocks[0])["text"]
        elif self.role == "system":
            content = json_splice.join_items(blocks)
        else:
            content = json_splice.join_items(blocks or [PLACEHOLDER])
        return _message({**self.parts, "content": content})


class HistoryWriter:
    """Writes the messages of one request, oldest first."""

    def __init__(self, repairs: Repairs, cleaner: Cleaner) -> None:
        """Begin a request."""
        self._repairs = repairs
        self._cleaner = cleaner
        self._turns: list[Piece | _Turn] = []
        self._last_role: object = None
        self._last = 0
        """Where in `_turns` the last turn is; a system item may stand behind it."""
        self._has_user = False
        self._reminders: list[Piece] = []
        """What system items say, until there is a user turn to say it in."""
        self._is_in_calls = False
        self._carried: Parts = {}
        self._carried_blocks: list[Piece] = []
        """What system items do besides, until there is a place for another one."""

    def write(self, body: RequestBody, pieces: list[Piece]) -> list[Piece]:
        """Write the messages of `body`, which came as `pieces`; return these if they are fine."""
        changes = self._repairs.changes
        if isinstance(self._cleaner, AsTheyCame) and self._repairs.are_in_place(body.messages):
            return self._write_in_place(body.messages, pieces)
        for index, (message, piece) in enumerate(zip(body.messages, pieces, strict=True)):
            change = changes.get(index)
            if message.role in _TURNS or not (self._cleaner.folds or message.role == "system"):
                is_waiting = self._reminders or self._carried or not self._has_user
                if change is None and not is_waiting and self._cleaner.is_clean(piece):
                    self._append(piece, message.role)
                else:
                    self._turn(message, piece, change)
            elif self._cleaner.folds or index in self._repairs.misplaced:
                self._is_in_calls = index in self._repairs.in_calls
                self._fold(message, piece, change)
            else:
                self._place_carried()
                self._system(message, piece, change)
        self._end(was_empty=not pieces)
        written = [turn.json() if isinstance(turn, _Turn) else turn for turn in self._turns]
        return pieces if written == pieces else written

    def _write_in_place(self, messages: Sequence[Message], pieces: list[Piece]) -> list[Piece]:
        """Write the messages that change where they stand; the others stay as they are."""
        pieces = [*pieces]
        for index, change in self._repairs.changes.items():
            message, piece = messages[index], pieces[index]
            cut = _without_thinking(message, piece, change)
            pieces[index] = cut or self._taken_apart(message, piece, change).json()
        return pieces

    def _turn(self, message: Message, piece: Piece, change: Change | None) -> None:
        if message.role != "user":
            self._before_answer()
        elif self._reminders:
            change = change or Change()
        fit = piece if change is None else _without_thinking(message, piece, change)
        if fit is not None and self._cleaner.is_clean(fit):
            self._append(fit, message.role)
            return
        turn = self._taken_apart(message, piece, change)
        if turn.role == "user":
            turn.reminders, self._reminders = self._reminders, []
        if change is not None and change.joins and self._last_role == "user":
            self._open_turn().join(turn)
        else:
            self._append(turn, message.role)

    def _append(self, turn: Piece | _Turn, role: object) -> None:
        self._last = len(self._turns)
        self._last_role = role
        self._has_user = self._has_user or role == "user"
        self._turns.append(turn)

    def _taken_apart(self, message: Message, piece: Piece, change: Change | None) -> _Turn:
        parts = json_splice.members(piece)
        blocks = blocks_of(message, parts.pop("content", b"null"), change)
        turn = _Turn(message.role, parts, self._cleaner.clean(message, parts, blocks))
        has_result = change is not None and bool(change.added)
        turn.is_text = isinstance(message.content, str) and not has_result
        return turn

    def _open_turn(self) -> _Turn:
        """Return the last turn, to put something into it."""
        last = self._turns[self._last]
        if not isinstance(last, _Turn):
            parts = json_splice.members(last)
            content = parts.pop("content", b"[]")
            is_text = not json_splice.starts_with(content, b"[")
            blocks = [text_block(content)] if is_text else json_splice.items(content)
            last = self._turns[self._last] = _Turn(self._last_role, parts, blocks)
            last.is_text = is_text
        return last

    def _system(self, message: Message, piece: Piece, change: Change | None) -> None:
        """Add a system item that may stand where it does; one with nothing left vanishes."""
        if change is None and self._cleaner.is_clean(piece):
            self._turns.append(piece)
            return
        turn = self._taken_apart(message, piece, change)
        turn.is_text = turn.is_text and bool(turn.blocks)
        if turn.blocks or turn.parts.keys() - {"role"}:
            self._turns.append(turn)

    def _fold(self, message: Message, piece: Piece, change: Change | None) -> None:
        """Put what a system item says before the user's own text of the turn beside it."""
        parts = json_splice.members(piece)
        blocks = blocks_of(message, parts.pop("content", b"null"), change)
        reminder = _reminder(self._cleaner.texts(message, parts, blocks))
        if not self._cleaner.folds:
            self._carry(parts)
        if reminder is None:
            return
        if self._last_role == "user":
            self._open_turn().reminders.append(reminder)
        else:
            self._reminders.append(reminder)

    def _carry(self, parts: Parts) -> None:
        """Keep what a system item did besides for the next place where one may stand."""
        content = json_splice.items(parts.pop("content", b"[]"))
        if content or parts.keys() - {"role"}:
            self._carried |= parts
            self._carried_blocks += content

    def _place_carried(self) -> None:
        """Add what is carried, as the next message is one that a system item may stand before."""
        if self._carried and self._last_role == "user":
            content = json_splice.join_items(self._carried_blocks)
            self._turns.append(_message({**self._carried, "content": content}))
            self._carried, self._carried_blocks = {}, []

    def _before_answer(self) -> None:
        """Add what has to stand before an assistant turn."""
        if self._reminders and not self._is_in_calls:
            self._add_user_turn([])
        elif self._repairs.lacks_user and not self._has_user:
            self._add_user_turn([PLACEHOLDER])
        self._place_carried()

    def _add_user_turn(self, blocks: list[Piece]) -> None:
        turn = _Turn("user", {"role": b'"user"'}, blocks)
        turn.reminders, self._reminders = self._reminders, []
        self._append(turn, "user")

    def _end(self, *, was_empty: bool) -> None:
        if self._reminders:
            self._add_user_turn(self._repairs.at_end)
        self._place_carried()
        if not self._turns and not was_empty:
            self._add_user_turn([PLACEHOLDER])


def _without_thinking(message: Message, piece: Piece, change: Change) -> Piece | None:
    """`piece` without the thinking of another service; None if something else has to change.

    It is what taking it apart comes to, in a fraction of the time: in a long conversation nearly
    every answer has such a block.
    """
    if message.role != "assistant" or not change.only_cuts():
        return None
    seen, gone = message.blocks, change.foreign
    if len(gone) == len(seen) or any(seen[number].type not in THINKING for number in gone):
        return None
    parts, blocks = _members_and_blocks(piece)
    kept = [block for number, block in enumerate(blocks) if number not in gone]
    return _message({**parts, "content": kept})


def _members_and_blocks(piece: Piece) -> tuple[Parts, list[Piece]]:
    """Take a message apart whose content is a list; most hold nothing but that and their role."""
    try:
        plain = _PLAIN.decode(piece)
    except (ValueError, RecursionError):
        parts = json_splice.members(piece)
        return parts, json_splice.items(parts.pop("content"))
    return {"role": plain.role}, list(plain.content)


def _reminder(texts: list[bytes]) -> Piece | None:
    """Build one text block of the JSON of `texts`, marked as no words of the user's."""
    if not texts:
        return None
    if len(texts) == 1 and texts[0].startswith(_REMINDER):
        return text_block(texts[0])
    inner = _BETWEEN.join(text[1:-1] for text in texts)
    return text_block(b'"' + _OPEN + inner + _CLOSE + b'"')


def _message(parts: Mapping[str, Part]) -> bytes:
    """Build a message, its role first, as clients write it."""
    return json_splice.join_members(
        {name: parts[name] for name in ("role", *parts) if name in parts}
    )
