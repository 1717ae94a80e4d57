"""Today's requests are served by a delegate that refuses all that it may, and by a lenient one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from strictness import on_strict_and_lenient_services

from offramp_core.settings import Route
from offramp_simulator.refusals import Refusals
from offramp_simulator.zai import strictness as zai_strictness

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
MARKED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "global"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
ADVISOR = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}


def ask(model: str = SONNET, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    first = {"role": "user", "content": "Hello"}
    return {"model": model, "max_tokens": 128_000, "messages": [first, *messages], **fields}


def turn(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def result(content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}


def tool(name: str = "A", **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}, **fields}


def schema(**fields: Any) -> dict[str, Any]:
    return ask(tools=[tool(input_schema={"type": "object", "properties": {"x": fields}})])


SERVED = {
    "output ceiling": ask(HAIKU),
    "unknown fields": ask(fallbacks=[{}], diagnostics={}, thread={"type": "create"}, later=1),
    "thinking's fields": ask(thinking={"type": "adaptive", "display": "omitted"}),
    "cache scope": ask(SONNET, turn("assistant", MARKED), turn("user", MARKED), system=[MARKED]),
    "context management": ask(context_management={"edits": []}, output_config={"effort": "max"}),
    "fallback": ask(SONNET, turn("assistant", MARKED, {"type": "fallback", "model": "m"}, MARKED)),
    "compaction": ask(SONNET, turn("assistant", {"type": "compaction", "content": "Summary"})),
    "tool reference": ask(
        SONNET,
        turn("assistant", CALL),
        turn("user", result([{"type": "tool_reference", "tool_name": "B"}])),
        tools=[tool("ToolSearch"), tool("B", defer_loading=True)],
    ),
    "placeholder": ask(tools=[tool("A"), tool("DeferredToolPlaceholder", defer_loading=True)]),
    "system items": ask(
        SONNET,
        turn("system", {"type": "text", "text": "Rules"}, {"type": "tool_addition", "tool": {}}),
        turn("assistant", CALL),
        turn("user", result("seen")),
        {"role": "system", "content": "More", "output_config": {"effort": "high"}},
    ),
    "odd tool inputs": ask(
        SONNET, turn("assistant", {**CALL, "input": "ls"}), turn("user", result("seen"))
    ),
    "bare result": {**ask(HAIKU), "messages": [turn("user", result("seen"))]},
    "character class": schema(type="string", pattern="^[^\\p{Cc}]{1,200}$"),
    "lookaround": schema(type="string", pattern="(?!a)b"),
    "reference": schema(**{"$ref": "#/properties/x"}),
    "advisor": ask(tools=[tool("Bash"), ADVISOR]),
    "thinking in a user turn": ask(
        SONNET, turn("user", {"type": "thinking", "thinking": "x", "signature": "y"}, MARKED)
    ),
    "glm by name": ask("glm-5.2[1m]"),
}


@on_strict_and_lenient_services
@pytest.mark.parametrize("body", SERVED.values(), ids=SERVED.keys())
async def test_request_of_todays_client_is_served_by_the_delegate(client, proxy, sim, body):
    async with client.post(f"{proxy.url}/v1/messages?beta=true", json=body) as answered:
        assert answered.status == 200, await answered.text()
    (received,) = sim.requests
    assert received.service == "zai"
    assert not sim.refusals


@on_strict_and_lenient_services
@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "disabled"}, "max_tokens": 64},
        {"output_config": {"effort": "medium"}},
        {"output_config": {"effort": "xhigh"}},
    ],
)
async def test_model_that_always_thinks_serves_what_it_would_refuse(client, proxy, sim, fields):
    proxy.change(routes=(Route(match="sonnet", backend="zai", send_model="glm-5.3"),))
    async with client.post(f"{proxy.url}/v1/messages", json=ask() | fields) as answered:
        assert answered.status == 200
    (received,) = sim.requests
    assert received.service == "zai"
    sent = json.loads(received.body)
    assert sent["max_tokens"] >= 4096
    assert ("output_config" in sent) is ("output_config" in fields)


async def test_failing_delegate_of_its_own_model_is_heard_and_claude_is_not_asked(
    client, proxy, sim
):
    sim.script("zai", ["zai=1305"])
    async with client.post(f"{proxy.url}/v1/messages", json=ask("glm-5.2")) as answered:
        assert answered.status >= 400
    assert {received.service for received in sim.requests} == {"zai"}


async def test_delegates_own_model_without_a_key_gets_one_clear_error(client, proxy, sim):
    proxy.change_backend("zai", key=None)
    async with client.post(f"{proxy.url}/v1/messages", json=ask("glm-5.2")) as answered:
        assert answered.status == 400
        error = (await answered.json())["error"]
    assert "glm-5.2" in error["message"]
    assert "no key for zai" in error["message"]
    assert not sim.requests
    assert (await proxy.only_record()).model == "glm-5.2"


EVERYTHING = ask(
    "glm-5.3",
    *(message for body in SERVED.values() for message in body["messages"][1:]),
    fallbacks=[{}],
    diagnostics={},
    thread={"type": "create"},
    thinking={"type": "disabled", "display": "omitted"},
    context_management={"edits": []},
    output_config={"effort": "medium"},
    system=[MARKED],
    tools=[
        tool("ToolSearch"),
        tool("B", defer_loading=True),
        ADVISOR,
        *(schema(pattern="\\p{L}")["tools"]),
        *(schema(**{"$ref": "#/properties/x"})["tools"]),
    ],
)
"""All of it at once, to a model that always thinks."""


@pytest.mark.parametrize(
    "sim",
    [Refusals(anthropic=frozenset(), zai=frozenset({name})) for name in sorted(zai_strictness.ALL)],
    ids=sorted(zai_strictness.ALL),
    indirect=True,
)
async def test_everything_at_once_is_served_by_a_service_with_any_one_refusal(client, proxy, sim):
    async with client.post(f"{proxy.url}/v1/messages?beta=true", json=EVERYTHING) as answered:
        assert answered.status == 200, await answered.text()
    assert not sim.refusals
