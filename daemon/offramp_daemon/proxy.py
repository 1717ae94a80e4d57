"""The handler: takes one request in, sees it through to its answer, and closes its exchange.

What happens in which order is here; how each step is done is in the modules that it calls.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

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
    replies,
    request_body,
    routing,
    signature_retry,
    tailoring,
    thinking,
)
from offramp_daemon.content_coding import ContentCodingError, decode_all
from offramp_daemon.delegation import Delegation
from offramp_daemon.exchange import Exchange, Finished
from offramp_daemon.failures import Failure, RequestFailedError
from offramp_daemon.streaming import ClientGoneError, CutStreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDict

    from offramp_daemon.request_body import RequestBody
    from offramp_daemon.routing import Decision
    from offramp_daemon.upstream import Upstream

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

T = TypeVar("T")

_LARGE_BYTES = 2 * 1024 * 1024
_BETA = "beta=true"
_LARGEST_GAIN = 20
"""How many times its length a compressed body may well have, plain."""
_ERROR_LIMIT_BYTES = 1024 * 1024
_OFFICIAL = frozenset({ANTHROPIC_BASE_URL, ZAI_BASE_URL})
_REDIRECT = 300
_ERROR_STATUS = 400
_CLIENT_GONE = 499
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
        delegation: Delegation | None = None,
    ) -> None:
        """Serve by what `settings` and `delegation` say at the moment that a request arrives."""
        self._settings = settings
        self._upstream = upstream
        self._on_finish = on_finish
        self._is_private = is_private
        self._delegation = delegation or Delegation()
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
            return replies.refuse(request, exchange, error.failure)
        except CutStreamError as error:
            return replies.end_cut_stream(request, exchange, str(error))
        except ClientGoneError:
            return web.Response(status=_CLIENT_GONE)  # to nobody; the exchange ends below
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("A request failed inside the proxy")
            failure = Failure(status=500, message="Offramp: internal error, see its diagnostics.")
            return replies.refuse(request, exchange, failure)
        finally:
            # Unfinished by now only if the client has gone, or the daemon is about to.
            replies.finish_cancelled(exchange, is_stopping=self.is_stopping)
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
        incoming = await self._read(request, settings, encoded, exchange)
        if not incoming.decision.is_delegated:
            return await self._keep(incoming)
        if path == COUNT_TOKENS:
            return await self._count_tokens(incoming)
        return await self._delegate(incoming)

    async def _read(
        self,
        request: web.BaseRequest,
        settings: Settings,
        encoded: bytes,
        exchange: Exchange | None,
    ) -> _Incoming:
        """Look into the body, decide where it goes, and note both in the exchange."""
        coding = request.headers.get("Content-Encoding", "")
        body = await _aside(
            len(encoded) * (_LARGEST_GAIN if coding else 1),
            lambda: _look_into(encoded, coding, settings.max_body_bytes),
        )
        session_id = routing.session_id_of(request.headers.get("x-claude-code-session-id"), body)
        conversations = self._delegation.conversations
        decision = routing.decide(
            body,
            settings,
            is_paused=self._delegation.pause is not None,
            is_warm=lambda backend: conversations.is_warm(session_id, backend.name),
        )
        if exchange is not None:
            exchange.session_id = session_id
            self._note(exchange, request, body, decision)
            if decision.is_delegated:
                conversations.note(session_id, decision.backend.name)
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
        exchange.model = body.surrogates.restore_text(body.model) if body.model else None
        exchange.decision = decision
        exchange.is_recorded = not routing.is_quota_probe(body)
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
        return await replies.relay(
            request, answer, None, silence_timeout_s=settings.silence_timeout_s
        )

    async def _keep(self, incoming: _Incoming) -> web.StreamResponse:
        """To the backend that takes the client's own credentials, changed only if it must be."""
        request, backend = incoming.request, incoming.decision.backend
        passed = headers.to_client_backend(request.raw_headers)
        tailor = functools.partial(
            tailoring.for_client_backend,
            incoming.body,
            backend,
            strip_all=incoming.strips_thinking,
        )
        is_large = len(incoming.body.raw) > _LARGE_BYTES
        body = await asyncio.to_thread(tailor) if is_large else tailor()
        if body is incoming.body.raw:
            body = incoming.encoded
        else:
            passed.popall("Content-Encoding", None)
        answer = await self._send(request, incoming.settings, backend, passed, body)
        head = b""
        if answer.status == _ERROR_STATUS and thinking.has_thinking(incoming.body):
            head = await replies.read_start(
                answer,
                _ERROR_LIMIT_BYTES,
                silence_timeout_s=incoming.settings.silence_timeout_s,
            )
            if signature_retry.is_wanted(head, answer.headers.get("Content-Encoding", "")):
                answer.release()
                head = b""
                answer = await self._send_without_thinking(incoming, passed)
        return await _relay(incoming, answer, head)

    async def _send_without_thinking(
        self, incoming: _Incoming, passed: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        """Once more, for an Anthropic that still refused a signature."""
        backend = incoming.decision.backend
        _LOG.warning("Thinking was refused; sent once more without it")
        if incoming.exchange is not None:
            incoming.exchange.reason = f"{incoming.decision.reason}, sent again without thinking"
        passed.popall("Content-Encoding", None)
        body = await _aside(
            len(incoming.body.raw), lambda: tailoring.without_thinking(incoming.body, backend)
        )
        return await self._send(incoming.request, incoming.settings, backend, passed, body)

    async def _send_to_delegate(self, incoming: _Incoming) -> aiohttp.ClientResponse:
        request, decision = incoming.request, incoming.decision
        body = await _aside(
            len(incoming.body.raw),
            lambda: tailoring.for_delegate(
                incoming.body,
                decision.backend,
                send_model=decision.route.send_model if decision.route else None,
                strip_all=incoming.strips_thinking,
            ),
        )
        passed = headers.to_delegate(request.raw_headers, decision.backend)
        passed.popall("Content-Encoding", None)
        return await self._send(
            request, incoming.settings, decision.backend, passed, body, _without_secrets(request)
        )

    async def _delegate(self, incoming: _Incoming) -> web.StreamResponse:
        """To another service: its errors come back in Anthropic's form, its answers as they are."""
        answer = await self._send_to_delegate(incoming)
        if answer.status < _REDIRECT and answer.content_type == "text/event-stream":
            return await _relay(incoming, answer, b"")
        head = await replies.read_start(
            answer,
            replies.PLAIN_LIMIT_BYTES,
            silence_timeout_s=incoming.settings.silence_timeout_s,
        )
        refusal = await _aside(len(head), lambda: _refusal(incoming.decision.backend, answer, head))
        if refusal is None:
            return await _relay(incoming, answer, head)
        answer.release()
        raise RequestFailedError(refusal)

    async def _count_tokens(self, incoming: _Incoming) -> web.StreamResponse:
        """The delegate's count if it is a real one, else an estimate: never a wrong zero."""
        count = 0
        try:
            answer = await self._send_to_delegate(incoming)
            head = await replies.read_start(
                answer,
                _ERROR_LIMIT_BYTES,
                silence_timeout_s=incoming.settings.silence_timeout_s,
            )
            said = replies.plain(head, answer)
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
        target: str | None = None,
    ) -> aiohttp.ClientResponse:
        if backend.base_url not in _OFFICIAL:
            # The services themselves lead nowhere else; any other address might lead back here.
            came = request.headers.get(headers.HOP_HEADER)
            passed[headers.HOP_HEADER] = f"{came},{self._hop}" if came else self._hop
        return await self._upstream.send(
            request.method,
            backend.base_url,
            target or request.raw_path,
            headers=passed,
            body=body,
            connect_timeout_s=settings.connect_timeout_s,
        )


