"""The stand-in for Z.ai: its Anthropic-compatible endpoint and its quota answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from offramp_core.services.zai import NAME, QUOTA_PAGE
from offramp_simulator.service import answers, signatures
from offramp_simulator.service.answers import Answer, Maker, Usage
from offramp_simulator.service.delivery import Delivery
from offramp_simulator.service.events import answer_events, event, json_bytes, message_json
from offramp_simulator.service.fake_service import COUNT_TOKENS, MESSAGES, FakeService
from offramp_simulator.service.faults import Faults, ToolAsk
from offramp_simulator.zai import models, rules, slips, strictness
from offramp_simulator.zai.limits import QUOTA_PATH, ZaiQuota, page
from offramp_simulator.zai.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from offramp_simulator.service.received import Journal, ReceivedRequest
    from offramp_simulator.service.request_view import JsonObject, RequestView

PREFIX = QUOTA_PAGE.beside
MIB = 1024 * 1024


class ZaiService(FakeService):
    """Z.ai's side; see the package for what a request can ask for."""

    name = NAME
    prefix = PREFIX

    def __init__(
        self,
        journal: Journal,
        *,
        quota: ZaiQuota | None = None,
        zai_key: str | None = None,
        max_body_bytes: int = 64 * MIB,
        now: Callable[[], float] = time.time,
        refuses: frozenset[str] = strictness.ALL,
    ) -> None:
        """With `zai_key` only that key is taken; else any. `now` is the epoch's seconds.

        `refuses` names what it refuses, of `zai.strictness`; it ignores the others.
        """
        super().__init__(journal)
        self.quota = quota or ZaiQuota()
        self.at_once: int | None = None
        """How many messages it answers at a time; those above meet the error 1302."""
        self._in_flight = 0
        self.max_body_bytes = max_body_bytes
        self._zai_key = zai_key
        self._now = now
        self._refuses = refuses

    async def _answer(self, request: web.Request, entry: ReceivedRequest) -> web.StreamResponse:
        delivery = Delivery(request=request, entry=entry, faults=Faults())
        conversation = self._conversation(entry)
        leak = rules.leak_in(entry, conversation.body if conversation else None)
        if leak:
            self._journal.add_leak(f"zai: {leak}")
            return await self._refuse(delivery, 400, f"LEAK: {leak}")
        if entry.path_only == QUOTA_PATH and entry.method == "GET":
            return await self._quota_answer(delivery)
        path = entry.path_only.removeprefix(PREFIX)
        if path == entry.path_only or path not in (MESSAGES, COUNT_TOKENS):
            return await self._refuse(delivery, 404, f"Not Found: {entry.path_only}")
        problem = self._key_problem(entry)
        if problem:
            return await self._send(delivery, problem)
        return await self._post(delivery, conversation)

    def _key_problem(self, entry: ReceivedRequest) -> Refusal | None:
        key = rules.key_in(entry)
        if key is None:
            return Refusal(code="1001")
        is_wrong = "invalid" in key if self._zai_key is None else key != self._zai_key
        return Refusal(code="1000") if is_wrong else None

    async def _quota_answer(self, delivery: Delivery) -> web.StreamResponse:
        if self._key_problem(delivery.entry):
            failure = {"code": 401, "msg": "token expired or incorrect", "success": False}
            return await delivery.send_json(200, json_bytes(failure), self._headers())
        delivery.faults = self._faults_apart_from_text(delivery.entry)
        if "drop" in delivery.faults:
            return await delivery.drop()
        status = delivery.faults.count("status") or 200
        payload = self.quota.payload(self._now())
        shape = delivery.faults.value("quota-page")
        body = page(shape, payload) if shape else json_bytes(payload)
        return await delivery.send_json(status, body, self._headers())

    async def _post(
        self, delivery: Delivery, conversation: RequestView | None
    ) -> web.StreamResponse:
        entry = delivery.entry
        apart = self._faults_apart_from_text(entry)
        delivery.faults = apart
        if "drop" in apart:
            return await delivery.drop()
        if conversation is None or entry.method != "POST":
            return await self._refuse(delivery, 400, "The request body is not valid JSON")
        text = conversation.last_user_text()
        delivery.faults = Faults((*Faults.gather(text, (), ()).items, *apart.items))
        if "drop" in delivery.faults:
            return await delivery.drop()
        refusal = self._refusal(delivery, conversation, text)
        if refusal is not None:
            return await self._send(delivery, refusal)
        if entry.path_only.endswith(COUNT_TOKENS):
            asked = delivery.faults.count("count")
            count = conversation.estimated_tokens if asked is None else asked
            body = json_bytes({"input_tokens": count})
            return await delivery.send_json(200, body, self._headers())
        if self.at_once is not None and self._in_flight >= self.at_once:
            return await self._send(delivery, Refusal(code="1302"))
        asks = apart.tool_asks() or conversation.tool_asks()
        self._in_flight += 1
        try:
            return await self._message(delivery, conversation, asks)
        finally:
            self._in_flight -= 1

    def _refusal(self, delivery: Delivery, conversation: RequestView, text: str) -> Refusal | None:
        """The error that the request runs into: one that was asked for, or one of the rules'."""
        faults = delivery.faults
        status, code = faults.count("status"), faults.value("zai")
        if status:
            return Refusal(code="1200", message="API Call Failure", status=status)
        if code:
            return Refusal(code=code.partition("/")[0])
        if "error-200" in faults:
            return Refusal(code=faults.value("error-200") or "1305")
        for name in ("signature-400", "expected-400", "modified-400"):
            if self._is_met(name, faults, text):
                return Refusal(
                    message="messages.1.content.0: Invalid `signature` in `thinking` block"
                )
        used_up = self.quota.used_up_code()
        if used_up:
            return Refusal(code=used_up)
        found = rules.first_refusal(conversation, self._refuses)
        if found is None:
            return None
        delivery.entry.refused_for, refusal = found
        return refusal

    async def _message(
        self, delivery: Delivery, conversation: RequestView, asks: list[ToolAsk]
    ) -> web.StreamResponse:
        self.quota.use()
        answer = self._compose(conversation, delivery.faults, asks)
        headers = self._headers()
        usage = _usage_json(answer.usage)
        if not conversation.is_stream:
            return await delivery.send_json(200, json_bytes(message_json(answer, usage)), headers)
        nothing = {"input_tokens": 0, "output_tokens": 0}
        events = answer_events(answer, start_usage=nothing, end_usage=usage, has_pings=False)
        failure = event(Refusal(code="1230").typed(headers["x-log-id"]))
        return await delivery.send_events(events, failure, headers)

    def _compose(self, conversation: RequestView, faults: Faults, asks: list[ToolAsk]) -> Answer:
        def thinking_block(thought: str) -> JsonObject:
            block = {"type": "thinking", "thinking": thought}
            match faults.value("unsigned"):
                case "missing":
                    return block
                case None:
                    return {**block, "signature": signatures.zai_signature(thought)}
                case _:
                    return {**block, "signature": ""}

        blocks, stop_reason = answers.compose_blocks(
            conversation,
            faults,
            asks,
            Maker(
                tool_id=lambda: self._next_id("call_"),
                server_tool_id=lambda: self._next_id("call_"),
                thinking_block=thinking_block,
            ),
            thinks=conversation.thinking_type in ("enabled", "adaptive"),
        )
        written = [slips.as_glm_writes(block, faults, at) for at, block in enumerate(blocks)]
        served = models.served_model(conversation.model)
        total = conversation.estimated_tokens
        read = total * 8 // 10 if conversation.has_history else 0
        return Answer(
            message_id=self._next_id("msg_"),
            model=faults.value("model") or served or conversation.model,
            blocks=tuple(written),
            stop_reason=stop_reason,
            usage=Usage(
                input_tokens=total - read,
                output_tokens=answers.output_tokens(blocks),
                cache_read_input_tokens=read,
            ),
        )

    async def _send(self, delivery: Delivery, refusal: Refusal) -> web.StreamResponse:
        headers = self._headers()
        is_typed = (delivery.faults.value("zai") or refusal.code).endswith(("/typed", "1310"))
        body = refusal.body(headers["x-log-id"], is_typed=is_typed)
        status = 200 if "error-200" in delivery.faults else refusal.http_status()
        return await delivery.send_json(status, body, headers)

    async def _refuse(self, delivery: Delivery, status: int, message: str) -> web.StreamResponse:
        return await self._send(delivery, Refusal(message=message, status=status))

    def _headers(self) -> dict[str, str]:
        log_id = self._next_id("")
        return {
            "x-log-id": log_id,
            "vary": "Origin",
            "set-cookie": f"acw_tc={log_id}; path=/; HttpOnly; Max-Age=1800",
        }


def zai_app(journal: Journal) -> web.Application:
    """Only the fake Z.ai, with its defaults."""
    return ZaiService(journal).application()


def _usage_json(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "server_tool_use": {"web_search_requests": 0},
        "service_tier": "standard",
    }
