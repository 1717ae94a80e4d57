"""The handler: takes one request in, sees it through to its answer, and closes its exchange.

What happens in which order is here; how each step is done is in the modules that it calls.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from offramp_core.settings import ANTHROPIC, Secret
from offramp_daemon.exchange import Exchange, OutcomeListener
from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.proxy import answer_reader, request_reader, responses
from offramp_daemon.proxy.answer_reader import CutStreamError
from offramp_daemon.proxy.body_memory import BodyMemory
from offramp_daemon.proxy.failover import Failover
from offramp_daemon.proxy.forwarder import ERROR_STATUS
from offramp_daemon.proxy.offload import aside, coded_weight, usual_weight, weight
from offramp_daemon.proxy.streaming import ClientGoneError
from offramp_daemon.routing import affinity, keep_rules, message_threads, router
from offramp_daemon.routing.affinity import Conversation
from offramp_daemon.routing.decision import Circumstances
from offramp_daemon.wire import headers, origin_guard
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offramp_core.settings import Settings
    from offramp_daemon.messages.request_body import RequestBody, ThreadField
    from offramp_daemon.proxy.failover import SharedState
    from offramp_daemon.proxy.forwarder import Forwarder
    from offramp_daemon.routing.decision import Chooser, Decision
    from offramp_daemon.routing.pause import Delegation

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_COUNT_LIMIT_BYTES = 64 * 1024
"""Of an answer of `count_tokens`, which holds one number."""
_SESSION_HEADER = "x-claude-code-session-id"
_AGENT_HEADER = "x-claude-code-agent-id"
_CLIENT_GONE = 499
_CODING_STATUS = {"unknown": 415, "damaged": 400, "too large": 413}
_LOG = logging.getLogger(__name__)


class ProxyHandler:
    """Serves every request but the daemon's own paths.

    `is_private` says whether prompts and masked keys may be shown, so whether to look for them;
    `choose` is the autopilot, asked with a model, the delegate's name, and the conversation.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        forwarder: Forwarder,
        shared: SharedState,
        listeners: Sequence[OutcomeListener] = (),
        is_private: bool = False,
        delegation: Delegation | None = None,
        choose: Chooser | None = None,
    ) -> None:
        """Serve by what `settings` and `delegation` say at the moment that a request arrives."""
        self._settings = settings
        self._forwarder = forwarder
        self._shared = shared
        self._failover = Failover(forwarder, shared)
        self._body_memory = BodyMemory()
        self._route_table = router.RouteTable()
        self._listeners = listeners
        self._is_private = is_private
        self._delegation = delegation
        self._choose = choose
        self.is_stopping = False
        """Set before requests in flight are ended, which then count as errors of the daemon."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `request`, whatever happens; a POST to `/v1/messages` leaves one record."""
        path = request.raw_path.partition("?")[0]
        is_message = path == MESSAGES and request.method == "POST"
        listeners = self._listeners if is_message else ()
        credentials = headers.client_credentials(request.headers)
        exchange = Exchange(
            request,
            self._settings(),
            listeners,
            is_message=is_message,
            credential=credentials[0] if credentials else None,
            credentials=credentials,
        )
        try:
            response = await self._serve(exchange, path)
        except RequestFailedError as error:
            return responses.refuse(exchange, error.failure)
        except CutStreamError as error:
            return responses.end_cut_stream(exchange, str(error))
        except ClientGoneError:
            return web.Response(status=_CLIENT_GONE)  # to nobody; the exchange ends below
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("A request failed inside the proxy")
            failure = Failure(
                status=500,
                message="Offramp: internal error, see its diagnostics.",
                is_internal=True,
            )
            return responses.refuse(exchange, failure)
        finally:
            if exchange.outcome is None and exchange.is_message:
                # The client has gone, or the daemon is about to.
                responses.finish_abandoned(exchange, is_stopping=self.is_stopping)
        return response

    async def _serve(self, exchange: Exchange, path: str) -> web.StreamResponse:
        request, settings = exchange.request, exchange.settings
        # First: who takes Offramp for a proxy names another host, which the guard would refuse.
        request_reader.check_form(request.method, request.raw_path)
        refusal = origin_guard.refusal(request.headers, settings, peer=request.remote or "")
        if refusal is not None:
            raise RequestFailedError(Failure(status=403, message=f"Offramp: {refusal}"))
        if path not in {MESSAGES, COUNT_TOKENS}:
            request_reader.check_path(request, path, settings)
        request_reader.check_target(request.raw_path)
        if self._forwarder.hop in request.headers.get(headers.HOP_HEADER, ""):
            raise RequestFailedError(
                Failure(
                    status=508,
                    message="Offramp: this request came back to the daemon that had sent it. A "
                    "service's address points to this daemon itself; correct it in "
                    "config.toml.",
                )
            )
        exchange.encoded = await request_reader.read_body(
            request, settings.max_body_bytes, self._body_memory
        )
        if request.method != "POST" or path not in {MESSAGES, COUNT_TOKENS}:
            return await self._pass(exchange)
        await self._route(exchange)
        if not exchange.is_delegated:
            return await self._failover.ask_claude(exchange)
        if path == COUNT_TOKENS:
            return await self._count_tokens(exchange)
        return await self._failover.ask_delegate(exchange)

    async def _route(self, exchange: Exchange) -> None:
        """Look into the body, and decide where the request goes."""
        request = exchange.request
        exchange.body = body = await self._read(exchange)
        model = body.model
        exchange.model = model
        if model is not None and body.surrogates.taken:
            exchange.model = body.surrogates.restore_text(model)
        exchange.is_recorded = not keep_rules.is_quota_probe(body)
        exchange.session_id = affinity.session_id_of(request.headers.get(_SESSION_HEADER), body)
        agent_id = request.headers.get(_AGENT_HEADER)
        exchange.conversation = Conversation.of(exchange.session_id, agent_id, model)
        exchange.is_paused = self._delegation is not None and self._delegation.pause is not None
        exchange.send_to(self._decide(exchange))
        if self._is_private and exchange.is_message:
            exchange.prompt = request_body.last_prompt(body)
            if exchange.credential is not None:
                exchange.masked_key = Secret(exchange.credential).masked()

    async def _read(self, exchange: Exchange) -> RequestBody:
        """Look into the body; one that takes long is looked at in a thread."""
        encoded = exchange.encoded
        coding = exchange.request.headers.get("Content-Encoding", "")
        if coding:
            cost, limit_bytes = coded_weight(encoded, coding), exchange.settings.max_body_bytes
            body = await aside(cost, _look_into_coded, encoded, coding, limit_bytes)
            exchange.work_bytes = weight(body.raw)
            return body
        cost = usual_weight(encoded)
        usual = await aside(cost, request_body.read_usual, encoded)
        if usual is None:
            cost = weight(encoded)
            usual = await aside(cost, _look_closer, encoded)
        exchange.work_bytes = cost
        return usual

    def _decide(self, exchange: Exchange) -> Decision:
        shared, body = self._shared, exchange.body
        settings, table = exchange.settings, self._route_table
        decision = router.by_name(body, settings, table)
        if decision is None:
            decision = router.decide(body, settings, self._around(exchange), table)
        decision = shared.fallbacks.applied(decision, body.model)
        thread = body.continued_thread
        return decision if thread is None else self._place(exchange, decision, thread)

    def _around(self, exchange: Exchange) -> Circumstances:
        """What beside the request and the settings may decide where it goes."""
        shared, choose = self._shared, None
        body, conversation = exchange.body, exchange.conversation
        if self._choose is not None and exchange.is_message:
            choose = functools.partial(self._choose, conversation=conversation)

        def is_claude_spent() -> bool:
            return shared.spent_until(ANTHROPIC, body.model, exchange.credential) is not None

        return Circumstances(
            is_paused=exchange.is_paused,
            is_warm=lambda backend: shared.conversations.is_warm(conversation, backend.name),
            is_claude_spent=is_claude_spent,
            choose=choose,
        )

    def _place(self, exchange: Exchange, decision: Decision, thread: ThreadField) -> Decision:
        """`decision`, as far as it suits what only adds to a thread; a count is never refused."""
        said = thread.previous_message_id
        is_delegates = self._shared.threads.is_delegates(
            exchange.conversation, said if isinstance(said, str) else None
        )
        try:
            return message_threads.place(
                exchange.body, decision, exchange.settings, is_delegates=is_delegates
            )
        except RequestFailedError:
            if not exchange.is_message:
                return decision
            exchange.reason = message_threads.REFUSED
            raise

    async def _pass(self, exchange: Exchange) -> web.StreamResponse:
        """Any path that holds no model: to Anthropic and back, unread."""
        answer = await self._forwarder.pass_on(exchange)
        _LOG.info("passed", extra={"method": exchange.request.method, "status": answer.status})
        return await responses.relay(exchange, answer)

    async def _count_tokens(self, exchange: Exchange) -> web.StreamResponse:
        """The delegate's count if it is a real one, else an estimate: never a wrong zero.

        A delegate that is in trouble, refuses such requests, or serves all that it can, is not
        asked.
        """
        backend, counted = exchange.decision.backend, None
        is_free = self._shared.breaker.is_open(backend, exchange.sent_model)
        is_free = is_free and self._shared.notes.skip_for(exchange) is None
        if is_free and self._shared.queue.has_room(backend):
            counted = await self._counted(exchange)
        is_estimate = counted is None or counted <= 0
        count = keep_rules.estimate_tokens(len(exchange.body.source)) if is_estimate else counted
        _LOG.info("count_tokens", extra={"backend": backend.name, "is_estimate": is_estimate})
        by = headers.NOBODY if counted is None else backend.name
        return web.json_response({"input_tokens": count}, headers={headers.ANSWERED_BY: by})

    async def _counted(self, exchange: Exchange) -> int | None:
        """What the delegate says, 0 if that is not a number; None if it fails."""
        try:
            answer = await self._forwarder.to_delegate(exchange)
            head = await answer_reader.read_start(
                answer,
                _COUNT_LIMIT_BYTES,
                silence_timeout_s=exchange.settings.silence_timeout_s,
            )
        except RequestFailedError as error:
            _LOG.info("count_tokens failed", extra={"why": str(error)})
            return None
        answer.close()
        if answer.status >= ERROR_STATUS:
            return None
        coding = answer.headers.get("Content-Encoding", "")
        return await aside(coded_weight(head, coding), _input_tokens, head, coding)


def _look_into_coded(encoded: bytes, coding: str, limit_bytes: int) -> RequestBody:
    try:
        plain = decode_all(encoded, coding, limit_bytes=limit_bytes)
    except ContentCodingError as error:
        status = _CODING_STATUS.get(error.problem, 400)
        raise RequestFailedError(Failure(status=status, message=f"Offramp: {error}")) from error
    return request_body.read_usual(plain) or _look_closer(plain)


def _look_closer(plain: bytes) -> RequestBody:
    try:
        return request_body.read_unusual(plain)
    except request_body.MalformedBodyError as error:
        failure = Failure(status=400, message=f"The request body is not valid JSON: {error}")
        raise RequestFailedError(failure) from error


def _input_tokens(encoded: bytes, coding: str) -> int:
    try:
        plain = decode_all(encoded, coding, limit_bytes=_COUNT_LIMIT_BYTES) if coding else encoded
        answer = msgspec.json.decode(plain)
    except (ContentCodingError, msgspec.DecodeError, RecursionError, ValueError):
        return 0
    count = answer.get("input_tokens") if isinstance(answer, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
