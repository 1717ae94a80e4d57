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
BILLING = "x-anthropic-billing-header: cc_version=2.1.330.6af; cc_entrypoint=cli; cch=59dd3;"
IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."
USER_ID = json.dumps(
    {"device_id": "f" * 64, "account_uuid": _SESSION, "session_id": _SESSION},
    separators=(",", ":"),
)
_TOOLS = ("Read", "Edit", "Bash", "Grep")
_NUMBERING_TOOLS = ("Read", "Grep")
_RESULT_BYTES = (5_000, 20_000)
_NATIVE_SIGNATURE_BYTES = (300, 900)
_TURN_SEED = 7
_TURN_TOKENS = 180


def request_head(
    port: int, *, body_bytes: int, script: str, more_headers: tuple[str, ...] = ()
) -> bytes:
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
        *more_headers,
        f"content-length: {body_bytes}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def small_request(*, is_streaming: bool, model: str = OPUS) -> bytes:
    """A body of about 2 KB with three messages."""
    messages = [
        _user_text("Write hello world in Python, then say how to run it. " * 4),
        {"role": "assistant", "content": [{"type": "text", "text": "I'll write the file. " * 20}]},
        _user_text('Good. Call it "hello.py"\nand keep it short. ' * 14),
    ]
    return encode(_request(model, messages, is_streaming=is_streaming))


def large_request(size_bytes: int, *, model: str, is_foreign: bool) -> bytes:
    """A long conversation of about `size_bytes`: code read and edited, thinking in every turn.

    With `is_foreign` the thinking carries the short signatures of a service that is not Anthropic,
    so on the way to Anthropic these blocks have to go; otherwise it is Anthropic's own, and
    nothing in the body has to change.
    """
    rng = random.Random(size_bytes)
    source = code()
    messages = [_user_text("Find out why the reader stalls, and repair it.")]
    written = 0
    turn = 0
    while written < size_bytes:
        turn += 1
        pair = tool_turn(rng, source, turn=turn, is_foreign=is_foreign)
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
        "usage": {**usage(), "output_tokens": 143},
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
            "usage": {**usage(), "output_tokens": output_tokens},
        },
        {"type": "message_stop"},
    )


def stream_of_a_turn() -> tuple[Json, ...]:
    """The events of a turn that thinks, writes a sentence and calls a tool."""
    rng = random.Random(_TURN_SEED)
    call = {"type": "tool_use", "id": "toolu_01FakeFakeFakeFakeFakeFak", "name": "Read"}
    path = json.dumps({"file_path": "/home/dev/project/src/reader_of_chunks.py", "limit": 400})
    inputs = [path[at : at + 4] for at in range(0, len(path), 4)]
    blocks: tuple[tuple[Json, list[Json]], ...] = (
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": " who resumes reading"}] * 40
            + [{"type": "signature_delta", "signature": native_signature(rng)}],
        ),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": " and the reader"}] * 20),
        (
            {**call, "input": {}},
            [{"type": "input_json_delta", "partial_json": part} for part in inputs],
        ),
    )
    events: list[Json] = [{"type": "message_start", "message": _message_shell()}]
    for index, (block, deltas) in enumerate(blocks):
        place = {"index": index}
        events.append({"type": "content_block_start", **place, "content_block": block})
        events += [{"type": "content_block_delta", **place, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **place})
    _, ended, stopped = stream_closing(_TURN_TOKENS)
    ended["delta"]["stop_reason"] = "tool_use"
    return (*events, ended, stopped)


def usage() -> Json:
    """What every answer says before its output is counted."""
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
        "usage": usage(),
    }


def _request(model: str, messages: list[Json], *, is_streaming: bool) -> Json:
    return {
        "model": model,
        "messages": messages,
        "system": [
            {"type": "text", "text": BILLING},
            {"type": "text", "text": IDENTITY, "cache_control": {"type": "ephemeral"}},
        ],
        "tools": [],
        "metadata": {"user_id": USER_ID},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "stream": is_streaming,
    }


def _user_text(text: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def tool_turn(rng: random.Random, source: str, *, turn: int, is_foreign: bool) -> list[Json]:
    """An assistant turn that thinks and calls a tool, and the user turn with the result."""
    tool_id = f"toolu_01{rng.getrandbits(88):022x}"
    tool = rng.choice(_TOOLS)
    thinking = {
        "type": "thinking",
        "thinking": "The stall comes after the last chunk; look at who resumes reading. " * 6,
        "signature": foreign_signature(rng) if is_foreign else native_signature(rng),
    }
    call = {
        "type": "tool_use",
        "id": tool_id,
        "name": tool,
        "input": {"file_path": f"/home/dev/project/src/part_{turn}.py", "limit": 400},
    }
    text = {"type": "text", "text": f"Let me look at part {turn}."}
    size = rng.randint(*_RESULT_BYTES)
    start = rng.randrange(len(source) - size)
    result = {
        "type": "tool_result",
        "tool_use_id": tool_id,
        "content": [{"type": "text", "text": _shown(source[start : start + size], tool)}],
    }
    return [
        {"role": "assistant", "content": [thinking, text, call]},
        {"role": "user", "content": [result]},
    ]


def _shown(source: str, tool: str) -> str:
    """What the tool makes of `source`: the reading ones number the lines, with a tab between."""
    if tool not in _NUMBERING_TOOLS:
        return source
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(source.split("\n"), 1))


def native_signature(rng: random.Random) -> str:
    """Long base64, as Anthropic's are."""
    raw = b"\x12" + rng.randbytes(rng.randint(*_NATIVE_SIGNATURE_BYTES))
    return base64.b64encode(raw).decode()


def code() -> str:
    """Real source text: newlines and quotes where programs have them, about 4 % of the bytes."""
    folder = Path(asyncio.__file__).parent
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
