"""Composing an answer: which blocks it has, what it counts, in no service's particular shape.

Everything follows from the request, so the same request always gets the same answer (ids apart).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_simulator.service.faults import Faults, ToolAsk
    from offramp_simulator.service.request_view import JsonObject, RequestView

ECHO_CHARACTERS = 80
_THOUGHTS = (
    "The user wants something done. First I look at what was said, then at what is there, "
    "then I weigh the ways to do it and take the plainest. "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer; the input's three parts do not overlap."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0

    @property
    def cache_creation_input_tokens(self) -> int:
        """Both kinds of cache writes together."""
        return self.cache_creation_5m_input_tokens + self.cache_creation_1h_input_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; `blocks` as they stand in a JSON answer's `content`."""

    message_id: str
    model: str
    blocks: tuple[JsonObject, ...]
    stop_reason: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The ways in which a service's blocks differ: its ids and signatures."""

    tool_id: Callable[[], str]
    server_tool_id: Callable[[], str]
    thinking_block: Callable[[str], JsonObject]


def compose_blocks(
    conversation: RequestView,
    faults: Faults,
    asks: list[ToolAsk],
    maker: Maker,
    *,
    thinks: bool,
) -> tuple[list[JsonObject], str]:
    """The content of an answer and its stop reason; `asks` are the tool calls still to be made."""
    blocks: list[JsonObject] = []
    if thinks and "no-thinking" not in faults:
        blocks.append(maker.thinking_block(thought(conversation)))
    if "server-tool" in faults:
        blocks += _server_tool_blocks(maker.server_tool_id())
    calls = _calls(conversation, asks, is_parallel="parallel" in faults)
    if calls:
        blocks.append({"type": "text", "text": f"I use {calls[0][0]} for this."})
        blocks += [
            {"type": "tool_use", "id": maker.tool_id(), "name": name, "input": arguments}
            for name, arguments in calls
        ]
        return blocks, "tool_use"
    if conversation.body.get("max_tokens") == 1:
        return [{"type": "text", "text": "Hello"}], "max_tokens"
    blocks.append({"type": "text", "text": _text(conversation, faults)})
    return blocks, "end_turn"


def output_tokens(blocks: list[JsonObject]) -> int:
    """Four characters of visible content a token, and at least one."""
    characters = 0
    for block in blocks:
        characters += len(block.get("text", "")) + len(block.get("thinking", ""))
        characters += len(json.dumps(block["input"])) if "input" in block else 0
    return max(1, characters // 4)


def thought(conversation: RequestView) -> str:
    """What the model thinks: it names the request, so that every turn's thinking differs."""
    turn = len(conversation.messages)
    return f"{_THOUGHTS}Message {turn} said: {_echo(conversation.last_user_text())!r}."


def instance_of(schema: object, *, depth: int = 0) -> object:
    """A small value that fits a JSON schema: required properties only."""
    if not isinstance(schema, dict) or depth > 8:
        return "x"
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", [])
            return {key: instance_of(properties.get(key), depth=depth + 1) for key in required}
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "x"


def _calls(
    conversation: RequestView, asks: list[ToolAsk], *, is_parallel: bool
) -> list[tuple[str, object]]:
    """The calls of this round, for tools that are offered."""
    offered = {
        tool["name"]: tool.get("input_schema")
        for tool in conversation.tools
        if isinstance(tool.get("name"), str)
    }
    calls: list[tuple[str, object]] = []
    for ask in asks:
        name = ask.name or next(iter(offered), None)
        if name is not None and name in offered:
            arguments = instance_of(offered[name]) if ask.arguments is None else ask.arguments
            calls.append((name, arguments))
    return calls if is_parallel else calls[:1]


def _text(conversation: RequestView, faults: Faults) -> str:
    written = faults.value("text")
    if written is not None:
        return written
    count = faults.count("events")
    if count is not None:
        return " ".join(f"word{number}" for number in range(1, count + 1))
    schema = _answer_schema(conversation)
    if schema is not None:
        return json.dumps(instance_of(schema))
    result = conversation.last_tool_result()
    if result is not None:
        return f"Done. The tool said: {_echo(result)}"
    return f"This is {conversation.model}. You said: {_echo(conversation.last_user_text())}"


def _answer_schema(conversation: RequestView) -> object:
    """The schema that the answer has to fit, where the client set one."""
    settings = conversation.body.get("output_config")
    form = settings.get("format") if isinstance(settings, dict) else None
    is_schema = isinstance(form, dict) and form.get("type") == "json_schema"
    return form.get("schema") if is_schema and isinstance(form, dict) else None


def _echo(text: str) -> str:
    """The last line of `text`, shortened: Claude Code puts reminders before what was typed."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:ECHO_CHARACTERS] if lines else "(nothing)"


def _server_tool_blocks(tool_id: str) -> list[JsonObject]:
    found = {"type": "web_search_result", "url": "https://example.com/", "title": "Example"}
    return [
        {
            "type": "server_tool_use",
            "id": tool_id,
            "name": "web_search",
            "input": {"query": "example"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": tool_id,
            "content": [{**found, "encrypted_content": "c2ltdWxhdGVk", "page_age": None}],
        },
    ]
