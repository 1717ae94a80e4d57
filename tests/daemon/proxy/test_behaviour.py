"""What the proxy does for its user, seen through both simulated services."""

from __future__ import annotations

import json

import aiohttp
import pytest
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY
from strictness import on_strict_and_lenient_services

from offramp_core.settings import KeepRules


def ask(model: str, text: str = "Hello", **fields: object) -> dict[str, object]:
    return {
        "model": model,
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }


async def send(client, proxy, body, path="/v1/messages?beta=true", **options):
    async with client.post(proxy.url + path, json=body, **options) as answered:
        return answered.status, await answered.read(), answered.headers


def json_of(answer: tuple[int, bytes, object]) -> dict[str, object]:
    return json.loads(answer[1])


@pytest.mark.parametrize(
    ("model", "service", "sent"),
    [
        ("claude-sonnet-4-5", "zai", "claude-sonnet-4-5"),
        ("CLAUDE-SONNET-9[1m]", "zai", "CLAUDE-SONNET-9"),
        ("claude-haiku-4-5-20251001", "zai", "GLM-4.5-Air"),
        ("claude-opus-4-6", "anthropic", "claude-opus-4-6"),
    ],
)
async def test_model_decides_the_backend(client, proxy, sim, model, service, sent):
    status, _, _ = await send(client, proxy, ask(model))
    assert status == 200
    (received,) = sim.requests
    assert (received.service, json.loads(received.body)["model"]) == (service, sent)
    record = await proxy.only_record()
    assert (record.model, record.backend, record.status) == (model, service, "success")
    assert record.input_tokens > 0
    assert record.output_tokens > 0


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6"])
async def test_compressed_answer_is_metered_and_passed_as_it_is(client, proxy, coding, model):
    body = ask(model, f"Hello [[sim:{coding}]]")
    _, _, headers = await send(client, proxy, body, headers={"Accept-Encoding": coding})
    assert headers["Content-Encoding"] == coding
    record = await proxy.only_record()
    assert record.status == "success"
    assert record.output_tokens > 0


async def test_answer_that_is_not_streamed_is_metered(client, proxy):
    for model in ("claude-sonnet-4-5", "claude-opus-4-6"):
        status, body, _ = await send(client, proxy, ask(model, stream=False))
        assert status == 200
        usage = json.loads(body)["usage"]
        record = proxy.records[-1]
        assert record.output_tokens == usage["output_tokens"]
        assert record.served_model == json.loads(body)["model"]


async def test_without_a_key_everything_stays_on_anthropic(client, proxy, sim):
    proxy.change_backend("zai", key=None)
    await send(client, proxy, ask("claude-sonnet-4-5"))
    record = await proxy.only_record()
    assert (record.backend, record.reason) == ("anthropic", "no key for zai")
    assert sim.requests[0].header("authorization") == f"Bearer {CLAUDE_TOKEN}"


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("server_tools", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ("images", {"messages": [{"role": "user", "content": [IMAGE]}]}),
        ("documents", {"messages": [{"role": "user", "content": [{**IMAGE, "type": "document"}]}]}),
        ("safety_check", {"stop_sequences": ["</severity>"]}),
        ("safety_check", {"safeguards": {"checks": []}}),
        ("quota_probe", {"messages": [{"role": "user", "content": "quota"}], "max_tokens": 1}),
        ("context_size", {"messages": [{"role": "user", "content": "word " * 200_000}]}),
    ],
)
async def test_what_glm_cannot_serve_stays_on_anthropic(client, proxy, sim, rule, fields):
    body = ask("claude-sonnet-4-5", **{"stream": False, **fields})
    await send(client, proxy, body)
    assert sim.requests[-1].service == "anthropic"
    assert proxy.console_lines[-1].reason == f"kept: {rule}"
    proxy.change(keep_on_anthropic=KeepRules(**{rule: False}), failover=False)
    await send(client, proxy, body)
    assert sim.requests[-1].service == "zai"


async def test_quota_probe_is_not_recorded(client, proxy):
    body = ask("claude-opus-4-6", "quota", max_tokens=1, stream=False)
    await send(client, proxy, body)
    assert proxy.exchanges
    assert not proxy.records


