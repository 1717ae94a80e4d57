"""Each refusal of the fake Z.ai is met when it is on, and not when it is off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offramp_simulator.service import signatures
from offramp_simulator.service.request_view import RequestView
from offramp_simulator.zai import strictness as zai_strictness

MARK = {"cache_control": {"type": "ephemeral", "scope": "global"}}
CALL = {"type": "tool_use", "id": "t", "name": "A", "input": "text"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "seen"}
THOUGHT = {
    "type": "thinking",
    "thinking": "a",
    "signature": signatures.anthropic_signature("a"),
}
SERVER_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
USER = {"role": "user", "content": "Hi"}


def body(*content: dict[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    messages = [USER, {"role": role, "content": list(content) or "Hi"}]
    return {"model": "glm-5.3", "max_tokens": 5, "messages": messages, **fields}


def tool(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "A", "input_schema": {"properties": {"pattern": schema}}}]


REFUSED = {
    "models": body(model="glm-9"),
    "claude-names": body(model="claude-sonnet-5-5"),
    # More than 200,000 tokens of eight bytes each.
    "context": body({"type": "text", "text": "x" * 1_700_000}),
    "long-bodies": body({"type": "text", "text": "x" * 1_100_000}, model="glm-5.4"),
    "output-ceiling": body(max_tokens=131_073),
    "thinking-disabled": body(thinking={"type": "disabled"}),
    "efforts": body(output_config={"effort": "medium"}),
    "fields": body(thread={}),
    "thinking-fields": body(thinking={"type": "adaptive", "display": "omitted"}),
    "cache-control-fields": body({"type": "text", "text": "a", **MARK}),
    "tool-fields": body(tools=[{"name": "A", "defer_loading": True}]),
    "tool-choice-fields": body(tool_choice={"type": "auto", "later": 1}),
    "message-fields": body() | {"messages": [USER, {**USER, "output_config": {}}]},
    "block-types": body({**RESULT, "content": [{"type": "tool_reference", "tool_name": "A"}]}),
    "block-fields": body({"type": "text", "text": "a", "later": 1}),
    "foreign-thinking": body(THOUGHT, role="assistant"),
    "redacted-thinking": body({"type": "redacted_thinking", "data": "a"}, role="assistant"),
    "images": body({"type": "image", "source": {}}),
    "documents": body({**RESULT, "content": [{"type": "document", "source": {}}]}),
    "server-call-ids": body(SERVER_CALL, role="assistant"),
    "server-tools": body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "tool-inputs": body(CALL, role="assistant"),
    "bare-result": body() | {"messages": [{"role": "user", "content": [RESULT]}]},
    "patterns": body(tools=tool({"pattern": "\\p{L}"})),
    "references": body(tools=tool({"$ref": "#"})),
    "role-system": body(role="system"),
}
EVERY = zai_strictness.ALL | {zai_strictness.CLAUDE_NAMES}
ALSO = {"context": "long-bodies"}
"""Which other refusal an example can't help to meet."""


def met(asked: dict[str, Any], switched_on: frozenset[str]) -> set[str]:
    request = RequestView(asked, json.dumps(asked).encode())
    return {name for name, _ in zai_strictness.refusals(request, switched_on)}


def test_every_refusal_has_its_example() -> None:
    assert REFUSED.keys() == EVERY


@pytest.mark.parametrize(("name", "asked"), REFUSED.items(), ids=REFUSED.keys())
def test_refusal_is_met_only_where_it_is_on(name: str, asked: dict[str, Any]) -> None:
    assert met(asked, EVERY) - {ALSO.get(name)} == {name}
    assert name not in met(asked, EVERY - {name})


@pytest.mark.parametrize("model", ["glm-4.5-air", "GLM-4.5-AirX"])
def test_small_models_have_the_lower_output_ceiling(model: str) -> None:
    assert met(body(model=model, max_tokens=98_305), zai_strictness.ALL) == {"output-ceiling"}
    assert not met(body(model=model, max_tokens=98_304), zai_strictness.ALL)


def test_claudes_names_are_served_unless_that_is_switched_on() -> None:
    assert not met(body(model="claude-opus-5-5"), zai_strictness.ALL)
    assert met(body(model="claude-opus-5-5"), EVERY) == {zai_strictness.CLAUDE_NAMES}


def test_plain_request_meets_no_refusal() -> None:
    asked = body(tools=tool({"type": "string", "pattern": "^a+$"}), output_config={"effort": "low"})
    assert not met(asked, EVERY)
