"""Who made the message that a thread goes on from: what is remembered, and for how many."""

from __future__ import annotations

import pytest

from offramp_daemon.routing.affinity import Conversation
from offramp_daemon.routing.message_threads import ThreadOrigins

ONE, OTHER = Conversation("a", "", "sonnet"), Conversation("b", "", "sonnet")


def test_nothing_is_known_of_what_was_not_seen():
    threads = ThreadOrigins()
    assert threads.is_delegates(None, None) is None
    assert threads.is_delegates(ONE, "msg_1") is None


@pytest.mark.parametrize("is_delegated", [True, False])
def test_conversation_is_where_it_was_served_last(is_delegated):
    threads = ThreadOrigins()
    threads.note(ONE, None, is_delegated=not is_delegated)
    threads.note(ONE, "msg_1", is_delegated=is_delegated)
    assert threads.is_delegates(ONE, "msg_unknown") is is_delegated
    assert threads.is_delegates(OTHER, None) is None


def test_id_of_the_message_counts_before_the_conversation():
    threads = ThreadOrigins()
    threads.note(ONE, "msg_1", is_delegated=True)
    threads.note(ONE, "msg_2", is_delegated=False)
    assert threads.is_delegates(ONE, "msg_1") is True
    assert threads.is_delegates(None, "msg_2") is False


def test_full_memory_drops_the_oldest():
    threads = ThreadOrigins(capacity=2)
    for number in range(3):
        threads.note(Conversation(str(number), "", "m"), f"msg_{number}", is_delegated=True)
    assert threads.is_delegates(Conversation("0", "", "m"), "msg_0") is None
    assert threads.is_delegates(Conversation("1", "", "m"), None) is True
    assert threads.is_delegates(None, "msg_2") is True


def test_endless_id_is_not_kept():
    threads = ThreadOrigins()
    threads.note(None, "m" * 1000, is_delegated=True)
    assert threads.is_delegates(None, "m" * 1000) is None
