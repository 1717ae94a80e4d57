"""Which delegate gets which thinking back is a function of the request and the settings alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.services import KNOWN, service_of
from offramp_daemon.messages import request_body, transform
from offramp_simulator.preset.rules import deepseek_signature
from offramp_simulator.service import signatures

SHOWN = {
    "zai": signatures.zai_signature("Hm"),
    "deepseek": deepseek_signature("Hm"),
    "anthropic": signatures.anthropic_signature("Hm"),
}
MARKS: list[Any] = [*SHOWN.values(), "", None, "abc", "F" * 24, "0" * 32, 7, ["x"]]
DELEGATES = tuple(service.name for service in KNOWN if not service.is_clients_own)


def talk(marks: list[Any]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
    for mark in marks:
        block = {"type": "thinking", "thinking": "Hm"}
        if mark is not None:
            block["signature"] = mark
        turns.append({"role": "assistant", "content": [block, {"type": "text", "text": "Hi"}]})
        turns.append({"role": "user", "content": "Go on"})
    return turns


def sent(name: str, marks: list[Any], delegates: frozenset[str]) -> list[dict[str, Any]]:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": talk(marks)}
    raw = json.dumps(body).encode()
    made = transform.for_delegate(
        request_body.read(raw), service_of(name).backend, delegates=delegates
    )
    messages: list[dict[str, Any]] = json.loads(made)["messages"]
    return messages


def got(messages: list[dict[str, Any]]) -> list[Any]:
    return [
        block.get("signature")
        for message in messages
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "thinking"
    ]


@pytest.mark.parametrize("name", [name for name in DELEGATES if name != "bigmodel"])
def test_among_several_each_block_goes_to_one_delegate_at_most(name: str) -> None:
    others = frozenset(DELEGATES) - {"bigmodel"}  # which signs as Z.ai does
    own = [SHOWN[name]] if name in SHOWN else []
    assert got(sent(name, MARKS, others)) == own


@pytest.mark.parametrize("name", ["zai", "bigmodel"])
def test_services_that_sign_alike_get_nothing_while_both_are_in_use(name: str) -> None:
    assert got(sent(name, MARKS, frozenset({"zai", "bigmodel"}))) == []


def test_only_delegate_gets_all_that_shows_no_other_signer() -> None:
    found = got(sent("zai", MARKS, frozenset({"zai"})))
    assert SHOWN["deepseek"] not in found
    assert SHOWN["anthropic"] not in found
    assert found[:4] == [SHOWN["zai"], "", None, "abc"]


@given(
    st.sampled_from(DELEGATES),
    st.lists(st.sampled_from(MARKS[:8]), max_size=5),
    st.sampled_from(MARKS[:8]),
    st.sets(st.sampled_from(DELEGATES)),
)
def test_growing_conversation_begins_as_it_did(
    name: str, marks: list[Any], more: object, others: set[str]
) -> None:
    delegates = frozenset({name, *others})
    before = sent(name, marks, delegates)
    assert sent(name, [*marks, more], delegates)[: len(before)] == before
