"""Remembers where conversations were served lately, while their prompt caches are warm.

A prompt cache holds for one model at one service, and a subagent's prompt is its own: so what
counts as one conversation is a session, an agent and a model. Kept only in memory.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_daemon.messages.request_body import RequestBody

WARM_S = 300.0
"""How long a service keeps a prompt's cache, and so how long a move costs it."""

_CAPACITY = 10_000
_ID_CHARACTERS = 200


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """What shares a prompt cache."""

    session_id: str
    agent_id: str
    """Of a subagent; empty for the session's own conversation."""
    model: str
    """The one that the client asks for, lower case."""

    @classmethod
    def of(
        cls, session_id: str | None, agent_id: str | None, model: str | None
    ) -> Conversation | None:
        """The conversation of a request; None where nothing distinguishes it from others."""
        if not session_id or model is None:
            return None
        return cls(
            session_id[:_ID_CHARACTERS],
            (agent_id or "")[:_ID_CHARACTERS],
            model.lower()[:_ID_CHARACTERS],
        )


class ConversationAffinity:
    """When each was last served, and where. A full memory drops the oldest.

    Durations are monotonic: a clock that is put right warms and cools nothing.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, capacity: int = _CAPACITY
    ) -> None:
        """Remember at most `capacity` conversations at a backend."""
        self._clock = clock
        self._capacity = capacity
        self._last_s: OrderedDict[tuple[Conversation, str], float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._last_s)

    def record_use(self, conversation: Conversation | None, backend: str) -> None:
        """Remember that `backend` answers a request of the conversation now."""
        if conversation is None:
            return
        key = (conversation, backend)
        self._last_s[key] = self._clock()
        self._last_s.move_to_end(key)
        if len(self._last_s) > self._capacity:
            self._last_s.popitem(last=False)

    def is_warm(self, conversation: Conversation | None, backend: str) -> bool:
        """Whether `backend` answered the conversation within the last five minutes."""
        if conversation is None:
            return False
        last_s = self._last_s.get((conversation, backend))
        return last_s is not None and self._clock() - last_s <= WARM_S


def session_id_of(headers_session: str | None, body: RequestBody) -> str | None:
    """The conversation's id: from Claude Code's header, else from `metadata.user_id`."""
    if headers_session:
        return headers_session
    metadata = body.view.metadata if body.view else None
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user_id, str):
        return None
    if user_id.startswith("{"):
        try:
            session = msgspec.json.decode(user_id).get("session_id")
        except (ValueError, RecursionError, AttributeError):
            return None
        return session if isinstance(session, str) and session else None
    return user_id.rpartition("_session_")[2] or None if "_session_" in user_id else None
