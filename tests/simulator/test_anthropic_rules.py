"""Each refusal of the fake Anthropic is met when it is on, and not when it is off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.service import signatures
from offramp_simulator.service.request_view import RequestView

OPUS, OLDER_OPUS = "claude-opus-5-5", "claude-opus-4-6"
ENABLED = {"type": "enabled", "budget_tokens": 1024}
DISABLED = {"type": "disabled"}
USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
EFFORT = {"role": "system", "content": [], "output_config": {"effort": "high"}}
TEXT = {"type": "text", "text": "well"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
SERVER_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
SERVER_RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


def turn(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def thought(text: str = "a", signed: str = "a", binding: bytes = b"") -> dict[str, Any]:
    signature = signatures.anthropic_signature(signed, binding)
    return {"type": "thinking", "thinking": text, "signature": signature}


def ask(*messages: dict[str, Any], model: str = OPUS, **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 2048, "messages": [USER, *messages], **fields}


def loop(call: dict[str, Any], identity: str = "toolu_1") -> list[dict[str, Any]]:
    return [turn("assistant", call), turn("user", {**RESULT, "tool_use_id": identity})]


REFUSED = {
    "thinking-budgets": ask(model=OLDER_OPUS, thinking={"type": "enabled", "budget_tokens": 9}),
    "thinking-budgets-of-newest-models": ask(thinking=ENABLED),
    "disabled-thinking-at-fable": ask(model="claude-fable-5-2", thinking=DISABLED),
    "disabled-thinking-at-haiku": ask(model="claude-haiku-4-5-20251001", thinking=DISABLED),
    "disabled-thinking-with-effort": ask(thinking=DISABLED, output_config={"effort": "xhigh"}),
    "cleared-thinking": ask(context_management={"edits": [{"type": "clear_thinking_20251015"}]}),
    "first-system-item": {**ask(), "messages": [SYSTEM]},
    "system-item-place": ask(turn("assistant", TEXT), SYSTEM),
    "empty-content": ask(turn("assistant"), USER),
    "blank-texts": ask(turn("assistant", {"type": "text", "text": " "}), USER),
    "call-ids": ask(*loop({**CALL, "id": "functions.Bash:0"}, "functions.Bash:0")),
    "server-call-ids": ask(
        turn(
            "assistant",
            {**SERVER_CALL, "id": "call_9"},
            {**SERVER_RESULT, "tool_use_id": "call_9"},
        ),
        USER,
    ),
    "call-names": ask(*loop({**CALL, "name": "Bash</arg_value>"})),
    "tool-names": ask(tools=[{"name": "mcp.x", "input_schema": {}}]),
    "unique-call-ids": ask(*loop(CALL), *loop(CALL)),
    "call-inputs": ask(*loop({**CALL, "input": [{"command": "ls"}]})),
    "results-without-calls": ask(turn("assistant", TEXT), turn("user", RESULT)),
    "calls-without-results": ask(turn("assistant", CALL), USER),
    "server-results-without-calls": ask(turn("assistant", SERVER_RESULT), USER),
    "server-calls-without-results": ask(turn("assistant", SERVER_CALL), USER),
    "thinking-fields": ask(
        turn("assistant", {key: value for key, value in thought().items() if key != "thinking"}),
        USER,
    ),
    "redacted-data": ask(turn("assistant", {"type": "redacted_thinking", "data": "x"}), USER),
    "foreign-signatures": ask(turn("user", {**thought(), "signature": "0123456789abcdef"}, TEXT)),
    "changed-thinking": ask(turn("assistant", thought("b")), USER),
    "bound-thinking": ask(turn("assistant", thought(binding=b"elsewhere")), USER),
    "last-thinking-while-disabled": ask(turn("assistant", thought())),
    "loop-without-thinking": ask(*loop(CALL), model=OLDER_OPUS, thinking=ENABLED),
    "billing-block": ask(
        system=[TEXT, {"type": "text", "text": "x-anthropic-billing-header: cc_version=2;"}]
    ),
    "unknown-models": ask(model="glm-4.7"),
}
ALSO = {"thinking-fields": "changed-thinking"}
"""Which other refusal an example can't help to meet."""


def met(asked: dict[str, Any], switched_on: frozenset[str] = anthropic_rules.ALL) -> set[str]:
    """The names of all refusals that a body meets, one by one."""
    assert anthropic_rules.malformed(asked, is_count=False) is None
    request = RequestView(asked, json.dumps(asked).encode())
    found = (anthropic_rules.first_problem(request, frozenset((name,))) for name in switched_on)
    return {one[0] for one in found if one is not None}


def test_every_refusal_has_its_example() -> None:
    assert REFUSED.keys() | {anthropic_rules.THREADS} == anthropic_rules.ALL


@pytest.mark.parametrize(("name", "asked"), REFUSED.items(), ids=REFUSED.keys())
def test_refusal_is_met_only_where_it_is_on(name: str, asked: dict[str, Any]) -> None:
    assert met(asked) - {ALSO.get(name)} == {name}
    assert name not in met(asked, anthropic_rules.ALL - {name})


GOOD = {
    "effort in an empty first system item": {**ask(), "messages": [EFFORT, USER]},
    "effort in an empty system item": ask(EFFORT, turn("assistant", TEXT), USER),
    "system item behind a server tool's result": ask(
        turn("assistant", SERVER_CALL, SERVER_RESULT), SYSTEM, turn("assistant", TEXT), USER
    ),
    "system item as the last message": ask(*loop(CALL), SYSTEM),
    "empty result": ask(turn("assistant", CALL), turn("user", {**RESULT, "content": ""})),
    "billing block as the first": ask(
        system=[{"type": "text", "text": "x-anthropic-billing-header: cc_version=2;"}, TEXT]
    ),
    "adaptive thinking with effort": ask(
        thinking={"type": "adaptive"}, output_config={"effort": "max"}
    ),
}


@pytest.mark.parametrize("asked", GOOD.values(), ids=GOOD.keys())
def test_good_request_meets_no_refusal(asked: dict[str, Any]) -> None:
    assert not met(asked)


@pytest.mark.parametrize(
    ("before", "after"), [(turn("assistant", TEXT), ()), (SYSTEM, ()), (USER, (USER,))]
)
def test_system_item_elsewhere_is_refused(
    before: dict[str, Any], after: tuple[dict[str, Any], ...]
) -> None:
    assert met(ask(before, SYSTEM, *after)) >= {"system-item-place"}
