"""Faulty tool calls of an answer: what is wrong changes, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.tool_calls import ToolCallRepair, may_call_tools
from offramp_daemon.messages.tool_names import is_valid_id, is_valid_name

BASH = {"name": "Bash", "input_schema": {"type": "object"}}
READ = {"name": "Read", "input_schema": {"type": "object"}}


def asked(*history: object, tools: object = (BASH, READ), **fields: object) -> bytes:
    """A request's body, with `history` behind the first message."""
    messages = [{"role": "user", "content": "Hello"}, *history]
    body = {"model": "claude-sonnet-5-5", "messages": messages, **fields}
    return json.dumps(body | ({"tools": tools} if tools else {})).encode()


def turn(call_id: object, name: object = "Bash", call_input: object = None) -> list[object]:
    """A call and its result, as a client keeps them."""
    call = {"type": "tool_use", "id": call_id, "name": name, "input": call_input or {}}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}
    return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]


def repair_for(body: bytes) -> ToolCallRepair:
    return ToolCallRepair(request_body.read(body))


def call(**fields: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {}} | fields


def event(block: object, **fields: object) -> bytes:
    begun = {"type": "content_block_start", "index": 1, "content_block": block} | fields
    return json.dumps(begun, separators=(",", ":")).encode()


def answer(*blocks: object) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "glm-4.7",
        "content": blocks,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 5, "output_tokens": 6},
    }
    return json.dumps(message, separators=(",", ":")).encode()


def repaired_block(block: object, body: bytes | None = None) -> Any:
    """A block of a stream, after its repair."""
    repaired = repair_for(body or asked()).event(event(block))
    assert repaired is not None
    begun = json.loads(repaired)
    assert begun["type"] == "content_block_start"
    assert begun["index"] == 1
    return begun["content_block"]


def repaired_blocks(*blocks: object, body: bytes | None = None) -> Any:
    """The blocks of a JSON answer, after its repair."""
    repaired = repair_for(body or asked()).answer(answer(*blocks))
    assert repaired is not None
    return json.loads(repaired)["content"]


@pytest.mark.parametrize(
    "block",
    [
        call(),
        call(id="toolu_01", name="no_such_tool"),
        call(input={"command": "ls"}),
        call(name="bash", caller={"type": "direct"}),
        {"type": "text", "text": "tool_use Bash</arg_value>"},
        {"type": "server_tool_use", "id": "functions.x:1", "name": "a b", "input": []},
        {"type": "thinking", "thinking": '"tool_use"', "signature": ""},
    ],
)
def test_valid_block_is_left_as_it_came(block: dict[str, object]) -> None:
    repair = repair_for(asked(*turn("call_0")))

    assert repair.event(event(block)) is None
    assert repair_for(asked()).answer(answer(block, {"type": "text", "text": "x"})) is None


def test_valid_block_with_spaces_is_left_as_it_came() -> None:
    spaced = json.dumps({"type": "content_block_start", "content_block": call()}, indent=2)
    whole = json.dumps({"content": [call()]}, indent=2)

    assert repair_for(asked()).event(spaced.encode()) is None
    assert repair_for(asked()).answer(whole.encode()) is None


@pytest.mark.parametrize(
    "name", ["Bash</arg_value>", "<tool_call>Bash", "Bash\n", "bash\t", "Bash:"]
)
def test_name_with_leaked_tokens_becomes_the_offered_one(name: str) -> None:
    assert repaired_block(call(name=name)) == call()
    assert repaired_blocks(call(name=name)) == [call()]


@pytest.mark.parametrize("name", [None, 7, "", [], "</tool_call>"])
def test_name_that_is_none_becomes_one_that_no_tool_has(name: object) -> None:
    assert repaired_block(call(name=name)) == call(name="tool")
    assert repaired_blocks(call(name=name)) == [call(name="tool")]


def test_missing_members_are_put_in() -> None:
    bare = {"type": "tool_use"}

    assert repaired_block(bare) == call(id="call", name="tool")
    assert repaired_blocks(bare) == [call(id="call", name="tool")]


