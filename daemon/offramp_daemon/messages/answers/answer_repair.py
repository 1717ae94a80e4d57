"""Decodes and repairs a delegate's stream, piece by piece, on its way to the client.

A stream that may hold tool calls leaves without its content coding, as what may change must be
read. One whose coding is not known is not touched. Sans-io, and bounded whatever the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.messages.answers.call_stream import CallStream
from offramp_daemon.messages.answers.tool_calls import ToolCallRepair
from offramp_daemon.messages.answers.usage_meter import DECODED_LIMIT_BYTES
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offramp_daemon.messages.request_body import RequestBody

_HEAD_LIMIT_BYTES = 8 * 1024 * 1024
"""What the bytes that were read before the client's answer begins may become in all."""
_SLICE_BYTES = 16 * 1024
_PIECE_BYTES = 64 * 1024


class StreamRepair:
    """Repairs one stream: `plain` takes each chunk, and `feed` each piece that comes of it."""

    def __init__(self, body: RequestBody, content_encoding: str) -> None:
        """`body` is the client's request.

        Raises:
            ContentCodingError: the coding is not known.
        """
        self._stream = CallStream(ToolCallRepair(body).event)
        self._plain = _Pieces()
        self._decoder = Decoder(content_encoding, self._plain.take)
        self.is_coded = not self._decoder.is_identity
        """Whether `plain` has anything to do."""
        self.feed = self._stream.feed
        """Reads on in the plain stream; what can be passed on by now."""
        self.finish = self._stream.finish
        """What is still held, as the stream has ended."""

    def plain(self, chunk: bytes) -> Iterable[bytes]:
        """`chunk` without the content coding, in pieces, between which others may have a turn.

        Raises:
            ContentCodingError: it can't be decoded, or becomes too much.
        """
        return (chunk,) if self._decoder.is_identity else self._decoded(chunk)

    def head(self, chunk: bytes) -> bytes:
        """The first chunk, plain.

        Raises:
            ContentCodingError: it can't be decoded, or becomes too much.
        """
        plain = b"".join(self.plain(chunk))
        self._plain.room_bytes = DECODED_LIMIT_BYTES
        return plain

    def _decoded(self, chunk: bytes) -> Iterable[bytes]:
        for start in range(0, len(chunk), _SLICE_BYTES):
            damage = None
            try:
                self._decoder.feed(chunk[start : start + _SLICE_BYTES])
            except ContentCodingError as error:
                damage = error  # what came before it is whole
            for piece in self._plain.given():
                for place in range(0, len(piece), _PIECE_BYTES):
                    yield piece[place : place + _PIECE_BYTES]
            if damage is not None:
                raise damage


class _Pieces:
    """What a decoder has given; it does not know the repair, which would hold itself so."""

    def __init__(self) -> None:
        self.room_bytes = _HEAD_LIMIT_BYTES
        self._taken: list[bytes] = []

    def take(self, piece: bytes) -> None:
        """Take a piece; raise ContentCodingError if there is no room for it."""
        self.room_bytes -= len(piece)
        if self.room_bytes < 0:
            raise ContentCodingError("too large", "The answer decodes to too much.")
        self._taken.append(piece)

    def given(self) -> list[bytes]:
        """The pieces since the last call."""
        taken, self._taken = self._taken, []
        return taken


def open_stream(
    body: RequestBody, content_encoding: str, head: bytes
) -> tuple[bytes, StreamRepair] | None:
    """The plain form of `head`, with which the answer to `body` begins, and what repairs the rest.

    None where the coding can't be undone.
    """
    try:
        repair = StreamRepair(body, content_encoding)
        return repair.head(head), repair
    except ContentCodingError:
        return None
