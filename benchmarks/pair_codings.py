"""The requests of `side_by_side.py` that are compressed, or large, or answered so."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]  # ships no types
import zstandard

import pair_answers as answer
from pair_bodies import ZAI_SIGNATURE, assistant, text_block, thought, user
from pair_requests import (
    CLIENT,
    LOGIN,
    OPUS,
    SONNET,
    Group,
    Request,
    ask,
    encode,
    http,
    post,
    session,
)

if TYPE_CHECKING:
    from pair_answers import Script


def groups() -> list[Group]:
    """All of them."""
    return [
        Group(name="content codings", steps=(*_coded_requests(), *_coded_answers())),
        Group(name="large bodies", steps=tuple(_large())),
    ]


def _coded_requests() -> list[Request]:
    """Compressed requests, and such as only claim to be."""
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
        headers = (*LOGIN, *CLIENT, session(coding), ("Content-Encoding", coding))
        steps.append(post(f"request in {coding}", data, headers=headers))
    packed = (*LOGIN, *CLIENT, session("packed"), ("Content-Encoding", "gzip"))
    opus = gzip.compress(encode(ask(OPUS)), mtime=0)
    foreign = ask(
        OPUS, messages=[assistant(thought(ZAI_SIGNATURE), text_block("a")), user(text_block("b"))]
    )
    return [
        *steps,
        post("request in gzip, Opus", opus, headers=packed),
        post("foreign in gzip, Opus", gzip.compress(encode(foreign), mtime=0), headers=packed),
        post("damaged gzip", opus[:-9], headers=packed),
        post("no gzip", plain, headers=packed),
        post("gzip bomb", gzip.compress(b" " * 70_000_000, mtime=0), headers=packed),
    ]


def _coded_answers() -> list[Request]:
    """Compressed answers, streams and messages, of both services."""
    text = answer.whole_text()
    answers = {
        "gzip": answer.coded(text, "gzip"),
        "deflate": answer.coded(text, "deflate"),
        "br": brotli.compress(text),
        "zstd": zstandard.compress(text),
        "odd": text,
        "cut gzip": answer.coded(text, "gzip")[:-30],
    }
    steps: list[Request] = []
    for name, data in answers.items():
        coding = name.removeprefix("cut ")
        header = f"Content-Encoding: {coding}"
        stream = answer.stream_of(data, step=50, headers=(header,))
        is_whole = "cut" not in name and name != "odd"
        message = answer.body(_message_in(coding) if is_whole else data, header)
        for model in (OPUS, SONNET):
            steps += [
                _answered(f"stream in {name}, {model}", ask(f"{model}-{name}"), stream),
                _answered(
                    f"message in {name}, {model}",
                    ask(f"{model}-{name}-m", is_streamed=False),
                    message,
                ),
            ]
    return steps


def _answered(name: str, body: dict[str, Any], script: Script) -> Request:
    """A request to whichever service serves its model, which answers so."""
    if OPUS in body["model"]:
        return post(name, body, claude=(script,))
    return post(name, body, zai=(script,))


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
    turns = [assistant(thought(ZAI_SIGNATURE), text_block(words)), user(text_block("b"))]
    own = [assistant(thought(answer.SIGNATURE), text_block(words)), user(text_block("b"))]
    settled = ask(OPUS, messages=turns)
    body = encode(ask("other-haiku-x", messages=turns))
    head = http("POST", "/v1/messages", b"", (*LOGIN, *CLIENT, ("Content-Length", "67108865")))
    big = answer.body(answer.message(content=[text_block(words)]))
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
