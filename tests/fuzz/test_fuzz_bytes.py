"""Random, broken and hostile bytes for everything that reads them, without a socket.

Whatever comes, a reader raises nothing but its own error, stays within its budget, and does not
depend on how the bytes are cut into chunks.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import brotli
import zstandard
from fuzzing import fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from request_bodies import ANTHROPIC_BACKEND, ZAI_BACKEND

from offramp_core.settings import default_routes
from offramp_daemon.messages import request_body, transform
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.messages.answers.first_event import FirstEventReader
from offramp_daemon.messages.answers.usage_meter import UsageMeter
from offramp_daemon.messages.request_body import MalformedBodyError
from offramp_daemon.services import QUOTA_READERS
from offramp_daemon.services.plan_reading import NoQuotaError
from offramp_daemon.wire import headers
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder, decode_all
from offramp_daemon.wire.work_budget import Allowance, WorkBudget

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL = {chr(number) for number in range(32)} - {"\t"} | {"\x7f"}
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.ZstdCompressor().compress,
}
PARTS = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b":error\n\n",
        b": comment\n",
        b"\xef\xbb\xbf",
        b"event: error\n",
        b"event: message_start\n",
        b'data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3}}}\n\n',
        b'data: {"type":"message_delta","usage":{"output_tokens":5}}\n\n',
        b'event: x\ndata: {"type":"content_block_delta","index":0,"x":"error"}\n\n',
        b'data: {"type":"message_stop"}\n\n',
        b'data: {"error":{"type":"overloaded_error","code":"1305"}}\n\n',
        b'data: {"usage":[[],[]]}\n',
        b'{"type":"error","error":"\\ud83d"}',
        b"data:",
        b"data: message_\xff\xfe\n",
    ]
)
STREAMS = st.lists(PARTS | st.binary(max_size=20), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 600), max_size=6)
_KNOWN_KEYS = """type role content messages model system tools id tool_use_id input usage error code
success data limits unit number percentage nextResetTime currentValue thinking signature text name
cache_control"""
KEYS = st.text(max_size=8) | st.sampled_from(_KNOWN_KEYS.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["user", "assistant", "system", "text", "thinking", "tool_use", "call_1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(place, len(body)) for place in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(places)]


def broken(body: bytes, place: int, change: bytes) -> bytes:
    """`body` with a piece of it replaced."""
    place = place % (len(body) + 1)
    return body[:place] + change + body[place + len(change) :]


@fuzz(5)
@given(
    data=st.binary(max_size=300) | st.binary(min_size=1, max_size=20).map(lambda unit: unit * 3000),
    codings=st.lists(st.sampled_from(list(ENCODERS)), max_size=3),
    tail=st.binary(max_size=20) | st.just(bytes(1000)),
    place=st.integers(0, 5000),
    change=st.binary(max_size=4),
    cuts=CUTS,
)
def test_codings(
    data: bytes, codings: list[str], tail: bytes, place: int, change: bytes, cuts: list[int]
) -> None:
    body = data
    for coding in codings:
        body = ENCODERS[coding](body) + tail
    body, header = broken(body, place, change), ",".join(codings)
    with contextlib.suppress(ContentCodingError):
        assert len(decode_all(body, header, limit_bytes=40_000)) <= 40_000
    put_out: list[int] = []
    allowance = Allowance(at_first=30_000, per_byte=10)
    with contextlib.suppress(ContentCodingError):
        budget = WorkBudget(allowance)
        decoder = Decoder(header, lambda piece: put_out.append(len(piece)), budget)
        for piece in cut(body, cuts):
            decoder.feed(piece)
    if codings:
        assert sum(put_out) <= allowance.at_first + allowance.per_byte * len(body)


def facts_of(chunks: list[bytes], kind: str, coding: str) -> dict[str, Any]:
    meter = UsageMeter(content_type=kind, content_encoding=coding)
    first = FirstEventReader(coding)
    for chunk in chunks:
        meter.feed(chunk)
        first.feed(chunk)
    meter.finish()
    first.error()
    return {
        "usage": meter.usage,
        "model": meter.served_model,
        "error": meter.error_type,
        "is_complete": meter.is_complete,
        "is_empty": meter.is_empty,
        "is_readable": meter.is_readable,
    }


@fuzz(5)
@given(
    stream=STREAMS,
    repeats=st.sampled_from([1, 1, 1, 50]),
    kind=st.sampled_from(["text/event-stream", "application/json"]),
    coding=st.sampled_from(["", "", *ENCODERS]),
    cuts=CUTS,
)
@example(stream=b"\n\r", repeats=1, kind="text/event-stream", coding="", cuts=[1])
def test_answers(stream: bytes, repeats: int, kind: str, coding: str, cuts: list[int]) -> None:
    body = stream * repeats
    body = ENCODERS[coding](body) if coding else body
    assert facts_of(cut(body, cuts), kind, coding) == facts_of([body], kind, coding)


@fuzz(2)
@given(body=VALUES, place=st.none() | st.integers(0, 500), change=st.binary(max_size=4))
def test_json_answers(body: Any, place: int | None, change: bytes) -> None:
    data = json.dumps(body).encode()
    data = data if place is None else broken(data, place, change)
    long = b'{"x":"' + b"x" * 9000 + b'",' + data.removeprefix(b"{")
    for each in (data, long):
        facts_of([each], "application/json", "")
        facts_of([b"data: " + each + b"\n\n"], "text/event-stream", "")


@fuzz(5)
@given(body=VALUES, place=st.none() | st.integers(0, 500), change=st.binary(max_size=4))
def test_request_bodies(body: Any, place: int | None, change: bytes) -> None:
    asked = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 9,
        **(body if isinstance(body, dict) else {}),
    }
    data = json.dumps(asked if isinstance(body, dict) else body).encode()
    data = data if place is None else broken(data, place, change)
    try:
        read = request_body.read(data)
    except MalformedBodyError:
        return
    request_body.last_prompt(read)
    assert isinstance(transform.for_client_backend(read, ANTHROPIC_BACKEND, strip_all=False), bytes)
    route = default_routes()[0]
    with contextlib.suppress(RequestFailedError):
        assert isinstance(transform.for_delegate(read, ZAI_BACKEND, route, strip_all=False), bytes)


@fuzz(5)
@given(
    status=st.sampled_from([200, 401, 403, 500]),
    body=VALUES,
    place=st.none() | st.integers(0, 500),
    change=st.binary(max_size=4),
)
def test_quota_answers(status: int, body: Any, place: int | None, change: bytes) -> None:
    for answer in (body, {"code": 200, "success": True, "data": {"limits": [body]}}):
        data = json.dumps(answer).encode()
        data = data if place is None else broken(data, place, change)
        for read in QUOTA_READERS.values():
            with contextlib.suppress(NoQuotaError):
                assert read(status, data, NOW).windows


@fuzz(2)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(
                [b"Connection", b"Retry-After", b"Set-Cookie", b"Content-Type", b"X-\xff"]
            )
            | st.binary(min_size=1, max_size=8),
            st.binary(max_size=12),
        ),
        max_size=8,
    )
)
def test_headers(pairs: list[tuple[bytes, bytes]]) -> None:
    for passed in (
        headers.to_client(pairs),
        headers.to_client(pairs, is_delegates=True),
        headers.to_client_backend(pairs),
        headers.to_delegate(pairs, ZAI_BACKEND),
    ):
        assert not CONTROL & set(b"".join(value for _, value in passed).decode("latin-1"))
