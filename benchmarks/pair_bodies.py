"""The requests of `side_by_side.py` with bodies of every kind: thinking, tools, odd JSON."""

from __future__ import annotations

import json
from typing import Any

import pair_answers as answer
from pair_requests import (
    CLIENT,
    COUNT,
    HAIKU,
    LOGIN,
    OPUS,
    SONNET,
    Group,
    Request,
    ask,
    config,
    encode,
    post,
    session,
)

ZAI_SIGNATURE = "5f3a1c9e7b2d4f60a8c1e3b5"
_BILLING = "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli; cch=1f2e3;"
_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
_DOCUMENT = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "x"},
}


def groups() -> list[Group]:
    """All of them."""
    own = tuple(_thinking())
    return [
        Group(name="thinking", steps=own),
        Group(name="thinking stripped", steps=own, config=config('thinking = "strip"')),
        Group(name="signature refused", steps=tuple(_refused_signatures())),
        Group(name="system items and tools", steps=tuple(_shapes())),
        Group(name="keep rules", steps=tuple(_kept())),
        Group(
            name="keep rules off",
            steps=tuple(_kept()),
            config=config(
                more="[keep_on_anthropic]\nserver_tools = false\nimages = false\n"
                "documents = false\ncontext_size = false\nsafety_check = false\nquota_probe = false"
            ),
        ),
        Group(name="odd JSON", steps=tuple(_odd())),
    ]


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text_block(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thought(signature: str | None, kind: str = "thinking") -> dict[str, Any]:
    if kind == "redacted_thinking":
        return {"type": kind, "data": signature}
    block = {"type": kind, "thinking": "Hmm."}
    return block if signature is None else {**block, "signature": signature}


def _call(call_id: str, kind: str = "tool_use") -> dict[str, Any]:
    return {"type": kind, "id": call_id, "name": "Read", "input": {"path": "ä.py"}}


def _result(call_id: str, kind: str = "tool_result", content: Any = "fine") -> dict[str, Any]:
    return {"type": kind, "tool_use_id": call_id, "content": content}


def _thinking() -> list[Request]:
    """Signed blocks of both services in all places, towards both services and as counts."""
    anthropic, foreign = answer.SIGNATURE, ZAI_SIGNATURE
    histories: dict[str, list[dict[str, Any]]] = {
        "Anthropic's": [assistant(thought(anthropic), text_block("a"))],
        "foreign": [assistant(thought(foreign), text_block("a"))],
        "empty": [assistant(thought(""), text_block("a"))],
        "missing": [assistant(thought(None), text_block("a"))],
        "both": [assistant(thought(anthropic), thought(foreign), text_block("a"))],
        "redacted": [assistant(thought(anthropic, "redacted_thinking"), text_block("a"))],
        "redacted, foreign": [assistant(thought(foreign, "redacted_thinking"), text_block("a"))],
        "only foreign": [assistant(thought(foreign))],
        "foreign and blank": [assistant(thought(foreign), text_block(" "), text_block("\n"))],
        "in a user turn": [user(thought(foreign), text_block("b"))],
        "foreign in a tool loop": [
            assistant(thought(foreign), _call("call_1")),
            user(_result("call_1")),
        ],
        "own in a tool loop": [
            assistant(thought(anthropic), _call("toolu_1")),
            user(_result("toolu_1")),
        ],
        "server tool, foreign": [
            assistant(_call("call_9", "server_tool_use"), text_block("a")),
            user(_result("call_9", "web_search_tool_result", []), text_block("b")),
        ],
        "server tool, own": [
            assistant(
                _call("srvtoolu_9", "server_tool_use"),
                _result("srvtoolu_9", "web_search_tool_result", []),
            ),
        ],
        "call id used twice": [
            assistant(_call("call_1", "server_tool_use")),
            assistant(_call("call_1")),
            user(_result("call_1")),
        ],
        "in the middle": [
            assistant(thought(foreign), text_block("a")),
            user(text_block("b")),
            assistant(thought(anthropic), text_block("c")),
        ],
    }
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses"}]
    steps = []
    for name, turns in histories.items():
        messages = [{"role": "user", "content": "Hi"}, *turns, {"role": "user", "content": "Go"}]
        if turns[-1]["role"] == "user":
            messages.pop()
        for model in (OPUS, SONNET):
            enabled = {"type": "enabled", "budget_tokens": 1024}
            body = ask(
                model, messages=messages, thinking=enabled, context_management={"edits": edits}
            )
            steps.append(post(f"{name}, {model}", body))
        adaptive = ask(OPUS, messages=messages, thinking={"type": "adaptive", "display": "omitted"})
        steps += [
            post(f"{name}, adaptive", adaptive),
            post(f"{name}, counted", ask(SONNET, messages=messages), target=COUNT),
        ]
    return steps


def _refused_signatures() -> list[Request]:
    """Claude refuses a signature: it is asked once more, without thinking."""
    kind = "invalid_request_error"
    words = (
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        "messages.1: `thinking` blocks in the latest assistant message cannot be modified",
        "max_tokens is too large",
        "invalid data in redacted_thinking block",
    )
    messages = [
        {"role": "user", "content": "Hi"},
        assistant(thought(answer.SIGNATURE), _call("toolu_1")),
        user(_result("toolu_1")),
    ]
    body = ask(OPUS, messages=messages, thinking={"type": "enabled", "budget_tokens": 1024})
    steps = [
        post(text, body, claude=(answer.anthropic_error("400 Bad Request", kind, text),))
        for text in words
    ]
    refusal = answer.anthropic_error("400 Bad Request", kind, words[0])
    packed = answer.body(
        answer.coded(refusal[0].partition(b"\r\n\r\n")[2], "gzip"),  # type: ignore[union-attr]
        "Content-Encoding: gzip",
        status="400 Bad Request",
    )
    return [
        *steps,
        post("refused twice", body, claude=(refusal, refusal)),
        post("refused in gzip", body, claude=(packed,)),
        post("no thinking in it", ask(OPUS), claude=(refusal,)),
        post("a count", body, target=COUNT, claude=(refusal,)),
    ]


def _shapes() -> list[Request]:
    """System prompts and items, billing headers, tools and fields, towards both services."""
    item = {"role": "system", "content": "Be brief", "output_config": {"effort": "low"}}
    listed = {"role": "system", "content": [text_block("Be"), text_block("brief")]}
    hi, go = {"role": "user", "content": "Hi"}, {"role": "user", "content": "Go"}
    loop = [hi, assistant(_call("toolu_1")), user(_result("toolu_1"))]
    reference = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    tool = {"name": "Read", "description": "Reads", "input_schema": {"type": "object"}}
    bodies: dict[str, dict[str, Any]] = {
        "item second": {"messages": [hi, item]},
        "item with blocks": {"messages": [hi, listed, assistant(text_block("a")), go]},
        "item first": {"messages": [item, hi]},
        "item between assistants": {
            "messages": [hi, assistant(text_block("a")), item, assistant(text_block("b")), go]
        },
        "item after a result": {"messages": [*loop, item]},
        "item before a result": {"messages": [hi, assistant(_call("t")), item, loop[2]]},
        "empty item": {"messages": [hi, {"role": "system", "content": ""}]},
        "two items": {"messages": [item, listed, hi, item, item]},
        "only items": {"messages": [item]},
        "billing block": {"system": [text_block(_BILLING), text_block("You are")]},
        "billing block only": {"system": [text_block(_BILLING)]},
        "billing line": {"system": f"{_BILLING}\nYou are"},
        "billing line only": {"system": _BILLING},
        "billing line in a block": {
            "system": [text_block(f"{_BILLING}\n\nYou are"), text_block("b")]
        },
        "cached system": {
            "system": [{**text_block("a"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        },
        "tools": {
            "tools": [tool, {**tool, "name": "Edit", "defer_loading": True}],
            "messages": loop,
        },
        "custom tool": {"tools": [{**tool, "type": "custom"}], "tool_choice": {"type": "auto"}},
        "tool reference": {"messages": [*loop[:2], user(_result("toolu_1", content=reference))]},
        "all fields": {
            "metadata": {"user_id": '{"device_id":"d","account_uuid":"a","session_id":"s-1"}'},
            "context_management": {"edits": []},
            "output_config": {"effort": "high"},
            "service_tier": "auto",
            "container": "c",
            "speed": "fast",
            "temperature": 1.0,
            "top_p": 0.95,
            "diagnostics": {"previous_message_id": "msg_0"},
            "thread": {"type": "create"},
        },
        "old user id": {"metadata": {"user_id": "user_1_account_2_session_abc-def"}},
        "text blocks": {"messages": [user(text_block("a"), text_block("")), assistant(), go]},
        "array input": {"messages": [hi, assistant({**_call("toolu_1"), "input": []}), loop[2]]},
        "max tokens": {"max_tokens": 128000},
    }
    return [
        post(f"{name}, {model}", ask(model, **fields), headers=(*LOGIN, *CLIENT))
        for name, fields in bodies.items()
        for model in (OPUS, HAIKU)
    ]


def _kept() -> list[Request]:
    """What the rules keep on Claude, and their near misses."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    monitor = "You are a security monitor for autonomous AI coding agents. Judge."
    quota = {"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]}
    bodies: dict[str, dict[str, Any]] = {
        "server tool": {"tools": [search]},
        "mcp servers": {"mcp_servers": [{"type": "url", "url": "http://localhost/", "name": "m"}]},
        "image": {"messages": [user(_IMAGE)]},
        "image in a result": {"messages": [user(_result("t", content=[text_block("a"), _IMAGE]))]},
        "document": {"messages": [user(_DOCUMENT, text_block("b"))]},
        "classifier stop": {"stop_sequences": ["</block>"]},
        "classifier severity": {"stop_sequences": ["x", "</severity>"]},
        "classifier prompt": {"system": [text_block(_BILLING), text_block(monitor)]},
        "classifier text": {"system": monitor},
        "safeguards": {"safeguards": {"dangerous": True}},
        "safeguards null": {"safeguards": None},
        "quota streamed": quota,
        "near quota": {**quota, "max_tokens": 2},
        "long": {"system": "word " * 150_000},
    }
    probe = ask(SONNET, is_streamed=False, **quota)
    return [
        *(post(name, ask(SONNET, **fields)) for name, fields in bodies.items()),
        post("quota", probe),
        post("quota on Opus", {**probe, "model": OPUS}),
        post("quota in blocks", {**probe, "messages": [user(text_block("quota"))]}),
        post("long, Haiku", ask(HAIKU, system="word " * 95_000)),
    ]


def _odd() -> list[Request]:
    """Bodies that a careless reader misunderstands, and such as are not JSON at all."""
    plain = encode(ask(SONNET))
    opus = encode(ask(OPUS))
    raw: dict[str, bytes] = {
        "empty": b"",
        "no object": b"[1,2]",
        "a string": b'"sonnet"',
        "null": b"null",
        "cut": plain[:-5],
        "trailing": plain + b" x",
        "blanks": b" \r\n" + plain + b"\n ",
        "byte order mark": b"\xef\xbb\xbf" + plain,
        "UTF-16": json.dumps(ask(SONNET)).encode("utf-16"),
        "bad UTF-8": plain.replace(b"Hello", b"He\xffllo"),
        "lone surrogate": plain.replace(b"Hello", b"half \\ud83d"),
        "surrogate in the model": plain.replace(b"sonnet", b"sonnet\\udc00"),
        "surrogate pair": plain.replace(b"Hello", b"\\ud83d\\ude00"),
        "duplicate model": plain.replace(b'{"model"', b'{"model":"claude-opus-4-6","model"'),
        "duplicate messages": plain.replace(b'"messages"', b'"messages":[],"messages"'),
        "escaped name": plain.replace(b"sonnet", b"\\u0073onnet"),
        "escaped key": plain.replace(b'"model"', b'"\\u006dodel"'),
        "escaped stream": plain.replace(b'"stream"', b'"str\\u0065am"'),
        "upper case": plain.replace(b"sonnet", b"SONNET"),
        "long context": plain.replace(b"sonnet-4-5", b"sonnet-4-5[1m]"),
        "huge number": plain.replace(b"200", b"1e400"),
        "long integer": plain.replace(b"200", b"9" * 5000),
        "deep": plain.replace(b'"Hello', b"[" * 3000 + b"]" * 3000 + b',"Hello', 1),
        "deep and closed": plain[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        "model is a list": plain.replace(b'"claude-sonnet-4-5"', b'["sonnet"]'),
        "model is null": plain.replace(b'"claude-sonnet-4-5"', b"null"),
        "model is a number": plain.replace(b'"claude-sonnet-4-5"', b"7"),
        "messages is an object": encode(ask(SONNET, messages={})),
        "message is a text": encode(ask(SONNET, messages=["hi"])),
        "block is a text": encode(ask(SONNET, messages=[user("hi")])),
        "role is a list": encode(ask(SONNET, messages=[{"role": [], "content": "x"}])),
        "stream is a text": encode(ask(SONNET, stream="yes")),
        "system is a number": encode(ask(SONNET, system=7)),
        "tools is null": encode(ask(SONNET, tools=None)),
        "spaced": json.dumps(ask(SONNET), indent=2).encode(),
        "not a character": plain.replace(b"Hello", b"\\u0000"),
    }
    odd = [post(name, body, headers=(*LOGIN, *CLIENT, session(name))) for name, body in raw.items()]
    on_claude = [
        post(f"{name}, Opus", raw[name].replace(b"sonnet-4-5", b"opus-4-6"))
        for name in ("lone surrogate", "spaced", "deep and closed", "huge number", "trailing")
    ]
    foreign = ask(
        OPUS, messages=[assistant(thought(ZAI_SIGNATURE), text_block("@")), user(text_block("b"))]
    )
    cut = encode(foreign).replace(b"@", b"half \\ud83d \\u00e9 \xc3\xa9")
    return [
        *odd,
        *on_claude,
        post("foreign thinking beside a surrogate", cut),
        post("counted", plain.replace(b"Hello", b"half \\ud83d"), target=COUNT),
        post("not JSON, counted", b"{", target=COUNT),
        post("Opus with a blank", opus.replace(b'":"claude', b'": "claude')),
    ]
