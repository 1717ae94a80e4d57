"""The real `anthropic` SDK through the proxy, as an application would use it."""

from __future__ import annotations

import asyncio

import anthropic
import pytest
from patience import PATIENCE_S
from strictness import on_strict_and_lenient_services

pytestmark = on_strict_and_lenient_services

API_KEY = "sk-ant-api03-Qm7Rk2Wz9TpLx4Vb8NcYs6HdJf3GtUe5AoIqEwZrCvBnMlKj1HgFdSaPXyQwAA"
MODELS = ["claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5"]
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def sdk(proxy):
    async with anthropic.AsyncAnthropic(
        base_url=proxy.url, api_key=API_KEY, max_retries=0, timeout=PATIENCE_S
    ) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
async def test_create_gives_an_answer_and_a_matching_record(sdk, proxy, model):
    answer = await sdk.messages.create(model=model, max_tokens=50, messages=HELLO)
    assert answer.content[0].type == "text"
    record = await proxy.only_record()
    assert record.status == "success"
    assert record.output_tokens == answer.usage.output_tokens
    assert record.input_tokens == answer.usage.input_tokens


@pytest.mark.parametrize("model", MODELS)
async def test_stream_gives_every_text_and_its_final_usage(sdk, proxy, model):
    messages = [{"role": "user", "content": "Hello [[sim:events=40]]"}]
    async with sdk.messages.stream(model=model, max_tokens=50, messages=messages) as stream:
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert len(texts) >= 40
    assert "".join(texts) == final.content[-1].text
    assert (await proxy.only_record()).output_tokens == final.usage.output_tokens


async def test_tool_use_with_thinking_goes_round_through_both_backends(sdk):
    tools = [{"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}]
    messages = [{"role": "user", "content": 'use the tool add with {"a": 1}'}]
    for model in MODELS:
        first = await sdk.messages.create(
            model=model,
            max_tokens=3000,
            tools=tools,
            messages=messages,
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
        call = first.content[-1]
        assert call.type == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "2"}
        messages += [
            {"role": "assistant", "content": [block.model_dump() for block in first.content]},
            {"role": "user", "content": [result]},
        ]
        last = await sdk.messages.create(
            model=model,
            max_tokens=3000,
            tools=tools,
            messages=messages,
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
        assert last.stop_reason == "end_turn"
        messages += [
            {"role": "assistant", "content": [block.model_dump() for block in last.content]},
            {"role": "user", "content": 'use the tool add with {"a": 2}'},
        ]


@pytest.mark.parametrize("model", MODELS)
async def test_count_tokens_is_above_zero(sdk, model):
    assert (await sdk.messages.count_tokens(model=model, messages=HELLO)).input_tokens > 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[[sim:zai=1308]]", anthropic.RateLimitError),
        ("[[sim:zai=1001]]", anthropic.PermissionDeniedError),
        ("[[sim:zai=1210]]", anthropic.BadRequestError),
        ("[[sim:zai=1234]]", anthropic.InternalServerError),
        ("[[sim:drop]]", anthropic.InternalServerError),
    ],
)
async def test_delegates_errors_become_the_sdks_own(sdk, proxy, text, error):
    proxy.change(failover=False)
    with pytest.raises(error):
        await sdk.messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": text}]
        )


@pytest.mark.parametrize("fault", ["cut", "cut-clean", "reset"])
@pytest.mark.parametrize("model", MODELS[:2])
async def test_cut_stream_is_an_error_and_not_a_short_answer(sdk, proxy, model, fault):
    messages = [{"role": "user", "content": f"Hello [[sim:{fault}]]"}]
    with pytest.raises(Exception, match=r".") as caught:
        async with sdk.messages.stream(model=model, max_tokens=50, messages=messages) as stream:
            await stream.get_final_message()
    assert not isinstance(caught.value, AssertionError)
    assert (await proxy.only_record()).status == "error"


async def test_final_quota_error_is_not_asked_for_again(proxy, sim):
    proxy.change(failover=False)
    async with anthropic.AsyncAnthropic(base_url=proxy.url, api_key=API_KEY, max_retries=3) as sdk:
        messages = [{"role": "user", "content": "[[sim:zai=1310]]"}]
        with pytest.raises(anthropic.RateLimitError):
            await sdk.messages.create(model="claude-sonnet-5", max_tokens=9, messages=messages)
    assert len(sim.requests) == 1


async def test_cancelled_stream_ends_upstream_and_is_recorded(sdk, proxy, sim):
    messages = [{"role": "user", "content": "Hello [[sim:slow=0.05]] [[sim:events=500]]"}]
    async with sdk.messages.stream(
        model="claude-sonnet-5", max_tokens=50, messages=messages
    ) as stream:
        async for _ in stream.text_stream:
            break
    async with asyncio.timeout(PATIENCE_S):
        await sim.requests[0].ended.wait()
    assert sim.requests[0].client_disconnected
    assert (await proxy.only_record()).status == "cancelled"
