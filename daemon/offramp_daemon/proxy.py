"""The handler: takes one request in, sees it through to its answer, and closes its exchange.

What happens in which order is here; how each step is done is in the modules that it calls.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from aiohttp import web

from offramp_core.settings import (
    ANTHROPIC,
    ANTHROPIC_BASE_URL,
    ZAI_BASE_URL,
    Backend,
    Secret,
    Settings,
)
from offramp_daemon import (
    failures,
    guard,
    headers,
    inbound,
    request_body,
    routing,
    signature_retry,
    streaming,
    tailoring,
    thinking,
)
from offramp_daemon.content_coding import ContentCodingError, decode_all
from offramp_daemon.exchange import Exchange, Finished
from offramp_daemon.failures import Failure, RequestFailedError
from offramp_daemon.meter import Meter
from offramp_daemon.streaming import ClientGoneError, CutStreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDict

    from offramp_daemon.request_body import RequestBody
    from offramp_daemon.routing import Decision
    from offramp_daemon.upstream import Upstream

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_ERROR_LIMIT_BYTES = 1024 * 1024
_JSON_LIMIT_BYTES = 32 * 1024 * 1024
_OFFICIAL = frozenset({ANTHROPIC_BASE_URL, ZAI_BASE_URL})
_ERROR_STATUS = 400
_CODING_STATUS = {"unknown": 415, "damaged": 400, "too large": 413}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Incoming:
    """A routed request that was read in: what every further step needs."""

    request: web.BaseRequest
    settings: Settings
    body: RequestBody
    encoded: bytes
    """The body as it came, in the client's content coding."""
    decision: Decision
    exchange: Exchange | None
    """None for count_tokens, which is not recorded."""

    @property
    def strips_thinking(self) -> bool:
        return self.settings.thinking == "strip"


