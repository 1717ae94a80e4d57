"""What the tests of the pure modules share: settings with a key, signatures, bodies to read."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

import hypothesis
import msgspec
from hypothesis import strategies as st

from offramp_core.services import zai
from offramp_core.settings import (
    ANTHROPIC,
    Backend,
    Secret,
    Settings,
    default_backends,
    default_routes,
)
from offramp_daemon.messages import request_body

if TYPE_CHECKING:
    from offramp_daemon.messages.request_body import RequestBody

ZAI_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
ANTHROPIC_SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3h" + "GgxBdjrkzLoky3dl1pki+MOY/" * 12 + "Yds=="
ZAI_SIGNATURE = "5f3a1c9e7b2d4f60a8c1e3b5"
BILLING = "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli; cch=1f2e3;"


def settings_with_key(**fields: Any) -> Settings:
    """The defaults, with a key for Z.ai."""
    backends = tuple(
        msgspec.structs.replace(each, key=Secret(ZAI_KEY)) if each.name == zai.NAME else each
        for each in default_backends()
    )
    return msgspec.structs.replace(Settings(backends=backends, routes=default_routes()), **fields)


def backend(name: str, **fields: Any) -> Backend:
    """A built-in backend, with its key, and `fields` set otherwise."""
    return msgspec.structs.replace(settings_with_key().backend(name), **fields)


ANTHROPIC_BACKEND = backend(ANTHROPIC)
ZAI_BACKEND = backend(zai.NAME)


def encode(body: Any) -> bytes:
    """`body` as a client that knows no better than the standard library sends it."""
    return json.dumps(body).encode()


def read(body: Any) -> RequestBody:
    """`body`, JSON bytes or what is to become them, as the proxy sees it."""
    return request_body.read(body if isinstance(body, bytes) else encode(body))


def ask(model: str | None = "claude-sonnet-4-5", **fields: Any) -> dict[str, Any]:
    """A plain request."""
    body = {"model": model, "max_tokens": 50, "messages": [user("Hello")], **fields}
    return body if model is not None else {key: body[key] for key in body if key != "model"}


def user(*blocks: str | dict[str, Any]) -> dict[str, Any]:
    """A user turn; a single text is sent as plain text."""
    if len(blocks) == 1 and isinstance(blocks[0], str):
        return {"role": "user", "content": blocks[0]}
    return {"role": "user", "content": [_block(each) for each in blocks]}


def assistant(*blocks: str | dict[str, Any]) -> dict[str, Any]:
    """An assistant turn."""
    return {"role": "assistant", "content": [_block(each) for each in blocks]}


def system(text: Any) -> dict[str, Any]:
    """A system item inside `messages`."""
    return {"role": "system", "content": text}


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def thought(signature: str | None, words: str = "Hmm.") -> dict[str, Any]:
    """A thinking block; None leaves the signature out."""
    block = {"type": "thinking", "thinking": words}
    return block if signature is None else {**block, "signature": signature}


def call(call_id: str, kind: str = "tool_use") -> dict[str, Any]:
    """A tool call."""
    return {"type": kind, "id": call_id, "name": "Read", "input": {"path": "a.py"}}


def result(call_id: str, kind: str = "tool_result", content: Any = "fine") -> dict[str, Any]:
    """A tool's result."""
    return {"type": kind, "tool_use_id": call_id, "content": content}


def _block(block: str | dict[str, Any]) -> dict[str, Any]:
    return text(block) if isinstance(block, str) else block


# What follows makes bodies at random.

unhurried = hypothesis.settings(deadline=None)
"""For properties: how long one example takes says nothing on a busy machine."""

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
)
anything = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
"""Any JSON value, lone surrogates included."""

_SIGNATURES = st.sampled_from([ANTHROPIC_SIGNATURE, ZAI_SIGNATURE, "", None, "x" * 99])
_CALL_IDS = st.sampled_from(["call_1", "call_2", "srvtoolu_1", "srvtoolu_2", "toolu_1"])
_RESULT_KINDS = st.sampled_from(["tool_result", "web_search_tool_result", "mcp_tool_result"])
_WORDS = st.sampled_from(["", " ", "\n", "Hi", "half \ud83d", "\ud83d\ude00", "\ue000", "ü"])
_REDACTED = st.builds(
    lambda data: {"type": "redacted_thinking", "data": data},
    st.sampled_from([ANTHROPIC_SIGNATURE, ZAI_SIGNATURE, ""]),
)
blocks = st.one_of(
    st.builds(text, _WORDS),
    st.builds(thought, _SIGNATURES, _WORDS),
    _REDACTED,
    st.builds(call, _CALL_IDS, st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"])),
    st.builds(result, _CALL_IDS, _RESULT_KINDS, _WORDS | st.lists(st.builds(text, _WORDS))),
)
"""Content blocks, own and foreign ones."""

messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant", "system"]),
    _WORDS | st.lists(blocks, max_size=5),
)
conversations = st.lists(messages, max_size=8)

odd_blocks = st.dictionaries(
    st.sampled_from(["type", "id", "tool_use_id", "signature", "data", "text", "content"]),
    anything | st.sampled_from(["thinking", "tool_use", "server_tool_use", "x_tool_result"]),
    max_size=4,
)
odd_bodies = st.fixed_dictionaries(
    {"model": st.sampled_from(["claude-sonnet-4-5", "haiku[1m]", "opus"]) | anything},
    optional={
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant", "system"]) | anything},
                optional={"content": st.lists(odd_blocks, max_size=3) | anything},
            )
            | messages,
            max_size=4,
        )
        | anything,
        "system": st.lists(odd_blocks, max_size=2) | anything | st.just(BILLING + "\nrest"),
        "tools": st.lists(odd_blocks, max_size=2) | anything,
        "thinking": st.builds(lambda kind: {"type": kind}, anything) | anything,
        "context_management": anything
        | st.builds(
            lambda edits: {"edits": edits},
            st.lists(anything | st.just({"type": "clear_thinking_20251015"}), max_size=3),
        ),
        "metadata": anything | st.builds(lambda user_id: {"user_id": user_id}, st.text()),
        "stop_sequences": anything,
        "max_tokens": anything | st.just(1),
        "mcp_servers": anything,
        "safeguards": anything,
        "stream": anything,
    },
)
"""Objects with a request's names and values of every kind."""

raw_bodies = st.one_of(
    odd_bodies.map(encode),
    anything.map(encode),
    odd_bodies.map(lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")),
    odd_bodies.map(lambda body: b"\xef\xbb\xbf" + encode(body)),
    odd_bodies.map(lambda body: json.dumps(body).encode("utf-16")),
    odd_bodies.map(lambda body: encode(body).replace(b'"id"', b'"i\xffd"', 1)),
    odd_bodies.map(lambda body: encode(body).replace(b"1", b"1e400", 1)),
    st.binary(max_size=40),
    st.text(string.printable, max_size=40).map(str.encode),
)
"""What may come in as a body: requests, near misses and noise."""