def test_name_of_a_tool_that_a_system_item_added_is_known() -> None:
    added = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "mcp__a__b"}}
    system = {"role": "system", "content": [{"type": "text", "text": "x"}, added]}

    body = asked(system)

    assert repaired_block(call(name="MCP__a__b "), body) == call(name="mcp__a__b")


@pytest.mark.parametrize(
    ("call_id", "repaired"),
    [("functions.Bash:0", "functions_Bash_0"), ("", "call"), (None, "call"), (3, "call")],
)
def test_invalid_id_becomes_a_valid_one(call_id: object, repaired: str) -> None:
    assert repaired_block(call(id=call_id)) == call(id=repaired)
    assert repaired_blocks(call(id=call_id)) == [call(id=repaired)]


@pytest.mark.parametrize(
    "history",
    [
        turn("call_1"),
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1"}]}],
        [*turn("call_0"), *turn("call_1"), {"role": "user", "content": "again"}],
    ],
)
def test_id_that_the_history_holds_gets_a_number(history: list[object]) -> None:
    assert repaired_block(call(), asked(*history)) == call(id="call_1_2")
    assert repaired_blocks(call(), body=asked(*history)) == [call(id="call_1_2")]


def test_id_that_the_answer_repeats_gets_a_number() -> None:
    repair = repair_for(asked())

    assert repair.event(event(call())) is None
    second = repair.event(event(call()))
    third = repair.event(event(call(id="call_1_2")))
    assert second is not None
    assert json.loads(second)["content_block"]["id"] == "call_1_2"
    assert third is not None
    assert json.loads(third)["content_block"]["id"] not in ("call_1", "call_1_2")
    ids = [block["id"] for block in repaired_blocks(call(), call(), call(), call(id="x y"))]
    assert len(set(ids)) == 4
    assert ids[0] == "call_1"


def test_id_keeps_clear_of_what_an_invalid_one_of_the_history_becomes() -> None:
    body = asked(*turn("functions.Bash:0"))

    assert repaired_block(call(id="functions.Bash:0"), body) == call(id="functions_Bash_0_2")
    assert repaired_block(call(id="functions_Bash_0"), body) == call(id="functions_Bash_0_2")


def test_id_in_a_history_of_unknown_shape_is_seen() -> None:
    odd = {"role": "assistant", "content": {"type": "tool_use", "id": "call_1"}}
    body = asked({"role": 1, "content": [1, 2]}, odd)

    assert request_body.read(body).is_odd
    assert repaired_block(call(), body) == call(id="call_1_2")
    assert repaired_block(call(id="call_7", name="bash "), body) == call(id="call_7")


@pytest.mark.parametrize(
    ("written", "in_answer"),
    [
        (None, {}),
        ([{"command": "ls"}], {"value": [{"command": "ls"}]}),
        ("git status", {"value": "git status"}),
        (3, {"value": 3}),
        (False, {"value": False}),
    ],
)
def test_input_that_is_no_object_becomes_one(written: object, in_answer: object) -> None:
    assert repaired_block(call(input=written)) == call()
    assert repaired_blocks(call(input=written)) == [call(input=in_answer)]


def test_all_but_the_faulty_member_keeps_its_bytes() -> None:
    before = (
        b'{"content_block": {"type":"tool_use", "x":1e400 ,"name":"Bash</arg_value>", '
        b'"id":"call_1","input":{"a":  [1.0, "\\u00e9\xc3\xa9"]}},'
        b'"type":"content_block_start","z":[ ]}'
    )

    assert repair_for(asked()).event(before) == (
        b'{"content_block":{"type":"tool_use","x":1e400,"name":"Bash",'
        b'"id":"call_1","input":{"a":  [1.0, "\\u00e9\xc3\xa9"]}},'
        b'"type":"content_block_start","z":[ ]}'
    )


def test_halves_of_surrogate_pairs_keep_their_bytes() -> None:
    before = answer({"type": "text", "text": "X"}, call(name="Bash\n")).replace(b"X", rb"\ud83d")
    after = repair_for(asked()).answer(before)

    assert after is not None
    assert after == before.replace(rb"Bash\n", b"Bash")
    in_name = repair_for(asked()).event(event(call(name="Bash X")).replace(b"X", rb"\ud83d"))
    assert in_name is not None
    assert json.loads(in_name)["content_block"] == call()


