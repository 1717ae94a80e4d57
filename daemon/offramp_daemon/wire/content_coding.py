"""Undoes HTTP content codings (gzip, deflate, br, zstd, and stacks of them), piece by piece.

Knows only bytes: no header lookup, no socket. Memory stays bounded whatever the bytes, since input
is taken in slices and output is handed on in pieces; and so does work, since every byte that any
layer puts out is counted against one budget (see `work_budget`). Decoding a whole body belongs in
a thread.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import brotli  # type: ignore[import-untyped]  # ships no types
import zstandard

from offramp_core.errors import OfframpError
from offramp_daemon.wire.work_budget import (
    ASIDE,
    LAYER_COST,
    LIVE,
    MEMBER_COST,
    OverBudgetError,
    WorkBudget,
)

Problem = Literal["unknown", "damaged", "too large"]
Sink = Callable[[bytes], None]

_OUTPUT_BYTES = 256 * 1024
_INPUT_BYTES = 16 * 1024
_ZSTD_INPUT_BYTES = 256
"""zstandard has no limit on output: four bytes may become 128 KiB, so this much becomes 8 MiB."""
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""The largest window that RFC 9659 lets a sender use."""
_ZLIB_HEADER_BYTES = 2
_MAX_CODINGS = 2
_MOST_GAIN = 4
"""How many times the limit on what comes out all layers together may put out."""
_LEAST_WORK_BYTES = 128 * 1024


class ContentCodingError(OfframpError):
    """A body that can't be decoded; `problem` says in which way."""

    def __init__(self, problem: Problem, title: str, *, hint: str = "") -> None:
        """Keep `problem` beside the text."""
        super().__init__(title, hint=hint)
        self.problem: Problem = problem


class _Coding(Protocol):
    """One coding's decoder, which hands what it decodes to the sink that it was made with."""

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here; one without a single byte may."""

    def feed(self, data: bytes) -> None: ...


class Decoder:
    """Undoes all codings that a Content-Encoding header names, the last named one first."""

    def __init__(self, content_encoding: str, sink: Sink, budget: WorkBudget | None = None) -> None:
        """Read the header's value (empty: not coded); decoded pieces go to `sink` as they come.

        What all layers do is counted against `budget`; without one, against one that is fit for
        the event loop.

        Raises:
            ContentCodingError: it names a coding that is not known, or too many.
        """
        self._codings: list[_Coding] = []
        self._feed = sink
        self._budget = WorkBudget(LIVE) if budget is None else budget
        cost = 1
        for name in _coding_names(content_encoding):
            coding = _CODINGS[name](_counted(self._feed, self._budget, cost), self._budget)
            self._codings.append(coding)
            self._feed, cost = coding.feed, LAYER_COST
        self.is_identity = not self._codings
        """Whether there is nothing to undo."""

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here; one without a single byte may."""
        return all(coding.is_whole for coding in self._codings)

    def feed(self, data: bytes) -> None:
        """Decode on; what the sink raises comes through and leaves the decoder unfit for more.

        Raises:
            ContentCodingError: the bytes are not what the header says, or take too much work.
        """
        self._budget.receive(len(data))
        try:
            self._feed(data)
        except OverBudgetError as error:
            raise ContentCodingError("too large", str(error)) from error
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise ContentCodingError("damaged", f"The body can't be decoded: {error}.") from error


def decode_all(body: bytes, content_encoding: str, *, limit_bytes: int) -> bytes:
    """The whole of `body` with its codings undone; a body of no bytes stays one.

    Raises:
        ContentCodingError: the coding is not known, the bytes are damaged or cut short, more than
            `limit_bytes` would come out, or its layers would put out far more than that.
    """
    pieces: list[bytes] = []
    room = limit_bytes

    def keep(piece: bytes) -> None:
        nonlocal room
        room -= len(piece)
        if room < 0:
            raise ContentCodingError("too large", f"The body decodes to over {limit_bytes} bytes.")
        pieces.append(piece)

    most = _MOST_GAIN * limit_bytes + _LEAST_WORK_BYTES
    decoder = Decoder(content_encoding, keep, WorkBudget(ASIDE, most=most))
    decoder.feed(body)
    if not decoder.is_whole:
        raise ContentCodingError("damaged", "The body can't be decoded: it is cut short.")
    return b"".join(pieces)


def _coding_names(content_encoding: str) -> list[str]:
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    unknown = next((name for name in names if name not in _CODINGS), None)
    if unknown is not None:
        raise ContentCodingError(
            "unknown",
            f"The content coding {unknown[:40]!r} is not known.",
            hint="gzip, deflate, br and zstd are.",
        )
    if len(names) > _MAX_CODINGS:
        raise ContentCodingError("unknown", f"{len(names)} content codings are too many.")
    return names


