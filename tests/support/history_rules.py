"""What Claude and a strict delegate refuse in a conversation: written down once more, for tests.

Nothing here is shared with the product or the fake services, so that a rule misread in one of them
shows. Each rule returns words for the first thing that it minds, or None.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_THINKING = ("thinking", "redacted_thinking")
_CALLS = ("server_tool_use", "mcp_tool_use")
_LONG_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{100,}=*")
_SERVER_CALL_ID = re.compile(r"(srvtoolu|mcptoolu)_[A-Za-z0-9_-]+")
_DELEGATE_FIELDS = {
    "text": {"text", "cache_control"},
    "image": {"source", "cache_control"},
    "document": {"source", "title", "context", "cache_control"},
    "thinking": {"thinking", "signature"},
    "tool_use": {"id", "name", "input", "cache_control"},
    "tool_result": {"tool_use_id", "content", "is_error", "cache_control"},
}


def claude_minds(messages: list[Json]) -> str | None:
    """Return what Claude refuses in `messages`."""
    return next(_claude(messages), None)


def delegate_minds(messages: list[Json]) -> str | None:
    """Return what a strict delegate without images refuses in `messages`."""
    return next(_delegate(messages), None)


def _claude(messages: list[Json]) -> Iterator[str]:
    yield from _common(messages)
    yield from _system_places(messages)
    turns = [message for message in messages if message["role"] != "system"]
    if turns and turns[0]["role"] != "user":
        yield "the first turn is no user turn"
    for message in messages:
        for block in _blocks(message):
            yield from _claude_block(message["role"], block)
    yield from _pairs(turns)
    if messages and messages[-1]["role"] == "assistant":
        last = (_blocks(messages[-1]) or [{}])[-1]
        if last.get("type") == "text" and last["text"] != last["text"].rstrip():
            yield "the final assistant turn ends in white space"


def _claude_block(role: str, block: Json) -> Iterator[str]:
    kind = block["type"]
    if kind in _THINKING:
        seal = block.get("signature" if kind == "thinking" else "data")
        if role != "assistant":
            yield f"thinking in a {role} turn"
        if not isinstance(seal, str) or not _LONG_BASE64.fullmatch(seal):
            yield "invalid signature in thinking block"
    if kind in _CALLS:
        if not _SERVER_CALL_ID.fullmatch(str(block.get("id"))):
            yield f"id of {kind}"
        if not isinstance(block.get("input"), dict):
            yield f"input of {kind}"
    is_server_result = kind.endswith("_tool_result")
    if is_server_result and not _SERVER_CALL_ID.fullmatch(str(block.get("tool_use_id"))):
        yield f"id of {kind}"


def _delegate(messages: list[Json]) -> Iterator[str]:
    yield from _common(messages)
    for number, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            yield f"role {message['role']}"
        for block in _blocks(message):
            yield from _delegate_block(message["role"], block)
            if block["type"] == "tool_result":
                for inner in _content_blocks(block.get("content")):
                    yield from _delegate_block("user", inner)
        first = (_blocks(message) or [{}])[0]
        if number == 0 and first.get("type") == "tool_result":
            yield "a bare result comes first"
    yield from _pairs(messages)


def _delegate_block(role: str, block: Json) -> Iterator[str]:
    kind = block["type"]
    if kind not in _DELEGATE_FIELDS or kind in ("image", "document"):
        yield f"block {kind}"
        return
    for name in block.keys() - _DELEGATE_FIELDS[kind] - {"type"}:
        yield f"{name} of {kind}"
    if kind == "thinking":
        if role != "assistant":
            yield f"thinking in a {role} turn"
        if _LONG_BASE64.fullmatch(str(block.get("signature"))):
            yield "thinking of Claude's"


def _common(messages: list[Json]) -> Iterator[str]:
    ids: set[Any] = set()
    if not messages:
        yield "no messages"
    for message in messages:
        content = message.get("content")
        only_sets_effort = message["role"] == "system" and "output_config" in message
        if not content and not only_sets_effort:
            yield "an empty message"
        if isinstance(content, str) and content and not content.strip():
            yield "a blank message"
        for block in _blocks(message):
            yield from _block(message["role"], block, ids)


def _block(role: str, block: Json, ids: set[Any]) -> Iterator[str]:
    kind = block["type"]
    if kind == "text" and not (isinstance(block.get("text"), str) and block["text"].strip()):
        yield "a blank text"
    if kind == "tool_use":
        if role != "assistant":
            yield f"a call in a {role} turn"
        if not re.fullmatch("[a-zA-Z0-9_-]+", str(block.get("id", ""))) or block["id"] in ids:
            yield "id of a call"
        ids.add(block.get("id"))
        if not re.fullmatch("[a-zA-Z0-9_-]{1,128}", str(block.get("name", "<"))):
            yield "name of a call"
        if not isinstance(block.get("input"), dict):
            yield "input of a call"
    if kind == "tool_result":
        if role != "user":
            yield f"a result in a {role} turn"
        content = block.get("content")
        if isinstance(content, dict) or (isinstance(content, str) and content.isspace()):
            yield "content of a result"
        for inner in _content_blocks(content):
            if inner["type"] in _THINKING or (
                inner["type"] == "text" and not str(inner.get("text") or "").strip()
            ):
                yield "a blank text or thinking in a result"


def _pairs(turns: list[Json]) -> Iterator[str]:
    """Turns of one role in a row are one: its calls are answered in the next, results first."""
    joined = [
        (role, [block for turn in each for block in _blocks(turn)])
        for role, each in groupby(turns, key=lambda turn: turn["role"])
    ]
    calls: list[str] = []
    for role, blocks in joined:
        if role == "assistant":
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            continue
        kinds = [block["type"] == "tool_result" for block in blocks]
        if kinds != sorted(kinds, reverse=True):
            yield "a result behind something else"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(calls) != sorted(results):
            yield f"calls {calls} and results {results}"
        calls = []


def _system_places(messages: list[Json]) -> Iterator[str]:
    place = 0
    for role, row in groupby(messages, key=lambda message: message["role"]):
        start, place = place, place + len(list(row))
        if role != "system":
            continue
        first = messages[start]
        if start == 0 and not first.get("content") and "output_config" in first:
            start += 1
            if start == place:
                continue
        before = messages[start - 1] if start else {"role": None}
        last_of_before = (_blocks(before) or [{}])[-1] if start else {}
        ends_in_result = str(last_of_before.get("type")).endswith("_tool_result")
        if before["role"] != "user" and not (before["role"] == "assistant" and ends_in_result):
            yield "a system item behind what is no user turn"
        if place < len(messages) and messages[place]["role"] != "assistant":
            yield "a system item before what is no assistant turn"


def _blocks(message: Json) -> list[Json]:
    return _content_blocks(message.get("content"))


def _content_blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return content if isinstance(content, list) else []
