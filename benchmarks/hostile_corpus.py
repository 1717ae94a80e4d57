"""Hostile inputs: requests and answers that are small to send and costly to read.

Each is a sample of a kind. The benchmark `hostile.py` sends all of them through a running daemon;
the tests hold each to its budget in bytes and steps.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import brotli  # type: ignore[import-untyped]  # ships no types
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
Side = Literal["request", "answer"]

_OPUS = b"claude-opus-5-5"
_SONNET = b"claude-sonnet-5-5"
_SSE = "text/event-stream"
_JSON = "application/json"
_START = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One input: the body of a request, or of the answer to a usual request for `model`."""

    name: str
    side: Side
    make: Callable[[], bytes]
    """Its bytes, as they are sent."""
    content_encoding: str = ""
    content_type: str = _JSON
    model: bytes = _OPUS


def request_body(model: bytes = _OPUS, content: bytes = b'"Hello"') -> bytes:
    """A request that the services take."""
    message = b'{"role":"user","content":' + content + b"}"
    return b'{"model":"' + model + b'","max_tokens":50,"messages":[' + message + b"]}"


def answer_body() -> bytes:
    """An answer that the client takes."""
    content = [{"type": "text", "text": "Hello"}]
    usage = {"input_tokens": 5, "output_tokens": 7}
    answer = {"type": "message", "role": "assistant", "content": content, "usage": usage}
    return json.dumps(answer).encode()


