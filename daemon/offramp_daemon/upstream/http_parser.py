"""Reads one answer from the bytes of a connection: its head, its body, its end. Sans-io.

It is strict, since what two readers take for different answers can be used to smuggle one in:
httptools, which does the reading, takes no answer with two lengths, or with a length and chunks,
no folded header, no line without CR, and no bad chunk. What it leaves open is decided here.

Informational answers (1xx) come before the real one and are kept apart, as are the trailers behind
a body in chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from offramp_daemon.upstream.errors import BadAnswerError

RawHeaders = tuple[tuple[bytes, bytes], ...]

HEAD_LIMIT_BYTES: Final = 128 * 1024
"""Of the status line and all headers; as much may stand between two pieces of a chunked body."""

_HEAD_END = b"\r\n\r\n"
_SPACES = b" \t"
_VERSIONS = frozenset({"1.0", "1.1"})
_SWITCHING_PROTOCOLS = 101
_LEAST_STATUS = 100
_FINAL_STATUS = 200
_WITHOUT_BODY = frozenset({204, 304})
_MOST_EARLY = 32
"""More informational answers than any service sends are read and forgotten."""
MOST_FORGOTTEN: Final = 1000
"""After so many of these no answer is waited for: each takes the event loop's time."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer, as it came."""

    status: int
    reason: bytes
    version: str
    """`1.0` or `1.1`."""
    raw_headers: RawHeaders


class _OverrunError(Exception):
    """Another answer begins behind the one that was asked for."""


