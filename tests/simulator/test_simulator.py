"""The simulator as the `anthropic` SDK and a plain HTTP client see it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import anthropic
import pytest

from offramp_simulator import Simulator, UnknownFaultError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPUS = "claude-opus-4-6"
OLDER_OPUS = "claude-opus-4-5"  # the SDK warns of `enabled` thinking for the newer one
SONNET = "claude-sonnet-4-6"
PLAN = {
    "authorization": "Bearer sk-ant-oat01-test",
    "anthropic-beta": "oauth-2025-04-20",
    "anthropic-version": "2023-06-01",
}
KEYED = {"x-api-key": "sk-ant-api03-test", "anthropic-version": "2023-06-01"}
ZAI = {"x-api-key": "zai-test-key"}
READ = {
    "name": "Read",
    "input_schema": {
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
    },
}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
async def claude(sim: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=sim.anthropic_url, api_key="sk-ant-api03-test", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def glm(sim: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=sim.zai_url, api_key="zai-test-key", max_retries=0
    ) as client:
        yield client


def body_of(text: str = "hello", model: str = OPUS, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": 2048, "messages": messages, **fields}


def events_in(raw: bytes) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix("data:"))
        for line in raw.decode().splitlines()
        if line.startswith("data:")
    ]


# The answers, as the SDK reads them.


async def test_create_returns_text_that_repeats_the_prompt(
    claude: anthropic.AsyncAnthropic,
) -> None:
    message = await claude.messages.create(**body_of("Say something"))
    assert message.model == OPUS
    assert message.content[0].text == f"This is {OPUS}. You said: Say something"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


async def test_the_same_request_gets_the_same_text_and_another_id(
    claude: anthropic.AsyncAnthropic,
) -> None:
    first = await claude.messages.create(**body_of())
    second = await claude.messages.create(**body_of())
    assert first.content == second.content
    assert first.id != second.id


async def test_stream_equals_the_message_that_is_not_streamed(
    claude: anthropic.AsyncAnthropic,
) -> None:
    whole = await claude.messages.create(**body_of("one two  three\nfour"))
    async with claude.messages.stream(**body_of("one two  three\nfour")) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens


async def test_thinking_on_request_has_a_long_signature_that_is_taken_back(
    claude: anthropic.AsyncAnthropic,
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    async with claude.messages.stream(**body_of("think", OLDER_OPUS, thinking=thinking)) as stream:
        first = await stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert len(first.content[0].signature) > 300
    turns = [
        {"role": "user", "content": "think"},
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": "go on"},
    ]
    second = await claude.messages.create(
        model=OLDER_OPUS, max_tokens=2048, thinking=thinking, messages=turns
    )
    assert second.content[0].thinking != first.content[0].thinking


async def test_two_tool_calls_asked_for_come_one_a_round_and_then_text(
    claude: anthropic.AsyncAnthropic,
) -> None:
    prompt = (
        'use the tool Read with {"file_path": "/a]]"} and then '
        'use the tool Read with {"file_path": "/b"}'
    )
    messages: list[Any] = [{"role": "user", "content": prompt}]
    calls = []
    for _ in range(3):
        async with claude.messages.stream(
            model=OLDER_OPUS,
            max_tokens=4096,
            thinking={"type": "enabled", "budget_tokens": 1024},
            tools=[READ],
            messages=messages,
        ) as stream:
            answer = await stream.get_final_message()
        messages.append({"role": "assistant", "content": [b.model_dump() for b in answer.content]})
        calls += [block for block in answer.content if block.type == "tool_use"]
        if answer.stop_reason == "tool_use":
            result = {"type": "tool_result", "tool_use_id": calls[-1].id, "content": "seen"}
            messages.append({"role": "user", "content": [result]})
    assert [call.input for call in calls] == [{"file_path": "/a]]"}, {"file_path": "/b"}]
    assert all(call.id.startswith("toolu_") for call in calls)
    assert answer.content[-1].text == "Done. The tool said: seen"


async def test_parallel_tools_come_in_one_answer(claude: anthropic.AsyncAnthropic) -> None:
    text = '[[sim:parallel]] [[sim:tool=Read {"file_path": "[[1]]"}]] [[sim:tool]]'
    answer = await claude.messages.create(**body_of(text, tools=[READ]))
    calls = [block.input for block in answer.content if block.type == "tool_use"]
    assert calls == [{"file_path": "[[1]]"}, {"file_path": "x"}]


async def test_a_tool_that_is_not_offered_is_not_used(claude: anthropic.AsyncAnthropic) -> None:
    answer = await claude.messages.create(
        **body_of('use the tool Bash with {"a": 1}', tools=[READ])
    )
    assert answer.stop_reason == "end_turn"


async def test_zai_names_its_model_and_signs_with_24_hex_characters(
    glm: anthropic.AsyncAnthropic,
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    answer = await glm.messages.create(
        **body_of('use the tool Read with {"file_path": "/a"}', SONNET),
        thinking=thinking,
        tools=[READ],
    )
    assert answer.model == "glm-4.7"
    assert len(answer.content[0].signature) == 24
    assert int(answer.content[0].signature, 16) >= 0
    assert answer.content[-1].id.startswith("call_")


async def test_zai_stream_tells_its_usage_only_at_the_end(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    body = body_of(model="GLM-4.5-Air", stream=True)
    async with http.post(f"{sim.zai_url}/v1/messages", json=body, headers=ZAI) as answer:
        events = events_in(await answer.read())
    start, end = events[0], events[-2]
    assert start["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert end["type"] == "message_delta"
    assert end["usage"]["input_tokens"] > 0
    assert end["usage"]["cache_read_input_tokens"] == 0
    assert events[-1]["type"] == "message_stop"
    assert "ping" not in {event["type"] for event in events}


@pytest.mark.parametrize(
    ("cache_control", "field"),
    [
        ({"type": "ephemeral"}, "ephemeral_5m_input_tokens"),
        ({"type": "ephemeral", "ttl": "1h"}, "ephemeral_1h_input_tokens"),
    ],
)
async def test_cache_marks_show_as_cache_writes_of_their_kind(
    claude: anthropic.AsyncAnthropic, cache_control: Any, field: str
) -> None:
    system: Any = [{"type": "text", "text": "long " * 200, "cache_control": cache_control}]
    answer = await claude.messages.create(**body_of(system=system))
    assert answer.usage.cache_creation_input_tokens > 0
    assert answer.usage.cache_creation is not None
    assert getattr(answer.usage.cache_creation, field) == answer.usage.cache_creation_input_tokens


async def test_count_tokens_counts_and_can_be_told_to_answer_zero(
    claude: anthropic.AsyncAnthropic, glm: anthropic.AsyncAnthropic
) -> None:
    counted = await claude.messages.count_tokens(model=OPUS, messages=body_of()["messages"])
    zero = await glm.messages.count_tokens(
        model="glm-4.5-air", messages=body_of("[[sim:count=0]]")["messages"]
    )
    assert counted.input_tokens > 0
    assert zero.input_tokens == 0


async def test_models_are_listed(claude: anthropic.AsyncAnthropic) -> None:
    assert OPUS in [model.id async for model in claude.models.list()]


async def test_lone_surrogates_are_taken_and_given_back(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    async with http.post(
        f"{sim.anthropic_url}/v1/messages", json=body_of("half \ud83d"), headers=PLAN
    ) as answer:
        content = json.loads(await answer.read())["content"]
    assert content[0]["text"].endswith("half \ud83d")


# What arrived, and who may say what.


async def test_requests_are_kept_as_they_came_on_the_wire(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    headers = {**PLAN, "X-Odd-Case": "Value"}
    raw = json.dumps(body_of(), indent=3).encode()
    url = f"{sim.anthropic_url}/v1/messages?beta=true&x=%41"
    async with http.post(url, data=raw, headers=headers) as answer:
        await answer.read()
    kept = sim.requests[-1]
    await kept.ended.wait()
    assert (kept.service, kept.method, kept.body) == ("anthropic", "POST", raw)
    assert kept.path.startswith("/v1/messages?beta=true")
    assert ("X-Odd-Case", "Value") in kept.headers
    assert kept.outcome == "answered"


@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_hello_needs_no_credentials(
    sim: Simulator, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.head(sim.anthropic_url + path) as answer:
        assert answer.status == 200


async def test_unknown_path_is_not_found_in_anthropics_shape(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{sim.anthropic_url}/v1/nothing", headers=PLAN) as answer:
        body = await answer.json()
    assert answer.status == 404
    assert body["error"]["type"] == "not_found_error"
    assert body["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "x-api-key header is required"),
        ({"x-api-key": "invalid"}, "invalid x-api-key"),
        ({"authorization": "Bearer invalid"}, "Invalid bearer token"),
        (
            {"authorization": "Bearer sk-ant-oat01-x"},
            "OAuth authentication is currently not supported.",
        ),
    ],
)
async def test_bad_credentials_are_401_at_anthropic(
    sim: Simulator, http: aiohttp.ClientSession, headers: dict[str, str], message: str
) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    async with http.post(url, json=body_of(), headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["message"]) == (401, message)


async def test_quota_headers_differ_for_plan_and_key(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    sim.anthropic_quota.five_hour = 0.95
    async with http.post(url, json=body_of(), headers=PLAN) as plan:
        await plan.read()
    async with http.post(url, json=body_of(), headers=KEYED) as keyed:
        await keyed.read()
    lead = "anthropic-ratelimit-unified"
    assert plan.headers[f"{lead}-5h-utilization"] == "0.95"
    assert plan.headers[f"{lead}-status"] == "allowed_warning"
    assert plan.headers[f"{lead}-representative-claim"] == "five_hour"
    assert not any(name.startswith(lead) for name in keyed.headers)
    assert keyed.headers["anthropic-ratelimit-requests-limit"] == "4000"


async def test_used_up_plan_is_a_429_that_names_its_claim(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    sim.anthropic_quota.seven_day = 1.0
    url = f"{sim.anthropic_url}/v1/messages"
    async with http.post(url, json=body_of(), headers=PLAN) as answer:
        await answer.read()
    assert answer.status == 429
    assert answer.headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert answer.headers["anthropic-ratelimit-unified-representative-claim"] == "seven_day"
    assert answer.headers["anthropic-ratelimit-unified-5h-status"] == "allowed"


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"authorization": "Bearer sk-ant-oat01-x"}, {}),
        ({**ZAI, "x-forwarded-key": "sk-ant-api03-x"}, {}),
        ({**ZAI, "authorization": "Bearer zai-test-key"}, {}),
        ({**ZAI, "cookie": "session=1"}, {}),
        (ZAI, {"metadata": {"user_id": '{"account_uuid": "1"}'}}),
    ],
)
async def test_client_credentials_at_zai_are_refused_and_noted(
    sim: Simulator,
    http: aiohttp.ClientSession,
    headers: dict[str, str],
    fields: dict[str, Any],
) -> None:
    url = f"{sim.zai_url}/v1/messages"
    body = body_of(model="glm-4.7", **fields)
    async with http.post(url, json=body, headers=headers) as answer:
        text = await answer.text()
    assert answer.status == 400
    assert "LEAK" in text
    assert len(sim.leaks) == 1


async def test_the_zai_key_at_anthropic_is_refused_and_noted(http: aiohttp.ClientSession) -> None:
    async with Simulator.start(zai_key="the-key") as sim:
        headers = {**PLAN, "x-other": "Bearer the-key"}
        url = f"{sim.anthropic_url}/v1/messages"
        async with http.post(url, json=body_of(), headers=headers) as answer:
            await answer.read()
        assert answer.status == 400
        assert len(sim.leaks) == 1


async def test_zai_takes_only_its_key_where_one_is_set(http: aiohttp.ClientSession) -> None:
    async with Simulator.start(zai_key="the-key") as sim:
        url = f"{sim.zai_url}/v1/messages"
        body = body_of(model="glm-4.7")
        async with http.post(url, json=body, headers={"x-api-key": "other"}) as wrong:
            code = (await wrong.json())["error"]["code"]
        bearer = {"authorization": "Bearer the-key"}
        async with http.post(url, json=body, headers=bearer) as right:
            await right.read()
    assert (wrong.status, code, right.status) == (401, "1000", 200)


async def test_zai_tells_its_quota_to_the_bare_key_alone(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    sim.zai_quota.is_idle = True
    async with http.get(sim.zai_quota_url) as refused:
        failure = await refused.json()
    async with http.get(sim.zai_quota_url, headers={"authorization": "key"}) as answer:
        data = (await answer.json())["data"]
    five_hour, week = data["limits"]
    assert (refused.status, failure["code"], failure["success"]) == (200, 401, False)
    assert (five_hour["unit"], five_hour["percentage"]) == (3, 0)
    assert "nextResetTime" not in five_hour
    assert (week["unit"], week["percentage"], week["usage"]) == (6, 23, 140_000)


async def test_script_meets_the_next_requests_in_turn(
    sim: Simulator, claude: anthropic.AsyncAnthropic
) -> None:
    sim.script("anthropic", ["status=529", (), ("text=scripted", "events=3")])
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        await claude.messages.create(**body_of())
    ordinary = await claude.messages.create(**body_of())
    scripted = await claude.messages.create(**body_of())
    assert overloaded.value.status_code == 529
    assert ordinary.content[0].text.startswith("This is")
    assert scripted.content[0].text == "scripted"


async def test_script_of_an_unknown_fault_is_refused(sim: Simulator) -> None:
    with pytest.raises(UnknownFaultError, match="nonsense"):
        sim.script("zai", ["cut", "nonsense"])


async def test_wait_for_returns_when_the_request_arrives(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(sim.wait_for(lambda one: one.method == "HEAD"))
        async with http.head(sim.anthropic_url):
            pass
    assert waiting.result().path == "/"


async def test_journal_keeps_no_more_than_its_limit(http: aiohttp.ClientSession) -> None:
    async with Simulator.start(keep_requests=2) as sim:
        for path in ("/1", "/2", "/3"):
            async with http.get(sim.anthropic_url + path):
                pass
        assert [one.path for one in sim.requests] == ["/2", "/3"]


@pytest.mark.parametrize(
    ("fault", "field", "written"),
    [
        ("odd-input", "input", [{"path": "a"}]),
        ("odd-input=string", "input", '{"path": "a"}'),
        ("odd-input=null", "input", None),
        ("leaked-name", "name", "Read</arg_value>"),
        ("odd-ids", "id", "functions.Read:1"),
        ("same-ids", "id", "call_0000000000000000"),
    ],
)
async def test_glms_slips_are_written_where_they_are_asked_for(
    sim: Simulator, fault: str, field: str, written: object
) -> None:
    sim.script("zai", [fault])
    body = {
        "model": "glm-4.7",
        "max_tokens": 50,
        "tools": [{"name": "Read", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": 'use the tool Read with {"path": "a"}'}],
    }
    async with (
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as session,
        session.post(f"{sim.zai_url}/v1/messages", json=body) as answer,
    ):
        blocks = (await answer.json())["content"]
    assert blocks[-1]["type"] == "tool_use"
    assert blocks[-1][field] == written
