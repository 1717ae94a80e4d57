"""A stand-in for any service that Offramp has a preset for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_simulator.preset.rules import PresetError, PresetRules
from offramp_simulator.service import answers
from offramp_simulator.service.answers import Answer, Maker, Usage
from offramp_simulator.service.delivery import Delivery
from offramp_simulator.service.events import answer_events, event, json_bytes, message_json
from offramp_simulator.service.fake_service import COUNT_TOKENS, MESSAGES, FakeService
from offramp_simulator.service.faults import Faults
from offramp_simulator.zai import rules as zai_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from offramp_simulator.service.received import Journal, ReceivedRequest
    from offramp_simulator.service.request_view import JsonObject, RequestView

_MIB = 1024 * 1024
_CREDENTIALS = ("authorization", "x-api-key", "cookie", "proxy-authorization")


class PresetService(FakeService):
    """One service, which has the rules that it was made with."""

    def __init__(self, journal: Journal, rules: PresetRules, *, key: str | None = None) -> None:
        """With `key` only that key is taken; else any."""
        super().__init__(journal)
        self.rules = rules
        self.name = rules.name
        self.prefix = rules.prefix
        self.max_body_bytes = 64 * _MIB
        self.has_money = True
        self._key = key

    async def _answer(self, request: web.Request, entry: ReceivedRequest) -> web.StreamResponse:
        delivery = Delivery(request=request, entry=entry, faults=Faults())
        conversation = self._conversation(entry)
        leak = self._leak_in(entry, conversation)
        if leak is not None:
            self._journal.add_leak(f"{self.name}: {leak}")
            return await self._refuse(delivery, 400, f"LEAK: {leak}")
        path = entry.path_only.removeprefix(self.prefix)
        if path not in (MESSAGES, COUNT_TOKENS) or not entry.path_only.startswith(self.prefix):
            return await self._refuse(delivery, 404, f"Not Found: {entry.path_only}")
        if not self._is_let_in(entry):
            return await self._send(delivery, self.rules.bad_key)
        if conversation is None or entry.method != "POST":
            return await self._refuse(delivery, 400, "The request body is not valid JSON")
        apart = self._faults_apart_from_text(entry)
        text = conversation.last_user_text()
        delivery.faults = Faults((*Faults.gather(text, (), ()).items, *apart.items))
        return await self._post(delivery, conversation)

    async def _post(self, delivery: Delivery, conversation: RequestView) -> web.StreamResponse:
        if "drop" in delivery.faults:
            return await delivery.drop()
        if status := delivery.faults.count("status"):
            return await self._refuse(delivery, status, "Service unavailable")
        if not self.has_money:
            return await self._send(delivery, self.rules.out_of_money)
        refusal = next(self.rules.refusals(conversation), None)
        if refusal is not None:
            delivery.entry.refused_for = refusal.name
            return await self._send(delivery, refusal)
        if delivery.entry.path_only.endswith(COUNT_TOKENS):
            count = {"input_tokens": conversation.estimated_tokens}
            return await delivery.send_json(200, json_bytes(count), {})
        answer = self._compose(conversation, delivery.faults)
        usage = {
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
        }
        if not conversation.is_stream:
            return await delivery.send_json(200, json_bytes(message_json(answer, usage)), {})
        events = answer_events(answer, start_usage=usage, end_usage=usage, has_pings=True)
        failure = event(PresetError(name="on demand", kind="api_error").body())
        return await delivery.send_events(events, failure, {})

    def _compose(self, conversation: RequestView, faults: Faults) -> Answer:
        def thinking_block(thought: str) -> JsonObject:
            return {
                "type": "thinking",
                "thinking": thought,
                "signature": self.rules.sign(thought),
            }

        found = self.rules.model_of(conversation.model)
        blocks, stop_reason = answers.compose_blocks(
            conversation,
            faults,
            faults.tool_asks() or conversation.tool_asks(),
            Maker(
                tool_id=lambda: self._next_id("call_"),
                server_tool_id=lambda: self._next_id("call_"),
                thinking_block=thinking_block,
            ),
            thinks=conversation.thinking_type in ("enabled", "adaptive"),
        )
        return Answer(
            message_id=self._next_id("msg_"),
            model=found[0] if found else conversation.model,
            blocks=tuple(blocks),
            stop_reason=stop_reason,
            usage=Usage(
                input_tokens=conversation.estimated_tokens,
                output_tokens=answers.output_tokens(blocks),
                cache_read_input_tokens=0,
            ),
        )

    def _leak_in(self, entry: ReceivedRequest, conversation: RequestView | None) -> str | None:
        if self.rules.key_header == "none":
            for name in _CREDENTIALS:
                if entry.header(name) is not None:
                    return f"the header `{name}`, though no key is wanted"
        return zai_rules.leak_in(entry, conversation.body if conversation else None)

    def _is_let_in(self, entry: ReceivedRequest) -> bool:
        header = self.rules.key_header
        if header == "none":
            return True
        sent = entry.header(header)
        if sent is None:
            return False
        key = sent.removeprefix("Bearer ")
        if header == "authorization" and key == sent:
            return False
        return self._key in (None, key)

    async def _refuse(self, delivery: Delivery, status: int, message: str) -> web.StreamResponse:
        error = PresetError(name="on demand", status=status, kind="api_error", message=message)
        return await self._send(delivery, error)

    async def _send(self, delivery: Delivery, error: PresetError) -> web.StreamResponse:
        return await delivery.send_json(error.status, json_bytes(error.body()), {})


@contextlib.asynccontextmanager
async def running(service: PresetService, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Run a service on a free port for the length of a `with`; gives its base URL."""
    runner = web.AppRunner(
        service.application(),
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        shutdown_timeout=0.2,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield f"http://{host}:{runner.addresses[0][1]}{service.prefix}"
    finally:
        await runner.cleanup()