def _counted(sink: Sink, budget: WorkBudget, cost: int) -> Sink:
    """`sink`, with every byte that goes to it paid for first."""

    def take(piece: bytes) -> None:
        budget.spend(len(piece) * cost)
        sink(piece)

    return take


def _slices(data: bytes, size: int) -> Iterable[bytes]:
    """`data` in slices of at most `size` bytes, so that no decoder copies a long rest about."""
    if len(data) <= size:
        return (data,)
    return (data[start : start + size] for start in range(0, len(data), size))


def _inflate(inflater: zlib._Decompress, data: bytes, sink: Sink) -> None:
    """Hand on all that `data` gives; a full piece may have left more inside, so it asks again."""
    while True:
        piece = inflater.decompress(data, _OUTPUT_BYTES)
        if piece:
            sink(piece)
        data = inflater.unconsumed_tail
        if inflater.eof or (not data and len(piece) < _OUTPUT_BYTES):
            return


class _Gzip:
    """Gzip, any number of members; padding with zeros behind them is passed over."""

    def __init__(self, sink: Sink, budget: WorkBudget) -> None:
        self._sink = sink
        self._budget = budget
        self._member: zlib._Decompress | None = None
        self._has_ended_member = False

    @property
    def is_whole(self) -> bool:
        return self._member is None

    def feed(self, data: bytes) -> None:
        for piece in _slices(data, _INPUT_BYTES):
            rest = piece
            while rest:
                rest = self._feed_member(rest)

    def _feed_member(self, data: bytes) -> bytes:
        """Decode to the end of a member at most; what follows it."""
        if self._member is None:
            data = data.lstrip(b"\0") if self._has_ended_member else data
            if not data:
                return b""
            self._budget.spend(MEMBER_COST)
            self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        member = self._member
        _inflate(member, data, self._sink)
        if member.eof:
            self._member = None
            self._has_ended_member = True
        return member.unused_data


class _Deflate:
    """Deflate in its zlib wrapping, as the standard asks, or bare, as some servers send it."""

    def __init__(self, sink: Sink, budget: WorkBudget) -> None:
        del budget  # it has one member, and what comes out is counted by the sink
        self._sink = sink
        self._head = b""
        self._inflater: zlib._Decompress | None = None

    @property
    def is_whole(self) -> bool:
        return self._inflater.eof if self._inflater else not self._head

    def feed(self, data: bytes) -> None:
        if self._inflater is None:
            data = self._head + data
            if len(data) < _ZLIB_HEADER_BYTES:
                self._head = data
                return
            window = zlib.MAX_WBITS if _is_zlib_header(data) else -zlib.MAX_WBITS
            self._inflater = zlib.decompressobj(window)
        for piece in _slices(data, _INPUT_BYTES):
            _inflate(self._inflater, piece, self._sink)
            if self._inflater.unused_data:
                raise zlib.error("bytes behind the end")


def _is_zlib_header(data: bytes) -> bool:
    """Whether zlib's two header bytes come first (RFC 1950).

    Bare deflate that looks so would be a stored block with bits set in its padding, which no
    encoder writes.
    """
    return data[0] & 0x0F == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0


class _Brotli:
    """Brotli."""

    def __init__(self, sink: Sink, budget: WorkBudget) -> None:
        del budget  # as above
        self._sink = sink
        self._decompressor = brotli.Decompressor()
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        return not self._has_begun or bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> None:
        if not data:
            return
        self._has_begun = True
        for piece in _slices(data, _INPUT_BYTES):
            self._decompress(piece)

    def _decompress(self, data: bytes) -> None:
        """Hand on all that `data` gives; after a full piece it may still hold some back."""
        decompressor = self._decompressor
        while True:
            piece: bytes = decompressor.process(data, output_buffer_limit=_OUTPUT_BYTES)
            data = b""
            if piece:
                self._sink(piece)
            is_full = len(piece) >= _OUTPUT_BYTES
            if decompressor.is_finished() or (not is_full and decompressor.can_accept_more_data()):
                return


class _Zstd:
    """Zstandard, any number of frames."""

    def __init__(self, sink: Sink, budget: WorkBudget) -> None:
        self._sink = sink
        self._budget = budget
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._frame: zstandard.ZstdDecompressionObj | None = None

    @property
    def is_whole(self) -> bool:
        return self._frame is None

    def feed(self, data: bytes) -> None:
        for piece in _slices(data, _ZSTD_INPUT_BYTES):
            rest = piece
            while rest:
                rest = self._feed_frame(rest)

    def _feed_frame(self, data: bytes) -> bytes:
        """Decode to the end of a frame at most; what follows it."""
        frame = self._frame
        if frame is None:
            self._budget.spend(MEMBER_COST)
            frame = self._frame = self._decompressor.decompressobj()
        piece = frame.decompress(data)
        if piece:
            self._sink(piece)
        if not frame.eof:
            return b""
        self._frame = None
        return frame.unused_data


_CODINGS: dict[str, Callable[[Sink, WorkBudget], _Coding]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