def _without_secrets(request: web.BaseRequest) -> str:
    """The request's target for a delegate: of its query nothing but Claude Code's `beta=true`."""
    path, _, query = request.raw_path.partition("?")
    return f"{path}?{_BETA}" if _BETA in query.split("&") else path


def _look_into(encoded: bytes, coding: str, limit_bytes: int) -> RequestBody:
    try:
        plain = decode_all(encoded, coding, limit_bytes=limit_bytes) if coding else encoded
        return request_body.read(plain)
    except ContentCodingError as error:
        status = _CODING_STATUS.get(error.problem, 400)
        raise RequestFailedError(Failure(status=status, message=f"Offramp: {error}")) from error
    except request_body.MalformedBodyError as error:
        failure = Failure(status=400, message=f"The request body is not valid JSON: {error}")
        raise RequestFailedError(failure) from error


async def _aside(length_bytes: int, work: Callable[[], T]) -> T:
    """Do `work` on a body of that length: a large one in a thread, so that streams go on."""
    return await asyncio.to_thread(work) if length_bytes > _LARGE_BYTES else work()


async def _relay(
    incoming: _Incoming, answer: aiohttp.ClientResponse, head: bytes
) -> web.StreamResponse:
    return await replies.relay(
        incoming.request,
        answer,
        incoming.exchange,
        silence_timeout_s=incoming.settings.silence_timeout_s,
        head=head,
    )


def _refusal(backend: Backend, answer: aiohttp.ClientResponse, head: bytes) -> Failure | None:
    """What the client is told of a delegate's answer `head` that is no message; None if it is one.

    Should the service quote the key that it got, the mask stands in its place. A redirect is an
    error too: a client that followed it would take its own key and the conversation along.
    """
    body = replies.plain(head, answer)
    if backend.key is not None:
        body = body.replace(backend.key.reveal().encode(), backend.key.masked().encode())
    error = failures.read_error(body)
    is_message = answer.status < _REDIRECT and error is None and body.lstrip()[:1] == b"{"
    if is_message:
        return None
    failure = failures.from_delegate(backend.name, answer.status, error)
    code = error.code if error else None
    diagnostic = (
        f"{backend.name} refused it with HTTP status {answer.status}, code {code or 'none'}"
    )
    return dataclasses.replace(
        failure, diagnostic=diagnostic, headers={**_retry_after(answer), **failure.headers}
    )


def _retry_after(answer: aiohttp.ClientResponse) -> dict[str, str]:
    value = answer.headers.get("Retry-After")
    return {} if value is None else {"Retry-After": value}


def _input_tokens(body: bytes) -> int:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return 0
    count = answer.get("input_tokens") if isinstance(answer, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