def padded_twice(valid: bytes, padding_bytes: int) -> bytes:
    """`valid` under two layers of gzip, the outer one full of zeros that the inner passes over."""
    return gzip.compress(gzip.compress(valid)) + gzip.compress(bytes(padding_bytes // 16)) * 16


def padded_three_times(valid: bytes, padding_bytes: int) -> bytes:
    """The same in one more layer, which makes it a few kilobytes."""
    return gzip.compress(padded_twice(valid, padding_bytes))


def empty_members(coding: str, size_bytes: int) -> bytes:
    """A body of empty gzip members, or empty zstd frames, or zstd frames to be skipped."""
    unit = {
        "gzip": gzip.compress(b""),
        "zstd": zstandard.ZstdCompressor().compress(b""),
        "skip": b"\x50\x2a\x4d\x18\x00\x00\x00\x00",
    }[coding]
    return unit * (size_bytes // len(unit))


def zeros(coding: str, size_bytes: int) -> bytes:
    """So many zero bytes in that coding."""
    data = bytes(size_bytes)
    if coding == "br":
        return bytes(brotli.compress(data, quality=3))
    if coding == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    if coding == "deflate":
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(data) + compressor.flush()
    return gzip.compress(data)


def stacked(codings: str, size_bytes: int) -> bytes:
    """Zeros in several codings, the first named one innermost."""
    first, *others = codings.replace(" ", "").split(",")
    body = zeros(first, size_bytes)
    for coding in others:
        body = {
            "gzip": gzip.compress,
            "deflate": zlib.compress,
            "br": lambda data: bytes(brotli.compress(data, quality=3)),
            "zstd": zstandard.ZstdCompressor().compress,
        }[coding](body)
    return body


def blank_lines(unit: bytes = b"\n" * 200_000 + b":error\n", times: int = 100) -> bytes:
    """A stream of little but line ends."""
    return _START + unit * times


def repeated(unit: bytes, size_bytes: int) -> bytes:
    """A stream of so many bytes of one tiny event."""
    return _START + unit * (size_bytes // len(unit))


def surrogate_answer(size_bytes: int) -> bytes:
    """A long JSON answer that holds half of a character."""
    filler = b"[]," * (size_bytes // 3)
    return b'{"type":"message","x":[' + filler + b'0],"y":"\\ud83d","usage":{"output_tokens":7}}'


def deep_values(field: bytes, size_bytes: int) -> bytes:
    """An answer whose field, one that is looked at, is a list of a great many lists."""
    return b'{"type":"message","' + field + b'":[' + b"[]," * (size_bytes // 3) + b"0]}"


def many_blocks(model: bytes, size_bytes: int, unit: bytes = b"{}") -> bytes:
    """A request whose message has a great many empty content blocks."""
    unit += b","
    return request_body(model, b"[" + (unit * (size_bytes // len(unit)))[:-1] + b"]")


def metadata(value: bytes, size_bytes: int) -> bytes:
    """A request whose metadata is a list of a great many values."""
    values = (value + b",") * (size_bytes // (len(value) + 1))
    return b'{"model":"' + _OPUS + b'","metadata":[' + values + b"0]}"


def many_surrogates(size_bytes: int) -> bytes:
    """A request whose text is nothing but halves of characters."""
    return request_body(_OPUS, b'"' + b"\\ud83d" * (size_bytes // 6) + b'"')


def _gzipped(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: gzip.compress(make(), 9)


def _requests(mib: int) -> list[Hostile]:
    def one(name: str, make: Callable[[], bytes], coding: str = "") -> Hostile:
        return Hostile(name=name, side="request", make=make, content_encoding=coding)

    valid = request_body()
    return [
        one(
            "padding, 3 x gzip, 2 GiB",
            lambda: padded_three_times(valid, 2048 * mib),
            "gzip,gzip,gzip",
        ),
        one("padding, 2 x gzip, 256 MiB", lambda: padded_twice(valid, 256 * mib), "gzip, gzip"),
        one("zeros, gzip", lambda: zeros("gzip", 256 * mib), "gzip"),
        one("zeros, bare deflate", lambda: zeros("deflate", 256 * mib), "deflate"),
        one("zeros, br", lambda: zeros("br", 256 * mib), "br"),
        one("zeros, zstd", lambda: zeros("zstd", 256 * mib), "zstd"),
        one("zeros, br in zstd", lambda: stacked("br, zstd", 256 * mib), "br, zstd"),
        one("zeros, zstd in gzip", lambda: stacked("zstd, gzip", 256 * mib), "zstd, gzip"),
        one("empty members", lambda: empty_members("gzip", 4 * mib), "gzip"),
        one(
            "empty members in gzip", _gzipped(lambda: empty_members("gzip", 32 * mib)), "gzip,gzip"
        ),
        one("empty frames", lambda: empty_members("zstd", 4 * mib), "zstd"),
        one(
            "skipped frames in gzip", _gzipped(lambda: empty_members("skip", 32 * mib)), "zstd,gzip"
        ),
        one("empty blocks, 2 MB", lambda: many_blocks(_OPUS, 2 * mib)),
        one("empty blocks, 2 MB, delegated", lambda: many_blocks(_SONNET, 2 * mib)),
        one(
            "text blocks, 2 MB, delegated",
            lambda: many_blocks(_SONNET, 2 * mib, b'{"type":"text","text":""}'),
        ),
        one("empty blocks within limits, delegated", lambda: many_blocks(_SONNET, 28 * mib // 100)),
        one("empty blocks, 30 MB", lambda: many_blocks(_OPUS, 30 * mib)),
        one("lone surrogates, 2 MB", lambda: many_surrogates(2 * mib)),
        one("lone surrogates, 30 MB", lambda: many_surrogates(30 * mib)),
        one("UTF-16, 30 MB", lambda: many_blocks(_OPUS, 15 * mib, b"[]").decode().encode("utf-16")),
        one("lists, 2 MB", lambda: metadata(b"[]", 2 * mib)),
        one("lists within limits", lambda: metadata(b"[]", 28 * mib // 100)),
        one("texts, 30 MB", lambda: metadata(b'"ab"', 30 * mib)),
        one("texts within limits", lambda: metadata(b'"ab"', 45 * mib // 10)),
    ]


def _answers(mib: int) -> list[Hostile]:
    def one(
        name: str,
        make: Callable[[], bytes],
        coding: str = "",
        kind: str = _SSE,
        model: bytes = _OPUS,
    ) -> Hostile:
        return Hostile(
            name=name,
            side="answer",
            make=make,
            content_encoding=coding,
            content_type=kind,
            model=model,
        )

    valid, stream = answer_body(), _START
    return [
        one(
            "padding, 3 x gzip, 2 GiB",
            lambda: padded_three_times(stream, 2048 * mib),
            "gzip,gzip,gzip",
        ),
        one("padding, 2 x gzip, 256 MiB", lambda: padded_twice(stream, 256 * mib), "gzip, gzip"),
        one("padded JSON", lambda: padded_twice(valid, 256 * mib), "gzip, gzip", _JSON),
        one(
            "padded JSON, delegated",
            lambda: padded_twice(valid, 256 * mib),
            "gzip, gzip",
            _JSON,
            _SONNET,
        ),
        one(
            "padded stream, delegated",
            lambda: padded_twice(stream, 256 * mib),
            "gzip, gzip",
            _SSE,
            _SONNET,
        ),
        one("zeros, br", lambda: zeros("br", 256 * mib), "br"),
        one("zeros, zstd", lambda: zeros("zstd", 256 * mib), "zstd"),
        one("empty members", lambda: empty_members("gzip", 4 * mib), "gzip"),
        one("blank lines, gzip", _gzipped(lambda: blank_lines(times=150 * mib // MIB)), "gzip"),
        one("blank lines", lambda: blank_lines(times=50 * mib // MIB)),
        one("line ends CR", lambda: blank_lines(b"\r" * 200_000 + b":error\r", 50 * mib // MIB)),
        one(
            "line ends CR, gzip",
            _gzipped(lambda: blank_lines(b"\r" * 200_000 + b":error\r", 150 * mib // MIB)),
            "gzip",
        ),
        one(
            "line ends CRLF, gzip",
            _gzipped(lambda: blank_lines(b"\r\n" * 100_000 + b":error\r\n", 150 * mib // MIB)),
            "gzip",
        ),
        one("tiny comments", lambda: repeated(b":error\n\n", 10 * mib)),
        one("tiny comments, gzip", _gzipped(lambda: repeated(b":error\n\n", 30 * mib)), "gzip"),
        one(
            "tiny usage events, gzip",
            _gzipped(lambda: repeated(b'data:{"usage":{}}\n\n', 30 * mib)),
            "gzip",
        ),
        one(
            "deltas of usage, gzip",
            _gzipped(lambda: repeated(b'data:{"usage":[[],[],[]]}\n\n', 30 * mib)),
            "gzip",
        ),
        one("data lines", lambda: repeated(b"data:error\n", 10 * mib)),
        one(
            "event of lists",
            lambda: _START + b"data: " + deep_values(b"message", 7 * mib) + b"\n\n",
        ),
        one("JSON, half a character, 30 MB", lambda: surrogate_answer(30 * mib), "", _JSON),
        one("JSON, half a character, 7 MB", lambda: surrogate_answer(7 * mib), "", _JSON),
        one("JSON of lists, 30 MB", lambda: deep_values(b"usage", 30 * mib), "", _JSON),
        one("JSON of lists, 7 MB", lambda: deep_values(b"usage", 7 * mib), "", _JSON),
        one(
            "JSON of lists, delegated", lambda: deep_values(b"error", 30 * mib), "", _JSON, _SONNET
        ),
    ]


def corpus(mib: int = MIB) -> list[Hostile]:
    """All inputs; with a smaller unit than a mebibyte, small ones of the same kinds."""
    return _requests(mib) + _answers(mib)
