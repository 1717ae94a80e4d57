"""What Anthropic refuses in a `/v1/messages` body, in its own words: clients match on them.

What a body must be to be read at all is always checked. Every other refusal has a name of its own,
is on by default, and can be switched off. The wording follows published error bodies; nothing here
is needed to answer a good request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_simulator.anthropic import thinking_rules, tool_rules
from offramp_simulator.anthropic.problem import Problem, invalid
from offramp_simulator.service.request_view import JsonObject, RequestView, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_simulator.anthropic.problem import Check

_BILLING = "x-anthropic-billing-header"
_SERVER_RESULT = "_tool_result"


def _blank_texts(conversation: RequestView) -> Iterator[Problem]:
    for block in blocks_of({"content": conversation.body.get("system") or []}):
        if block.get("type") == "text" and not block.get("text"):
            yield invalid("system: text content blocks must be non-empty")
    for position, message in enumerate(conversation.messages):
        for index, block in enumerate(blocks_of(message)):
            if block.get("type") == "text":
                yield from _text_problems(f"messages.{position}.content.{index}", block)
            # A result that is one plain text may be empty; a text block in it may not.
            if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
                for inner in blocks_of(block):
                    if inner.get("type") == "text" and not inner.get("text"):
                        yield invalid("messages: text content blocks must be non-empty")


def _text_problems(place: str, block: JsonObject) -> Iterator[Problem]:
    if not isinstance(block.get("text"), str):
        yield invalid(f"{place}.text.text: Field required")
    elif not block["text"]:
        yield invalid("messages: text content blocks must be non-empty")
    elif not block["text"].strip():
        yield invalid("messages: text content blocks must contain non-whitespace text")


def _empty_content(conversation: RequestView) -> Iterator[Problem]:
    for position, message in enumerate(conversation.messages):
        if not message.get("content") and not _sets_the_effort(message):
            kind = "user messages" if message.get("role") == "user" else "all messages"
            yield invalid(f"messages.{position}: {kind} must have non-empty content")


def _first_system_item(conversation: RequestView) -> Iterator[Problem]:
    for message in conversation.messages[:1]:
        if message.get("role") == "system" and not _sets_the_effort(message):
            yield invalid("messages.0: a `system` message cannot be the first one")


def _system_item_place(conversation: RequestView) -> Iterator[Problem]:
    messages = conversation.messages
    for position, message in enumerate(messages):
        if message.get("role") != "system" or position == 0:
            continue
        before, after = messages[position - 1], [*messages[position + 1 : position + 2]]
        if not _may_precede_a_system_item(before):
            yield invalid(
                f"messages.{position}: a `system` message must follow a `user` message, or an "
                "`assistant` message that ends in a server tool's result"
            )
        if after and after[0].get("role") != "assistant":
            yield invalid(
                f"messages.{position}: a `system` message must be the last one or precede an "
                "`assistant` message"
            )


def _may_precede_a_system_item(message: JsonObject) -> bool:
    if message.get("role") == "assistant":
        last = str((blocks_of(message) or [{}])[-1].get("type"))
        return last.endswith(_SERVER_RESULT)
    return message.get("role") == "user"


def _sets_the_effort(message: JsonObject) -> bool:
    """Whether it is a system item that may be empty, and the first: it holds only the effort.

    Claude Code 2.1.332 sends one behind the summary of a conversation that it compacted.
    """
    is_empty = not message.get("content")
    return message.get("role") == "system" and is_empty and "output_config" in message


def _billing_block(conversation: RequestView) -> Iterator[Problem]:
    """The block that says who pays stands first, and nothing else stands in it."""
    for index, block in enumerate(blocks_of({"content": conversation.body.get("system") or []})):
        text = str(block.get("text"))
        if _BILLING in text and (index > 0 or "\n" in text.strip()):
            yield invalid("system: the billing header must be a block of its own, and the first")


def _unknown_models(conversation: RequestView) -> Iterator[Problem]:
    if not re.fullmatch(r"claude-[a-z0-9.-]+", conversation.model):
        yield Problem(message=f"model: {conversation.model}", status=404)


CHECKS: Mapping[str, Check] = {
    **thinking_rules.SETTINGS,
    "first-system-item": _first_system_item,
    "system-item-place": _system_item_place,
    "empty-content": _empty_content,
    "blank-texts": _blank_texts,
    **tool_rules.CHECKS,
    **thinking_rules.BLOCKS,
    "billing-block": _billing_block,
    "unknown-models": _unknown_models,
}
"""Every refusal that only needs the body, in the order in which they are found."""

THREADS = "threads"
"""A thread continues only where the message before it is known here, and is asked the same way."""

ALL = frozenset((*CHECKS, THREADS))
"""The names of all refusals, for `Simulator(anthropic_refuses=…)`."""


def malformed(body: JsonObject, *, is_count: bool) -> Problem | None:
    """Say why the body can't be read at all, or None; `is_count` is for count_tokens."""
    return next(_shape_problems(body, is_count), None)


def first_problem(
    conversation: RequestView, switched_on: frozenset[str]
) -> tuple[str, Problem] | None:
    """Find the first refusal of those that are on: its name and the error, or None."""
    for name, check in CHECKS.items():
        if name in switched_on:
            for problem in check(conversation):
                return name, problem
    return None


def _shape_problems(body: JsonObject, is_count: bool) -> Iterator[Problem]:
    if "model" not in body:
        yield invalid("model: Field required")
    if not isinstance(body.get("model"), str):
        yield invalid("model: Input should be a valid string")
    if not is_count:
        limit = body.get("max_tokens")
        if limit is None:
            yield invalid("max_tokens: Field required")
        if not isinstance(limit, int) or limit < 1:
            yield invalid("max_tokens: Input should be greater than or equal to 1")
    messages = body.get("messages")
    if messages is None:
        yield invalid("messages: Field required")
    if not isinstance(messages, list):
        yield invalid("messages: Input should be a valid list")
    elif not messages:
        yield invalid("messages: at least one message is required")
    else:
        for position, message in enumerate(messages):
            yield from _message_problems(position, message)


def _message_problems(position: int, message: object) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield invalid(
            f"messages.{position}: Input should be a valid dictionary or object to extract fields "
            "from"
        )
        return
    if message.get("role") not in ("user", "assistant", "system"):
        yield invalid(f"messages.{position}.role: Input should be 'user', 'assistant' or 'system'")
    content = message.get("content")
    if not isinstance(content, str | list):
        yield invalid(f"messages.{position}.content: Input should be a valid list")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(block, dict):
            yield invalid(
                f"messages.{position}.content.{index}: Input should be a valid dictionary"
            )
        elif block.get("type") is None:
            yield invalid(f"messages.{position}.content.{index}.type: Field required")
