"""Conversations reach a Claude that refuses all that it may; refused thinking is healed."""

from __future__ import annotations

import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from history_rules import claude_minds
from raw_upstream import Connection, raw_upstream
from request_bodies import (
    ANTHROPIC_SIGNATURE,
    ZAI_SIGNATURE,
    assistant,
    call,
    result,
    system,
    text,
    thought,
    user,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Json = dict[str, Any]

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
INVALID = "messages.1.content.0: Invalid `signature` in `thinking` block"
ADAPTIVE = {"type": "adaptive", "display": "omitted"}
ENABLED = {"type": "enabled", "budget_tokens": 1024}
SEARCH = [call("call_9", "server_tool_use"), result("call_9", "web_search_tool_result", [])]
ANSWER = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "model": OPUS,
    "content": [text("Fine.")],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def ask(*messages: Json, model: str = OPUS, **fields: Any) -> Json:
    return {"model": model, "max_tokens": 2000, "messages": list(messages), **fields}


@asynccontextmanager
async def claude(
    refusal: Callable[[Json], str | None], *, packs: bool = False
) -> AsyncIterator[tuple[str, list[Json]]]:
    """Run an Anthropic that refuses what it may, and what `refusal` says; yield its requests."""
    received: list[Json] = []

    async def answer(connection: Connection) -> None:
        body = json.loads(connection.body)
        received.append(body)
        words = claude_minds(body["messages"]) or refusal(body)
        data: Json = ANSWER
        if words is not None:
            data = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
        raw = json.dumps(data).encode()
        coding = b""
        if packs:
            raw, coding = gzip.compress(raw), b"Content-Encoding: gzip\r\n"
        status = b"200 OK" if words is None else b"400 Bad Request"
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
        await connection.write(head % (status, coding, len(raw)) + raw)

    async with raw_upstream(answer) as upstream:
        yield upstream.url, received


def nothing(_body: Json) -> None:
    """Refuse nothing but what Claude always refuses."""


HISTORIES = {
    "inputs": [
        assistant({**call("a"), "input": [{"command": "ls"}]}),
        user(result("a")),
        assistant({**call("b"), "input": "git status"}),
        user(result("b")),
        assistant({**call("c"), "input": None}),
        user(result("c")),
    ],
    "names": [assistant({**call("a"), "name": "Bash</arg_value>"}), user(result("a"))],
    "ids": [
        assistant(call("functions.Bash:0")),
        user(result("functions.Bash:0")),
        assistant(call("functions.Bash:0")),
        user(result("functions.Bash:0")),
    ],
    "thinking of a user": [assistant("A"), user(thought(ZAI_SIGNATURE), "B")],
    "thinking of the system": [
        system([thought(ZAI_SIGNATURE), text("S")]),
        assistant("A"),
        user("B"),
    ],
    "search before a system item": [
        assistant("A", *SEARCH),
        system("S"),
        assistant("B"),
        user("C"),
    ],
    "bare result": [assistant("A"), user(result("gone"))],
    "no result": [assistant(call("a")), user("Stop")],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("model", [OPUS, SONNET])
async def test_history_of_a_delegate_is_served_by_claude(client, start_proxy, history, model):
    async with claude(nothing) as (url, received), start_proxy(url, url) as proxy:
        proxy.change_backend("zai", key=None)
        for path in ("/v1/messages?beta=true", "/v1/messages/count_tokens?beta=true"):
            body = ask(user("Hi"), *history, model=model)
            async with client.post(proxy.url + path, json=body) as answered:
                assert answered.status == 200
    messages, counted = (body["messages"] for body in received)
    assert messages == counted


async def test_thinking_of_another_service_as_all_of_the_first_turn_takes_one_request(
    client, start_proxy
):
    async with claude(nothing) as (url, received), start_proxy(url, url) as proxy:
        body = ask(user(thought(ZAI_SIGNATURE)), assistant("A"), user("B"))
        async with client.post(f"{proxy.url}/v1/messages", json=body) as answered:
            assert answered.status == 200
    assert len(received) == 1


def refuses_thinking(body: Json) -> str | None:
    """Refuse all thinking, and thinking that is switched off beside an effort that thinks."""
    if "thinking" in json.dumps([message["content"] for message in body["messages"]]):
        return INVALID
    is_off = body.get("thinking") == {"type": "disabled"}
    if is_off and body.get("output_config", {}).get("effort") in ("xhigh", "max"):
        return "thinking: `disabled` is not supported with this effort"
    return None


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("thinking", "effort", "left"),
    [
        (ADAPTIVE, "xhigh", ADAPTIVE),
        (ADAPTIVE, "max", ADAPTIVE),
        (ADAPTIVE, "low", ADAPTIVE),
        (ENABLED, "max", None),
        (ENABLED, "low", {"type": "disabled"}),
    ],
)
async def test_refused_signature_takes_the_blocks_and_keeps_adaptive_thinking(
    client, start_proxy, packs, stream, thinking, effort, left
):
    history = [user("Hi"), assistant(thought(ANTHROPIC_SIGNATURE), call("t")), user(result("t"))]
    config = {"effort": effort}
    body = ask(*history, thinking=thinking, output_config=config, stream=stream)
    async with (
        claude(refuses_thinking, packs=packs) as (url, received),
        start_proxy(url, url) as proxy,
        client.post(f"{proxy.url}/v1/messages", json=body) as answered,
    ):
        assert answered.status == 200
    first, second = received
    assert first == body
    assert second["messages"] == [user("Hi"), assistant(call("t")), user(result("t"))]
    assert second.get("thinking") == left
    assert second["output_config"] == config


@pytest.mark.parametrize(
    "messages",
    [
        [user("Hi")],
        [user("Hi"), assistant(thought(ZAI_SIGNATURE), "A"), user("B")],
        [user("Hi"), user(thought(ANTHROPIC_SIGNATURE), "B")],
    ],
)
async def test_refusal_that_nothing_can_be_done_about_is_passed_on_at_once(
    client, start_proxy, messages
):
    body = ask(*messages, thinking=ADAPTIVE)
    async with claude(lambda _: INVALID) as (url, received), start_proxy(url, url) as proxy:
        async with client.post(f"{proxy.url}/v1/messages", json=body) as answered:
            assert answered.status == 400
            assert (await answered.json())["error"]["message"] == INVALID
        record = await proxy.only_record()
    assert len(received) == 1
    assert record.reason == "default"


async def test_tool_loop_that_began_without_thinking_is_served_with_thinking_off(
    client, start_proxy
):
    def expects_thinking(body: Json) -> str | None:
        is_on = body.get("thinking", {}).get("type") == "enabled"
        words = "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found"
        return f"{words} `tool_use`." if is_on else None

    body = ask(user("Hi"), assistant(call("t")), user(result("t")), thinking=ENABLED)
    async with (
        claude(expects_thinking) as (url, received),
        start_proxy(url, url) as proxy,
        client.post(f"{proxy.url}/v1/messages", json=body) as answered,
    ):
        assert answered.status == 200
    assert [each["thinking"] for each in received] == [ENABLED, {"type": "disabled"}]


async def test_thread_is_continued_byte_for_byte(client, start_proxy):
    thread = {"type": "continue", "previous_message_id": "msg_20261101abc"}
    body = json.dumps(ask(user(result("t")), thread=thread), indent=1).encode()
    raw: list[bytes] = []

    async def answer(connection: Connection) -> None:
        raw.append(connection.body)
        data = json.dumps(ANSWER).encode()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        client.post(f"{proxy.url}/v1/messages", data=body) as answered,
    ):
        assert answered.status == 200
    assert raw == [body]
