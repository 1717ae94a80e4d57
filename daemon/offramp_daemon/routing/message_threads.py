"""Keeps message threads at the service that holds their state.

In a thread a client sends only its new messages, and the service adds those before from a state of
its own. No other service can answer that: it would answer from the last message, with success. What
can't go where the state is gets an error on which the client sends the whole turn again. Kept only
in memory: what is not known is refused, unless it stays on Claude anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from offramp_core.settings import ANTHROPIC
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.routing.decision import Decision
from offramp_daemon.routing.router import is_of_delegate

if TYPE_CHECKING:
    from offramp_core.settings import Settings
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.routing.affinity import Conversation

REFUSED: Final = "message thread: the whole turn was asked for"
"""The reason in the record of a request that was answered with `unsupported`."""

_ERROR_CODE = "thread_unsupported_request"
_GOES_ON = "thread goes on"
_CAPACITY = 10_000
_ID_CHARACTERS = 200

K = TypeVar("K")


class ThreadOrigins:
    """Whether a delegate made the messages that threads go on from. A full memory drops the oldest.

    The message's id says it for certain. Where that was not seen, the service that served the
    conversation last is taken for the one.
    """

    def __init__(self, *, capacity: int = _CAPACITY) -> None:
        """Remember at most `capacity` messages, and as many conversations."""
        self._capacity = capacity
        self._of_messages: OrderedDict[str, bool] = OrderedDict()
        self._of_conversations: OrderedDict[Conversation, bool] = OrderedDict()

    def note(
        self, conversation: Conversation | None, message_id: str | None, *, is_delegated: bool
    ) -> None:
        """Remember who answered a request; `message_id` is its answer's, if a thread can go on."""
        if conversation is not None:
            self._put(self._of_conversations, conversation, is_delegated)
        if message_id is not None and len(message_id) <= _ID_CHARACTERS:
            self._put(self._of_messages, message_id, is_delegated)

    def is_delegates(
        self, conversation: Conversation | None, message_id: str | None
    ) -> bool | None:
        """Whether a delegate made the message before; None where that is not known."""
        known = None if message_id is None else self._of_messages.get(message_id)
        if known is None and conversation is not None:
            known = self._of_conversations.get(conversation)
        return known

    def _put(self, memory: OrderedDict[K, bool], key: K, is_delegated: bool) -> None:
        memory[key] = is_delegated
        memory.move_to_end(key)
        if len(memory) > self._capacity:
            memory.popitem(last=False)


def place(
    body: RequestBody, decision: Decision, settings: Settings, *, is_delegates: bool | None
) -> Decision:
    """Where a request goes that continues a thread, and by itself would go by `decision`.

    `is_delegates` says whether a delegate made the message before.

    Raises:
        RequestFailedError: nobody who could serve it has the thread's state.
    """
    if is_delegates is False and not is_of_delegate(body.model):
        if not decision.is_delegated:
            return decision
        return Decision(backend=settings.backend(ANTHROPIC), reason=_GOES_ON, otherwise=decision)
    if is_delegates or decision.is_delegated:
        raise RequestFailedError(unsupported())
    return decision


def unsupported() -> Failure:
    """The error on which a client sends the whole turn again, without a thread."""
    return Failure(
        status=400,
        message="Offramp: this request continues a message thread, whose earlier messages are not "
        "where it is served. Send the whole conversation.",
        details={"error_code": _ERROR_CODE},
    )
