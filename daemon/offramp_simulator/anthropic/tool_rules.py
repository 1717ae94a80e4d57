"""What Anthropic refuses about tools, their calls and their results; each under its own name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_simulator.anthropic.problem import Problem, invalid
from offramp_simulator.service.request_view import JsonObject, RequestView, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_simulator.anthropic.problem import Check

_CALL_ID = "^[a-zA-Z0-9_-]+$"
_SERVER_CALL_ID = "^srvtoolu_[a-zA-Z0-9_]+$"
_NAME = "^[a-zA-Z0-9_-]{1,128}$"
_CALLS = ("tool_use", "server_tool_use")


def _call_ids(conversation: RequestView) -> Iterator[Problem]:
    yield from _not_matching(conversation, "tool_use", "id", _CALL_ID)
    yield from _not_matching(conversation, "tool_result", "tool_use_id", _CALL_ID)


def _server_call_ids(conversation: RequestView) -> Iterator[Problem]:
    yield from _not_matching(conversation, "server_tool_use", "id", _SERVER_CALL_ID)


def _call_names(conversation: RequestView) -> Iterator[Problem]:
    yield from _not_matching(conversation, "tool_use", "name", _NAME)


def _tool_names(conversation: RequestView) -> Iterator[Problem]:
    for position, tool in enumerate(conversation.tools):
        if not re.fullmatch(_NAME, str(tool.get("name", ""))):
            yield invalid(f"tools.{position}.name: String should match pattern '{_NAME}'")


def _not_matching(
    conversation: RequestView, kind: str, field: str, pattern: str
) -> Iterator[Problem]:
    for place, block in _placed(conversation, kind):
        if not re.fullmatch(pattern, str(block.get(field, ""))):
            yield invalid(f"{place}.{kind}.{field}: String should match pattern '{pattern}'")


def _unique_call_ids(conversation: RequestView) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, block in _placed(conversation, *_CALLS):
        identity = str(block.get("id"))
        if identity in seen:
            yield invalid(f"{place}: `tool_use` ids must be unique")
        seen.add(identity)


def _call_inputs(conversation: RequestView) -> Iterator[Problem]:
    for place, block in _placed(conversation, *_CALLS):
        if not isinstance(block.get("input"), dict):
            yield invalid(f"{place}.{block['type']}.input: Input should be a valid dictionary")


def _results_without_calls(conversation: RequestView) -> Iterator[Problem]:
    """Each result stands in the message behind its call's."""
    turns = _turns(conversation)
    for number, (position, message) in enumerate(turns):
        asked = _ids(turns[number - 1][1], "tool_use", "id") if number else []
        for index, one in enumerate(_ids(message, "tool_result", "tool_use_id")):
            if one not in asked:
                yield invalid(
                    f"messages.{position}.content.{index}: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {one}. Each `tool_result` block must have a "
                    "corresponding `tool_use` block in the previous message."
                )


def _calls_without_results(conversation: RequestView) -> Iterator[Problem]:
    turns = _turns(conversation)
    for number, (position, message) in enumerate(turns):
        after = turns[number + 1][1] if number + 1 < len(turns) else {}
        results = _ids(after, "tool_result", "tool_use_id")
        missing = [one for one in _ids(message, "tool_use", "id") if one not in results]
        if missing:
            yield invalid(
                f"messages.{position}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )


def _server_results_without_calls(conversation: RequestView) -> Iterator[Problem]:
    for position, message in enumerate(conversation.messages):
        asked = _ids(message, "server_tool_use", "id")
        for one in _ids(message, "web_search_tool_result", "tool_use_id"):
            if one not in asked:
                yield invalid(
                    f"messages.{position}: unexpected `tool_use_id` found in "
                    f"`web_search_tool_result` blocks: {one}."
                )


def _server_calls_without_results(conversation: RequestView) -> Iterator[Problem]:
    for position, message in enumerate(conversation.messages):
        answered = _ids(message, "web_search_tool_result", "tool_use_id")
        for one in _ids(message, "server_tool_use", "id"):
            if one not in answered:
                yield invalid(
                    f"messages.{position}: `web_search` tool use with id `{one}` was found without "
                    "a corresponding `web_search_tool_result` block"
                )


CHECKS: Mapping[str, Check] = {
    "call-ids": _call_ids,
    "server-call-ids": _server_call_ids,
    "call-names": _call_names,
    "tool-names": _tool_names,
    "unique-call-ids": _unique_call_ids,
    "call-inputs": _call_inputs,
    "results-without-calls": _results_without_calls,
    "calls-without-results": _calls_without_results,
    "server-results-without-calls": _server_results_without_calls,
    "server-calls-without-results": _server_calls_without_results,
}


def _placed(conversation: RequestView, *kinds: str) -> Iterator[tuple[str, JsonObject]]:
    """Every block of these types, with the words that error bodies have for its place."""
    for position, message in enumerate(conversation.messages):
        for index, block in enumerate(blocks_of(message)):
            if block.get("type") in kinds:
                yield f"messages.{position}.content.{index}", block


def _turns(conversation: RequestView) -> list[tuple[int, JsonObject]]:
    """The messages with their positions, system items left out."""
    return [
        (at, one) for at, one in enumerate(conversation.messages) if one.get("role") != "system"
    ]


def _ids(message: JsonObject, kind: str, field: str) -> list[str]:
    return [str(block.get(field)) for block in blocks_of(message) if block.get("type") == kind]
