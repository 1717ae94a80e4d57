"""Passes an answer on as it comes, byte for byte, while a meter reads along.

Only a delegate's answer may be repaired on the way, where a tool call in it is faulty.

A stream that the upstream cut never ends cleanly towards the client, which would take the stump
for the whole: the client's connection is broken off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_daemon.proxy.answer_reader import AnswerReader, CutStreamError
from offramp_daemon.proxy.passed_response import PassedResponse
from offramp_daemon.proxy.relay import Relay
from offramp_daemon.upstream.errors import UpstreamError
from offramp_daemon.wire.content_coding import ContentCodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_core.redaction import Redactor
    from offramp_daemon.messages.answers.answer_repair import StreamRepair
    from offramp_daemon.messages.answers.usage_meter import UsageMeter
    from offramp_daemon.upstream.answer import Answer


_BEGUN = web.RequestKey("offramp_answer_begun", bool)
_LAST = web.RequestKey("offramp_last_on_connection", bool)


class ClientGoneError(Exception):
    """The client closed its connection before the answer was through."""


async def pass_on(
    request: web.BaseRequest,
    answer: Answer,
    *,
    meter: UsageMeter | None,
    silence_timeout_s: float,
    head: bytes = b"",
    repair: StreamRepair | None = None,
    is_changed: bool = False,
    delegates_secrets: Redactor | None = None,
) -> web.StreamResponse:
    """Send `answer` to the client, chunk by chunk, feeding `meter`.

    `head` is what was read of its body already. A slow client slows the upstream: nothing is read
    ahead beyond the sockets' buffers. The response's end is the caller's to write. With a `repair`
    the client gets what that makes of the body; `head` is plain then, as is what the meter reads.
    `is_changed` says that `head` is the whole body in another form than it came in. With
    `delegates_secrets`, headers that are none of the client's business are held back, and those
    that hold one of these.

    Raises:
        CutStreamError: the upstream broke off, or was silent too long.
        ClientGoneError: the client closed its connection.
    """
    response = PassedResponse(
        request,
        answer,
        is_plain=is_changed or repair is not None,
        length_bytes=len(head) if is_changed else None,
        delegates_secrets=delegates_secrets,
    )
    request[_BEGUN] = True
    if _LAST in request:
        response.force_close()
    try:
        response.begin()
        if head:
            if meter is not None:
                meter.feed(head)
            response.send(repair.feed(head) if repair else head)
            await request.writer.drain()
        try:
            if not answer.at_eof():  # else `head` is all of it, or nothing comes
                await _pass_rest(request, response, answer, meter, repair, silence_timeout_s, head)
        except CutStreamError:
            if repair is not None:
                response.send(repair.finish())
            raise
        if repair is not None:
            response.send(repair.finish())
    except ConnectionError as error:
        raise ClientGoneError from error
    finally:
        if meter is not None:
            meter.finish()
    return response


async def _pass_rest(
    request: web.BaseRequest,
    response: PassedResponse,
    answer: Answer,
    meter: UsageMeter | None,
    repair: StreamRepair | None,
    silence_limit_s: float,
    head: bytes,
) -> None:
    """Pass on what comes behind `head`.

    Raises:
        CutStreamError: the upstream broke off, was silent too long, or sent what can't be decoded.
        ConnectionError: the client is gone.
    """
    if repair is not None and repair.is_coded:
        response.flush()
        with AnswerReader(answer, silence_limit_s, has_begun=bool(head)) as source:
            await _pass_decoded(request, response, source, meter, repair)
        return
    feed: Callable[[bytes], bytes] = _unchanged
    if repair is not None:
        feed = repair.feed
    if meter is not None:
        feed = _metered(meter, repair)
    if answer.has_ended:  # as with most short ones
        await _pass_last(request, response, answer, feed)
        return
    relay = Relay(request, response, answer, feed=feed, silence_limit_s=silence_limit_s)
    await relay.run(has_begun=bool(head))


async def _pass_last(
    request: web.BaseRequest,
    response: PassedResponse,
    answer: Answer,
    feed: Callable[[bytes], bytes],
) -> None:
    """Pass on what is here of an answer of which no more will come.

    Raises: as `_pass_rest`.
    """
    try:
        while chunk := await answer.read():
            response.send(feed(chunk))
    except UpstreamError as error:
        response.flush()
        raise CutStreamError("connection lost") from error
    if request.protocol.writing_paused:
        await request.writer.drain()


def _unchanged(chunk: bytes) -> bytes:
    return chunk


def _metered(meter: UsageMeter, repair: StreamRepair | None) -> Callable[[bytes], bytes]:
    """Have `meter` read each chunk as it came; what the client gets of it."""

    def feed(chunk: bytes) -> bytes:
        meter.feed(chunk)
        return chunk

    def feed_repaired(chunk: bytes) -> bytes:
        meter.feed(chunk)
        return repaired(chunk)

    if repair is None:
        return feed
    repaired = repair.feed
    return feed_repaired


async def _pass_decoded(
    request: web.BaseRequest,
    response: PassedResponse,
    source: AnswerReader,
    meter: UsageMeter | None,
    repair: StreamRepair,
) -> None:
    """Pass on what `repair` makes of a stream in a content coding, whose chunks may become long."""
    try:
        while chunk := await source.read():
            for number, piece in enumerate(repair.plain(chunk)):
                if number:
                    await asyncio.sleep(0)  # so much in one chunk must not hold up other streams
                if meter is not None:
                    meter.feed(piece)
                response.send(repair.feed(piece))
                await request.writer.drain()
    except ContentCodingError as error:
        raise CutStreamError("damaged content coding") from error


def end_connection_after(request: web.BaseRequest) -> None:
    """Have the answer that `pass_on` gives to `request` say that its connection ends with it."""
    request[_LAST] = True


def has_begun(request: web.BaseRequest) -> bool:
    """Whether `pass_on` has begun an answer to `request`, so that no other can take its place."""
    return _BEGUN in request
