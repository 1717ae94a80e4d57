"""What Anthropic refuses about thinking: its settings, its blocks, and what they are signed for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_simulator.anthropic.problem import Problem, invalid
from offramp_simulator.service import signatures
from offramp_simulator.service.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.service.signatures import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_simulator.anthropic.problem import Check

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
_NEWEST = re.compile(r"claude-(?:opus|sonnet|haiku|fable)-5\b")
_UNDISTURBED_EFFORTS = ("xhigh", "max")


def _budgets(conversation: RequestView) -> Iterator[Problem]:
    thinking = conversation.body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    budget, limit = thinking.get("budget_tokens"), conversation.body.get("max_tokens")
    place = "thinking.enabled.budget_tokens"
    if not isinstance(budget, int):
        yield invalid(f"{place}: Field required")
    elif budget < _MIN_BUDGET:
        yield invalid(f"{place}: Input should be greater than or equal to {_MIN_BUDGET}")
    elif isinstance(limit, int) and limit <= budget:
        yield invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _budgets_of_newest(conversation: RequestView) -> Iterator[Problem]:
    if conversation.thinking_type == "enabled" and _NEWEST.search(conversation.model):
        yield invalid(
            "thinking.type: `enabled` is not supported by this model; use `adaptive` and "
            "`output_config.effort`"
        )


def _disabled_at_fable(conversation: RequestView) -> Iterator[Problem]:
    yield from _disabled_for(conversation, "fable")


def _disabled_at_haiku(conversation: RequestView) -> Iterator[Problem]:
    yield from _disabled_for(conversation, "haiku-4-5")


def _disabled_for(conversation: RequestView, part: str) -> Iterator[Problem]:
    if _is_switched_off(conversation) and part in conversation.model:
        yield invalid("thinking.type: `disabled` is not supported by this model")


def _disabled_with_effort(conversation: RequestView) -> Iterator[Problem]:
    config = conversation.body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    if _is_switched_off(conversation) and effort in _UNDISTURBED_EFFORTS:
        yield invalid(f"thinking.type: `disabled` is not supported with effort `{effort}`")


def _is_switched_off(conversation: RequestView) -> bool:
    """Whether the body says `disabled`; without the field, thinking is just not asked for."""
    thinking = conversation.body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "disabled"


def _cleared_thinking(conversation: RequestView) -> Iterator[Problem]:
    management = conversation.body.get("context_management")
    if conversation.thinking_type != "disabled" or not isinstance(management, dict):
        return
    for edit in management.get("edits") or []:
        if isinstance(edit, dict) and edit.get("type") == "clear_thinking_20251015":
            yield invalid(
                "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive"
            )


SETTINGS: Mapping[str, Check] = {
    "thinking-budgets": _budgets,
    "thinking-budgets-of-newest-models": _budgets_of_newest,
    "disabled-thinking-at-fable": _disabled_at_fable,
    "disabled-thinking-at-haiku": _disabled_at_haiku,
    "disabled-thinking-with-effort": _disabled_with_effort,
    "cleared-thinking": _cleared_thinking,
}


def _fields(conversation: RequestView) -> Iterator[Problem]:
    for position, message in enumerate(conversation.messages):
        for index, block in enumerate(blocks_of(message)):
            for field in ("thinking", "signature") if block.get("type") == "thinking" else ():
                if not isinstance(block.get(field), str):
                    place = f"messages.{position}.content.{index}.thinking.{field}"
                    yield invalid(f"{place}: Field required")


def _last_while_disabled(conversation: RequestView) -> Iterator[Problem]:
    messages = conversation.messages
    if conversation.thinking_type != "disabled" or messages[-1].get("role") != "assistant":
        return
    for index, block in enumerate(blocks_of(messages[-1])):
        if block.get("type") in _THINKING:
            yield invalid(
                f"messages.{len(messages) - 1}.content.{index}.type: When `thinking` is disabled, "
                f"an `assistant` message in the final position cannot contain `{block['type']}`."
            )


def _open_loop(conversation: RequestView) -> Iterator[Problem]:
    """With `enabled` thinking, the assistant turn of an open tool loop begins with thinking."""
    if conversation.thinking_type != "enabled" or conversation.last_tool_result() is None:
        return
    messages = conversation.messages
    start = _start_of_turn(messages)
    found = (blocks_of(messages[start]) or [{}])[0].get("type")
    if messages[start].get("role") == "assistant" and found not in _THINKING:
        yield invalid(EXPECTED.format(message=start, found=found))


def _start_of_turn(messages: list[JsonObject]) -> int:
    """Position of the first assistant message after the last prompt that is not a tool result."""
    start = len(messages) - 1
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.get("role") == "assistant":
            start = position
        elif message.get("role") == "user" and not _has_result(message):
            break
    return start


def _has_result(message: JsonObject) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks_of(message))


def _redacted_data(conversation: RequestView) -> Iterator[Problem]:
    for position, message in enumerate(conversation.messages):
        for index, block in enumerate(blocks_of(message)):
            data = str(block.get("data"))
            is_redacted = block.get("type") == "redacted_thinking"
            if is_redacted and not signatures.is_issued_by_anthropic(data):
                place = f"messages.{position}.content.{index}"
                yield invalid(f"{place}: Invalid `data` in `redacted_thinking` block")


def _foreign_signatures(conversation: RequestView) -> Iterator[Problem]:
    for position, index, seal in _seals(conversation):
        if seal is Seal.FOREIGN:
            yield invalid(SIGNATURE.format(message=position, block=index))


def _changed_thinking(conversation: RequestView) -> Iterator[Problem]:
    for position, index, seal in _seals(conversation):
        if seal is Seal.OTHER_TEXT:
            yield _changed(conversation, position, index)


def _bound_thinking(conversation: RequestView) -> Iterator[Problem]:
    """Find blocks that were signed for their text, but behind another conversation."""
    for position, index, seal in _seals(conversation):
        if seal is Seal.OTHER_PLACE:
            yield _changed(conversation, position, index)


def _changed(conversation: RequestView, position: int, index: int) -> Problem:
    """Word the refusal of a block that was issued here, but not for this."""
    later = conversation.messages[position + 1 :]
    is_latest = not any(message.get("role") == "assistant" for message in later)
    return invalid((MODIFIED if is_latest else SIGNATURE).format(message=position, block=index))


def _seals(conversation: RequestView) -> Iterator[tuple[int, int, Seal]]:
    """Say of every thinking block, whatever its message's role, what its signature is."""
    for position, message in enumerate(conversation.messages):
        found = [
            (index, block)
            for index, block in enumerate(blocks_of(message))
            if block.get("type") == "thinking"
        ]
        binding = conversation.digest_before(position) if found else b""
        for index, block in found:
            text, signature = str(block.get("thinking", "")), str(block.get("signature", ""))
            yield position, index, signatures.check_anthropic(text, signature, binding)


BLOCKS: Mapping[str, Check] = {
    "thinking-fields": _fields,
    "redacted-data": _redacted_data,
    "foreign-signatures": _foreign_signatures,
    "changed-thinking": _changed_thinking,
    "bound-thinking": _bound_thinking,
    "last-thinking-while-disabled": _last_while_disabled,
    "loop-without-thinking": _open_loop,
}
