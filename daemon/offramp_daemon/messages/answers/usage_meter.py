"""Reads an answer's bytes beside the stream that carries them: tokens, model, end and error.

Sans-io: bytes in, facts out. It keeps no message content, changes no byte and never raises, since
an answer that can't be read is still one to pass on. Chunk borders make no difference. Its work for
each byte received is bounded (see `work_budget`): an answer that would take more is not read on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from offramp_daemon.messages.answers import answer_envelope
from offramp_daemon.messages.answers.answer_envelope import Envelope
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder
from offramp_daemon.wire.sse import EventReader
from offramp_daemon.wire.work_budget import LIVE, OverBudgetError, WorkBudget

if TYPE_CHECKING:
    from collections.abc import Callable

JSON_LIMIT_BYTES = 8 * 1024 * 1024
"""A longer JSON answer is not read; the longest that a model can write has about a megabyte."""
DECODED_LIMIT_BYTES = 128 * 1024 * 1024
"""What a coded body may become in all; more is not an answer but a bomb, and is not read on."""

_MAX_TOKENS = 2**53
_NAME_LIMIT = 200
_ERROR_TYPE_LIMIT = 64
_CONTENT = re.compile(
    rb'"(?:text|partial_json)"\s*:\s*"(?:\\[nrt]|\s)*(?:[^"\\\s]|\\[^nrt])|"(?:[a-z_]+_)?tool_use"'
)
"""A word of an answer, or a call of a tool. Thinking that quotes one is none, since its quotes are
escaped."""
_CONTENT_MARKS = (b'text"', b'partial_json"', b'tool_use"')
"""What the pattern above matches holds one of these, which are found in a tenth of the time."""
_TAIL_BYTES = 64
"""So much of a chunk may be the beginning of what the pattern above looks for."""
_ENDS = frozenset({"end_turn", "stop_sequence"})
"""Why a model stops that has nothing more to say."""
_is_identifier = re.compile(r"[A-Za-z0-9_.:-]+").fullmatch


@dataclass(slots=True)
class TokenUsage:
    """Tokens of one answer; the 5m and 1h fields are parts of `cache_creation_input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0

    def merge(self, reported: object) -> None:
        """Take over what the `usage` object of an event or answer says.

        The latest count above zero wins, field by field; nothing is added up. Anthropic names
        input in the first event and Z.ai in the last, with zeros elsewhere. What is not a sane
        count is skipped.
        """
        if not isinstance(reported, dict):
            return
        detail: Any = reported.get("cache_creation")
        for name, key in _FIELDS if isinstance(detail, dict) else _TOP_FIELDS:
            value = (reported if name == key else detail).get(key)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, int) and value is not True and 0 < value <= _MAX_TOKENS:
                setattr(self, name, value)


_DETAIL_FIELDS = (
    ("cache_creation_5m_input_tokens", "ephemeral_5m_input_tokens"),
    ("cache_creation_1h_input_tokens", "ephemeral_1h_input_tokens"),
)
_TOP_FIELDS = tuple(
    (field.name, field.name)
    for field in fields(TokenUsage)
    if field.name not in dict(_DETAIL_FIELDS)
)
_FIELDS = _TOP_FIELDS + _DETAIL_FIELDS


class UsageMeter:
    """Reads one answer, given the two header values as they came ("" where one is missing).

    `usage`, `served_model`, `message_id` and `error_type` hold what was read so far, at any time,
    also once the answer was cut; the others are final after `finish`.
    """

    def __init__(
        self, *, content_type: str, content_encoding: str, watches_content: bool = False
    ) -> None:
        """Make ready for a body of that type and coding.

        With `watches_content` it is noticed whether the answer has any; else `is_hollow` says no.
        """
        self.usage = TokenUsage()
        self.served_model: str | None = None
        self.message_id: str | None = None
        self.is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self.is_complete = False
        """A stream's `message_stop` came; or the body was one whole JSON object and no error."""
        self.is_empty = True
        """No byte of body came, codings undone."""
        self.error_type: str | None = None
        """Type, else code, of an error in the body, whatever the HTTP status; never its text."""
        self.has_content = not watches_content
        """A word or a call of a tool came."""
        self.stop_reason: str | None = None
        self._tail = b""
        self.is_readable = True
        """False: coding unknown or broken, or too large, so `is_complete` False means nothing."""
        self._is_finished = False
        budget = WorkBudget(LIVE) if content_encoding else None
        self._events: EventReader | None = None
        if self.is_stream:
            self._events = EventReader(self._take_event, budget=budget, on_give_up=self._give_up)
        self._body = bytearray()
        self._decoded_bytes = 0
        self._read: Callable[[bytes], None] = self._events.feed if self._events else self._collect
        if self._events and watches_content:
            self._read = self._read_to_content
        self.feed: Callable[[bytes], None] = self._begin
        """Reads on; never raises."""
        self._decoder = _IDENTITY
        if content_encoding:
            try:
                self._decoder = Decoder(content_encoding, self._take_decoded, budget)
            except ContentCodingError:
                self._give_up()

    @property
    def is_hollow(self) -> bool:
        """Whether it is whole, and yet holds no word and no call of a tool.

        Where it gives no reason for its end, it must not have cost a token either.
        """
        if not self.is_complete or self.has_content:
            return False
        is_silent = self.stop_reason is None and self.usage.output_tokens == 0
        return is_silent or self.stop_reason in _ENDS

    def finish(self) -> None:
        """Note that the body has ended, whole or cut; a second call changes nothing.

        A last event without its blank line counts if its JSON is whole.
        """
        if self._is_finished:
            return
        self._is_finished = True
        if self.is_readable:
            if self._events is not None:
                self._events.finish()
            else:
                self._take_body()
        self._release()
        self.feed = _ignore

    def _begin(self, chunk: bytes) -> None:
        """Read the first chunk, and have the rest go the shortest way from then on."""
        if not chunk:
            return
        if self._decoder.is_identity:
            self.is_empty = False
            self.feed = self._read
        else:
            self.feed = self._decode
        self.feed(chunk)

    def _decode(self, chunk: bytes) -> None:
        try:
            self._decoder.feed(chunk)
        except ContentCodingError:
            self.is_empty = False
            self._give_up()

    def _take_decoded(self, piece: bytes) -> None:
        self.is_empty = False
        room = DECODED_LIMIT_BYTES - self._decoded_bytes
        self._decoded_bytes += len(piece)
        self._read(piece[:room])
        if len(piece) > room or not self.is_readable:
            raise ContentCodingError("too large", "The answer decodes to too much.")

    def _read_to_content(self, chunk: bytes) -> None:
        """Read a stream in which no content came yet, and go the short way once it did."""
        events, seen = self._events, self._tail + chunk
        self._tail = seen[-_TAIL_BYTES:]
        if events is None:
            return
        if _has_content(seen):
            self.has_content, self._tail, self._read = True, b"", events.feed
            if self._decoder.is_identity:
                self.feed = self._read
        events.feed(chunk)

    def _collect(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > JSON_LIMIT_BYTES:
            self._give_up()

    def _give_up(self) -> None:
        """Read no further and claim nothing about the end; what is known of tokens stays."""
        self.is_readable = False
        self.is_complete = False
        self._release()
        self.feed = self._note_unread

    def _release(self) -> None:
        """Let go of all that was kept for reading on, windows of decoders among it."""
        self._body.clear()
        self._events = None
        self._read = _ignore
        self._decoder = _IDENTITY

    def _note_unread(self, chunk: bytes) -> None:
        if chunk:
            self.is_empty = False

    def _take_event(self, name: str, data: bytes) -> None:
        """Read one event; the type in its JSON counts, and its name only where there is none."""
        event = answer_envelope.read(data)
        kind = name
        if event is not None and isinstance(event.type, str):
            kind = event.type
        if kind == "content_block_delta":
            return
        if kind == "error":
            self._note_error(event or Envelope())
        if event is None:
            return
        if isinstance(event.message, dict):
            self.usage.merge(event.message.get("usage"))
            self._note_model(event.message.get("model"))
            self._note_id(event.message.get("id"))
        if event.usage:
            self.usage.merge(event.usage)
        if kind == "message_delta" and isinstance(event.delta, dict):
            self.stop_reason = _identifier(event.delta.get("stop_reason"))
        if event.error and _has_error(event):
            self._note_error(event)
        if kind == "message_stop":
            self.is_complete = True

    def _take_body(self) -> None:
        body = bytes(self._body)
        self._body.clear()
        self.has_content = self.has_content or _has_content(body)
        try:
            answer = answer_envelope.read(body)
        except OverBudgetError:
            self._give_up()
            return
        if answer is not None:
            self._take_answer(answer)

    def _take_answer(self, answer: Envelope) -> None:
        self.usage.merge(answer.usage)
        self._note_model(answer.model)
        self._note_id(answer.id)
        self.stop_reason = _identifier(answer.stop_reason)
        if (
            (answer.error and _has_error(answer))
            or answer.type == "error"
            or answer.success is False
        ):
            self._note_error(answer)
        self.is_complete = self.error_type is None

    def _note_model(self, model: object) -> None:
        if isinstance(model, str) and model:
            self.served_model = model[:_NAME_LIMIT]

    def _note_id(self, message_id: object) -> None:
        if isinstance(message_id, str) and message_id:
            self.message_id = message_id[:_NAME_LIMIT]

    def _note_error(self, envelope: Envelope) -> None:
        """Keep the first error's type, else its code, if these look like a name or a number."""
        if self.error_type is not None:
            return
        error = envelope.error if isinstance(envelope.error, dict) else {}
        candidates = (error.get("type"), error.get("code"), envelope.code)
        names = (_identifier(candidate) for candidate in candidates)
        self.error_type = next((name for name in names if name), "error")


def _has_content(text: bytes) -> bool:
    """Whether a word of an answer, or a call, is in `text`."""
    places = [place for mark in _CONTENT_MARKS if (place := text.find(mark)) >= 0]
    if not places:
        return False
    return _CONTENT.search(text, max(text.rfind(b'"', 0, min(places)), 0)) is not None


def _ignore(chunk: bytes) -> None:
    """Take a chunk that came after the end."""
    del chunk


_IDENTITY = Decoder("", _ignore)


def _has_error(envelope: Envelope) -> bool:
    """Whether an error stands in `envelope`, whatever its type says: `"error": null` is none."""
    return bool(envelope.error) and isinstance(envelope.error, dict | str)


def _identifier(value: object) -> str | None:
    """`value` as a short name if it is one, so that no message text passes for an error's type."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _is_identifier(value):
        return value[:_ERROR_TYPE_LIMIT]
    return None
