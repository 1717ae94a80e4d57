"""What Anthropic refuses in a `/v1/messages` body, in its own words: clients match on them.

The wording follows published error bodies; nothing here is needed to answer a good request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_simulator import signatures
from offramp_simulator.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.signatures import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator

MODIFIED = (
    "messages.{message}.content.{block}: `thinking` or `redacted_thinking` blocks in the latest "
    "assistant message cannot be modified. These blocks must remain as they were in the original "
    "response."
)
SIGNATURE = "messages.{message}.content.{block}: Invalid `signature` in `thinking` block"
EXPECTED = (
    "messages.{message}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
    "`{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
    "block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you "
    "include thinking blocks from previous turns. To avoid this requirement, disable `thinking`. "
    "Please consult our documentation at "
    "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)

_MIN_BUDGET = 1024
_THINKING = ("thinking", "redacted_thinking")
_SERVER_TOOL_ID = "^srvtoolu_[a-zA-Z0-9_]+$"
_TOOL_ID = "^[a-zA-Z0-9_-]+$"


def first_problem(conversation: RequestView, *, binds_thinking: bool, is_count: bool) -> str | None:
    """Why the body is refused with 400, or None; `is_count` is for count_tokens.

    With `binds_thinking` a thinking block holds only behind the conversation it was made for.
    """
    return next(_problems(conversation, binds_thinking, is_count), None)


def _problems(conversation: RequestView, binds_thinking: bool, is_count: bool) -> Iterator[str]:
    yield from _field_problems(conversation.body, is_count)
    yield from _thinking_settings(conversation, is_count)
    for position, message in enumerate(conversation.messages):
        yield from _message_problems(position, message)
    yield from _tool_pairs(conversation.messages)
    yield from _signature_problems(conversation, binds_thinking)
    yield from _loop_problems(conversation)


def _field_problems(body: JsonObject, is_count: bool) -> Iterator[str]:
    if "model" not in body:
        yield "model: Field required"
    if not isinstance(body.get("model"), str):
        yield "model: Input should be a valid string"
    if not is_count:
        limit = body.get("max_tokens")
        if limit is None:
            yield "max_tokens: Field required"
        if not isinstance(limit, int) or limit < 1:
            yield "max_tokens: Input should be greater than or equal to 1"
    messages = body.get("messages")
    if messages is None:
        yield "messages: Field required"
    if not isinstance(messages, list):
        yield "messages: Input should be a valid list"
    elif not messages:
        yield "messages: at least one message is required"
    elif not all(isinstance(message, dict) for message in messages):
        yield "messages.0: Input should be a valid dictionary or object to extract fields from"
    if any(not _has_text(block) for block in blocks_of({"content": body.get("system") or []})):
        yield "system: text content blocks must be non-empty"


def _thinking_settings(conversation: RequestView, is_count: bool) -> Iterator[str]:
    body = conversation.body
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") == "enabled":
        budget, limit = thinking.get("budget_tokens"), body.get("max_tokens")
        if not isinstance(budget, int):
            yield "thinking.enabled.budget_tokens: Field required"
        elif budget < _MIN_BUDGET:
            yield (
                "thinking.enabled.budget_tokens: Input should be greater than or equal to "
                f"{_MIN_BUDGET}"
            )
        elif not is_count and isinstance(limit, int) and limit <= budget:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    management = body.get("context_management")
    if conversation.thinking_type == "disabled" and isinstance(management, dict):
        for edit in management.get("edits") or []:
            if isinstance(edit, dict) and edit.get("type") == "clear_thinking_20251015":
                yield (
                    "`clear_thinking_20251015` strategy requires `thinking` to be enabled or "
                    "adaptive"
                )


def _message_problems(position: int, message: JsonObject) -> Iterator[str]:
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        yield f"messages.{position}.role: Input should be 'user', 'assistant' or 'system'"
    if role == "system" and position == 0:
        yield "messages.0: a `system` message cannot be the first one"
    if not isinstance(content, str | list):
        yield f"messages.{position}.content: Input should be a valid list"
    if not content:
        kind = "user messages" if role == "user" else "all messages"
        yield f"messages.{position}: {kind} must have non-empty content"
    if isinstance(content, list) and not all(isinstance(block, dict) for block in content):
        yield f"messages.{position}.content.0: Input should be a valid dictionary"
    for index, block in enumerate(blocks_of(message)):
        yield from _block_problems(f"messages.{position}.content.{index}", block)


def _block_problems(place: str, block: JsonObject) -> Iterator[str]:
    kind = block.get("type")
    match kind:
        case "text":
            if not isinstance(block.get("text"), str):
                yield f"{place}.text.text: Field required"
            elif not block["text"]:
                yield "messages: text content blocks must be non-empty"
            elif not block["text"].strip():
                yield "messages: text content blocks must contain non-whitespace text"
        case "tool_use" | "server_tool_use":
            pattern = _TOOL_ID if kind == "tool_use" else _SERVER_TOOL_ID
            if not re.fullmatch(pattern, str(block.get("id", ""))):
                yield f"{place}.{kind}.id: String should match pattern '{pattern}'"
            if not isinstance(block.get("input"), dict):
                yield f"{place}.{kind}.input: Input should be a valid dictionary"
        case "thinking":
            for field in ("thinking", "signature"):
                if not isinstance(block.get(field), str):
                    yield f"{place}.thinking.{field}: Field required"
        case None:
            yield f"{place}.type: Field required"


def _tool_pairs(messages: list[JsonObject]) -> Iterator[str]:
    """Each call needs its result in the next message, each result its call in the one before."""
    turns = [(at, one) for at, one in enumerate(messages) if one.get("role") != "system"]
    for number, (position, message) in enumerate(turns):
        before = turns[number - 1][1] if number else {}
        after = turns[number + 1][1] if number + 1 < len(turns) else None
        asked, answered = (
            _ids(before, "tool_use", "id"),
            _ids(message, "tool_result", "tool_use_id"),
        )
        for index, one in enumerate(answered):
            if one not in asked:
                yield (
                    f"messages.{position}.content.{index}: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {one}. Each `tool_result` block must have a "
                    "corresponding `tool_use` block in the previous message."
                )
        results = [] if after is None else _ids(after, "tool_result", "tool_use_id")
        missing = [one for one in _ids(message, "tool_use", "id") if one not in results]
        if missing:
            yield (
                f"messages.{position}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )
        yield from _server_tool_pairs(position, message)


def _server_tool_pairs(position: int, message: JsonObject) -> Iterator[str]:
    asked = _ids(message, "server_tool_use", "id")
    answered = _ids(message, "web_search_tool_result", "tool_use_id")
    for one in answered:
        if one not in asked:
            yield (
                f"messages.{position}: unexpected `tool_use_id` found in `web_search_tool_result` "
                f"blocks: {one}."
            )
    for one in asked:
        if one not in answered:
            yield (
                f"messages.{position}: `web_search` tool use with id `{one}` was found without a "
                "corresponding `web_search_tool_result` block"
            )


def _signature_problems(conversation: RequestView, binds_thinking: bool) -> Iterator[str]:
    messages = conversation.messages
    assistants = [at for at, one in enumerate(messages) if one.get("role") == "assistant"]
    for position in assistants:
        binding = conversation.digest_before(position) if binds_thinking else b""
        for index, block in enumerate(blocks_of(messages[position])):
            is_latest = position == assistants[-1]
            yield from _seal_problems(position, index, block, binding, is_latest=is_latest)


def _seal_problems(
    position: int, index: int, block: JsonObject, binding: bytes, *, is_latest: bool
) -> Iterator[str]:
    if block.get("type") == "redacted_thinking":
        if not signatures.is_issued_by_anthropic(str(block.get("data"))):
            yield (
                f"messages.{position}.content.{index}: Invalid `data` in `redacted_thinking` block"
            )
    elif block.get("type") == "thinking":
        seal = signatures.check_anthropic(block["thinking"], block["signature"], binding)
        if seal is Seal.FOREIGN or (seal is Seal.OTHER_TEXT and not is_latest):
            yield SIGNATURE.format(message=position, block=index)
        elif seal is Seal.OTHER_TEXT:
            yield MODIFIED.format(message=position, block=index)


def _loop_problems(conversation: RequestView) -> Iterator[str]:
    """With `enabled` thinking, the assistant turn of an open tool loop begins with thinking."""
    messages = conversation.messages
    if conversation.thinking_type == "disabled" and messages[-1].get("role") == "assistant":
        for index, block in enumerate(blocks_of(messages[-1])):
            if block.get("type") in _THINKING:
                yield (
                    f"messages.{len(messages) - 1}.content.{index}.type: When `thinking` is "
                    "disabled, an `assistant` message in the final position cannot contain "
                    f"`{block['type']}`."
                )
    if conversation.thinking_type != "enabled" or conversation.last_tool_result() is None:
        return
    start = _start_of_turn(messages)
    found = blocks_of(messages[start])[0].get("type")
    if messages[start].get("role") == "assistant" and found not in _THINKING:
        yield EXPECTED.format(message=start, found=found)


def _start_of_turn(messages: list[JsonObject]) -> int:
    """Position of the first assistant message after the last prompt that is no tool result."""
    start = len(messages) - 1
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.get("role") == "assistant":
            start = position
        elif message.get("role") == "user" and not _ids(message, "tool_result", "tool_use_id"):
            break
    return start


def _ids(message: JsonObject, kind: str, field: str) -> list[str]:
    return [str(block.get(field)) for block in blocks_of(message) if block.get("type") == kind]


def _has_text(block: JsonObject) -> bool:
    return block.get("type") != "text" or bool(block.get("text"))
