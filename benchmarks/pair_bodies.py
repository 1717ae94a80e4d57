"""The requests of `side_by_side.py` with bodies of every kind: thinking, tools, odd JSON."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import brotli  # type: ignore[import-untyped]  # ships no types
import zstandard

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
    http,
    post,
    session,
)

_ZAI_SIGNATURE = "5f3a1c9e7b2d4f60a8c1e3b5"
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
        Group(name="content codings", steps=tuple(_coded())),
        Group(name="large bodies", steps=tuple(_large())),
    ]


def _user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def _assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _thought(signature: str | None, kind: str = "thinking") -> dict[str, Any]:
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
    anthropic, foreign = answer.SIGNATURE, _ZAI_SIGNATURE
    histories: dict[str, list[dict[str, Any]]] = {
        "Anthropic's": [_assistant(_thought(anthropic), _text("a"))],
        "foreign": [_assistant(_thought(foreign), _text("a"))],
        "empty": [_assistant(_thought(""), _text("a"))],
        "missing": [_assistant(_thought(None), _text("a"))],
        "both": [_assistant(_thought(anthropic), _thought(foreign), _text("a"))],
        "redacted": [_assistant(_thought(anthropic, "redacted_thinking"), _text("a"))],
        "redacted, foreign": [_assistant(_thought(foreign, "redacted_thinking"), _text("a"))],
        "only foreign": [_assistant(_thought(foreign))],
        "foreign and blank": [_assistant(_thought(foreign), _text(" "), _text("\n"))],
        "in a user turn": [_user(_thought(foreign), _text("b"))],
        "foreign in a tool loop": [
            _assistant(_thought(foreign), _call("call_1")),
            _user(_result("call_1")),
        ],
        "own in a tool loop": [
            _assistant(_thought(anthropic), _call("toolu_1")),
            _user(_result("toolu_1")),
        ],
        "server tool, foreign": [
            _assistant(_call("call_9", "server_tool_use"), _text("a")),
            _user(_result("call_9", "web_search_tool_result", []), _text("b")),
        ],
        "server tool, own": [
            _assistant(
                _call("srvtoolu_9", "server_tool_use"),
                _result("srvtoolu_9", "web_search_tool_result", []),
            ),
        ],
        "call id used twice": [
            _assistant(_call("call_1", "server_tool_use")),
            _assistant(_call("call_1")),
            _user(_result("call_1")),
        ],
        "in the middle": [
            _assistant(_thought(foreign), _text("a")),
            _user(_text("b")),
            _assistant(_thought(anthropic), _text("c")),
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
            fields = {"messages": messages, "thinking": enabled}
            label = f"{name}, {model}"
            steps.append(post(label, ask(model, **fields, context_management={"edits": edits})))
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
        _assistant(_thought(answer.SIGNATURE), _call("toolu_1")),
        _user(_result("toolu_1")),
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
    listed = {"role": "system", "content": [_text("Be"), _text("brief")]}
    hi, go = {"role": "user", "content": "Hi"}, {"role": "user", "content": "Go"}
    loop = [hi, _assistant(_call("toolu_1")), _user(_result("toolu_1"))]
    reference = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    tool = {"name": "Read", "description": "Reads", "input_schema": {"type": "object"}}
    bodies: dict[str, dict[str, Any]] = {
        "item second": {"messages": [hi, item]},
        "item with blocks": {"messages": [hi, listed, _assistant(_text("a")), go]},
        "item first": {"messages": [item, hi]},
        "item between assistants": {
            "messages": [hi, _assistant(_text("a")), item, _assistant(_text("b")), go]
        },
        "item after a result": {"messages": [*loop, item]},
        "item before a result": {"messages": [hi, _assistant(_call("t")), item, loop[2]]},
        "empty item": {"messages": [hi, {"role": "system", "content": ""}]},
        "two items": {"messages": [item, listed, hi, item, item]},
        "only items": {"messages": [item]},
        "billing block": {"system": [_text(_BILLING), _text("You are")]},
        "billing block only": {"system": [_text(_BILLING)]},
        "billing line": {"system": f"{_BILLING}\nYou are"},
        "billing line only": {"system": _BILLING},
        "billing line in a block": {"system": [_text(f"{_BILLING}\n\nYou are"), _text("b")]},
        "cached system": {
            "system": [{**_text("a"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        },
        "tools": {
            "tools": [tool, {**tool, "name": "Edit", "defer_loading": True}],
            "messages": loop,
        },
        "custom tool": {"tools": [{**tool, "type": "custom"}], "tool_choice": {"type": "auto"}},
        "tool reference": {"messages": [*loop[:2], _user(_result("toolu_1", content=reference))]},
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
        "text blocks": {"messages": [_user(_text("a"), _text("")), _assistant(), go]},
        "array input": {"messages": [hi, _assistant({**_call("toolu_1"), "input": []}), loop[2]]},
        "max tokens": {"max_tokens": 128000},
    }
    return [
        post(f"{name}, {model}", ask(model, **fields), headers=CLIENT)
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
        "image": {"messages": [_user(_IMAGE)]},
        "image in a result": {"messages": [_user(_result("t", content=[_text("a"), _IMAGE]))]},
        "document": {"messages": [_user(_DOCUMENT, _text("b"))]},
        "classifier stop": {"stop_sequences": ["</block>"]},
        "classifier severity": {"stop_sequences": ["x", "</severity>"]},
        "classifier prompt": {"system": [_text(_BILLING), _text(monitor)]},
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
        post("quota in blocks", {**probe, "messages": [_user(_text("quota"))]}),
        post("long, Haiku", ask(HAIKU, system="word " * 95_000)),
    ]


def _odd() -> list[Request]:
    """Bodies that a careless reader misunderstands, and such as are no JSON at all."""
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
        "block is a text": encode(ask(SONNET, messages=[_user("hi")])),
        "role is a list": encode(ask(SONNET, messages=[{"role": [], "content": "x"}])),
        "stream is a text": encode(ask(SONNET, stream="yes")),
        "system is a number": encode(ask(SONNET, system=7)),
        "tools is null": encode(ask(SONNET, tools=None)),
        "spaced": json.dumps(ask(SONNET), indent=2).encode(),
        "not a character": plain.replace(b"Hello", b"\\u0000"),
    }
    odd = [post(name, body, headers=(*CLIENT, session(name))) for name, body in raw.items()]
    on_claude = [
        post(f"{name}, Opus", raw[name].replace(b"sonnet-4-5", b"opus-4-6"))
        for name in ("lone surrogate", "spaced", "deep and closed", "huge number", "trailing")
    ]
    foreign = ask(
        OPUS, messages=[_assistant(_thought(_ZAI_SIGNATURE), _text("@")), _user(_text("b"))]
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


def _coded() -> list[Request]:
    """Compressed requests and answers."""
    plain = encode(ask(SONNET))
    codings = {
        "gzip": gzip.compress(plain, mtime=0),
        "deflate": zlib.compress(plain),
        "br": brotli.compress(plain),
        "zstd": zstandard.compress(plain),
        "gzip, br": brotli.compress(gzip.compress(plain, mtime=0)),
        "identity": plain,
        "odd": plain,
        "GZIP": gzip.compress(plain, mtime=0),
    }
    steps: list[Request] = []
    for coding, data in codings.items():
        headers = (*CLIENT, session(coding), ("Content-Encoding", coding))
        steps.append(post(f"request in {coding}", data, headers=headers))
    packed = (*CLIENT, session("packed"), ("Content-Encoding", "gzip"))
    opus = gzip.compress(encode(ask(OPUS)), mtime=0)
    foreign = ask(
        OPUS, messages=[_assistant(_thought(_ZAI_SIGNATURE), _text("a")), _user(_text("b"))]
    )
    steps += [
        post("request in gzip, Opus", opus, headers=packed),
        post("foreign in gzip, Opus", gzip.compress(encode(foreign), mtime=0), headers=packed),
        post("damaged gzip", opus[:-9], headers=packed),
        post("no gzip", plain, headers=packed),
        post("gzip bomb", gzip.compress(b" " * 70_000_000, mtime=0), headers=packed),
    ]
    text = answer.whole_text()
    answers = {
        "gzip": answer.coded(text, "gzip"),
        "deflate": answer.coded(text, "deflate"),
        "br": brotli.compress(text),
        "zstd": zstandard.compress(text),
        "odd": text,
        "cut gzip": answer.coded(text, "gzip")[:-30],
    }
    for name, data in answers.items():
        coding = name.removeprefix("cut ")
        script = answer.stream_of(data, step=50, headers=(f"Content-Encoding: {coding}",))
        message = answer.body(
            data if "cut" in name or name == "odd" else _message_in(coding),
            f"Content-Encoding: {coding}",
        )
        for model in (OPUS, SONNET):
            scripts = {"claude": (script,)} if model == OPUS else {"zai": (script,)}
            plainly = {"claude": (message,)} if model == OPUS else {"zai": (message,)}
            steps += [
                post(f"stream in {name}, {model}", ask(f"{model}-{name}"), **scripts),
                post(
                    f"message in {name}, {model}",
                    ask(f"{model}-{name}-m", is_streamed=False),
                    **plainly,
                ),
            ]
    return steps


def _message_in(coding: str) -> bytes:
    data = answer.compact(answer.message("glm-4.7"))
    coders = {
        "gzip": lambda: answer.coded(data, "gzip"),
        "deflate": lambda: answer.coded(data, "deflate"),
        "br": lambda: bytes(brotli.compress(data)),
        "zstd": lambda: zstandard.compress(data),
    }
    return coders[coding]()


def _large() -> list[Request]:
    """Bodies of three megabytes, and one that is too large."""
    words = 'A line of code, with "quotes" and ünïcode.\n' * 65_000
    turns = [_assistant(_thought(_ZAI_SIGNATURE), _text(words)), _user(_text("b"))]
    own = [_assistant(_thought(answer.SIGNATURE), _text(words)), _user(_text("b"))]
    settled = ask(OPUS, messages=turns)
    body = encode(ask("other-haiku-x", messages=turns))
    head = http("POST", "/v1/messages", b"", (*LOGIN, *CLIENT, ("Content-Length", "67108865")))
    big = answer.body(answer.message(content=[_text(words)]))
    return [
        post("Opus, nothing to cut", ask(OPUS, messages=own)),
        post("Opus, foreign", settled),
        post("Sonnet", ask(SONNET, messages=turns)),
        post("Haiku, longer than its context", body),
        post("large answer, Claude", ask(OPUS, is_streamed=False), claude=(big,)),
        post("large answer, Z.ai", ask(SONNET, is_streamed=False), zai=(big,)),
        post(
            "large stream", ask(OPUS), claude=(answer.stream_of(answer.TEXT * 20_000, step=60_000),)
        ),
        Request(name="too large", pieces=(head.replace(b"Content-Length: 0\r\n", b""),)),
    ]
