"""Each refusal of the fake Z.ai is met when it is on, and not when it is off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offramp_simulator import zai_strictness
from offramp_simulator.request_view import RequestView

MARK = {"cache_control": {"type": "ephemeral", "scope": "global"}}
CALL = {"type": "tool_use", "id": "t", "name": "A", "input": "text"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "seen"}
USER = {"role": "user", "content": "Hi"}


def body(*content: dict[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    messages = [USER, {"role": role, "content": list(content) or "Hi"}]
    return {"model": "glm-5.3", "max_tokens": 5, "messages": messages, **fields}


def tool(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "A", "input_schema": {"properties": {"pattern": schema}}}]


REFUSED = {
    "output-ceiling": body(max_tokens=131_073),
    "thinking-disabled": body(thinking={"type": "disabled"}),
    "efforts": body(output_config={"effort": "medium"}),
    "fields": body(thread={}),
    "thinking-fields": body(thinking={"type": "adaptive", "display": "omitted"}),
    "cache-control-fields": body({"type": "text", "text": "a", **MARK}),
    "tool-fields": body(tools=[{"name": "A", "defer_loading": True}]),
    "block-types": body({**RESULT, "content": [{"type": "tool_reference", "tool_name": "A"}]}),
    "tool-inputs": body(CALL, role="assistant"),
    "bare-result": body() | {"messages": [{"role": "user", "content": [RESULT]}]},
    "patterns": body(tools=tool({"pattern": "\\p{L}"})),
    "references": body(tools=tool({"$ref": "#"})),
    "role-system": body(role="system"),
}


def test_every_refusal_has_its_example() -> None:
    assert REFUSED.keys() == zai_strictness.ALL


@pytest.mark.parametrize(("name", "asked"), REFUSED.items(), ids=REFUSED.keys())
def test_refusal_is_met_only_where_it_is_on(name: str, asked: dict[str, Any]) -> None:
    request = RequestView(asked, json.dumps(asked).encode())
    assert list(zai_strictness.refusals(request, frozenset({name})))
    assert not list(zai_strictness.refusals(request, zai_strictness.ALL - {name}))


def test_plain_request_meets_no_refusal() -> None:
    asked = body(tools=tool({"type": "string", "pattern": "^a+$"}), output_config={"effort": "low"})
    request = RequestView(asked, json.dumps(asked).encode())
    assert not list(zai_strictness.refusals(request, zai_strictness.ALL))