class AnswerParser:
    """Reads the answer to one request of that `method`. `release` it when it is done."""

    __slots__ = (
        "_between_bytes",
        "_early_count",
        "_has_headers",
        "_headers",
        "_is_bodiless",
        "_is_connect",
        "_parser",
        "_pieces",
        "_reason",
        "_tail",
        "_trailers",
        "early",
        "ends_with_connection",
        "head",
        "is_complete",
        "is_overrun",
        "is_reusable",
        "on_body",
    )

    def __init__(self, method: str) -> None:
        """Wait for the head."""
        self.head: Head | None = None
        self.early: list[Head] = []
        """The informational answers that came before it."""
        self.is_complete = False
        """The answer came to its end."""
        self.is_overrun = False
        """More came than was asked for."""
        self.is_reusable = False
        """The head allows another request on the connection; known with the head."""
        self.ends_with_connection = False
        """The body has neither a length nor chunks; known with the head."""
        self._is_bodiless = method in ("HEAD", "CONNECT")
        self._is_connect = method == "CONNECT"
        self._pieces: list[bytes] = []
        self._tail = b""
        self._between_bytes = 0
        self._early_count = 0
        self.on_body = self._pieces.append
        """Only for httptools, like the other `on_…`."""
        self._parser = self._begin()

    def _begin(self) -> HttpResponseParser:
        self._headers: list[tuple[bytes, bytes]] = []
        self._trailers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._has_headers = False
        parser = HttpResponseParser(self)
        # A space behind a chunk's size, as some servers pad it, can't be misunderstood.
        parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        return parser

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            BadAnswerError: it breaks HTTP's rules; `take` still gives what came before that.
        """
        if self.head is None:
            data = self._feed_head(data)
            if not data:
                return
        if self.is_complete:
            self.is_overrun = True
            return
        self._parse(data)
        if self._pieces:
            self._between_bytes = 0
        else:
            self._note_between(len(data))

    def take_early(self) -> list[Head]:
        """The informational answers that came since the last call."""
        early, self.early = self.early, []
        return early

    @property
    def trailers(self) -> RawHeaders:
        """The headers behind the body, known with its end; mostly none."""
        return tuple(self._trailers)

    def take(self) -> bytes:
        """The bytes of the body that came since the last call."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces.pop()
        body = b"".join(pieces)
        pieces.clear()
        return body

    def end(self) -> bool:
        """Note that the connection was closed; whether the answer is whole."""
        if self.head is not None and self.ends_with_connection:
            self.is_complete = True
        return self.is_complete

    def release(self) -> None:
        """Let go of httptools, whose parser and this object hold each other."""
        del self._parser

    def on_message_begin(self) -> None:
        """Refuse what follows the answer."""
        if self.is_complete:
            raise _OverrunError

    def on_status(self, piece: bytes) -> None:
        """Take a piece of the reason phrase."""
        self._reason += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, or one trailer."""
        taken = self._trailers if self._has_headers else self._headers
        taken.append((name, value.rstrip(_SPACES)))

    def on_headers_complete(self) -> None:
        """Note the end of the headers."""
        self._has_headers = True

    def on_message_complete(self) -> None:
        """Note the end of the answer, if it is one."""
        if self.head is not None:
            self.is_complete = True

    def _feed_head(self, data: bytes) -> bytes:
        """Read to the end of the head; what is behind it."""
        while data:
            window = self._tail + data
            end = window.find(_HEAD_END)
            if end < 0:
                self._note_between(len(data))
                self._parse(data)
                self._tail = window[1 - len(_HEAD_END) :]
                if self._has_headers:
                    raise BadAnswerError("its head has no proper end")
                return b""
            border = end + len(_HEAD_END) - len(self._tail)
            self._note_between(border)
            self._parse(data[:border])
            self._tail, self._between_bytes = b"", 0
            data = data[border:]
            self._end_head()
            if self.head is not None:
                break
        return data

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return  # the end of the head refuses it, with its status
        except HttpParserError as error:
            if self.is_complete:
                self.is_overrun = True
                return
            text = str(error)
            raise BadAnswerError(f"{text[:1].lower()}{text[1:]}") from None

    def _note_between(self, length_bytes: int) -> None:
        """Count what is not a body, so that no line goes on for ever."""
        self._between_bytes += length_bytes
        if self._between_bytes > HEAD_LIMIT_BYTES:
            what = "head" if self.head is None else "chunk extension or trailer"
            raise BadAnswerError(f"its {what} is longer than {HEAD_LIMIT_BYTES // 1024} KiB")

    def _end_head(self) -> None:
        if not self._has_headers:
            raise BadAnswerError("it begins with blank lines")
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version not in _VERSIONS or status < _LEAST_STATUS or status == _SWITCHING_PROTOCOLS:
            raise BadAnswerError(f"HTTP/{version} with status {status} was not asked for")
        head = Head(status, self._reason, version, tuple(self._headers))
        if status < _FINAL_STATUS:
            self._early_count += 1
            if self._early_count > MOST_FORGOTTEN:
                raise BadAnswerError(f"it comes behind {MOST_FORGOTTEN} informational ones")
            if len(self.early) < _MOST_EARLY:
                self.early.append(head)
            self._parser = self._begin()
            return
        self._frame(head)
        self.head = head

    def _frame(self, head: Head) -> None:
        """Find out where the body ends, and whether the connection outlives it."""
        codings, options, has_length, length = [], [], False, b""
        for name, value in head.raw_headers:
            lower = name.lower()
            if lower == b"content-length":
                has_length, length = True, value
            elif lower == b"transfer-encoding":
                codings.append(value.lower())
            elif lower == b"connection":
                options += [option.strip().lower() for option in value.split(b",")]
        if codings and (codings != [b"chunked"] or head.version == "1.0"):
            raise BadAnswerError("its transfer coding is not plain chunks of HTTP/1.1")
        if head.version == "1.0":
            self.is_reusable = b"keep-alive" in options
        else:
            self.is_reusable = b"close" not in options
        if self._is_bodiless or head.status in _WITHOUT_BODY:
            self.is_complete = True
        elif not codings and not has_length:
            self.ends_with_connection, self.is_reusable = True, False
        elif has_length and not length.strip(b"0"):
            self.is_complete = True
        if self._is_connect:  # an HTTP/1.0 proxy's tunnel stays open, too
            self.is_reusable = head.status < _FINAL_STATUS + 100
