"""Each preset is served by a stand-in that refuses all that its service is said to refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from messages import ask, send
from patience import PATIENCE_S
from preset_harness import KEY, proxy_with, route
from proxy_harness import CLAUDE_TOKEN

from offramp_core.backend import Backend, Secret
from offramp_core.services import PRESETS, service_of
from offramp_daemon.wire import headers
from offramp_simulator.preset.rules import PRESETS as RULES
from offramp_simulator.preset.rules import deepseek_signature
from offramp_simulator.service import signatures

if TYPE_CHECKING:
    import aiohttp

    from offramp_simulator import Simulator
    from offramp_simulator.service.received import ReceivedRequest

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
NAMES = tuple(service.name for service in PRESETS)
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
}


def turns(*answer: dict[str, Any]) -> list[dict[str, Any]]:
    """A conversation in which a tool was called."""
    return [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": list(answer)},
        {"role": "user", "content": [RESULT]},
    ]


def thought(signature: object, text: str = "Hm") -> dict[str, Any]:
    block: dict[str, Any] = {"type": "thinking", "thinking": text}
    return block if signature is None else {**block, "signature": signature}


def todays(model: str, **fields: Any) -> dict[str, Any]:
    """What every request of today's Claude Code holds."""
    return {
        **ask(model),
        "max_tokens": 128_000,
        "temperature": 0,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": []},
        "output_config": {"effort": "medium"},
        "metadata": {"user_id": '{"account_uuid":"a","device_id":"d"}'},
        "system": [{"type": "text", "text": "x-anthropic-billing-header: 1"}],
        "tools": [
            {"name": "Bash", "input_schema": {"type": "object"}},
            {
                "name": "DeferredToolPlaceholder",
                "input_schema": {"type": "object"},
                "defer_loading": True,
            },
        ],
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "system", "content": "Be brief", "output_config": {"effort": "high"}},
            *turns(thought(signatures.anthropic_signature("Hm")), CALL)[1:],
        ],
        **fields,
    }


def at(sim: Simulator, name: str) -> list[ReceivedRequest]:
    return [each for each in sim.requests if each.service == name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", [SONNET, HAIKU])
async def test_todays_request_is_served_by_each_preset(
    client: aiohttp.ClientSession, sim: Simulator, name: str, model: str
) -> None:
    async with proxy_with(sim, name, routes=[route(name), route(name, "haiku")]) as (proxy, _):
        status, answer = await send(client, proxy, todays(model))
        assert status == 200, answer
        record = await proxy.only_record()
    assert (record.backend, record.status) == (name, "success")
    assert sim.refusals == []
    assert sim.leaks == []
    assert [each.service for each in sim.requests] == [name]


@pytest.mark.parametrize("name", NAMES)
async def test_answer_that_thinks_and_calls_goes_round(
    client: aiohttp.ClientSession, sim: Simulator, name: str
) -> None:
    body = {**todays(SONNET), "stream": False, "temperature": 1}
    body["messages"] = [{"role": "user", "content": 'use the tool Bash with {"command": "ls"}'}]
    async with proxy_with(sim, name, routes=[route(name)]) as (proxy, _):
        status, answer = await send(client, proxy, body)
        assert status == 200, answer
        content = json.loads(answer)["content"]
        assert [block["type"] for block in content][-1] == "tool_use"
        result = {**RESULT, "tool_use_id": content[-1]["id"]}
        body["messages"] += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": [result]},
        ]
        status, answer = await send(client, proxy, body)
        assert status == 200, answer
    assert sim.refusals == []
    # The only delegate gets its own thinking back.
    assert content[0] in json.loads(at(sim, name)[-1].body)["messages"][1]["content"]


@pytest.mark.parametrize("name", NAMES)
async def test_key_goes_in_the_header_that_the_service_wants(
    client: aiohttp.ClientSession, sim: Simulator, name: str
) -> None:
    async with proxy_with(sim, name, routes=[route(name)]) as (proxy, _):
        assert (await send(client, proxy, ask(SONNET), Cookie="a=b"))[0] == 200
    (received,) = at(sim, name)
    sent = {header: received.header(header) for header in ("x-api-key", "authorization")}
    wanted: dict[str, str | None] = {"x-api-key": None, "authorization": None}
    match RULES[name].key_header:
        case "x-api-key":
            wanted["x-api-key"] = KEY
        case "authorization":
            wanted["authorization"] = f"Bearer {KEY}"
        case "none":
            pass
    assert sent == wanted
    assert received.header("cookie") is None
    assert CLAUDE_TOKEN not in str(received.headers)


