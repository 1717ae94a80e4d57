"""Whatever either service wrote, both take the conversation after Offramp has seen to it."""

from __future__ import annotations

import json

import pytest
from history_rules import claude_minds, delegate_minds
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_histories import TOOLS, odd_histories
from request_bodies import (
    ANTHROPIC_BACKEND,
    ZAI_BACKEND,
    ask,
    conversations,
    encode,
    read,
    unhurried,
)

from offramp_daemon.messages import transform

HISTORIES = odd_histories() | conversations
CLAUDE, ZAI = "claude", "zai"


def body_of(messages):
    return encode(ask(messages=messages, tools=[{"name": name} for name in TOOLS]))


def at(service, messages, **options):
    body = read(body_of(messages))
    if service == CLAUDE:
        return transform.for_client_backend(body, ANTHROPIC_BACKEND, **options)
    return transform.for_delegate(body, ZAI_BACKEND, **options)


def messages_at(service, messages, **options):
    return json.loads(at(service, messages, **options))["messages"]


@given(HISTORIES, st.booleans())
@settings(unhurried, max_examples=150)
def test_claude_takes_any_history(messages, strip):
    if messages:
        sent = messages_at(CLAUDE, messages, strip_all=strip)
        assert claude_minds(sent) is None, sent


@given(HISTORIES, st.booleans())
@settings(unhurried, max_examples=150)
def test_delegate_takes_any_history(messages, strip):
    if messages:
        sent = messages_at(ZAI, messages, strip_all=strip)
        assert delegate_minds(sent) is None, sent


@given(HISTORIES)
@settings(unhurried, max_examples=100)
def test_history_that_claude_takes_reaches_it_byte_for_byte(messages):
    """Whether it came so, or was repaired before."""
    raw = body_of(messages)
    sent = at(CLAUDE, messages)
    assert (sent == raw) is (not messages or claude_minds(json.loads(raw)["messages"]) is None)
    assert transform.for_client_backend(read(sent), ANTHROPIC_BACKEND) == sent


@given(HISTORIES)
@settings(unhurried, max_examples=80)
def test_history_repaired_for_one_service_is_taken_by_the_other(messages):
    if messages:
        at_zai = messages_at(ZAI, messages)
        assert claude_minds(messages_at(CLAUDE, at_zai)) is None
        at_claude = messages_at(CLAUDE, messages)
        assert delegate_minds(messages_at(ZAI, at_claude)) is None


def is_end(messages, index):
    """Whether a request may end before the message at `index`, which is an answer to it."""
    turns = [message["role"] for message in messages[:index] if message["role"] != "system"]
    return messages[index]["role"] == "assistant" and turns[-1:] == ["user"]


@pytest.mark.parametrize("service", [CLAUDE, ZAI])
@given(HISTORIES, st.integers(0, 9))
@settings(unhurried, max_examples=100)
def test_what_went_before_an_answer_stays_the_same_on_every_turn(service, messages, number):
    """A request ends in a user turn, and items behind it; all later ones hold it as it was."""
    ends = [index for index in range(1, len(messages)) if is_end(messages, index)]
    if not ends:
        return
    shorter = messages_at(service, messages[: ends[number % len(ends)]])
    assert messages_at(service, messages)[: len(shorter)] == shorter


@given(HISTORIES)
@settings(unhurried, max_examples=80)
def test_no_words_are_lost_on_the_way_to_claude(messages):
    came = json.loads(body_of(messages))["messages"]
    sent = json.dumps(messages_at(CLAUDE, messages))
    fields = json.loads(at(CLAUDE, messages))
    assert {**fields, "messages": came} == json.loads(body_of(messages))
    for message in came:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            words = block.get("text") if block["type"] == "text" else block.get("input")
            words = words if isinstance(words, str) else ""
            if words.strip() and not (message["role"] != "assistant" and block["type"] != "text"):
                assert json.dumps(words.strip())[1:-1] in sent
