"""Looks at how a stream begins, before any of it reaches the client.

A service that accepts a request may still fail it with the first event of its stream, or with none
at all. As long as nothing was passed on, another backend can serve the request; so the stream's
bytes are held until its first event is whole, and not a moment longer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_daemon.messages import errors
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_daemon.messages.errors import ServiceError

LIMIT_BYTES = 64 * 1024
"""What is longer is no event that a stream of messages begins with; it is passed on."""

_SLICE_BYTES = 2048
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_LINE = re.compile(rb"\n\r?\n|\r\r")
_MARKS = re.compile(rb"error|success|detail|\\u")
"""Without any of these there is no error in a JSON object; letters may be written as escapes."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_UNKNOWN = errors.ServiceError(code=None, message="")


class FirstEventReader:
    """Reads a stream's beginning, in the content coding that its header names ("" for none)."""

    def __init__(self, content_encoding: str) -> None:
        """Make ready for a stream in that coding."""
        self.is_empty = True
        """No byte of it came, its coding undone."""
        self.is_known = False
        """Its first event, or a comment before that, is whole; or it can't be read."""
        self._text = b""
        self._event = b""
        """The first event, or what has come of it."""
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

    def error(self, mask: Callable[[bytes], bytes] = bytes) -> ServiceError | None:
        """What the first event says went wrong; None if it says nothing of the kind.

        `mask` takes out what nobody is to see.
        """
        name, data = _first_event(self._event)
        if name != b"error" and _MARKS.search(data) is None:
            return None  # as nearly always: not worth reading
        found = errors.read_error(mask(data))
        if found is None and name == b"error":
            return _UNKNOWN
        return found

    def _take(self, piece: bytes) -> None:
        if piece:
            self.is_empty = False
        if self.is_known:
            return
        self._text += piece[: LIMIT_BYTES - len(self._text)]
        text = self._text.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n")
        is_long = len(self._text) >= LIMIT_BYTES
        if text.startswith(b":"):
            # A comment says that the service lives: the client should hear of that, too, and at
            # once. What follows counts for nothing, lest it matter whether it came in one piece.
            self.is_known, self._event = True, b""
            return
        end = _BLANK_LINE.search(text)
        self._event = text[: end.start()] if end else text
        self.is_known = is_long or end is not None

    def _give_up(self) -> None:
        """Claim nothing of bytes that can't be read."""
        self.is_known, self.is_empty, self._event = True, False, b""


def _first_event(block: bytes) -> tuple[bytes, bytes]:
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
