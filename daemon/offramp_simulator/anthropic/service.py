"""The stand-in for Anthropic's Messages API, as a subscription and an API key see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_simulator.anthropic import rules, thinking_rules
from offramp_simulator.anthropic.limits import UnifiedQuota, key_limit_headers, overridden
from offramp_simulator.anthropic.problem import Problem, invalid
from offramp_simulator.anthropic.threads import Threads
from offramp_simulator.service import answers, signatures
from offramp_simulator.service.answers import Answer, Maker, Usage
from offramp_simulator.service.delivery import Delivery
from offramp_simulator.service.events import answer_events, event, json_bytes, message_json
from offramp_simulator.service.fake_service import COUNT_TOKENS, MESSAGES, FakeService
from offramp_simulator.service.faults import Faults, ToolAsk

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_simulator.service.received import Journal, ReceivedRequest
    from offramp_simulator.service.request_view import JsonObject, RequestView

MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")
MIB = 1024 * 1024

_ERROR_TYPES = {
    400: ("invalid_request_error", "Invalid request"),
    401: ("authentication_error", "Invalid authentication credentials"),
    402: ("billing_error", "Your credit balance is too low"),
    403: ("permission_error", "Your account does not have permission for this"),
    404: ("not_found_error", "Not Found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "Number of requests has exceeded your rate limit"),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_QUOTA_MESSAGE = "This request would exceed your account's rate limit. Please try again later."


class AnthropicService(FakeService):
    """Anthropic's side; see the package for what a request can ask for."""

    name = "anthropic"

    def __init__(
        self,
        journal: Journal,
        *,
        quota: UnifiedQuota | None = None,
        zai_key: str | None = None,
        max_body_bytes: int = 32 * MIB,
        now: Callable[[], float] = time.time,
        refuses: frozenset[str] = rules.ALL,
    ) -> None:
        """Take `zai_key` for a leak wherever it turns up; `now` is the epoch's seconds.

        `refuses` names what it refuses, of `anthropic.rules`; it ignores the others.
        """
        super().__init__(journal)
        self.quota = quota or UnifiedQuota()
        self.max_body_bytes = max_body_bytes
        self._zai_key = zai_key
        self._now = now
        self._refuses = refuses
        self._threads = Threads()

    async def _answer(self, request: web.Request, entry: ReceivedRequest) -> web.StreamResponse:
        if entry.path_only in ("/", "/api/hello"):
            return web.json_response({"message": "hello"}, headers=self._common_headers())
        delivery = Delivery(request=request, entry=entry, faults=Faults())
        leak = self._leak(entry)
        if leak:
            return await self._refuse(delivery, 400, leak)
        path = entry.path_only
        if path not in (MESSAGES, COUNT_TOKENS) and not path.startswith("/v1/models"):
            return await self._refuse(delivery, 404, "Not Found")
        problem = _credential_problem(entry)
        if problem:
            return await self._refuse(delivery, 401, problem)
        if path.startswith("/v1/models"):
            return await self._models(delivery)
        if entry.method != "POST":
            return await self._refuse(delivery, 405, "Method Not Allowed")
        return await self._post(delivery)

    def _leak(self, entry: ReceivedRequest) -> str | None:
        if self._zai_key is None:
            return None
        for name, value in entry.headers:
            if self._zai_key in value:
                self._journal.add_leak(f"anthropic: header {name} holds the Z.ai key")
                return f"LEAK: the header `{name}` holds the Z.ai key"
        return None

    async def _models(self, delivery: Delivery) -> web.StreamResponse:
        rows = [
            {
                "type": "model",
                "id": name,
                "display_name": name.replace("-", " ").title(),
                "created_at": "2026-01-01T00:00:00Z",
            }
            for name in MODELS
        ]
        wanted = delivery.entry.path_only.removeprefix("/v1/models").strip("/")
        if wanted:
            row = next((one for one in rows if one["id"] == wanted), None)
            if row is None:
                return await self._refuse(delivery, 404, f"model: {wanted}")
            return await delivery.send_json(200, json_bytes(row), self._common_headers())
        page = {"data": rows, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
        return await delivery.send_json(200, json_bytes(page), self._common_headers())

    async def _post(self, delivery: Delivery) -> web.StreamResponse:
        entry = delivery.entry
        apart = self._faults_apart_from_text(entry)
        delivery.faults = apart
        if "drop" in apart:
            return await delivery.drop()
        if not entry.header("anthropic-version"):
            return await self._refuse(delivery, 400, "anthropic-version: header is required")
        conversation = self._conversation(entry)
        if conversation is None:
            return await self._refuse(delivery, 400, "The request body is not valid JSON")
        text = conversation.last_user_text()
        delivery.faults = Faults((*Faults.gather(text, (), ()).items, *apart.items))
        if "drop" in delivery.faults:
            return await delivery.drop()
        is_count = entry.path_only == COUNT_TOKENS
        refused = await self._asked_refusal(delivery, conversation, text, is_count=is_count)
        if refused is not None:
            return refused
        whole = self._whole(conversation, entry, is_count=is_count)
        if isinstance(whole, Problem):
            return await self._refuse_problem(delivery, whole)
        problem = self._asked_problem(delivery, text)
        if problem is not None:
            return await self._refuse_problem(delivery, problem)
        if is_count:
            return await self._count(delivery, whole)
        asks = apart.tool_asks() or whole.tool_asks()
        return await self._message(delivery, whole, asks)

    async def _asked_refusal(
        self, delivery: Delivery, conversation: RequestView, text: str, *, is_count: bool
    ) -> web.StreamResponse | None:
        """The error that was asked for, or that the plan has, sent; None where there is none."""
        faults = delivery.faults
        status = faults.count("status")
        if status:
            return await self._refuse(delivery, status, "")
        if "error-200" in faults:
            return await delivery.send_json(
                200, json_bytes(self._error_body(529, "", self._next_id("req_"))), {}
            )
        claim = faults.value("quota") or self.quota.refused_claim(conversation.model)
        if claim and not is_count and _is_subscription(delivery.entry):
            return await self._refuse_quota(delivery, claim)
        return None

    def _whole(
        self, asked: RequestView, entry: ReceivedRequest, *, is_count: bool
    ) -> RequestView | Problem:
        """The conversation with the turns that are kept here, or why it is refused."""
        problem = rules.malformed(asked.body, is_count=is_count)
        if problem is not None:
            entry.refused_for = "malformed"
            return problem
        whole: RequestView | Problem = asked
        if rules.THREADS in self._refuses:
            whole = self._threads.whole(asked, entry)
        if isinstance(whole, Problem):
            entry.refused_for = rules.THREADS
            return whole
        refusal = rules.first_problem(whole, self._refuses)
        if refusal is None:
            return whole
        entry.refused_for, problem = refusal
        return problem

    def _asked_problem(self, delivery: Delivery, text: str) -> Problem | None:
        """A 400 about thinking that was asked for, due once per text."""
        wordings = {
            "signature-400": thinking_rules.SIGNATURE.format(message=1, block=0),
            "expected-400": thinking_rules.EXPECTED.format(message=1, found="tool_use"),
            "modified-400": thinking_rules.MODIFIED.format(message=1, block=0),
        }
        for name, words in wordings.items():
            if self._is_met(name, delivery.faults, text):
                return invalid(words)
        return None

    async def _count(self, delivery: Delivery, conversation: RequestView) -> web.StreamResponse:
        asked = delivery.faults.count("count")
        count = conversation.estimated_tokens if asked is None else asked
        body = json_bytes({"input_tokens": count})
        return await delivery.send_json(200, body, self._common_headers())

    async def _message(
        self, delivery: Delivery, conversation: RequestView, asks: list[ToolAsk]
    ) -> web.StreamResponse:
        faults, entry = delivery.faults, delivery.entry
        self.quota.use()
        answer = self._compose(entry, conversation, faults, asks)
        self._threads.keep(conversation, entry, answer)
        limits = overridden(self._limit_headers(entry), faults)
        headers = self._common_headers() | limits
        usage = _usage_json(answer.usage)
        if not conversation.is_stream:
            body = json_bytes(message_json(answer, usage | {"service_tier": "standard"}))
            return await delivery.send_json(200, body, headers)
        start = usage | {"output_tokens": 1, "service_tier": "standard"}
        events = answer_events(
            answer, start_usage=start, end_usage=_end_usage(usage), has_pings=True
        )
        failure = event(self._error_body(529, "", headers["request-id"]))
        return await delivery.send_events(events, failure, headers)

    def _compose(
        self,
        entry: ReceivedRequest,
        conversation: RequestView,
        faults: Faults,
        asks: list[ToolAsk],
    ) -> Answer:
        def thinking_block(thought: str) -> JsonObject:
            shown = thought if conversation.shows_thinking else ""
            binding = conversation.digest_before(len(conversation.messages))
            signature = signatures.anthropic_signature(shown, binding)
            return {"type": "thinking", "thinking": shown, "signature": signature}

        blocks, stop_reason = answers.compose_blocks(
            conversation,
            faults,
            asks,
            Maker(
                tool_id=lambda: self._next_id("toolu_01", 22),
                server_tool_id=lambda: self._next_id("srvtoolu_01", 22),
                thinking_block=thinking_block,
            ),
            thinks=_thinks(entry, conversation),
        )
        if "redacted" in faults:
            data = signatures.redacted_data(answers.thought(conversation))
            blocks.insert(0, {"type": "redacted_thinking", "data": data})
        return Answer(
            message_id=self._next_id("msg_01", 22),
            model=faults.value("model") or conversation.model,
            blocks=tuple(blocks),
            stop_reason=stop_reason,
            usage=_usage(conversation, answers.output_tokens(blocks)),
        )

    async def _refuse_problem(self, delivery: Delivery, problem: Problem) -> web.StreamResponse:
        headers = self._common_headers()
        body = self._error_body(problem.status, problem.message, headers["request-id"])
        if problem.error_code is not None:
            body["error"]["details"] = {"error_code": problem.error_code}
        return await delivery.send_json(problem.status, json_bytes(body), headers)

    async def _refuse(self, delivery: Delivery, status: int, message: str) -> web.StreamResponse:
        headers = self._common_headers()
        body = json_bytes(self._error_body(status, message, headers["request-id"]))
        return await delivery.send_json(status, body, headers)

    async def _refuse_quota(self, delivery: Delivery, claim: str) -> web.StreamResponse:
        limits = self.quota.headers(self._now(), rejected_claim=claim)
        reset = int(limits["anthropic-ratelimit-unified-reset"])
        headers = self._common_headers() | overridden(limits, delivery.faults)
        headers |= {"retry-after": str(reset - int(self._now())), "x-should-retry": "false"}
        body = json_bytes(self._error_body(429, _QUOTA_MESSAGE, headers["request-id"]))
        return await delivery.send_json(429, body, headers)

    def _error_body(self, status: int, message: str, request_id: str) -> JsonObject:
        kind, usual = _ERROR_TYPES.get(status) or _ERROR_TYPES[400 if status < 500 else 500]
        error = {"type": kind, "message": message or usual}
        return {"type": "error", "error": error, "request_id": request_id}

    def _common_headers(self) -> dict[str, str]:
        request_id = self._next_id("req_01", 22)
        return {
            "request-id": request_id,
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
            "via": "1.1 simulator",
            "set-cookie": f"__cf_bm={request_id}; Path=/; HttpOnly",
        }

    def _limit_headers(self, entry: ReceivedRequest) -> dict[str, str]:
        if _is_subscription(entry):
            return self.quota.headers(self._now())
        return key_limit_headers(self._now())


def anthropic_app(journal: Journal) -> web.Application:
    """Only the fake Anthropic, with its defaults."""
    return AnthropicService(journal).application()


def _is_subscription(entry: ReceivedRequest) -> bool:
    return (entry.header("authorization") or "").lower().startswith("bearer ")


def _credential_problem(entry: ReceivedRequest) -> str | None:
    bearer = entry.header("authorization")
    if bearer is not None:
        token = bearer.partition(" ")[2].strip()
        if not bearer.lower().startswith("bearer ") or not token or "invalid" in token:
            return "Invalid bearer token"
        betas = ",".join(entry.header_values("anthropic-beta"))
        if token.startswith("sk-ant-oat") and "oauth-2025-04-20" not in betas:
            return "OAuth authentication is currently not supported."
        return None
    key = entry.header("x-api-key")
    if not key:
        return "x-api-key header is required"
    return "invalid x-api-key" if "invalid" in key else None


def _thinks(entry: ReceivedRequest, conversation: RequestView) -> bool:
    """Between tool calls only adaptive or interleaved thinking goes on."""
    if conversation.thinking_type == "adaptive":
        return True
    betas = ",".join(entry.header_values("anthropic-beta"))
    is_interleaved = "interleaved-thinking" in betas
    is_first_round = conversation.last_tool_result() is None
    return conversation.thinking_type == "enabled" and (is_interleaved or is_first_round)


def _usage(conversation: RequestView, output_tokens: int) -> Usage:
    """Caching where the client marks for it: read what was there before, write what is new."""
    total = conversation.estimated_tokens
    if b'"cache_control"' not in conversation.raw:
        return Usage(input_tokens=total, output_tokens=output_tokens)
    read = total * 8 // 10 if conversation.has_history else 0
    fresh = max(1, total // 20)
    written = max(0, total - read - fresh)
    is_long = b'"1h"' in conversation.raw
    return Usage(
        input_tokens=fresh,
        output_tokens=output_tokens,
        cache_read_input_tokens=read,
        cache_creation_5m_input_tokens=0 if is_long else written,
        cache_creation_1h_input_tokens=written if is_long else 0,
    )


def _usage_json(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_creation_5m_input_tokens,
            "ephemeral_1h_input_tokens": usage.cache_creation_1h_input_tokens,
        },
        "output_tokens": usage.output_tokens,
    }


def _end_usage(usage: JsonObject) -> JsonObject:
    """`message_delta` repeats the totals, without the detail of the cache writes."""
    return {key: value for key, value in usage.items() if key != "cache_creation"}
