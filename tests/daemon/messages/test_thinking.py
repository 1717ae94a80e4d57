"""Foreign blocks are told by themselves alone, and cut the same way from every request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import (
    ANTHROPIC_SIGNATURE,
    ZAI_SIGNATURE,
    ask,
    assistant,
    call,
    conversations,
    raw_bodies,
    read,
    result,
    text,
    thought,
    unhurried,
    user,
)

from offramp_daemon.messages import request_body
from offramp_daemon.messages.history import thinking
from offramp_daemon.messages.request_body import MalformedBodyError

OWNS = st.sampled_from(["anthropic", "not-anthropic", "none"])
REDACTED = {"type": "redacted_thinking", "data": ANTHROPIC_SIGNATURE}


def cuts(messages, own, *, strip_all=False, **fields):
    body = read(ask(messages=messages, **fields))
    assert not body.is_odd
    return thinking.cuts_for(body, thinking.Signer(own), strip_all=strip_all)


@pytest.mark.parametrize(
    ("block", "kept_by"),
    [
        (thought(ANTHROPIC_SIGNATURE), "anthropic"),
        (thought("A" * 4000), "anthropic"),
        (thought("A" * 98 + "=="), "not-anthropic"),
        (thought(ZAI_SIGNATURE), "not-anthropic"),
        (thought(""), "not-anthropic"),
        (thought(None), "not-anthropic"),
        ({**thought(None), "signature": None}, "not-anthropic"),
        ({**thought(None), "signature": 7}, "not-anthropic"),
        ({**thought(None), "signature": ["a"]}, "not-anthropic"),
        (thought("a b " * 100), "not-anthropic"),
        (thought(ANTHROPIC_SIGNATURE + "\n"), "not-anthropic"),
        (REDACTED, "anthropic"),
        ({"type": "redacted_thinking", "data": ZAI_SIGNATURE}, None),
        ({"type": "redacted_thinking"}, None),
        (call("srvtoolu_1", "server_tool_use"), "anthropic"),
        (call("call_1", "server_tool_use"), "not-anthropic"),
        (call("mcptoolu_1", "mcp_tool_use"), "anthropic"),
        (call("call_1", "mcp_tool_use"), "not-anthropic"),
        ({"type": "server_tool_use"}, "not-anthropic"),
        (result("srvtoolu_1", "web_search_tool_result"), "anthropic"),
        (result("call_1", "web_search_tool_result"), "not-anthropic"),
        ({"type": "code_execution_tool_result"}, "not-anthropic"),
        (result("mcptoolu_1", "mcp_tool_result"), "anthropic"),
    ],
)
def test_block_stays_with_its_issuer_alone(block, kept_by):
    messages = [user("Hi"), assistant(block, "Hello")]
    for own in ("anthropic", "not-anthropic"):
        gone = cuts(messages, own).blocks
        assert gone == ({} if own == kept_by else {1: frozenset({0})}), own


@pytest.mark.parametrize(
    "block",
    [
        text("thinking"),
        call("call_1"),
        call("toolu_1"),
        {"type": ["thinking"]},
        {"type": {"thinking": 1}},
        {"type": None},
        {},
        {"type": "brand_new", "signature": ZAI_SIGNATURE},
    ],
)
@pytest.mark.parametrize("own", ["anthropic", "not-anthropic", "none"])
def test_every_other_block_stays_everywhere(block, own):
    assert not cuts([user("Hi"), assistant(block)], own).blocks
    assert not cuts([user("Hi"), assistant(block)], own, strip_all=True).blocks


def test_backend_that_issues_no_signatures_gets_no_thinking():
    blocks = (thought(ANTHROPIC_SIGNATURE), thought(ZAI_SIGNATURE), REDACTED, text("Hi"))
    assert cuts([user("Hi"), assistant(*blocks)], "none").blocks == {1: frozenset({0, 1, 2})}


@pytest.mark.parametrize("own", ["anthropic", "not-anthropic", "none"])
def test_stripping_takes_all_thinking_and_no_calls_of_the_backends_own(own):
    blocks = (thought(ANTHROPIC_SIGNATURE), thought(ZAI_SIGNATURE), REDACTED, text("Hi"))
    gone = cuts([user("Hi"), assistant(*blocks)], own, strip_all=True).blocks
    assert gone == {1: frozenset({0, 1, 2})}


def test_result_of_a_cut_call_goes_wherever_it_stands():
    messages = [
        user("Search"),
        assistant(call("call_1", "server_tool_use"), result("call_1"), "Found"),
        user(result("call_1"), "Thanks"),
    ]
    assert cuts(messages, "anthropic").blocks == {1: frozenset({0, 1}), 2: frozenset({0})}
    assert not cuts(messages, "not-anthropic").blocks


def test_own_tool_results_stay_beside_a_cut_call():
    messages = [
        user("Search"),
        assistant(call("call_1", "server_tool_use"), call("call_2")),
        user(result("call_2"), result("call_1", "web_search_tool_result")),
    ]
    assert cuts(messages, "anthropic").blocks == {1: frozenset({0}), 2: frozenset({1})}


def test_result_of_a_later_call_with_the_same_id_stays():
    messages = [
        user("Search"),
        assistant(call("call_1", "server_tool_use"), result("call_1"), "Found"),
        user("Now read"),
        assistant(call("call_1")),
        user(result("call_1")),
    ]
    assert cuts(messages, "anthropic").blocks == {1: frozenset({0, 1})}


@pytest.mark.parametrize("own", ["anthropic", "not-anthropic", "none"])
@pytest.mark.parametrize("role", ["user", "system"])
@pytest.mark.parametrize("block", [thought(ZAI_SIGNATURE), thought(ANTHROPIC_SIGNATURE), REDACTED])
def test_thinking_that_stands_in_no_answer_goes_everywhere(block, role, own):
    messages = [user("Hi"), {"role": role, "content": [text("a"), block]}]
    assert cuts(messages, own).blocks == {1: frozenset({1})}


@pytest.mark.parametrize("role", ["user", "system"])
def test_foreign_call_goes_with_its_result_in_any_role(role):
    blocks = [call("call_1", "server_tool_use"), result("call_1", "web_search_tool_result")]
    messages = [{"role": role, "content": blocks}, user(result("call_1"))]
    assert cuts(messages, "anthropic").blocks == {0: frozenset({0, 1}), 1: frozenset({0})}


LOOP = [user("Read it"), assistant(thought(ZAI_SIGNATURE), call("call_1")), user(result("call_1"))]


@pytest.mark.parametrize(
    ("messages", "breaks"),
    [
        (LOOP, True),
        (LOOP[:2], True),
        ([LOOP[0], assistant(thought(ZAI_SIGNATURE), "So:", call("call_1")), LOOP[2]], True),
        ([*LOOP, assistant("Done"), user("More")], False),
        ([*LOOP, assistant(thought(ANTHROPIC_SIGNATURE), call("t")), user(result("t"))], False),
        (
            [
                LOOP[0],
                assistant(thought(ZAI_SIGNATURE), thought(ANTHROPIC_SIGNATURE), call("t")),
                user(result("t")),
            ],
            False,
        ),
        ([user("Hi"), assistant(thought(ZAI_SIGNATURE), "Hello"), user("More")], False),
        ([user("Hi"), assistant(thought(ZAI_SIGNATURE))], False),
        ([user("Hi"), assistant(thought(ZAI_SIGNATURE), {"type": []}, call("t"))], True),
    ],
)
def test_broken_tool_loop_is_one_whose_last_turn_lost_its_first_thinking(messages, breaks):
    assert cuts(messages, "anthropic").breaks_tool_loop is breaks


@pytest.mark.parametrize(
    ("fields", "has_thinking"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": None}, False),
        ({}, False),
        ({"messages": [assistant(thought(""))], "thinking": {"type": "disabled"}}, True),
        ({"messages": [assistant(REDACTED)]}, True),
        ({"messages": [assistant({"type": ["thinking"]})]}, False),
        ({"messages": [assistant("thinking")]}, False),
        ({"messages": "thinking"}, False),
    ],
)
def test_thinking_is_found_in_the_field_and_in_the_blocks(fields, has_thinking):
    assert thinking.has_thinking(read(ask(**fields))) is has_thinking


@unhurried
@given(conversations, OWNS, st.booleans(), st.integers(0, 8))
def test_what_is_cut_from_a_conversation_is_cut_from_its_every_prefix(messages, own, strip, length):
    whole = cuts(messages, own, strip_all=strip).blocks
    prefix = cuts(messages[:length], own, strip_all=strip).blocks
    assert prefix == {index: gone for index, gone in whole.items() if index < length}


@unhurried
@given(conversations, OWNS)
def test_no_result_is_left_without_its_call(messages, own):
    """What had its call before it still has, or is gone too."""
    gone = cuts(messages, own).blocks
    kinds = {"tool_use", "server_tool_use", "mcp_tool_use"}
    called: set[str] = set()
    called_and_kept: set[str] = set()
    for index, message in enumerate(messages):
        blocks = message["content"] if isinstance(message["content"], list) else []
        for number, block in enumerate(blocks):
            is_kept = number not in gone.get(index, ())
            if block["type"] in kinds:
                called.add(block["id"])
                (called_and_kept.add if is_kept else called_and_kept.discard)(block["id"])
            elif is_kept and block.get("tool_use_id") in called:
                assert block["tool_use_id"] in called_and_kept


@unhurried
@given(raw_bodies, OWNS, st.booleans())
def test_any_readable_body_can_be_asked_for_its_cuts(raw, own, strip):
    try:
        body = request_body.read(raw)
    except MalformedBodyError:
        return
    thinking.has_thinking(body)
    for index, gone in thinking.cuts_for(
        body, thinking.Signer(own), strip_all=strip
    ).blocks.items():
        assert gone <= set(range(len(body.messages[index].blocks)))