async def test_service_without_a_key_gets_no_credential_of_any_kind(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    given = {
        "Proxy-Authorization": "Basic cHJveHk6c2VjcmV0",
        "Cookie": "session=secret",
        "x-api-key": "sk-ant-api03-secret",
        "X-Forwarded-Authorization": f"Bearer {CLAUDE_TOKEN}",
    }
    async with proxy_with(sim, "ollama", routes=[route("ollama")]) as (proxy, _):
        assert (await send(client, proxy, ask(SONNET), **given))[0] == 200
        path = "/v1/messages/count_tokens"
        assert (await send(client, proxy, ask(SONNET), path, **given))[0] == 200
    assert len(at(sim, "ollama")) == 2
    for received in at(sim, "ollama"):
        names = {header.lower() for header, _ in received.headers}
        assert not names & {"authorization", "proxy-authorization", "cookie", "x-api-key"}
        assert "secret" not in str(received.headers)
        assert CLAUDE_TOKEN not in str(received.headers)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "cookie", "proxy-authorization"])
def test_no_credential_passes_to_a_service_without_one_whatever_is_allowed(name: str) -> None:
    backend = Backend(
        name="mine", base_url="http://127.0.0.1:1", auth="none", key=Secret(KEY), headers=(name,)
    )
    raw = [(name.title().encode(), f"Bearer {CLAUDE_TOKEN}".encode())]
    assert not headers.to_delegate(raw, backend)


@pytest.mark.parametrize(
    ("name", "is_served"),
    [("kimi", True), ("deepseek", True), ("minimax", True), ("qwen", False), ("ollama", False)],
)
async def test_image_goes_only_where_the_model_is_known_to_take_one(
    client: aiohttp.ClientSession, sim: Simulator, name: str, *, is_served: bool
) -> None:
    body = {**ask(SONNET), "messages": [{"role": "user", "content": [IMAGE]}]}
    async with proxy_with(sim, name, routes=[route(name)]) as (proxy, _):
        assert (await send(client, proxy, body))[0] == 200
    assert [each.service for each in sim.requests] == [name if is_served else "anthropic"]


@pytest.mark.parametrize("name", ["kimi", "deepseek"])
@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, None])
async def test_call_without_its_thinking_is_sent_with_thinking_off(
    client: aiohttp.ClientSession, sim: Simulator, name: str, thinking: dict[str, Any] | None
) -> None:
    body = {**ask(SONNET), "messages": turns(CALL)}
    if thinking is not None:
        body["thinking"] = thinking
    async with proxy_with(sim, name, routes=[route(name)]) as (proxy, _):
        assert (await send(client, proxy, body))[0] == 200
    assert sim.refusals == []
    assert json.loads(at(sim, name)[0].body)["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bigmodel", "account"),
        ("kimi", "account"),
        ("deepseek", "account"),
        ("minimax", "account"),
    ],
)
async def test_balance_that_is_used_up_is_known_by_each_service_s_own_error(
    client: aiohttp.ClientSession, sim: Simulator, name: str, kind: str
) -> None:
    async with proxy_with(sim, name, routes=[route(name)]) as (proxy, services):
        services[name].has_money = False
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
        record = await proxy.only_record()
    assert record.reason == f"{name} failed ({kind} trouble), served by anthropic"


OWN_SIGNATURES = {
    "zai": signatures.zai_signature("Hm"),
    "deepseek": deepseek_signature("Hm"),
}


