"""The answer as the client gets it: the upstream's head, and its body in a frame of our own.

It is written straight to the client's transport, by whoever has the bytes, without a coroutine. So
it takes the place of aiohttp's own response, whose server calls `prepare` and `write_eof` and looks
at `prepared` and `keep_alive`. No other module knows that, and a test holds the server to it.
"""

from __future__ import annotations

import email.utils
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.abc import AbstractStreamWriter

    from offramp_core.redaction import Redactor
    from offramp_daemon.upstream.answer import Answer
    from offramp_daemon.upstream.http_parser import Head

_CONTINUE = 100
"""Not passed on: Claude Code's client breaks off over one that it has not asked for."""
_NO_CONTENT, _NOT_MODIFIED = 204, 304
_LENGTH = b"content-length"
_TRAILERS = "trailers"


class PassedResponse(web.StreamResponse):
    """An answer whose headers are the upstream's, without aiohttp's additions."""

    def __init__(
        self,
        request: web.BaseRequest,
        answer: Answer,
        *,
        is_plain: bool = False,
        length_bytes: int | None = None,
        delegates_secrets: Redactor | None = None,
    ) -> None:
        """The head that passes `answer` on to `request`; of a delegate's with what may pass.

        `delegates_secrets` says that it is a delegate's, and what it must not quote.
        `is_plain` says that the body goes out without its coding, so with another length:
        `length_bytes` where that is known.
        """
        is_delegates = delegates_secrets is not None
        reason = headers.reason(answer.reason)
        if delegates_secrets is not None and delegates_secrets.holds(reason):
            reason = ""
        super().__init__(status=answer.status, reason=reason)
        self._to = request
        self._client = request.transport
        passed = headers.to_client(
            answer.raw_headers, is_delegates=is_delegates, redactor=delegates_secrets
        )
        if is_plain:
            passed = headers.without(passed, b"content-encoding", _LENGTH)
        if length_bytes is not None:
            passed.append((b"Content-Length", b"%d" % length_bytes))
        elif answer.status == _NO_CONTENT:
            passed = headers.without(passed, _LENGTH)
        names = {name.lower() for name, _ in passed}
        may_have_body = answer.status not in {_NO_CONTENT, _NOT_MODIFIED}
        self._has_body = may_have_body and request.method != "HEAD"
        is_framed = not self._has_body or _LENGTH in names
        self._is_chunked = not is_framed and request.version >= HttpVersion11
        self._is_kept = request.keep_alive and (is_framed or self._is_chunked)
        self._has_ended = False
        self._passed = passed
        self._has_date = b"date" in names
        wants_trailers = _TRAILERS in request.headers.get("TE", "").lower()
        self._trailers_of = answer if wants_trailers and not is_delegates else None
        self._head = b""

    @property
    def prepared(self) -> bool:
        """Whether the client has got some of it, or will; for aiohttp."""
        return True

    @property
    def keep_alive(self) -> bool:
        """Whether the client's connection is kept behind it; for aiohttp."""
        return self._is_kept

    def force_close(self) -> None:
        """End the client's connection behind it; to be said before `begin`."""
        self._is_kept = False

    def begin(self) -> None:
        """Write the head, which goes out with the first bytes of the body, or by `flush`."""
        version, passed = self._to.version, self._passed
        if not self._has_date:
            passed.append((b"Date", email.utils.formatdate(usegmt=True).encode()))
        if self._is_chunked:
            passed.append((b"Transfer-Encoding", b"chunked"))
        if self._is_kept and version < HttpVersion11:
            passed.append((b"Connection", b"keep-alive"))
        elif not self._is_kept and version >= HttpVersion11:
            passed.append((b"Connection", b"close"))
        shown = f"{version.major}.{version.minor}"
        self._head = _written(f"HTTP/{shown} {self.status} {self.reason}", passed)

    def send(self, body: bytes) -> None:
        """Write bytes of the body.

        Raises:
            ConnectionResetError: the client is gone.
        """
        if not body or not self._has_body:
            return
        if self._is_chunked:
            self._write(b"%x\r\n%b\r\n" % (len(body), body))
        else:
            self._write(body)

    def flush(self) -> None:
        """Write the head, if it has not gone out with some of the body.

        Raises:
            ConnectionResetError: the client is gone.
        """
        if self._head:
            self._write(b"")

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Do nothing, since the head is out; for aiohttp."""

    async def write_eof(self, data: bytes = b"") -> None:
        """End the body as its frame wants; for aiohttp."""
        if self._has_ended:
            return
        self._has_ended = True
        self.send(data)
        if self._is_chunked:
            self._write(b"0\r\n" + self._trailers() + b"\r\n")
        self.flush()

    def _trailers(self) -> bytes:
        """What came behind the body, for a client that asked for it, as lines."""
        if self._trailers_of is None or not self._trailers_of.trailers:
            return b""
        pairs = headers.trailers_to_client(self._trailers_of.trailers)
        return b"".join([b"%b: %b\r\n" % pair for pair in pairs])

    def _write(self, data: bytes) -> None:
        if self._client is None or self._client.is_closing():
            raise ConnectionResetError("the client is gone")
        if self._head:
            data, self._head = self._head + data, b""
        self._client.write(data)


def pass_early(request: web.BaseRequest, early: Head) -> None:
    """Write an informational answer to the client at once, if it knows such answers.

    One that does not read gets none: nothing else would hold up a service that sends many.
    """
    client = request.transport
    if early.status == _CONTINUE or request.version < HttpVersion11:
        return
    if request.protocol.writing_paused:
        return
    if client is not None and not client.is_closing():
        reason = headers.reason(early.reason.decode("latin-1"))
        kept = headers.to_client(early.raw_headers)
        client.write(_written(f"HTTP/1.1 {early.status} {reason}", kept))


def _written(status_line: str, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A head as bytes."""
    lines = [status_line.encode("ascii"), *[b"%b: %b" % pair for pair in pairs], b"\r\n"]
    return b"\r\n".join(lines)


def cut_off(request: web.BaseRequest) -> None:
    """End the client's connection so that it can't take what it got for the whole answer."""
    transport = request.transport
    if transport is None:
        return
    if request.version < HttpVersion11:
        # Without chunks or a length a plain close would look like the answer's end.
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return
    transport.close()