@on_strict_and_lenient_services
async def test_conversation_goes_to_and_fro_with_thinking_and_tools(client, proxy, sim):
    """Every backend gets its own thinking back and none of the other's, over eight turns."""
    tools = [{"name": "Read", "input_schema": {"type": "object"}}]
    messages: list[dict[str, object]] = []
    models = ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-6"]
    for turn, model in enumerate(models * 2):
        text = f'Slot {turn}: use the tool Read with {{"path": "a{turn}"}}'
        messages.append({"role": "user", "content": text})
        for _ in range(2):
            body = ask(
                model,
                stream=False,
                messages=messages,
                tools=tools,
                max_tokens=4000,
                thinking={"type": "enabled", "budget_tokens": 1024},
            )
            status, answer, _ = await send(client, proxy, body)
            assert status == 200, answer
            content = json.loads(answer)["content"]
            assert content[0]["type"] == "thinking"
            messages.append({"role": "assistant", "content": content})
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                break
            messages.append(
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}
                        for call in calls
                    ],
                }
            )
    for received in sim.requests:
        seen = [
            block["signature"]
            for message in json.loads(received.body)["messages"]
            for block in message["content"]
            if isinstance(block, dict) and block["type"] == "thinking"
        ]
        for signature in seen:
            assert (len(signature) > 100) == (received.service == "anthropic")
    assert {record.status for record in proxy.records} == {"success"}
    assert all("again" not in (record.reason or "") for record in proxy.records)


@pytest.mark.parametrize("fault", ["signature-400", "expected-400", "modified-400"])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_refused_thinking_is_sent_again_without_it(client, proxy, sim, fault, is_stream):
    body = ask(
        "claude-opus-4-6",
        f"Hello [[sim:{fault}]]",
        stream=is_stream,
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        context_management={"edits": [{"type": "clear_thinking_20251015"}]},
    )
    status, _, _ = await send(client, proxy, body)
    assert status == 200
    first, second = (json.loads(received.body) for received in sim.requests)
    assert first["thinking"]["type"] == "enabled"
    assert second["thinking"] == {"type": "disabled"}
    assert "context_management" not in second
    names = [sorted(name.lower() for name, _ in received.headers) for received in sim.requests]
    assert names[0] == names[1]
    record = await proxy.only_record()
    assert record.status == "success"
    assert record.reason == "default, sent again without thinking"


async def test_anthropics_own_errors_pass_untouched(client, proxy):
    for status in (400, 401, 403, 429, 500, 529):
        direct_status, body, headers = await send(
            client, proxy, ask("claude-opus-4-6", f"Hello [[sim:status={status}]]")
        )
        assert direct_status == status
        assert json.loads(body)["error"]["type"]
        assert "request-id" in headers
    assert [record.http_status for record in proxy.records] == [400, 401, 403, 429, 500, 529]
    assert {record.status for record in proxy.records} == {"error"}


@pytest.mark.parametrize(
    ("code", "status", "is_final"),
    [
        ("1308", 429, True),
        ("1310", 429, True),
        ("1302", 429, False),
        ("1305", 429, False),
        ("1113", 403, True),
        ("1001", 403, True),
        ("1210", 400, False),
        ("1261", 400, False),
        ("1234", 500, False),
    ],
)
@pytest.mark.parametrize("shape", ["", "/typed"])
async def test_zai_error_reaches_the_client_in_anthropics_form(
    client, proxy, code, status, is_final, shape
):
    proxy.change(failover=False, queue_wait_s=0.01)
    answer = await send(client, proxy, ask("claude-sonnet-4-5", f"Hi [[sim:zai={code}{shape}]]"))
    assert answer[0] == status
    error = json_of(answer)
    assert error["type"] == "error"
    assert code in error["error"]["message"]
    assert (answer[2].get("x-should-retry") == "false") == is_final
    assert (await proxy.only_record()).http_status == status


@pytest.mark.parametrize("is_stream", [True, False])
async def test_zai_error_under_http_200_is_an_error_for_all(client, proxy, is_stream):
    proxy.change(failover=False)
    body = ask("claude-sonnet-4-5", "Hi [[sim:error-200]]", stream=is_stream)
    status, _, _ = await send(client, proxy, body)
    assert status >= 400
    assert (await proxy.only_record()).status == "error"


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6"])
async def test_error_event_in_a_stream_is_recorded_as_an_error(client, proxy, model):
    body = ask(model, "Hi [[sim:error-event]]")
    if model == "claude-opus-4-6":
        assert (await send(client, proxy, body))[0] == 200
    else:
        # Another service's error event may be none that the client knows: it is broken off.
        with pytest.raises(aiohttp.ClientPayloadError):
            await send(client, proxy, body)
    record = await proxy.only_record()
    assert record.status == "error"
    assert record.http_status == 200


async def test_empty_stream_passes_and_is_an_error(client, proxy):
    status, body, _ = await send(client, proxy, ask("claude-opus-4-6", "Hi [[sim:empty]]"))
    assert (status, body) == (200, b"")
    assert (await proxy.only_record()).status == "error"


@pytest.mark.parametrize(
    ("fault", "wanted"), [("", 0), ("[[sim:count=0]]", 0), ("[[sim:count=77]]", 77)]
)
async def test_count_tokens_is_never_a_wrong_zero(client, proxy, fault, wanted):
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": f"Hi {fault}"}]}
    answer = await send(client, proxy, body, "/v1/messages/count_tokens?beta=true")
    count = json_of(answer)["input_tokens"]
    assert answer[0] == 200
    assert count == wanted if wanted else count > 0
    assert not proxy.exchanges


