"""Looks at how a stream begins, before any of it reaches the client.

A service that accepts a request may still fail it with an error event, after pings and comments or
after `message_start`, or end the stream without a word. As long as nothing was passed on, another
backend can serve the request; so a stream's bytes are held until its first event that says how it
goes on: the beginning of its content, or an error. How long that may take is for the caller to
decide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from offramp_daemon.messages.answers import error_bodies
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_daemon.messages.answers.error_bodies import ServiceError

HOLD_S = 3.0
"""For so long pings and comments are held back from the client, for whom they are signs of life."""

LIMIT_BYTES = 64 * 1024
"""No stream of messages has more before its content; what is longer is passed on."""

_SLICE_BYTES = 2048
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_LINE = re.compile(rb"\n\r?\n|\r\r")
_NOTHING = re.compile(rb"(?:[\r\n]|:[^\r\n]*[\r\n])*")
"""Blank lines and comments."""
_BORDER_BYTES = 3
"""So much of what was searched may be part of a blank line that was not whole."""
_MARKS = re.compile(rb"error|success|detail|\"code\"|\\u")
"""Without any of these there is no error in a JSON object; letters may be written as escapes."""
_BEGINNING = b"message_start"
_CONTENT_NAMES = ("content_block", "message_delta", "message_stop")
"""How the types of the events begin with which content begins, or the message ends without any."""
_NO_CONTENT = frozenset({b"", b"{}", b"[DONE]"})
"""Data without a type that says nothing, as gateways send it."""
_UNNAMED = b"message"
"""What an event is called that has no name."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_UNKNOWN = error_bodies.ServiceError(code=None, message="")


class _Event(msgspec.Struct, gc=False):
    type: Any = None


_read_type = msgspec.json.Decoder(_Event).decode


class FirstEventReader:
    """Reads a stream's beginning, in the content coding that its header names ("" for none)."""

    def __init__(self, content_encoding: str) -> None:
        """Make ready for a stream in that coding."""
        self.is_empty = True
        """No byte of it came, its coding undone."""
        self.is_known = False
        """The first event that counts is whole; or the stream can't be read."""
        self.has_message = False
        """The message has begun, though nothing of its content came."""
        self._text = bytearray()
        self._start = 0
        """Where in the text the event begins that is not whole yet."""
        self._searched = 0
        self._event = b""
        """The event that counts, once it is known."""
        self._decode: Callable[[bytes], None] = self._take
        if content_encoding:
            try:
                self._decode = Decoder(content_encoding, self._take).feed
            except ContentCodingError:
                self._give_up()

    def feed(self, chunk: bytes) -> bool:
        """Read on; whether enough is known. Of a long chunk no more is read than it takes."""
        start = 0
        while start < len(chunk) and not self.is_known:
            try:
                self._decode(chunk[start : start + _SLICE_BYTES])
            except ContentCodingError:
                self._give_up()
            start += _SLICE_BYTES
        return self.is_known

    def error(self, redact: Callable[[str], str] = str) -> ServiceError | None:
        """What the first event that counts says went wrong; None if it says nothing of the kind.

        `redact` takes out of a text what nobody is to see. Of a stream that has ended, an event
        without its blank line counts, too.
        """
        block = self._event if self.is_known else bytes(self._text[self._start :])
        return _error_in(block, redact)

    def _take(self, piece: bytes) -> None:
        if piece:
            self.is_empty = False
        if self.is_known:
            return
        text = self._text
        text += piece[: LIMIT_BYTES - len(text)]
        if self._start == 0 and text.startswith(_BYTE_ORDER_MARK):
            self._start = len(_BYTE_ORDER_MARK)
        if b"\n" in piece or b"\r" in piece:  # else a long line would be looked at time and again
            self._read_events()
        if len(text) >= LIMIT_BYTES and not self.is_known:
            self._end_with(text[self._start :])

    def _read_events(self) -> None:
        """Pass over the events that leave open how the stream goes on."""
        text = self._text
        while True:
            if nothing := _NOTHING.match(text, self._start):
                self._start = nothing.end()
            end = _BLANK_LINE.search(text, max(self._start, self._searched - _BORDER_BYTES))
            if end is None:
                self._searched = len(text)
                return
            block = bytes(text[self._start : end.start()])
            if not _leaves_open(block):
                self._end_with(block)
                return
            self.has_message = self.has_message or _BEGINNING in block
            self._start = self._searched = end.end()

    def _end_with(self, block: bytes | bytearray) -> None:
        self.is_known, self._event = True, bytes(block)
        self._text.clear()
        self._decode = _leave_unread  # the one before it holds this reader

    def _give_up(self) -> None:
        """Claim nothing of bytes that can't be read."""
        self.is_empty = False
        self._end_with(b"")


def _leave_unread(chunk: bytes) -> None:
    """Take what comes behind the event that counts."""
    del chunk


def _leaves_open(block: bytes) -> bool:
    """Whether the event in `block` says neither that content begins nor that something failed.

    An event of a type that is not known leaves it open, as a gateway's sign of life does.
    """
    if block.lstrip().startswith((b"{", b"<")):
        return False
    name, data = _fields(block)
    if name == b"error":
        return False
    if _MARKS.search(data) is not None and error_bodies.read_error(data, str) is not None:
        return False
    kind = _kind_of(name, data)
    return data.strip() in _NO_CONTENT if kind is None else not kind.startswith(_CONTENT_NAMES)


def _kind_of(name: bytes, data: bytes) -> str | None:
    """The type of an event, by its name or by its data; None if it has none."""
    if name and name != _UNNAMED:
        return name.decode("utf-8", "replace")
    try:
        kind = _read_type(data).type
    except (ValueError, RecursionError):
        return None
    return kind if isinstance(kind, str) else None


def _error_in(block: bytes, redact: Callable[[str], str]) -> ServiceError | None:
    name, data = _fields(block)
    if name != b"error" and _MARKS.search(data) is None and not block.startswith((b"{", b"<")):
        return None  # as nearly always: not worth reading
    found = error_bodies.read_error(data, redact) or error_bodies.read_page(block, redact)
    if found is None and name == b"error":
        return _UNKNOWN
    if found is None and block.startswith(b"{"):
        return error_bodies.read_refusal(block, 200, redact)
    return found


def _fields(block: bytes) -> tuple[bytes, bytes]:
    """The name and the data of the event in `block`; empty where it has none.

    A JSON object in place of fields is taken for data: an error sent under the wrong content type.
    """
    if block.startswith(b"{"):
        return b"", block
    name, data = b"", []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
    return name, b"\n".join(data)
