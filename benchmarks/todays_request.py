"""A request of the size and shape that today's Claude Code sends: 150 KB, thirty tools, streamed.

The names and places of fields are those of 2.1.332; the texts are made up. Most of it is the
system prompt, the tools with their schemas, and what the tools returned so far.
"""

from __future__ import annotations

import functools
import random

import traffic
from traffic import Json, encode

OPUS = "claude-opus-5-5"
SONNET = "claude-sonnet-5-5"
TOOLS = 30

HEADERS = (
    "x-claude-code-prompt-id: 0d7d7c1e-6a55-4b0e-9a53-2f6f0e1c7a11",
    "x-claude-code-request-class: main",
    "x-client-request-id: 8a1f3c1e-6a55-4b0e-9a53-2f6f0e1c7a12",
)
"""What it sends besides the headers of `traffic.request_head`."""

_SEED = 2026
_BYTES = 145_000
_SYSTEM_BYTES = 14_000
_TOOL_TEXT_BYTES = (200, 2_400)
_EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAMES = (
    *("Agent", "Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "Skill", "TodoWrite"),
    *("ToolSearch", "WebFetch", "Write", "AskUserQuestion", "ExitPlanMode", "Workflow"),
    *(f"mcp__tracker__{verb}_issue" for verb in ("list", "get", "create", "update", "close")),
    *(f"mcp__browser__{verb}" for verb in ("open", "click", "type", "read", "wait", "shot")),
    *("TaskOutput", "TaskStop", "Monitor", "DeferredToolPlaceholder"),
)


@functools.cache
def body(model: str, *, is_foreign: bool) -> bytes:
    """The request for `model`; with `is_foreign` a delegate has served the conversation so far."""
    rng = random.Random(_SEED)
    source = traffic.code()
    request = _shell(model, rng, source)
    messages: list[Json] = request["messages"]
    turn = 0
    missing = _BYTES - len(encode(request))
    while missing > 0:
        turn += 1
        pair = traffic.tool_turn(rng, source, turn=turn, is_foreign=is_foreign)
        messages += pair
        missing -= sum(len(encode(message)) + 1 for message in pair)
    messages[-1]["content"][-1]["cache_control"] = _EPHEMERAL
    return encode(request)


def _shell(model: str, rng: random.Random, source: str) -> Json:
    """All but the turns of the conversation."""
    return {
        "model": model,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>\n" + source[:4_000]},
                    {"type": "text", "text": "Find out why the reader stalls, and repair it."},
                ],
            },
            {
                "role": "system",
                "content": [{"type": "text", "text": source[4_000:8_000]}],
                "output_config": {"effort": "high"},
            },
        ],
        "system": [
            {"type": "text", "text": traffic.BILLING},
            {"type": "text", "text": traffic.IDENTITY},
            {"type": "text", "text": source[:_SYSTEM_BYTES], "cache_control": _EPHEMERAL},
        ],
        "tools": [_tool(name, rng, source) for name in _NAMES],
        "metadata": {"user_id": traffic.USER_ID},
        "max_tokens": 128_000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "diagnostics": {"previous_message_id": None},
        "stream": True,
    }


def _tool(name: str, rng: random.Random, source: str) -> Json:
    size = rng.randint(*_TOOL_TEXT_BYTES)
    start = rng.randrange(len(source) - size)
    tool = {
        "name": name,
        "description": source[start : start + size],
        "input_schema": {
            "$schema": _DRAFT,
            "type": "object",
            "properties": {
                "file_path": {"type": "string", "description": "The absolute path of the file."},
                "pattern": {"type": "string", "minLength": 1, "pattern": "^[^ ].*$"},
                "limit": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
                "mode": {"type": "string", "enum": ["content", "files", "count"]},
                "todos": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"text": {"type": "string"}, "done": {"type": "boolean"}},
                        "required": ["text"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["file_path"],
            "additionalProperties": False,
        },
    }
    return tool | {"defer_loading": True} if name == "DeferredToolPlaceholder" else tool