@pytest.mark.parametrize(
    "unreadable",
    [
        b"",
        b"tool_use",
        b'{"type":"content_block_start","content_block":{"type":"tool_use","name":"a b"',
        b'{"type":"content_block_start","content_block":"tool_use"}',
        b'{"type":"content_block_start","content_block":{"type":"tool_use","name":"\xff"}}',
        b'["tool_use"]',
        b'{"content":"tool_use"}',
        b'{"content":["tool_use", 3, null]}',
        b'{"content":[' + b"[" * 100_000 + b'"tool_use"',
    ],
)
def test_what_cannot_be_read_is_left_as_it_came(unreadable: bytes) -> None:
    assert repair_for(asked()).event(unreadable) is None
    assert repair_for(asked()).answer(unreadable) is None


def test_other_members_that_are_no_blocks_stay_beside_a_repair() -> None:
    assert repaired_blocks(call(name="Bash "), 3, None, "tool_use") == [call(), 3, None, "tool_use"]


@pytest.mark.parametrize(
    ("body", "may"),
    [
        (asked(), True),
        (asked(tools=None), False),
        (asked(tools=[]), False),
        (asked(*turn("call_1"), tools=None), True),
        (asked({"role": 1, "content": [1]}), True),
        (asked({"role": 1, "content": [1]}, tools=None), False),
        (b"[]", False),
    ],
)
def test_only_a_request_that_knows_tools_may_be_answered_with_calls(body: bytes, may: bool) -> None:
    assert may_call_tools(request_body.read(body)) is may


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
CALLS = st.fixed_dictionaries(
    {"type": st.just("tool_use")},
    optional={
        "id": ANYTHING | st.sampled_from(["call_0", "call_1"]),
        "name": ANYTHING | st.sampled_from(["Bash", "bash ", "Read</arg_value>"]),
        "input": ANYTHING,
        "caller": ANYTHING,
    },
)


@given(st.lists(CALLS | ANYTHING, max_size=5))
def test_whatever_an_answer_holds_its_calls_become_valid(blocks: list[object]) -> None:
    before = answer(*blocks)
    after = repair_for(asked(*turn("call_0"))).answer(before) or before
    contents: list[Any] = json.loads(after)["content"]
    calls = [block for block in contents if isinstance(block, dict) and "type" in block]

    assert len(contents) == len(blocks)
    ids = [block["id"] for block in calls]
    assert len({"call_0", *ids}) == len(ids) + 1
    assert all(is_valid_id(call_id) for call_id in ids)
    assert all(is_valid_name(block["name"]) for block in calls)
    assert all(isinstance(block["input"], dict) for block in calls)


@given(st.lists(CALLS, max_size=5))
def test_whatever_begins_a_call_in_a_stream_becomes_valid(blocks: list[dict[str, Any]]) -> None:
    repair = repair_for(asked(*turn("call_0")))
    events = [event(block) for block in blocks]
    begun = [json.loads(repair.event(each) or each)["content_block"] for each in events]

    ids = [block["id"] for block in begun]
    assert len({"call_0", *ids}) == len(ids) + 1
    assert all(is_valid_id(block["id"]) and is_valid_name(block["name"]) for block in begun)
    assert all(isinstance(block["input"], dict) for block in begun)


def test_event_of_another_type_is_left_as_it_came() -> None:
    assert repair_for(asked()).event(event(call(name="Bash "), type="content_block_other")) is None


def test_many_calls_with_one_id_all_get_ids_of_their_own() -> None:
    blocks = repaired_blocks(*[call()] * 20_000)

    assert len({block["id"] for block in blocks}) == 20_000


def test_many_odd_names_among_many_tools_are_all_repaired() -> None:
    body = asked(tools=[{"name": f"Tool{number}"} for number in range(2000)])
    calls = [call(id=f"call_{number}", name=f"tool{number}\n") for number in range(5000)]

    names = [block["name"] for block in repaired_blocks(*calls, body=body)]

    assert names[:2] == ["Tool0", "Tool1"]
    assert names[-1] == "tool4999"
