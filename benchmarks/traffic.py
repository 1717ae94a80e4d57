"""The requests and answers that the benchmarks send: what Claude Code and its services say.

Pure functions of their arguments: the same bytes in every run with one Python version. No
network, no clock, and no credential that was ever real.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FAKE_TOKEN = "sk-ant-oat01-" + "fake" * 22
FAKE_KEY = "0123456789abcdef0123456789abcdef.FakeFakeFakeFake"

OPUS = "claude-opus-4-6"
SONNET = "claude-sonnet-4-5"

_SESSION = "6d1f3c1e-6a55-4b0e-9a53-2f6f0e1c7a10"
_BILLING = "x-anthropic-billing-header: cc_version=2.1.330.6af; cc_entrypoint=cli; cch=59dd3;"
_TOOLS = ("Read", "Edit", "Bash", "Grep")
_NUMBERING_TOOLS = ("Read", "Grep")
_RESULT_BYTES = (5_000, 20_000)
_NATIVE_SIGNATURE_BYTES = (300, 900)


def request_head(port: int, *, body_bytes: int, script: str) -> bytes:
    """The request line and headers as Claude Code sends them, for a body of `body_bytes`.

    `script` names what the fake upstream shall answer (see `upstream`); it travels in the query,
    which every proxy here passes on.
    """
    lines = (
        f"POST /v1/messages?beta=true&bench={script} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        "accept: application/json",
        "accept-encoding: gzip, deflate, br, zstd",
        "anthropic-beta: claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14",
        "anthropic-dangerous-direct-browser-access: true",
        "anthropic-version: 2023-06-01",
        f"authorization: Bearer {FAKE_TOKEN}",
        "connection: keep-alive",
        "content-type: application/json",
        "user-agent: claude-cli/2.1.330 (external, cli)",
        "x-app: cli",
        f"x-claude-code-session-id: {_SESSION}",
        "x-stainless-arch: x64",
        "x-stainless-lang: js",
        "x-stainless-os: Linux",
        "x-stainless-package-version: 0.74.0",
        "x-stainless-retry-count: 0",
        "x-stainless-runtime: node",
        "x-stainless-runtime-version: v24.3.0",
        "x-stainless-timeout: 600",
        f"content-length: {body_bytes}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def small_request(*, is_streaming: bool) -> bytes:
    """A body of about 2 KB with three messages, bound for Anthropic."""
    messages = [
        _user_text("Write hello world in Python, then say how to run it. " * 4),
        {"role": "assistant", "content": [{"type": "text", "text": "I'll write the file. " * 20}]},
        _user_text('Good. Call it "hello.py"\nand keep it short. ' * 14),
    ]
    return encode(_request(OPUS, messages, is_streaming=is_streaming))


def large_request(size_bytes: int, *, model: str, is_foreign: bool) -> bytes:
    """A long conversation of about `size_bytes`: code read and edited, thinking in every turn.

    With `is_foreign` the thinking carries the short signatures of a service that is not Anthropic,
    so on the way to Anthropic these blocks have to go; otherwise it is Anthropic's own, and
    nothing in the body has to change.
    """
    rng = random.Random(size_bytes)
    code = _code()
    messages = [_user_text("Find out why the reader stalls, and repair it.")]
    written = 0
    turn = 0
    while written < size_bytes:
        turn += 1
        pair = _tool_turn(rng, code, turn=turn, is_foreign=is_foreign)
        messages += pair
        written += sum(len(encode(message)) + 1 for message in pair)
    return encode(_request(model, messages, is_streaming=False))


def foreign_signature(rng: random.Random) -> str:
    """24 hex characters, the form seen from Z.ai."""
    return f"{rng.getrandbits(96):024x}"


def encode(value: Json) -> bytes:
    """JSON as a JavaScript client writes it: no spaces, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def answer_message() -> Json:
    """A whole, non-streaming answer."""
    return {
        **_message_shell(),
        "content": [{"type": "text", "text": "Here it is, in a file of its own. " * 20}],
        "stop_reason": "end_turn",
        "usage": {**_usage(), "output_tokens": 143},
    }


def stream_opening() -> tuple[Json, ...]:
    """The events before the first delta."""
    return (
        {"type": "message_start", "message": _message_shell()},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {"type": "ping"},
    )


def stream_delta(text: str) -> Json:
    """One text delta."""
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }


def stream_closing(output_tokens: int) -> tuple[Json, ...]:
    """The events after the last delta."""
    return (
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**_usage(), "output_tokens": output_tokens},
        },
        {"type": "message_stop"},
    )


def _usage() -> Json:
    return {
        "input_tokens": 412,
        "cache_creation_input_tokens": 1250,
        "cache_read_input_tokens": 20480,
        "cache_creation": {"ephemeral_5m_input_tokens": 1250, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "service_tier": "standard",
    }


def _message_shell() -> Json:
    return {
        "id": "msg_01FakeFakeFakeFakeFakeFak",
        "type": "message",
        "role": "assistant",
        "model": OPUS,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(),
    }


def _request(model: str, messages: list[Json], *, is_streaming: bool) -> Json:
    identity = "You are Claude Code, Anthropic's official CLI for Claude."
    user = {"device_id": "f" * 64, "account_uuid": _SESSION, "session_id": _SESSION}
    return {
        "model": model,
        "messages": messages,
        "system": [
            {"type": "text", "text": _BILLING},
            {"type": "text", "text": identity, "cache_control": {"type": "ephemeral"}},
        ],
        "tools": [],
        "metadata": {"user_id": json.dumps(user, separators=(",", ":"))},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "stream": is_streaming,
    }


def _user_text(text: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _tool_turn(rng: random.Random, code: str, *, turn: int, is_foreign: bool) -> list[Json]:
    """An assistant turn that thinks and calls a tool, and the user turn with the result."""
    tool_id = f"toolu_01{rng.getrandbits(88):022x}"
    tool = rng.choice(_TOOLS)
    thinking = {
        "type": "thinking",
        "thinking": "The stall comes after the last chunk; look at who resumes reading. " * 6,
        "signature": foreign_signature(rng) if is_foreign else _native_signature(rng),
    }
    call = {
        "type": "tool_use",
        "id": tool_id,
        "name": tool,
        "input": {"file_path": f"/home/dev/project/src/part_{turn}.py", "limit": 400},
    }
    text = {"type": "text", "text": f"Let me look at part {turn}."}
    size = rng.randint(*_RESULT_BYTES)
    start = rng.randrange(len(code) - size)
    result = {
        "type": "tool_result",
        "tool_use_id": tool_id,
        "content": [{"type": "text", "text": _shown(code[start : start + size], tool)}],
    }
    return [
        {"role": "assistant", "content": [thinking, text, call]},
        {"role": "user", "content": [result]},
    ]


def _shown(code: str, tool: str) -> str:
    """What the tool makes of `code`: the reading ones number the lines, with a tab between."""
    if tool not in _NUMBERING_TOOLS:
        return code
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(code.split("\n"), 1))


def _native_signature(rng: random.Random) -> str:
    raw = b"\x12" + rng.randbytes(rng.randint(*_NATIVE_SIGNATURE_BYTES))
    return base64.b64encode(raw).decode()


def _code() -> str:
    """Real source text: newlines and quotes where programs have them, about 4 % of the bytes."""
    folder = Path(asyncio.__file__).parent
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
