"""An answer without a word and without a call of a tool is whole, and yet no good."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from messages import SONNET, ask, send
from proxy_harness import running_proxy, settings_for, shared_state
from raw_upstream import SSE_HEAD, Connection, chunk, json_answer, raw_upstream

from offramp_core.control import api

if TYPE_CHECKING:
    import aiohttp
    from proxy_harness import RunningProxy

    from offramp_simulator import Simulator

THINKING = {"type": "thinking", "thinking": "", "signature": ""}
TEXT = {"type": "text", "text": ""}
TOOL = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {}}


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def stream(*blocks: tuple[dict[str, Any], dict[str, Any] | None], stop: str | None) -> bytes:
    """A whole stream of these blocks, each with its delta."""
    message = {"id": "msg_1", "model": "glm-4.7", "usage": {"input_tokens": 0, "output_tokens": 0}}
    events = [event("message_start", message=message)]
    for index, (block, delta) in enumerate(blocks):
        events.append(event("content_block_start", index=index, content_block=block))
        if delta is not None:
            events.append(event("content_block_delta", index=index, delta=delta))
        events.append(event("content_block_stop", index=index))
    usage = {"input_tokens": 9, "output_tokens": 0}
    events.append(event("message_delta", delta={"stop_reason": stop}, usage=usage))
    return b"".join((*events, event("message_stop")))


def message(*blocks: dict[str, Any], stop: str | None = "end_turn") -> bytes:
    answer = {"type": "message", "role": "assistant", "content": list(blocks), "stop_reason": stop}
    return json.dumps({**answer, "usage": {"input_tokens": 9, "output_tokens": 0}}).encode()


THOUGHT = {"type": "thinking_delta", "thinking": 'Let me write {"text": "x"} and \\"text\\":\\"y'}
EMPTY = {
    "thinking": stream((THINKING, THOUGHT), stop="end_turn"),
    "no block": stream(stop="end_turn"),
    "no reason": stream((THINKING, THOUGHT), stop=None),
    "empty text": stream((THINKING, THOUGHT), (TEXT, None), stop="end_turn"),
    "blank text": stream((TEXT, {"type": "text_delta", "text": " \n"}), stop="end_turn"),
    "redacted": stream(({"type": "redacted_thinking", "data": "x"}, None), stop="end_turn"),
    "json": message(),
    "json thinking": message({**THINKING, "thinking": "hm"}),
    "json empty text": message(TEXT),
}
ANSWERED = {
    "text": stream((TEXT, {"type": "text_delta", "text": "Hi"}), stop="end_turn"),
    "quote": stream((TEXT, {"type": "text_delta", "text": '"'}), stop="end_turn"),
    "text at once": stream(({**TEXT, "text": "Hi"}, None), stop="end_turn"),
    "tool": stream((TOOL, None), stop="tool_use"),
    "tool without its reason": stream((TOOL, None), stop="end_turn"),
    "cut short": stream((THINKING, THOUGHT), stop="max_tokens"),
    "refusal": stream((THINKING, THOUGHT), stop="refusal"),
    "json text": message({**TEXT, "text": "\u00e9"}),
    "json tool": message(TOOL, stop="tool_use"),
    "json cut short": message(THINKING, stop="max_tokens"),
}


def answer_of(body: bytes, *, size: int, coding: str = "") -> bytes:
    """The answer in chunks of that size."""
    if not body.startswith(b"event"):
        return json_answer(body)
    head = SSE_HEAD
    if coding:
        head = head.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {coding}\r\n\r\n".encode())
        body = gzip.compress(body)
    pieces = (chunk(body[start : start + size]) for start in range(0, len(body), size))
    return head + b"".join(pieces) + b"0\r\n\r\n"


async def ended(
    client: aiohttp.ClientSession, proxy: RunningProxy, times: int = 1
) -> tuple[str | None, str | None]:
    """The cause that the last outcome gives, and the reason in its record."""
    for _ in range(times):
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
    outcome = proxy.exchanges[-1].outcome
    assert outcome is not None
    assert (outcome.kind, outcome.status) == (None, "success")
    return outcome.trouble_cause, proxy.records[-1].reason


@pytest.mark.parametrize(("size", "coding"), [(100_000, ""), (7, ""), (40, "gzip")])
@pytest.mark.parametrize("body", EMPTY.values(), ids=EMPTY)
async def test_answer_without_content_has_its_own_reason_and_bars_nobody(
    client: aiohttp.ClientSession, sim: Simulator, body: bytes, size: int, coding: str
) -> None:
    shared, answer = shared_state(), answer_of(body, size=size, coding=coding)

    async def write(connection: Connection) -> None:
        await connection.write(answer)

    async with (
        raw_upstream(write) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        expected = (api.EMPTY_ANSWERS, "route sonnet, empty answer")
        assert await ended(client, proxy, times=3) == expected
        assert proxy.console_lines[-1].reason == "route sonnet, empty answer"
        assert shared.breaker.is_calm


@pytest.mark.parametrize(("size", "coding"), [(100_000, ""), (7, ""), (40, "gzip")])
@pytest.mark.parametrize("body", ANSWERED.values(), ids=ANSWERED)
async def test_answer_with_content_or_another_end_is_ordinary(
    client: aiohttp.ClientSession, sim: Simulator, body: bytes, size: int, coding: str
) -> None:
    answer = answer_of(body, size=size, coding=coding)

    async def write(connection: Connection) -> None:
        await connection.write(answer)

    async with (
        raw_upstream(write) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        assert await ended(client, proxy) == (None, "route sonnet")


async def test_empty_answer_of_claude_is_its_own_business(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async def write(connection: Connection) -> None:
        await connection.write(answer_of(EMPTY["thinking"], size=100_000))

    async with (
        raw_upstream(write) as claude,
        running_proxy(settings_for(claude.url, sim.zai_url)) as proxy,
    ):
        proxy.change(delegation="never")
        assert await ended(client, proxy) == (None, "delegation is off")