async def test_count_tokens_of_a_failing_delegate_is_estimated(client, proxy, sim):
    sim.script("zai", ["status=500"], path="/v1/messages/count_tokens")
    body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x" * 3500}]}
    answer = await send(client, proxy, body, "/v1/messages/count_tokens")
    assert answer[0] == 200
    assert json_of(answer)["input_tokens"] == pytest.approx(1000, rel=0.05)


@on_strict_and_lenient_services
async def test_delegate_gets_a_body_made_fit_for_it(client, proxy, sim):
    body = ask(
        "claude-sonnet-4-5",
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=abc;"},
            {
                "type": "text",
                "text": "You are Claude Code.",
                "cache_control": {"type": "ephemeral"},
            },
        ],
        messages=[
            {"role": "user", "content": "One"},
            {"role": "system", "content": "Two"},
            {"role": "assistant", "content": "Three"},
            {"role": "user", "content": "Four"},
        ],
        metadata={"user_id": json.dumps({"device_id": "dev-1", "account_uuid": "acc-1"})},
        context_management={"edits": []},
    )
    status, _, _ = await send(client, proxy, body)
    assert status == 200
    received = sim.requests[0]
    arrived = json.loads(received.body)
    assert [message["role"] for message in arrived["messages"]] == ["user", "assistant", "user"]
    reminder, own = (block["text"] for block in arrived["messages"][0]["content"])
    assert own == "One"
    assert "<system-reminder>\nTwo\n" in reminder
    assert arrived["system"] == body["system"][1:]
    assert b"acc-1" not in received.body
    assert b"dev-1" not in received.body
    assert "context_management" not in arrived
    assert received.header("anthropic-beta") == "interleaved-thinking-2025-05-14"
    assert received.header_values("x-api-key") == [ZAI_KEY]
    assert received.header("authorization") is None


async def test_bad_json_is_answered_in_anthropics_form(client, proxy, sim):
    async with client.post(proxy.url + "/v1/messages", data=b'{"model": ') as answered:
        assert answered.status == 400
        assert json.loads(await answered.read())["error"]["type"] == "invalid_request_error"
    record = await proxy.only_record()
    assert (record.status, record.model, record.backend) == ("error", None, None)
    assert not sim.requests


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_web_page_is_refused(client, proxy, sim, headers):
    status, _, _ = await send(client, proxy, ask("claude-sonnet-4-5"), headers=headers)
    assert status == 403
    assert not sim.requests
    assert (await proxy.only_record()).http_status == 403


async def test_session_and_cache_detail_are_recorded(client, proxy):
    headers = {"x-claude-code-session-id": "5e55-10n"}
    await send(client, proxy, ask("claude-opus-4-6", "x " * 3000), headers=headers)
    record = await proxy.only_record()
    assert record.session_id == "5e55-10n"
    assert (
        record.cache_creation_5m_input_tokens + record.cache_creation_1h_input_tokens
        == record.cache_creation_input_tokens
    )


async def test_console_line_shows_prompt_and_masked_key_for_anthropic_only(client, proxy):
    await send(client, proxy, ask("claude-opus-4-6", "Design it"))
    await send(client, proxy, ask("claude-sonnet-4-5", "Write it"))
    opus, sonnet = proxy.console_lines
    assert (opus.tier, opus.prompt, opus.masked_key) == ("opus", "Design it", "sk-an...wigAA")
    assert (sonnet.tier, sonnet.prompt, sonnet.masked_key) == ("sonnet", "Write it", None)


async def test_setting_strips_all_thinking(client, proxy, sim):
    proxy.change(thinking="strip")
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "A" * 400},
        {"type": "text", "text": "Hi"},
    ]
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "b"},
    ]
    status, _, _ = await send(client, proxy, ask("claude-opus-4-6", messages=messages))
    assert status == 200
    assert b"hm" not in sim.requests[0].body


async def test_other_paths_go_to_anthropic(client, proxy, sim):
    async with client.get(proxy.url + "/v1/models?limit=1000") as answered:
        assert answered.status == 200
    assert sim.requests[0].service == "anthropic"
    assert sim.requests[0].path == "/v1/models?limit=1000"
    assert not proxy.exchanges


@pytest.mark.parametrize(
    ("faults", "wanted"), [(["count=77"], "zai"), (["count=0"], "zai"), (["status=500"], "nobody")]
)
async def test_count_tokens_names_who_answered(client, proxy, sim, faults, wanted):
    sim.script("zai", faults, path="/v1/messages/count_tokens")
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hi"}]}
    url = f"{proxy.url}/v1/messages/count_tokens"
    async with client.post(url, json=body) as answer:
        assert answer.headers["x-offramp-answered-by"] == wanted
