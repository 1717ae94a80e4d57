"""Which conversations are warm: by session, agent and model, for five minutes, bounded."""

from __future__ import annotations

import pytest

from offramp_daemon.routing.affinity import WARM_S, Conversation, Conversations

ONE = Conversation("one", "", "claude-sonnet-4-5")


def named(session: str) -> Conversation:
    return Conversation(session, "", "claude-sonnet-4-5")


def test_conversation_is_warm_for_five_minutes_at_its_own_backend() -> None:
    now_s = 100.0
    conversations = Conversations(clock=lambda: now_s)
    conversations.note(ONE, "zai")
    assert conversations.is_warm(ONE, "zai")
    assert not conversations.is_warm(ONE, "other")
    assert not conversations.is_warm(named("two"), "zai")
    now_s += WARM_S
    assert conversations.is_warm(ONE, "zai")
    now_s += 0.1
    assert not conversations.is_warm(ONE, "zai")
    conversations.note(ONE, "zai")
    assert conversations.is_warm(ONE, "zai")


def test_conversation_can_be_warm_at_two_backends() -> None:
    conversations = Conversations(clock=lambda: 0.0)
    conversations.note(ONE, "zai")
    conversations.note(ONE, "anthropic")
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
    conversations = Conversations(clock=lambda: 0.0)
    conversations.note(ONE, "zai")
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
    conversations = Conversations()
    conversations.note(found, "zai")
    assert not conversations.is_warm(found, "zai")
    assert len(conversations) == 0


def test_memory_of_conversations_is_bounded_and_drops_the_least_recent() -> None:
    conversations = Conversations(clock=lambda: 0.0, capacity=3)
    for name in ("a", "b", "c", "a", "d"):
        conversations.note(named(name), "zai")
    assert len(conversations) == 3
    warm = [conversations.is_warm(named(name), "zai") for name in "abcd"]
    assert warm == [True, False, True, True]


def test_ids_are_kept_short() -> None:
    long = Conversation.of("x" * 100_000, "y" * 100_000, "z" * 100_000)
    assert long is not None
    assert len(long.session_id) + len(long.agent_id) + len(long.model) < 1000
