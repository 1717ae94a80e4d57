"""An answer as server-sent events, as both services order them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_simulator.service.answers import Answer
    from offramp_simulator.service.request_view import JsonObject

PING = b'event: ping\ndata: {"type": "ping"}\n\n'

NOISE = (
    b": a comment\n\n",
    b'event: news\ndata: {"type": "news", "usage": "none"}\n\n',
    b'id: 7\nretry: 1000\nevent: ping\ndata: {"type":\ndata:  "ping"}\n\n',
)

_WORD = re.compile(r"\s*\S+\s*|\s+")
_JSON_PIECE = 12
_THINKING_PIECE = 40


def json_bytes(value: object) -> bytes:
    """`value` as compact UTF-8 JSON; lone surrogates come as escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def event(payload: JsonObject) -> bytes:
    """One event, named after its payload's type."""
    return b"event: %b\ndata: %b\n\n" % (payload["type"].encode(), json_bytes(payload))


def answer_events(
    answer: Answer, *, start_usage: JsonObject, end_usage: JsonObject, has_pings: bool
) -> list[bytes]:
    """The events of a whole stream, from `message_start` to `message_stop`."""
    return [
        event(
            {"type": "message_start", "message": message_json(answer, start_usage, is_open=True)}
        ),
        *_content_events(answer, has_pings=has_pings),
        event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": answer.stop_reason, "stop_sequence": None},
                "usage": end_usage,
            }
        ),
        event({"type": "message_stop"}),
    ]


def message_json(answer: Answer, usage: JsonObject, *, is_open: bool = False) -> JsonObject:
    """The answer as one JSON message; `is_open` leaves out what is not known at its start."""
    return {
        "id": answer.message_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [] if is_open else list(answer.blocks),
        "stop_reason": None if is_open else answer.stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _content_events(answer: Answer, *, has_pings: bool) -> Iterator[bytes]:
    for index, block in enumerate(answer.blocks):
        yield event(
            {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        )
        if has_pings and index == 0:
            yield PING
        for delta in _deltas(block):
            yield event({"type": "content_block_delta", "index": index, "delta": delta})
        yield event({"type": "content_block_stop", "index": index})


def _opened(block: JsonObject) -> JsonObject:
    """A block as it stands in `content_block_start`, before its deltas."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", **({"signature": ""} if "signature" in block else {})}
        case "tool_use" | "server_tool_use":
            return {**block, "input": {}}
        case _:
            return block


def _deltas(block: JsonObject) -> Iterator[JsonObject]:
    match block["type"]:
        case "text":
            for word in _WORD.findall(block["text"]):
                yield {"type": "text_delta", "text": word}
        case "thinking":
            for piece in _pieces(block["thinking"], _THINKING_PIECE):
                yield {"type": "thinking_delta", "thinking": piece}
            if block.get("signature"):
                yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use" | "server_tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in _pieces(json.dumps(block["input"]), _JSON_PIECE):
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            return


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
