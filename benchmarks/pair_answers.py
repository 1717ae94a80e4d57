"""What the recording services of `side_by_side.py` answer: bytes, and acts on the socket.

Pure functions of their arguments; every byte is the same in every run.
"""

from __future__ import annotations

import enum
import gzip
import json
import zlib
from typing import Any


class Act(enum.Enum):
    """What a service does to its connection in the middle of an answer."""

    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"
    """Writes nothing more until the other side has closed the connection."""


Script = tuple[bytes | Act, ...]
"""One answer: pieces to write one after another, and acts between them."""

SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3h" + "GgxBdjrkzLoky3dl1pki+MOY/" * 12 + "Yds=="
USAGE = {
    "input_tokens": 12,
    "output_tokens": 1,
    "cache_read_input_tokens": 7,
    "cache_creation_input_tokens": 9,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
}
OF_PLAN = (
    "anthropic-ratelimit-unified-status: allowed",
    "anthropic-ratelimit-unified-representative-claim: five_hour",
    "anthropic-ratelimit-unified-5h-status: allowed",
    "anthropic-ratelimit-unified-5h-utilization: 0.25",
)
"""Headers of an answer on a subscription; without resets, which would be times of this run."""


def compact(value: Any) -> bytes:
    """`value` as JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def event(name: str, **fields: Any) -> bytes:
    """One event of a stream."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), compact({"type": name, **fields}))


def start_event(model: str = "claude-opus-4-6", **usage: Any) -> bytes:
    """The first event of a stream."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    return event("message_start", message={**message, "usage": usage or USAGE})


PING = event("ping")
COMMENT = b": still here\n\n"
TEXT = (
    event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + event(
        "content_block_delta",
        index=0,
        delta={"type": "text_delta", "text": "H\u00e9llo \U0001f600"},
    )
    + event("content_block_stop", index=0)
)
THINKING = (
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."})
    + event(
        "content_block_delta", index=0, delta={"type": "signature_delta", "signature": SIGNATURE}
    )
    + event("content_block_stop", index=0)
)
TOOL = (
    event(
        "content_block_start",
        index=1,
        content_block={"type": "tool_use", "id": "call_1", "name": "Read", "input": {}},
    )
    + event(
        "content_block_delta",
        index=1,
        delta={"type": "input_json_delta", "partial_json": '{"path":"a.py"}'},
    )
    + event("content_block_stop", index=1)
)
USAGE_EVENT = event(
    "message_delta",
    delta={"stop_reason": "end_turn"},
    usage={"input_tokens": 40, "output_tokens": 34, "cache_read_input_tokens": 11},
)
STOP = event("message_stop")


def error_event(kind: str = "overloaded_error", **fields: Any) -> bytes:
    """An error in a stream, as Anthropic writes it."""
    return event("error", error={"type": kind, "message": "Something is wrong", **fields})


def sse_head(
    *headers: str, status: str = "200 OK", content_type: str = "text/event-stream"
) -> bytes:
    """The head of a stream in chunks."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers)
    return "\r\n".join((*lines, "Transfer-Encoding: chunked", "", "")).encode()


def chunk(data: bytes) -> bytes:
    """`data` as one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"


def stream(*events: bytes, headers: tuple[str, ...] = (), model: str = "claude-opus-4-6") -> Script:
    """A whole stream, its events in chunks of their own."""
    parts = events or (start_event(model), PING, TEXT, USAGE_EVENT, STOP)
    return (sse_head(*headers), *(chunk(part) for part in parts), LAST)


def stream_of(text: bytes, *, step: int, headers: tuple[str, ...] = ()) -> Script:
    """A whole stream that is split wherever `step` bytes are full."""
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    return (sse_head(*headers), *(chunk(piece) for piece in pieces), LAST)


def whole_text(model: str = "claude-opus-4-6") -> bytes:
    """All events of a stream."""
    return start_event(model) + PING + THINKING + TOOL + USAGE_EVENT + STOP


def coded(text: bytes, coding: str) -> bytes:
    """`text` in a content coding that the standard library knows."""
    if coding == "gzip":
        return gzip.compress(text, mtime=0)
    if coding == "deflate":
        return zlib.compress(text)
    raise ValueError(coding)


def body(
    content: Any,
    *headers: str,
    status: str = "200 OK",
    content_type: str = "application/json",
) -> Script:
    """An answer with a length; `content` is JSON, or bytes as they are."""
    data = content if isinstance(content, bytes) else compact(content)
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers)
    head = "\r\n".join((*lines, f"Content-Length: {len(data)}", "", "")).encode()
    return (head + data,)


def message(model: str = "claude-opus-4-6", **fields: Any) -> dict[str, Any]:
    """A message that was not streamed."""
    text = [{"type": "text", "text": "Hello"}]
    own = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": text}
    return {**own, "stop_reason": "end_turn", "usage": USAGE, **fields}


def anthropic_error(status: str, kind: str, text: str = "No.", *headers: str) -> Script:
    """An error of Anthropic's."""
    error = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}
    return body(error, *headers, status=status)


def zai_error(status: str, code: object, text: str = "It went wrong") -> Script:
    """An error of Z.ai's in its first shape."""
    return body({"error": {"code": code, "message": text}, "request_id": "r1"}, status=status)


def zai_error_as_anthropic(status: str, code: str, text: str = "It went wrong") -> Script:
    """An error of Z.ai's in its second shape."""
    error = {"type": "rate_limit_error", "code": code, "message": f"[{code}][{text}][r1]"}
    return body({"type": "error", "error": error}, status=status)


def default(method: str, target: str, content: bytes) -> Script:
    """What a service in good health answers."""
    path = target.partition("?")[0]
    if method == "HEAD":
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n",)
    if path.endswith("/count_tokens"):
        return body({"input_tokens": 77}, *OF_PLAN)
    if not path.endswith("/v1/messages"):
        return body({"path": path}, "Date: Mon, 30 Nov 2026 00:00:00 GMT", "X-Own: 1", "x-own: 2")
    model = "glm-4.7" if path.startswith("/api/anthropic") else "claude-opus-4-6"
    if b'"stream":true' in content.replace(b" ", b""):
        return stream(model=model, headers=OF_PLAN)
    return body(message(model), "request-id: req_1", *OF_PLAN)