class Proxy:
    """Serves every request but the daemon's own paths.

    `is_private` says whether prompts and masked keys may be shown, so whether to look for them.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        upstream: Upstream,
        on_finish: Finished,
        is_private: bool = False,
    ) -> None:
        """Serve by what `settings` returns at the moment that a request arrives."""
        self._settings = settings
        self._upstream = upstream
        self._on_finish = on_finish
        self._is_private = is_private
        self._hop = secrets.token_hex(8)
        self.is_stopping = False
        """Set before requests in flight are ended, which then count as errors of the daemon."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `request`, whatever happens; a POST to `/v1/messages` leaves one record."""
        path = request.raw_path.partition("?")[0]
        exchange = None
        if path == MESSAGES and request.method == "POST":
            exchange = Exchange(self._on_finish)
        try:
            response = await self._serve(request, path, exchange)
        except RequestFailedError as error:
            return await _refuse(request, exchange, error.failure)
        except CutStreamError as error:
            return _end_cut_stream(request, exchange, str(error))
        except ClientGoneError:
            _finish_cancelled(exchange, is_stopping=False)
            return web.Response(status=499)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("A request failed inside the proxy")
            failure = Failure(status=500, message="Offramp: internal error, see its diagnostics.")
            return await _refuse(request, exchange, failure)
        finally:
            # Reached unfinished only when the handler was cancelled: the client has gone.
            _finish_cancelled(exchange, is_stopping=self.is_stopping)
        return response

    async def _serve(
        self, request: web.BaseRequest, path: str, exchange: Exchange | None
    ) -> web.StreamResponse:
        settings = self._settings()
        inbound.check_target(request.raw_path)
        refusal = guard.refusal(request.headers, settings)
        if refusal is not None:
            raise RequestFailedError(Failure(status=403, message=f"Offramp: {refusal}"))
        if self._hop in request.headers.get(headers.HOP_HEADER, ""):
            raise RequestFailedError(
                Failure(
                    status=508,
                    message="Offramp: this request came back to where it was sent from. "
                    "A backend's address leads to this very daemon; correct it in config.toml.",
                )
            )
        encoded = await inbound.read_body(request, settings.max_body_bytes)
        if request.method != "POST" or path not in {MESSAGES, COUNT_TOKENS}:
            return await self._pass(request, settings, encoded)
        incoming = self._read(request, settings, encoded, exchange)
        if not incoming.decision.is_delegated:
            return await self._keep(incoming)
        if path == COUNT_TOKENS:
            return await self._count_tokens(incoming)
        return await self._delegate(incoming)

    def _read(
        self,
        request: web.BaseRequest,
        settings: Settings,
        encoded: bytes,
        exchange: Exchange | None,
    ) -> _Incoming:
        """Look into the body, decide where it goes, and note both in the exchange."""
        coding = request.headers.get("Content-Encoding", "")
        try:
            plain = (
                decode_all(encoded, coding, limit_bytes=settings.max_body_bytes)
                if coding
                else encoded
            )
            body = request_body.read(plain)
        except ContentCodingError as error:
            status = _CODING_STATUS.get(error.problem, 400)
            raise RequestFailedError(Failure(status=status, message=f"Offramp: {error}")) from error
        except request_body.MalformedBodyError as error:
            failure = Failure(status=400, message=f"The request body is not valid JSON: {error}")
            raise RequestFailedError(failure) from error
        decision = routing.decide(body, settings)
        if exchange is not None:
            self._note(exchange, request, body, decision)
        return _Incoming(
            request=request,
            settings=settings,
            body=body,
            encoded=encoded,
            decision=decision,
            exchange=exchange,
        )

    def _note(
        self, exchange: Exchange, request: web.BaseRequest, body: RequestBody, decision: Decision
    ) -> None:
        exchange.model = body.model
        exchange.decision = decision
        exchange.is_recorded = not routing.is_quota_probe(body)
        exchange.session_id = routing.session_id_of(
            request.headers.get("x-claude-code-session-id"), body
        )
        if self._is_private:
            exchange.prompt = request_body.last_prompt(body)
            credential = headers.client_credential(request.headers)
            if credential is not None and not decision.is_delegated:
                exchange.masked_key = Secret(credential).masked()

    async def _pass(
        self, request: web.BaseRequest, settings: Settings, body: bytes
    ) -> web.StreamResponse:
        """Any path that holds no model: to Anthropic and back, unread."""
        backend = settings.backend(ANTHROPIC)
        passed = headers.to_client_backend(request.raw_headers)
        answer = await self._send(request, settings, backend, passed, body)
        _LOG.info("passed", extra={"method": request.method, "status": answer.status})
        return await _relay(request, answer, None, settings)

    async def _keep(self, incoming: _Incoming) -> web.StreamResponse:
        """To the backend that takes the client's own credentials, changed only if it must be."""
        request, backend = incoming.request, incoming.decision.backend
        passed = headers.to_client_backend(request.raw_headers)
        body = tailoring.for_client_backend(
            incoming.body, backend, strip_all=incoming.strips_thinking
        )
        if body is incoming.body.raw:
            body = incoming.encoded
        else:
            passed.popall("Content-Encoding", None)
        answer = await self._send(request, incoming.settings, backend, passed, body)
        head = b""
        if answer.status == _ERROR_STATUS and thinking.has_thinking(incoming.body):
            head = await _read_start(answer, _ERROR_LIMIT_BYTES)
            if signature_retry.is_wanted(head, answer.headers.get("Content-Encoding", "")):
                answer.release()
                head = b""
                answer = await self._send_without_thinking(incoming, passed)
        return await _relay(request, answer, incoming.exchange, incoming.settings, head=head)

    async def _send_without_thinking(
        self, incoming: _Incoming, passed: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        """Once more, for an Anthropic that still refused a signature."""
        backend = incoming.decision.backend
        _LOG.warning("Thinking was refused; sent once more without it")
        if incoming.exchange is not None:
            incoming.exchange.reason = f"{incoming.decision.reason}, sent again without thinking"
        passed.popall("Content-Encoding", None)
        body = tailoring.without_thinking(incoming.body, backend)
        return await self._send(incoming.request, incoming.settings, backend, passed, body)

    async def _send_to_delegate(self, incoming: _Incoming) -> aiohttp.ClientResponse:
        request, decision = incoming.request, incoming.decision
        body = tailoring.for_delegate(
            incoming.body,
            decision.backend,
            send_model=decision.route.send_model if decision.route else None,
            strip_all=incoming.strips_thinking,
        )
        passed = headers.to_delegate(request.raw_headers, decision.backend)
        passed.popall("Content-Encoding", None)
        return await self._send(request, incoming.settings, decision.backend, passed, body)

    async def _delegate(self, incoming: _Incoming) -> web.StreamResponse:
        """To another service: its errors come back in Anthropic's form, its answers as they are."""
        answer = await self._send_to_delegate(incoming)
        head = b""
        is_stream = answer.content_type == "text/event-stream"
        if answer.status >= _ERROR_STATUS or not is_stream:
            head = await _read_start(answer, _JSON_LIMIT_BYTES)
            error = failures.read_error(_plain(head, answer))
            if answer.status >= _ERROR_STATUS or error is not None:
                answer.release()
                name = incoming.decision.backend.name
                raise RequestFailedError(failures.from_delegate(name, answer.status, error))
        return await _relay(
            incoming.request, answer, incoming.exchange, incoming.settings, head=head
        )

    async def _count_tokens(self, incoming: _Incoming) -> web.StreamResponse:
        """The delegate's count if it is a real one, else an estimate: never a wrong zero."""
        count = 0
        try:
            answer = await self._send_to_delegate(incoming)
            said = _plain(await _read_start(answer, _ERROR_LIMIT_BYTES), answer)
            answer.release()
            if answer.status < _ERROR_STATUS:
                count = _input_tokens(said)
        except RequestFailedError as error:
            _LOG.info("count_tokens failed", extra={"why": str(error)})
        is_estimate = count <= 0
        if is_estimate:
            count = routing.estimate_tokens(len(incoming.body.source))
        _LOG.info(
            "count_tokens",
            extra={"backend": incoming.decision.backend.name, "is_estimate": is_estimate},
        )
        return web.json_response({"input_tokens": count})

    async def _send(
        self,
        request: web.BaseRequest,
        settings: Settings,
        backend: Backend,
        passed: CIMultiDict[str],
        body: bytes,
    ) -> aiohttp.ClientResponse:
        if backend.base_url not in _OFFICIAL:
            # The services themselves lead nowhere else; any other address might lead back here.
            came = request.headers.get(headers.HOP_HEADER)
            passed[headers.HOP_HEADER] = f"{came},{self._hop}" if came else self._hop
        return await self._upstream.send(
            request.method,
            backend.base_url,
            request.raw_path,
            headers=passed,
            body=body,
            connect_timeout_s=settings.connect_timeout_s,
        )


async def _relay(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    exchange: Exchange | None,
    settings: Settings,
    *,
    head: bytes = b"",
) -> web.StreamResponse:
    """Pass `answer` on, and finish the exchange by what it turned out to be."""
    meter = None
    if exchange is not None:
        exchange.http_status = answer.status
        exchange.meter = meter = Meter(
            content_type=answer.headers.get("Content-Type", ""),
            content_encoding=answer.headers.get("Content-Encoding", ""),
        )
    try:
        response = await streaming.pass_on(
            request, answer, meter=meter, silence_timeout_s=settings.silence_timeout_s, head=head
        )
    except BaseException:
        answer.close()
        if exchange is not None and meter is not None and meter.is_complete:
            exchange.finish(exchange.outcome())
        raise
    if exchange is None or meter is None:
        return response
    if _is_cut(meter, exchange):
        raise CutStreamError("the stream stopped before its end")
    exchange.finish(exchange.outcome())
    return response


def _is_cut(meter: Meter, exchange: Exchange) -> bool:
    """Whether a stream ended as if it were whole, and is not.

    An empty stream passes, as clients ask again by themselves; so does one whose end is an error
    event of Anthropic's own. Other services' error events may be none that the client knows.
    """
    if not meter.is_stream or not meter.is_readable or meter.is_complete or meter.is_empty:
        return False
    is_delegated = exchange.decision is not None and exchange.decision.is_delegated
    return meter.error_type is None or is_delegated


def _end_cut_stream(
    request: web.BaseRequest, exchange: Exchange | None, how: str
) -> web.StreamResponse:
    _LOG.warning("An answer was cut off", extra={"how": how})
    if exchange is not None:
        exchange.finish("error")
    streaming.cut_off(request)
    return web.Response(status=502)


async def _refuse(
    request: web.BaseRequest, exchange: Exchange | None, failure: Failure
) -> web.StreamResponse:
    """Answer with `failure`, or break off if the answer has already begun."""
    if exchange is not None:
        exchange.http_status = failure.status
        exchange.finish("error")
    _LOG.warning("Request failed", extra={"status": failure.status, "why": failure.message})
    response = web.Response(
        status=failure.status,
        body=failure.body(),
        content_type="application/json",
        headers=failure.headers,
    )
    if not request.content.is_eof():
        response.force_close()
    return response


def _finish_cancelled(exchange: Exchange | None, *, is_stopping: bool) -> None:
    if exchange is None or exchange.status is not None:
        return
    if is_stopping:
        exchange.reason = "daemon stopped"
    exchange.finish("error" if is_stopping else "cancelled")


async def _read_start(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The body of `answer`, for a look at it before its head goes to the client."""
    try:
        return await streaming.read_start(answer, limit_bytes)
    except CutStreamError as error:
        failure = Failure(status=502, message="Offramp: the backend broke off its answer.")
        raise RequestFailedError(failure) from error
    except BaseException:
        answer.close()
        raise


def _plain(body: bytes, answer: aiohttp.ClientResponse) -> bytes:
    """`body` without its content coding; as it is where that can't be undone."""
    coding = answer.headers.get("Content-Encoding", "")
    try:
        return decode_all(body, coding, limit_bytes=_JSON_LIMIT_BYTES) if coding else body
    except ContentCodingError:
        return body


def _input_tokens(body: bytes) -> int:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return 0
    count = answer.get("input_tokens") if isinstance(answer, dict) else None
    return count if isinstance(count, int) else 0
