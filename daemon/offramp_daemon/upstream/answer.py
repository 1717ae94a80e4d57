"""An answer whose head is there: its body is pulled with `read`, or pushed by `pass_to`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from multidict import CIMultiDict

from offramp_daemon.upstream.errors import BrokenAnswerError

if TYPE_CHECKING:
    from offramp_daemon.upstream.errors import UpstreamError
    from offramp_daemon.upstream.http_parser import Head, RawHeaders

Sink = Callable[[bytes], None]
OnEnd = Callable[["UpstreamError | None"], None]

_HELD_BYTES = 128 * 1024
"""What is kept for a caller who does not read; then the service has to wait."""


class Source(Protocol):
    """Where an answer's bytes come from."""

    def pause(self) -> None:
        """Give no more of them for now."""

    def resume(self) -> None:
        """Go on."""

    def close(self) -> None:
        """Give no more of them at all."""


class Answer:
    """One answer. Whoever has it reads it to its end, or closes it."""

    __slots__ = (
        "_error",
        "_has_ended",
        "_headers",
        "_held",
        "_held_bytes",
        "_is_closed",
        "_is_paused",
        "_on_end",
        "_sink",
        "_source",
        "_waiter",
        "head",
        "raw_headers",
        "reason",
        "status",
        "trailers",
    )

    def __init__(self, head: Head, source: Source) -> None:
        """Hold what `source` gives until somebody takes it."""
        self.head = head
        self.status = head.status
        self.reason = head.reason.decode("latin-1")
        self.raw_headers = head.raw_headers
        self.trailers: RawHeaders = ()
        """The headers behind its body, known once it has ended."""
        self._source = source
        self._headers: CIMultiDict[str] | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._sink: Sink | None = None
        self._on_end: OnEnd | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._has_ended = False
        self._is_closed = False
        self._is_paused = False

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers as text, without regard to case; bytes that are not UTF-8 stay escaped."""
        if self._headers is None:
            self._headers = CIMultiDict(
                [
                    (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
                    for name, value in self.raw_headers
                ]
            )
        return self._headers

    def header(self, lower_name: bytes) -> str:
        """The first value of one header, for those who want no other; empty where there is none."""
        length = len(lower_name)
        for name, value in self.raw_headers:
            if len(name) == length and name.lower() == lower_name:
                return value.decode("utf-8", "surrogateescape")
        return ""

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty where there is none."""
        return self.header(b"content-type").partition(";")[0].strip().lower()

    @property
    def has_ended(self) -> bool:
        """Whether no more bytes will come, for better or worse; some may be held."""
        return self._has_ended

    def at_eof(self) -> bool:
        """Whether all of the body came, and was taken."""
        return self._has_ended and self._error is None and not self._held

    @property
    def has_bytes(self) -> bool:
        """Whether some of the body is here to be taken."""
        return bool(self._held)

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any; none at the end.

        Raises:
            UpstreamError: it broke off, breaks HTTP's rules, or was closed.
        """
        while not self._held:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._take()

    def pass_to(self, sink: Sink, on_end: OnEnd) -> None:
        """Call `sink` with all bytes from now on, as they come, and at last `on_end` once.

        What is held goes first. Neither is called any more once the answer was closed.
        """
        has_ended = self._has_ended
        if not has_ended:
            self._sink, self._on_end = sink, on_end
        if self._held:
            sink(self._take())
        if has_ended and not self._is_closed:
            on_end(self._error)

    def pause(self) -> None:
        """Let no more bytes come for now, but for what is on its way within this process."""
        if not self._is_paused and not self._has_ended:
            self._is_paused = True
            self._source.pause()

    def resume(self) -> None:
        """Let them come again."""
        if self._is_paused and not self._has_ended:
            self._is_paused = False
            self._source.resume()

    def close(self) -> None:
        """Break off what has not ended; a connection that is not in the middle of it is kept."""
        self._is_closed = True
        if not self._has_ended:
            self.end(BrokenAnswerError("the answer was closed"))
            self._source.close()

    def receive(self, body: bytes) -> None:
        """Take bytes; for the source."""
        if self._sink is not None:
            self._sink(body)
            return
        self._held.append(body)
        self._held_bytes += len(body)
        if self._held_bytes > _HELD_BYTES:
            self.pause()
        self._wake()

    def end(self, error: UpstreamError | None = None) -> None:
        """Take note that no more bytes will come, since `error`; for the source."""
        if self._has_ended:
            return
        self._has_ended, self._error = True, error
        self._wake()
        on_end = self._on_end
        self._sink = self._on_end = None  # whoever they belong to holds this answer
        if on_end is not None and not self._is_closed:
            on_end(error)

    def _take(self) -> bytes:
        held = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self.resume()
        return held

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
