"""Message threads: conversations of which Anthropic keeps the earlier turns itself.

A turn that creates a thread brings its whole history; a later one brings only what is new, without
system text and tools. It has to be asked with the same model, thinking, tool choice and betas.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_simulator.anthropic.problem import Problem
from offramp_simulator.service.request_view import JsonObject, RequestView

if TYPE_CHECKING:
    from offramp_simulator.service.answers import Answer
    from offramp_simulator.service.received import ReceivedRequest

_KEPT = 100
_FIXED = ("model", "thinking", "tool_choice")


@dataclass(frozen=True, slots=True)
class _Turn:
    body: JsonObject
    """The whole conversation up to and with the answer."""
    fingerprint: str


class Threads:
    """The latest turns of threads, by the id of the answer that ended each."""

    def __init__(self) -> None:
        """Know no thread."""
        self._turns: dict[str, _Turn] = {}

    def whole(self, asked: RequestView, entry: ReceivedRequest) -> RequestView | Problem:
        """Put the earlier turns before what is asked; a problem where they are not known here."""
        thread = asked.body.get("thread")
        if not isinstance(thread, dict) or thread.get("type") != "continue":
            return asked
        turn = self._turns.get(str(thread.get("previous_message_id")))
        if turn is None:
            return Problem(
                message="thread: previous message not found",
                status=404,
                error_code="thread_not_found",
            )
        if turn.fingerprint != _fingerprint(asked, entry):
            return Problem(
                message="thread: model, thinking, tool_choice and betas must not change",
                error_code="thread_fingerprint_mismatch",
            )
        body = {**turn.body, **asked.body, "messages": [*turn.body["messages"], *asked.messages]}
        return RequestView(body, asked.raw)

    def keep(self, whole: RequestView, entry: ReceivedRequest, answer: Answer) -> None:
        """Keep a turn that was answered, if it belongs to a thread."""
        if not isinstance(whole.body.get("thread"), dict):
            return
        said = {"role": "assistant", "content": list(answer.blocks)}
        body = {**whole.body, "messages": [*whole.messages, said]}
        self._turns[answer.message_id] = _Turn(body, _fingerprint(whole, entry))
        while len(self._turns) > _KEPT:
            del self._turns[next(iter(self._turns))]


def _fingerprint(asked: RequestView, entry: ReceivedRequest) -> str:
    betas = sorted(",".join(entry.header_values("anthropic-beta")).split(","))
    return json.dumps([betas, *(asked.body.get(name) for name in _FIXED)], sort_keys=True)
