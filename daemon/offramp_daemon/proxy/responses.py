"""How a request's answer reaches the client: passed on, refused, or broken off, and recorded so."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_daemon.messages.answers import answer_repair, outcome, tool_calls
from offramp_daemon.messages.answers.tool_calls import ToolCallRepair
from offramp_daemon.messages.answers.usage_meter import UsageMeter
from offramp_daemon.proxy import passed_response, streaming
from offramp_daemon.proxy.answer_reader import CutStreamError
from offramp_daemon.proxy.offload import aside, coded_weight
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all

if TYPE_CHECKING:
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.answer_repair import StreamRepair
    from offramp_daemon.messages.answers.errors import Failure
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.upstream.answer import Answer

PLAIN_LIMIT_BYTES = 32 * 1024 * 1024
"""Of an answer that is looked at before it is passed on."""

_STREAM = "text/event-stream"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Body:
    """What was read of an answer's body, and what the rest of it needs."""

    head: bytes
    repair: StreamRepair | None = None
    is_changed: bool = False
    """`head` is all of it, plain, and not what came."""

    @property
    def is_plain(self) -> bool:
        """Whether its content coding, if there was one, is undone."""
        return self.is_changed or self.repair is not None


async def relay(exchange: Exchange, answer: Answer, *, head: bytes = b"") -> web.StreamResponse:
    """Pass `answer` on, and finish the exchange by what it turned out to be.

    `head` is what was read of the body already. Faulty tool calls of a delegate are repaired.

    Raises:
        CutStreamError: the answer ended before it was whole.
        ClientGoneError: the client closed its connection.
    """
    meter, body = None, _Body(head)
    if exchange.is_message:
        exchange.http_status = answer.status
        if exchange.is_delegated and head and tool_calls.may_call_tools(exchange.body):
            body = await _repaired(exchange, answer, head)
        exchange.meter = meter = UsageMeter(
            content_type=answer.header(b"content-type"),
            content_encoding="" if body.is_plain else answer.header(b"content-encoding"),
            watches_content=exchange.is_delegated,
        )
    try:
        response = await streaming.pass_on(
            exchange.request,
            answer,
            meter=meter,
            silence_timeout_s=exchange.settings.silence_timeout_s,
            head=body.head,
            repair=body.repair,
            is_changed=body.is_changed,
            delegates_secrets=exchange.redactor if exchange.is_delegated else None,
        )
    except BaseException:
        answer.close()
        if meter is not None and meter.is_stream and meter.is_complete:
            # The client had the end of the stream, and left before the connection's.
            exchange.finish(
                outcome.of_answer(answer.status, meter, is_delegated=exchange.is_delegated)
            )
        raise
    if meter is None:
        return response
    if not meter.is_complete and _is_cut(meter, exchange):
        raise CutStreamError("the stream stopped before its end")
    exchange.finish(outcome.of_answer(answer.status, meter, is_delegated=exchange.is_delegated))
    return response


async def _repaired(exchange: Exchange, answer: Answer, head: bytes) -> _Body:
    """The body of a delegate's answer as it should reach the client."""
    coding = answer.headers.get("Content-Encoding", "")
    if answer.content_type == _STREAM:
        opened = answer_repair.open_stream(exchange.body, coding, head)
        return _Body(*opened) if opened else _Body(head)
    if not answer.at_eof():  # too long to be looked at
        return _Body(head)
    cost = coded_weight(head, coding)
    changed = await aside(cost, _repaired_whole, exchange.body, answer, head)
    return _Body(head) if changed is None else _Body(changed, is_changed=True)


def _repaired_whole(request: RequestBody, answer: Answer, body: bytes) -> bytes | None:
    return ToolCallRepair(request).answer(plain(body, answer))


def _is_cut(meter: UsageMeter, exchange: Exchange) -> bool:
    """Whether what is not complete is a stream that ended as if it were.

    An empty stream passes, as clients ask again by themselves; so does one whose end is an error
    event of Anthropic's own. Other services' error events may be none that the client knows.
    """
    if not meter.is_stream or not meter.is_readable or meter.is_empty:
        return False
    return meter.error_type is None or exchange.is_delegated


def end_cut_stream(exchange: Exchange, how: str) -> web.StreamResponse:
    """Break off towards the client what the upstream broke off."""
    _LOG.warning("An answer was cut off", extra={"how": how})
    exchange.finish(outcome.of_cut(how, exchange.http_status))
    passed_response.cut_off(exchange.request)
    return web.Response(status=502)


def refuse(exchange: Exchange, failure: Failure) -> web.StreamResponse:
    """Answer with `failure`, or break off if the answer has already begun."""
    request, ended = exchange.request, outcome.of_failure(failure)
    if ended.why is not None:  # it may quote a header of the client's, which may hold its key
        ended = dataclasses.replace(ended, why=exchange.redactor.redact(ended.why))
    exchange.finish(ended)
    _LOG.warning("Request failed", extra={"status": failure.status, "why": ended.why})
    if streaming.has_begun(request):
        passed_response.cut_off(request)
    response = web.Response(
        status=failure.status,
        body=failure.body(),
        content_type="application/json",
        headers={"Server": "Offramp", **failure.headers},
    )
    if not request.content.is_eof():
        response.force_close()
    return response


def finish_abandoned(exchange: Exchange, *, is_stopping: bool) -> None:
    """Finish an exchange whose client has gone, or whose daemon is about to stop."""
    if is_stopping:
        exchange.reason = "daemon stopped"
    exchange.finish(outcome.of_abandoned(exchange.http_status, is_stopping=is_stopping))


def plain(body: bytes, answer: Answer) -> bytes:
    """`body` without its content coding; as it is where that can't be undone."""
    coding = answer.headers.get("Content-Encoding", "")
    try:
        return decode_all(body, coding, limit_bytes=PLAIN_LIMIT_BYTES) if coding else body
    except ContentCodingError:
        return body
