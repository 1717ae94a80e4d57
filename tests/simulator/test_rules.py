"""What the simulator refuses, as each service would."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_simulator import Simulator
from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.service import signatures
from offramp_simulator.service.signatures import Seal

OPUS = "claude-opus-4-6"
ENABLED = {"type": "enabled", "budget_tokens": 1024}
ADAPTIVE = {"type": "adaptive"}
TOOLS = [{"name": "Read", "input_schema": {}}]
SIGNED = signatures.anthropic_signature("so I thought")


async def post(url: str, body: object) -> tuple[int, Any]:
    """Status and JSON of the answer to a message request with an API key."""
    headers = {"x-api-key": "a-key", "anthropic-version": "2023-06-01"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/messages", data=io.BytesIO(data), headers=headers) as answer,
    ):
        return answer.status, json.loads(await answer.read())


def user(content: Any = "hello") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str = "well") -> dict[str, Any]:
    return {"type": "text", "text": words}


def thinking(signature: str = SIGNED, words: str = "so I thought") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


def call(identity: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "Read", "input": {}}


def result(identity: str = "toolu_1") -> dict[str, Any]:
    return user([{"type": "tool_result", "tool_use_id": identity, "content": "seen"}])


def body_of(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 2048, "messages": list(messages), **fields}


# Signatures.


@given(st.text(st.characters()))
def test_signature_is_valid_for_its_text(words: str) -> None:
    signature = signatures.anthropic_signature(words)
    assert signatures.check_anthropic(words, signature) is Seal.VALID
    assert signatures.check_anthropic(words + "!", signature) is Seal.OTHER_TEXT
    assert signatures.check_zai(words, signatures.zai_signature(words)) is Seal.VALID


@given(st.integers(min_value=0, max_value=len(SIGNED) - 1))
def test_signature_with_one_character_changed_is_foreign(position: int) -> None:
    other = "A" if SIGNED[position] != "A" else "B"
    altered = SIGNED[:position] + other + SIGNED[position + 1 :]
    assert signatures.check_anthropic("so I thought", altered) is Seal.FOREIGN


@given(st.text(max_size=600))
def test_arbitrary_text_is_no_signature(signature: str) -> None:
    assert signatures.check_anthropic("so I thought", signature) is Seal.FOREIGN
    is_empty = signature == ""
    assert (signatures.check_zai("so I thought", signature) is Seal.VALID) is is_empty


# Anthropic's rules.

GOOD = {
    "plain": body_of(user()),
    "system item after a user turn": body_of(user(), {"role": "system", "content": "be brief"}),
    "own thinking": body_of(user(), assistant(thinking(), text()), user("more")),
    "own redacted thinking": body_of(
        user(),
        assistant({"type": "redacted_thinking", "data": signatures.redacted_data("x")}, text()),
        user("more"),
    ),
    "only thinking": body_of(user(), assistant(thinking()), user("more")),
    "tool loop that begins with thinking": body_of(
        user(), assistant(thinking(), call()), result(), thinking=ENABLED
    ),
    "second round without thinking": body_of(
        user(),
        assistant(thinking(), call("toolu_1")),
        result("toolu_1"),
        assistant(call("toolu_2")),
        result("toolu_2"),
        thinking=ENABLED,
    ),
    "system item behind a tool result": body_of(
        user(), assistant(call()), result(), {"role": "system", "content": "be brief"}
    ),
    "adaptive tool loop without thinking": body_of(
        user(), assistant(call()), result(), thinking=ADAPTIVE
    ),
    "thinking of an earlier turn left out": body_of(
        user(), assistant(text()), user("more"), thinking=ENABLED
    ),
    "server tool": body_of(
        user(),
        assistant(
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            text(),
        ),
        user("more"),
    ),
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD.keys())
async def test_good_request_is_answered_by_anthropic(sim: Simulator, body: dict[str, Any]) -> None:
    status, answer = await post(sim.anthropic_url, body)
    assert status == 200, answer


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{", "not valid JSON"),
    "JSON that is no object": ([], "not valid JSON"),
    "nested without end": (b"[" * 100_000, "not valid JSON"),
    "no model": ({"max_tokens": 1, "messages": [user()]}, "model: Field required"),
    "model is a list": (body_of(user(), model=["a"]), "model: Input should be a valid string"),
    "no max_tokens": ({"model": OPUS, "messages": [user()]}, "max_tokens: Field required"),
    "no messages": (body_of(), "messages: at least one message is required"),
    "message is a text": ({**body_of(), "messages": ["a"]}, "messages.0: Input should be a valid"),
    "block is a text": (body_of(user(["a"])), "messages.0.content.0: Input should be a valid"),
    "empty text": (body_of(user([text("")])), "text content blocks must be non-empty"),
    "blank text": (body_of(user([text(" ")])), "must contain non-whitespace text"),
    "empty assistant": (body_of(user(), assistant(), user()), "must have non-empty content"),
    "system first": (body_of({"role": "system", "content": "a"}), "cannot be the first"),
    "small budget": (
        body_of(user(), thinking={"type": "enabled", "budget_tokens": 10}),
        "greater than or equal to 1024",
    ),
    "budget over the limit": (
        body_of(user(), max_tokens=1024, thinking=ENABLED),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "foreign signature": (
        body_of(user(), assistant(text(), thinking("0123456789abcdef01234567")), user("more")),
        "messages.1.content.1: Invalid `signature` in `thinking` block",
    ),
    "altered signature": (
        body_of(user(), assistant(thinking(SIGNED[:-4] + "AAA=")), user("more")),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "altered text of the latest": (
        body_of(user(), assistant(thinking(words="other")), user("more")),
        "cannot be modified",
    ),
    "altered text of an earlier one": (
        body_of(user(), assistant(thinking(words="other")), user(), assistant(text()), user()),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "no signature": (
        body_of(user(), assistant({"type": "thinking", "thinking": "a"}), user()),
        "messages.1.content.0.thinking.signature: Field required",
    ),
    "foreign redacted thinking": (
        body_of(user(), assistant({"type": "redacted_thinking", "data": "x"}), user()),
        "Invalid `data` in `redacted_thinking` block",
    ),
    "tool loop without thinking": (
        body_of(user(), assistant(call()), result(), thinking=ENABLED),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        "`tool_use`",
    ),
    "last message thinks, thinking off": (
        body_of(user(), assistant(thinking(), text())),
        "When `thinking` is disabled",
    ),
    "thinking is to be cleared, thinking off": (
        body_of(user(), context_management={"edits": [{"type": "clear_thinking_20251015"}]}),
        "strategy requires `thinking` to be enabled",
    ),
    "foreign server tool": (
        body_of(
            user(),
            assistant({"type": "server_tool_use", "id": "call_1", "name": "x", "input": {}}),
            user(),
        ),
        "server_tool_use.id: String should match pattern '^srvtoolu_",
    ),
    "call without result": (body_of(user(), assistant(call()), user()), "without `tool_result`"),
    "result without call": (
        body_of(user(), assistant(text()), result()),
        "unexpected `tool_use_id`",
    ),
    "result whose server tool is gone": (
        body_of(
            user(),
            assistant({"type": "web_search_tool_result", "tool_use_id": "a", "content": []}),
            user(),
        ),
        "unexpected `tool_use_id` found in `web_search_tool_result`",
    ),
}


@pytest.mark.parametrize(("body", "message"), BAD.values(), ids=BAD.keys())
async def test_bad_request_is_refused_in_anthropics_words(
    sim: Simulator, body: Any, message: str
) -> None:
    status, answer = await post(sim.anthropic_url, body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert message in answer["error"]["message"]


async def test_glm_model_is_not_found_at_anthropic(sim: Simulator) -> None:
    status, answer = await post(sim.anthropic_url, body_of(user(), model="GLM-4.5-Air"))
    assert (status, answer["error"]["message"]) == (404, "model: GLM-4.5-Air")


async def test_body_over_the_limit_is_too_large_in_anthropics_shape() -> None:
    async with Simulator.start(max_body_bytes=1000) as sim:
        status, answer = await post(sim.anthropic_url, body_of(user("x" * 2000)))
    assert (status, answer["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("changed", "refuses", "status"),
    [
        ("hello", anthropic_rules.ALL, 200),
        ("hello!", anthropic_rules.ALL, 400),
        ("hello!", anthropic_rules.ALL - {"bound-thinking"}, 200),
    ],
)
async def test_bound_thinking_holds_only_behind_the_same_conversation(
    changed: str, refuses: frozenset[str], status: int
) -> None:
    async with Simulator.start(anthropic_refuses=refuses) as sim:
        _, first = await post(sim.anthropic_url, body_of(user(), thinking=ADAPTIVE))
        marked = [{**text(changed), "cache_control": {"type": "ephemeral"}}]
        followed = body_of(user(marked), assistant(*first["content"]), user("more"))
        got, _ = await post(sim.anthropic_url, followed)
    assert got == status


async def test_thinking_is_still_valid_after_a_tool_is_added_for_later(sim: Simulator) -> None:
    _, first = await post(sim.anthropic_url, body_of(user(), thinking=ADAPTIVE))
    deferred = [{"name": "later", "input_schema": {}, "defer_loading": True}]
    followed = body_of(user(), assistant(*first["content"]), user("more"), tools=deferred)
    assert (await post(sim.anthropic_url, followed))[0] == 200


def continued(previous: str, **fields: Any) -> dict[str, Any]:
    thread = {"type": "continue", "previous_message_id": previous}
    return body_of(user("and now?"), thread=thread, **fields)


async def test_thread_continues_from_the_turns_that_are_kept(sim: Simulator) -> None:
    started = body_of(user("use the tool Read with {}"), thread={"type": "create"}, tools=TOOLS)
    _, first = await post(sim.anthropic_url, started)
    thread = {"type": "continue", "previous_message_id": first["id"]}
    call_id = first["content"][-1]["id"]
    _, second = await post(sim.anthropic_url, body_of(result(call_id), thread=thread))
    assert second["content"][-1]["text"] == "Done. The tool said: seen"
    status, _ = await post(sim.anthropic_url, continued(second["id"]))
    assert status == 200
    assert not sim.refusals


async def test_thread_that_is_not_known_is_refused(sim: Simulator) -> None:
    status, answer = await post(sim.anthropic_url, continued("msg_1"))
    assert (status, answer["error"]["details"]) == (404, {"error_code": "thread_not_found"})
    assert sim.refusals == ["anthropic: threads"]


async def test_thread_with_other_thinking_is_refused(sim: Simulator) -> None:
    _, first = await post(sim.anthropic_url, body_of(user(), thread={"type": "create"}))
    status, answer = await post(sim.anthropic_url, continued(first["id"], thinking=ADAPTIVE))
    details = {"error_code": "thread_fingerprint_mismatch"}
    assert (status, answer["error"]["details"]) == (400, details)


async def test_service_without_threads_answers_from_the_last_message() -> None:
    async with Simulator.start(anthropic_refuses=frozenset()) as sim:
        status, answer = await post(sim.anthropic_url, continued("msg_1"))
    assert status == 200
    assert "and now?" in answer["content"][0]["text"]


async def test_lenient_services_answer_what_they_would_refuse() -> None:
    async with Simulator.start(anthropic_refuses=frozenset(), zai_refuses=frozenset()) as sim:
        odd = [assistant(call("functions.a:0")), {"role": "system", "content": "a"}, user("b")]
        assert (await post(sim.anthropic_url, body_of(user(), *odd, model="glm-9")))[0] == 200
        assert (await post(sim.zai_url, body_of(user(), *odd, model="glm-9", later=1)))[0] == 200


@pytest.mark.parametrize(
    ("fault", "refusals"), [((), ["zai: fields"]), ("zai=1210", []), ("status=500", [])]
)
async def test_only_broken_rules_count_as_refusals(
    sim: Simulator, fault: str, refusals: list[str]
) -> None:
    sim.script("zai", [fault])
    status, _ = await post(sim.zai_url, body_of(user(), model="glm-4.7", later=1))
    assert status >= 400
    assert sim.refusals == refusals


# Z.ai's rules.

ZAI_BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "claude's haiku": ({"model": "claude-haiku-4-5"}, 400, "1211"),
    "a million tokens' name": ({"model": "claude-sonnet-4-5[1m]"}, 400, "1211"),
    "server tool": (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        400,
        "1210",
    ),
    "class of letters": (
        {"tools": [{"name": "a", "input_schema": {"pattern": r"\p{L}"}}]},
        400,
        "1210",
    ),
    "reference": (
        {"tools": [{"name": "a", "input_schema": {"$ref": "#/definitions/a"}}]},
        500,
        "1234",
    ),
    "image": ({"messages": [user([{"type": "image", "source": {}}])]}, 400, "1210"),
    "Anthropic's thinking": (
        {"messages": [user(), assistant(thinking()), user()]},
        400,
        "1210",
    ),
    "redacted thinking": (
        {"messages": [user(), assistant({"type": "redacted_thinking", "data": "a"}), user()]},
        400,
        "1210",
    ),
    "Anthropic's server tool": (
        {
            "messages": [
                user(),
                assistant({"type": "server_tool_use", "id": "srvtoolu_1", "input": {}}),
                user(),
            ]
        },
        400,
        "1210",
    ),
    "too long": (
        {"messages": [user("x" * 1_100_000)], "model": "glm-4.5-air"},
        400,
        "1261",
    ),
}


@pytest.mark.parametrize(("fields", "status", "code"), ZAI_BAD.values(), ids=ZAI_BAD.keys())
async def test_bad_request_is_refused_with_zais_code(
    sim: Simulator, fields: dict[str, Any], status: int, code: str
) -> None:
    got, answer = await post(sim.zai_url, {**body_of(user(), model="glm-4.7"), **fields})
    assert (got, answer["error"]["code"]) == (status, code)


async def test_system_item_among_messages_is_a_422_at_zai(sim: Simulator) -> None:
    body = body_of(user(), {"role": "system", "content": "be brief"}, model="glm-4.7")
    status, answer = await post(sim.zai_url, body)
    assert status == 422
    assert answer["detail"][0]["loc"] == ["body", "messages", 1, "role"]


async def test_zai_takes_its_own_and_unsigned_thinking(sim: Simulator) -> None:
    own = thinking(signatures.zai_signature("so I thought"))
    unsigned = {"type": "thinking", "thinking": "so I thought"}
    turns = [user(), assistant(own, unsigned, thinking("")), user("more")]
    status, _ = await post(sim.zai_url, body_of(*turns, model="glm-4.7"))
    assert status == 200


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("claude-sonnet-4-5-20250929", "glm-4.7"),
        ("GLM-4.5-Air", "glm-4.5-air"),
        ("glm-4.7", "glm-4.7"),
    ],
)
async def test_zai_serves_the_models_that_it_knows(sim: Simulator, asked: str, served: str) -> None:
    status, answer = await post(sim.zai_url, body_of(user(), model=asked))
    assert (status, answer["model"]) == (200, served)


@pytest.mark.parametrize(
    ("five_hour", "week", "code"), [(100.0, 10.0, "1308"), (10.0, 100.0, "1310")]
)
async def test_used_up_coding_plan_refuses_with_its_windows_code(
    sim: Simulator, five_hour: float, week: float, code: str
) -> None:
    sim.zai_quota.five_hour_percent, sim.zai_quota.week_percent = five_hour, week
    status, answer = await post(sim.zai_url, body_of(user(), model="glm-4.7"))
    assert (status, answer["error"]["code"]) == (429, code)
