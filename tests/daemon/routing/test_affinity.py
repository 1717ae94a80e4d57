"""Which conversations are warm: by session, agent and model, for five minutes, bounded."""

from __future__ import annotations

import json

import pytest
from request_bodies import ask, read

from offramp_daemon.routing import affinity
from offramp_daemon.routing.affinity import WARM_S, Conversation, ConversationAffinity

ONE = Conversation("one", "", "claude-sonnet-4-5")


def named(session: str) -> Conversation:
    return Conversation(session, "", "claude-sonnet-4-5")


def test_conversation_is_warm_for_five_minutes_at_its_own_backend() -> None:
    now_s = 100.0
    conversations = ConversationAffinity(clock=lambda: now_s)
    conversations.record_use(ONE, "zai")
    assert conversations.is_warm(ONE, "zai")
    assert not conversations.is_warm(ONE, "other")
    assert not conversations.is_warm(named("two"), "zai")
    now_s += WARM_S
    assert conversations.is_warm(ONE, "zai")
    now_s += 0.1
    assert not conversations.is_warm(ONE, "zai")
    conversations.record_use(ONE, "zai")
    assert conversations.is_warm(ONE, "zai")


def test_conversation_can_be_warm_at_two_backends() -> None:
    conversations = ConversationAffinity(clock=lambda: 0.0)
    conversations.record_use(ONE, "zai")
    conversations.record_use(ONE, "anthropic")
    assert conversations.is_warm(ONE, "zai")
    assert conversations.is_warm(ONE, "anthropic")


@pytest.mark.parametrize(
    "other",
    [
        Conversation("one", "agent-7", "claude-sonnet-4-5"),
        Conversation("one", "", "claude-haiku-4-5"),
        Conversation("two", "", "claude-sonnet-4-5"),
    ],
)
def test_another_agent_or_model_is_another_conversation(other: Conversation) -> None:
    conversations = ConversationAffinity(clock=lambda: 0.0)
    conversations.record_use(ONE, "zai")
    assert not conversations.is_warm(other, "zai")


def test_conversation_is_told_by_what_the_client_sends() -> None:
    assert Conversation.of("one", None, "Claude-Sonnet-4-5") == ONE
    assert Conversation.of("one", "", "claude-sonnet-4-5") == ONE
    assert Conversation.of("one", "a", "m") != Conversation.of("one", "b", "m")


@pytest.mark.parametrize(("session", "model"), [(None, "m"), ("", "m"), ("one", None)])
def test_requests_that_nothing_tells_apart_are_never_warm(
    session: str | None, model: str | None
) -> None:
    found = Conversation.of(session, "agent", model)
    assert found is None
    conversations = ConversationAffinity()
    conversations.record_use(found, "zai")
    assert not conversations.is_warm(found, "zai")
    assert len(conversations) == 0


def test_memory_of_conversations_is_bounded_and_drops_the_least_recent() -> None:
    conversations = ConversationAffinity(clock=lambda: 0.0, capacity=3)
    for name in ("a", "b", "c", "a", "d"):
        conversations.record_use(named(name), "zai")
    assert len(conversations) == 3
    warm = [conversations.is_warm(named(name), "zai") for name in "abcd"]
    assert warm == [True, False, True, True]


def test_ids_are_kept_short() -> None:
    long = Conversation.of("x" * 100_000, "y" * 100_000, "z" * 100_000)
    assert long is not None
    assert len(long.session_id) + len(long.agent_id) + len(long.model) < 1000


SESSION = "7f9b8a52-0f3c-4c5e-9d59-1f2f3e4d5c6b"


@pytest.mark.parametrize(
    ("header", "metadata", "session"),
    [
        (SESSION, None, SESSION),
        (SESSION, {"user_id": "user_a_account_b_session_other"}, SESSION),
        ("", {"user_id": f"user_a_account_b_session_{SESSION}"}, SESSION),
        (None, {"user_id": f"user_a_account__session_{SESSION}"}, SESSION),
        (None, {"user_id": json.dumps({"device_id": "d", "session_id": SESSION})}, SESSION),
        (None, {"user_id": json.dumps({"device_id": "d"})}, None),
        (None, {"user_id": json.dumps({"session_id": 7})}, None),
        (None, {"user_id": json.dumps({"session_id": ""})}, None),
        (None, {"user_id": '{"session_id":'}, None),
        (None, {"user_id": '{"session_id":' + "[" * 100_000}, None),
        (None, {"user_id": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"}, None),
        (None, {"user_id": '{"session_id":"half \\ud83d"}'}, None),
        (None, {"user_id": "user_a_account_b_session_"}, None),
        (None, {"user_id": "somebody"}, None),
        (None, {"user_id": ["_session_x"]}, None),
        (None, {"user_id": None}, None),
        (None, {}, None),
        (None, ["user_id"], None),
        (None, None, None),
    ],
)
def test_session_comes_from_the_header_or_either_form_of_user_id(header, metadata, session):
    assert affinity.session_id_of(header, read(ask(metadata=metadata))) == session


def test_session_of_an_odd_or_unreadable_body_is_found_if_it_can_be():
    metadata = {"user_id": f"user_a_account_b_session_{SESSION}"}
    assert affinity.session_id_of(None, read(ask(metadata=metadata, messages=7))) == SESSION
    assert affinity.session_id_of(None, read(b"[]")) is None
