"""Passes an answer on as it comes, byte for byte, while a meter reads along.

Only a delegate's answer may be repaired on the way, where a tool call in it is faulty.

A stream that the upstream cut never ends cleanly towards the client, which would take the stump
for the whole: the client's connection is broken off.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, hdrs, web

from offramp_core.control import api
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.upstream.errors import UpstreamError
from offramp_daemon.wire import headers
from offramp_daemon.wire.content_coding import ContentCodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_daemon.messages.answers.answer_repair import StreamRepair
    from offramp_daemon.messages.answers.usage_meter import UsageMeter
    from offramp_daemon.upstream.answer import Answer


_BEGUN = web.RequestKey("offramp_answer_begun", bool)
_LAST = web.RequestKey("offramp_last_on_connection", bool)


class CutStreamError(Exception):
    """The upstream's answer ended before it was whole; says how."""


class ClientGoneError(Exception):
    """The client closed its connection before the answer was through."""


class PassedResponse(web.StreamResponse):
    """An answer whose headers are the upstream's, without aiohttp's additions.

    `_write_headers` and `_send_headers_immediately` are aiohttp's own hooks, used because no public
    ones let an answer leave without a Server header, or its head together with the first bytes of
    its body; a test holds them to their contract.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        has_body: bool = False,
        is_changed: bool = False,
        is_delegates: bool = False,
    ) -> None:
        """The head that passes `answer` on; of a delegate's with the headers that may pass.

        `has_body` says that some of the body follows at once, and `is_changed` that it is another,
        plain.
        """
        passed = headers.to_client(answer.raw_headers, is_delegates=is_delegates)
        if is_changed:
            passed.popall(hdrs.CONTENT_ENCODING, None)
            passed.popall(hdrs.CONTENT_LENGTH, None)
        self._added = [name for name in (hdrs.SERVER, hdrs.CONTENT_TYPE) if name not in passed]
        reason = headers.reason(answer.reason)
        super().__init__(status=answer.status, reason=reason, headers=passed)
        # With some of the body here already, head and body go out in one piece.
        self._send_headers_immediately = not has_body

    async def _write_headers(self) -> None:
        for name in self._added:
            self.headers.pop(name, None)
        await super()._write_headers()


async def pass_on(
    request: web.BaseRequest,
    answer: Answer,
    *,
    meter: UsageMeter | None,
    silence_timeout_s: float,
    head: bytes = b"",
    repair: StreamRepair | None = None,
    is_changed: bool = False,
    is_delegates: bool = False,
) -> web.StreamResponse:
    """Send `answer` to the client, chunk by chunk, feeding `meter`.

    `head` is what was read of its body already. A slow client slows the upstream: nothing is read
    ahead beyond the sockets' buffers. The response's end is the caller's to write. With a `repair`
    the client gets what that makes of the body; `head` is plain then, as is what the meter reads.
    `is_changed` says that `head` is the whole body in another form than it came in. `is_delegates`
    holds back headers that are none of the client's business.

    Raises:
        CutStreamError: the upstream broke off, or was silent too long.
        ClientGoneError: the client closed its connection.
    """
    response = PassedResponse(
        answer,
        has_body=bool(head) or answer.has_bytes,
        is_changed=is_changed or repair is not None,
        is_delegates=is_delegates,
    )
    if is_changed:
        response.content_length = len(head)
    request[_BEGUN] = True
    if _LAST in request:
        response.force_close()
    try:
        await response.prepare(request)
        if head:
            if meter is not None:
                meter.feed(head)
            await response.write(repair.feed(head) if repair else head)
        if not answer.at_eof():  # else `head` is all of it, or nothing comes
            with _AnswerReader(answer, silence_timeout_s, has_begun=bool(head)) as source:
                if repair is not None:
                    await _pass_repaired(response, source, meter, repair)
                while chunk := await source.read():
                    if meter is not None:
                        meter.feed(chunk)
                    await response.write(chunk)
        if repair is not None:
            await response.write(repair.finish())
    except ConnectionResetError as error:
        raise ClientGoneError from error
    finally:
        if meter is not None:
            meter.finish()
    return response


async def _pass_repaired(
    response: web.StreamResponse,
    source: _AnswerReader,
    meter: UsageMeter | None,
    repair: StreamRepair,
) -> None:
    """Pass on what `repair` makes of the rest of a stream; what it holds at a cut goes first.

    Raises:
        CutStreamError: the upstream broke off, was silent too long, or sent what can't be decoded.
    """
    try:
        while chunk := await source.read():
            for number, piece in enumerate(repair.plain(chunk)):
                if number:
                    await asyncio.sleep(0)  # so much in one chunk must not hold up other streams
                if meter is not None:
                    meter.feed(piece)
                passed = repair.feed(piece)
                if passed:
                    await response.write(passed)
    except ContentCodingError as error:
        await response.write(repair.finish())
        raise CutStreamError("damaged content coding") from error
    except CutStreamError:
        await response.write(repair.finish())
        raise


def end_connection_after(request: web.BaseRequest) -> None:
    """Have the answer that `pass_on` gives to `request` say that its connection ends with it."""
    request[_LAST] = True


def has_begun(request: web.BaseRequest) -> bool:
    """Whether `pass_on` has begun an answer to `request`, so that no other can take its place."""
    return _BEGUN in request


async def read_start(
    answer: Answer,
    limit_bytes: int,
    *,
    silence_timeout_s: float,
    is_enough: Callable[[bytes], bool] | None = None,
    hold_s: float | None = None,
    has_begun: Callable[[], bool] = lambda: False,
) -> bytes:
    """The body of `answer`, for a look at it before its head goes to the client.

    It goes up to its end or to just over `limit_bytes`, whichever comes first. `is_enough` is given
    each chunk, and may end it sooner; so does `hold_s` after the first of them. The answer is
    closed unless all is well.

    Raises:
        RequestFailedError: the upstream broke off, or was silent too long; save where `has_begun`,
            since it breaks off in the client's hands then.
    """
    chunks: list[bytes] = []
    length = 0
    try:
        with _AnswerReader(answer, silence_timeout_s) as source:
            async with asyncio.timeout(None) as hold:
                while length <= limit_bytes and (chunk := await source.read()):
                    chunks.append(chunk)
                    length += len(chunk)
                    if is_enough is not None and is_enough(chunk):
                        break
                    if hold_s is not None and hold.when() is None:
                        hold.reschedule(asyncio.get_running_loop().time() + hold_s)
    except TimeoutError:
        pass  # it was held for long enough
    except CutStreamError as error:
        if has_begun():
            return b"".join(chunks)
        answer.close()
        failure = Failure(
            status=502,
            message="Offramp: the backend broke off its answer.",
            trouble=api.FAILING,
        )
        raise RequestFailedError(failure) from error
    except BaseException:
        answer.close()
        raise
    return b"".join(chunks)


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


class _AnswerReader:
    """Reads an answer's body, and notices when the upstream says nothing for too long.

    One timer serves the whole answer. How long the first bytes take has no limit; `has_begun` says
    that they came already.
    """

    def __init__(self, answer: Answer, silence_limit_s: float, *, has_begun: bool = False) -> None:
        self._answer = answer
        self._limit_s = silence_limit_s
        self._loop = asyncio.get_running_loop()
        self._has_begun = has_begun
        self._is_awaited = False
        """False while it is the client that is waited for."""
        self._is_silent = False
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> _AnswerReader:
        if self._has_begun and not self._answer.has_ended:
            self._heard_s = self._loop.time()
            self._begin_to_watch()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any; none at the end.

        Raises:
            CutStreamError: the upstream broke off, or was silent too long.
        """
        self._is_awaited = True
        try:
            chunk = await self._answer.read()
        except UpstreamError as error:
            said = f"silent for {self._limit_s:g} s" if self._is_silent else "connection lost"
            raise CutStreamError(said) from error
        self._is_awaited = False
        self._heard_s = self._loop.time()
        if self._timer is None and not self._answer.has_ended:
            self._begin_to_watch()
        return chunk

    def _begin_to_watch(self) -> None:
        self._timer = self._loop.call_at(self._heard_s + self._limit_s, self._check)

    def _check(self) -> None:
        now_s = self._loop.time()
        if not self._is_awaited:
            self._heard_s = now_s
        due_s = self._heard_s + self._limit_s
        if now_s < due_s:
            self._timer = self._loop.call_at(due_s, self._check)
            return
        self._is_silent = True
        self._answer.close()