def thoughts_in(body: bytes) -> list[object]:
    return [
        block.get("signature")
        for message in json.loads(body)["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "thinking"
    ]


@pytest.mark.parametrize("name", ["deepseek", "minimax", "qwen"])
async def test_thinking_goes_back_only_to_the_service_whose_signature_it_shows(
    client: aiohttp.ClientSession, sim: Simulator, name: str
) -> None:
    shown = [*OWN_SIGNATURES.values(), signatures.anthropic_signature("Hm")]
    unmarked: list[object] = ["", None, "0123456789", "f" * 64]
    blocks = [thought(each) for each in (*shown, *unmarked)]
    text = {"type": "text", "text": "Hi"}
    body = {**ask(HAIKU), "messages": turns(*blocks, text, CALL)}
    routes = [route("zai", "sonnet", send_model=None), route(name, "haiku")]
    async with proxy_with(sim, name, routes=routes) as (proxy, _):
        for model in (HAIKU, SONNET, HAIKU):
            assert (await send(client, proxy, {**body, "model": model}))[0] == 200
    got = [thoughts_in(each.body) for each in sim.requests]
    own = [OWN_SIGNATURES[name]] if name in OWN_SIGNATURES else []
    assert got == [own, [OWN_SIGNATURES["zai"]], own]
    assert sim.refusals == []


async def test_only_delegate_gets_thinking_back_that_shows_no_signer(
    client: aiohttp.ClientSession, sim: Simulator, proxy: Any
) -> None:
    marks = (OWN_SIGNATURES["zai"], "", None)
    others = (OWN_SIGNATURES["deepseek"], signatures.anthropic_signature("Hm"))
    blocks = [thought(each) for each in (*marks, *others)]
    body = {**ask(SONNET), "messages": turns(*blocks, CALL)}
    assert (await send(client, proxy, body))[0] == 200
    assert thoughts_in(sim.requests[0].body) == list(marks)


async def test_two_services_that_sign_alike_get_no_thinking(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    body = {**ask(HAIKU), "messages": turns(thought(OWN_SIGNATURES["zai"]), CALL)}
    routes = [route("zai", "sonnet", send_model=None), route("bigmodel", "haiku")]
    async with proxy_with(sim, "bigmodel", routes=routes) as (proxy, _):
        for model in (HAIKU, SONNET):
            assert (await send(client, proxy, {**body, "model": model}))[0] == 200
    assert [each.service for each in sim.requests] == ["bigmodel", "zai"]
    assert [thoughts_in(each.body) for each in sim.requests] == [[], []]


@pytest.mark.parametrize("name", NAMES)
async def test_sdk_streams_from_each_preset(sim: Simulator, name: str) -> None:
    async with (
        proxy_with(sim, name, routes=[route(name)]) as (proxy, _),
        anthropic.AsyncAnthropic(
            base_url=proxy.url, api_key="sk-ant-api03-x", max_retries=0, timeout=PATIENCE_S
        ) as sdk,
    ):
        hello: Any = [{"role": "user", "content": "Hello"}]
        async with sdk.messages.stream(model=SONNET, max_tokens=50, messages=hello) as stream:
            final = await stream.get_final_message()
    assert final.content[-1].type == "text"
    assert at(sim, name)
    assert sim.leaks == []


@pytest.mark.parametrize(
    ("name", "fields", "sent"),
    [
        ("deepseek", {}, "deepseek-v4-pro"),
        ("deepseek", {"overflow_model": "deepseek-flash"}, "deepseek-flash"),
        ("ollama", {}, "local-model"),
        ("bigmodel", {}, "GLM-4.7"),
    ],
)
async def test_what_the_spent_claude_plan_refuses_goes_to_a_model_of_the_preset(
    client: aiohttp.ClientSession, sim: Simulator, name: str, fields: dict[str, Any], sent: str
) -> None:
    routes = [route(name)]
    async with proxy_with(sim, name, routes=routes, overflow=True, **fields) as (proxy, _):
        sim.script("anthropic", ["quota=seven_day"])
        assert (await send(client, proxy, ask("claude-opus-5-5")))[0] == 200
    assert [each.service for each in sim.requests] == ["anthropic", name]
    assert json.loads(sim.requests[1].body)["model"] == sent


async def test_model_of_a_preset_needs_no_route(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek") as (proxy, _):
        assert (await send(client, proxy, ask("deepseek-v4-pro")))[0] == 200
        assert (await send(client, proxy, ask("glm-4.7")))[0] == 200
    assert [each.service for each in sim.requests] == ["deepseek", "zai"]


@pytest.mark.parametrize("name", NAMES)
def test_stand_in_has_each_model_that_the_preset_sends(name: str) -> None:
    service = service_of(name)
    for model in service.aliases.values():
        assert RULES[name].model_of(model.name) is not None
