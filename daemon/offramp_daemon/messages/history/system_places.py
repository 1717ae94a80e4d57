"""Knows where Claude takes system items among the messages of a conversation. Pure.

Reports: one may stand behind a user turn, or behind an assistant turn that ends in a server tool's
result; an assistant turn has to follow, or nothing. None may be the first message, but for one that
is empty and only sets the effort. Several in a row are taken for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from offramp_daemon.messages.history.history_survey import Target
    from offramp_daemon.messages.history.message_edit import Change
    from offramp_daemon.messages.request_body import Message


def misplaced(
    messages: Sequence[Message], changes: Mapping[int, Change], target: Target
) -> frozenset[int]:
    """Find the system items that stand where they are refused, once `changes` are made.

    For a gateway they are those that lost their place by the changes; what it takes is not known.
    """
    found: set[int] = set()
    for start, end in _runs(messages) if target != "delegate" else ():
        if target == "gateway" and start - 1 not in changes:
            continue
        if not _is_taken(messages, changes, start, end):
            found.update(range(start, end))
            if start == 0 and _only_sets_effort(messages[0]):
                found.discard(0)
    return frozenset(found)


def _runs(messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each row of system items."""
    start: int | None = None
    for index, message in enumerate(messages):
        if message.role != "system":
            if start is not None:
                yield start, index
            start = None
        elif start is None:
            start = index
    if start is not None:
        yield start, len(messages)


def _is_taken(
    messages: Sequence[Message], changes: Mapping[int, Change], start: int, end: int
) -> bool:
    if start == 0 or (end < len(messages) and messages[end].role != "assistant"):
        return False
    before = messages[start - 1]
    if before.role == "user":
        return True
    return _ends_in_server_result(before, changes.get(start - 1))


def _ends_in_server_result(message: Message, change: Change | None) -> bool:
    gone = change.foreign | change.dropped if change else ()
    kept = [block.type for number, block in enumerate(message.blocks) if number not in gone]
    return bool(kept) and isinstance(kept[-1], str) and kept[-1].endswith("_tool_result")


def _only_sets_effort(message: Message) -> bool:
    return not message.content and bool(message.output_config)
