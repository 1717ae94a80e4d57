"""How the meter finds events in a stream: chunk borders, line ends, coding, and odd bytes."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offramp_daemon.messages.answers.usage_meter import TokenUsage, UsageMeter
from offramp_daemon.wire import sse
from offramp_daemon.wire.sse import EventReader

if TYPE_CHECKING:
    from collections.abc import Callable

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.ZstdCompressor().compress,
}

COUNTS = (
    st.integers(-5, 2**54)
    | st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=3)
    | st.integers(10**30, 10**31)
)
FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
DETAILS = {
    "ephemeral_5m_input_tokens": "cache_creation_5m_input_tokens",
    "ephemeral_1h_input_tokens": "cache_creation_1h_input_tokens",
}
USAGES = st.dictionaries(st.sampled_from(FIELDS), COUNTS) | st.fixed_dictionaries(
    {"cache_creation": st.dictionaries(st.sampled_from(list(DETAILS)), COUNTS)}
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["error", 'an "error"', "message_stop", '"usage"', "\n\n", "data: x", "\r", "\ud83d"]
)


def _usage_events() -> st.SearchStrategy[dict[str, Any]]:
    start = st.builds(
        lambda usage: {"type": "message_start", "message": {"model": "m", "usage": usage}}, USAGES
    )
    delta = st.builds(lambda usage: {"type": "message_delta", "usage": usage}, USAGES)
    return start | delta


def _other_events() -> st.SearchStrategy[dict[str, Any]]:
    delta = st.builds(
        lambda text: {"type": "content_block_delta", "index": 0, "delta": {"text": text}}, TEXTS
    )
    fixed = [
        {"type": "ping"},
        {"type": "message_stop"},
        {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
        {"error": {"code": "1308"}},
        {"type": "content_block_start", "content_block": {"type": "text"}},
    ]
    return delta | st.sampled_from(fixed)


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    """A stream with line ends, comments, spacing and names as they please."""
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    events = draw(st.lists(_other_events() | _usage_events(), max_size=8))
    blocks = [draw(_blocks(event, line_end)) for event in events]
    mark = draw(st.sampled_from(["", "\ufeff"]))
    cut = draw(st.integers(0, 3))
    body = (mark + "".join(blocks)).encode()
    return body[: len(body) - cut]


@st.composite
def _blocks(draw: st.DrawFn, event: dict[str, Any], line_end: str) -> str:
    indent = draw(st.sampled_from([None, None, 1]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    data = json.dumps(event, indent=indent, separators=separators)
    space = draw(st.sampled_from([" ", ""]))
    lines = [f"data:{space}{line}" for line in data.split("\n")]
    if "type" in event and draw(st.booleans()):
        lines.insert(draw(st.sampled_from([0, len(lines)])), f"event:{space}{event['type']}")
    lines.insert(0, ": a comment") if draw(st.booleans()) else None
    lines.append("id: 7") if draw(st.booleans()) else None
    return line_end.join(lines) + line_end * draw(st.integers(2, 4))


def _facts(chunks: list[bytes], *, content_type: str, coding: str) -> dict[str, Any]:
    meter = UsageMeter(content_type=content_type, content_encoding=coding)
    for chunk in chunks:
        meter.feed(chunk)
    meter.finish()
    return asdict(meter.usage) | {
        "model": meter.served_model,
        "is_complete": meter.is_complete,
        "is_empty": meter.is_empty,
        "error_type": meter.error_type,
        "is_readable": meter.is_readable,
    }


def _split(body: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(borders)]


@settings(max_examples=400)
@given(
    body=_streams(),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    coding=st.sampled_from(list(CODECS)),
)
def test_same_bytes_in_any_chunks_give_the_same_facts(
    body: bytes, cuts: list[int], coding: str
) -> None:
    coded = CODECS[coding](body)
    whole = _facts([body], content_type="text/event-stream", coding="")
    split = _facts(_split(coded, cuts), content_type="text/event-stream", coding=coding)
    single = [coded[i : i + 1] for i in range(len(coded))]
    assert split == whole
    assert _facts(single, content_type="text/event-stream", coding=coding) == whole


@settings(max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from(
            [b"\n", b"\r", b"\n\n", b"data:", b"event: ", b"message_stop", b"error", b"{}", b" "]
        )
        | st.binary(max_size=3),
        max_size=30,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    limit_bytes=st.sampled_from([8, 20, sse.EVENT_LIMIT_BYTES]),
)
@example(pieces=[b"event: message_stop\ndata: {}", b"\r", b"\n", b"\r"], cuts=[29], limit_bytes=99)
@example(pieces=[b"data: error\n", b"\ndata: error"], cuts=[12], limit_bytes=11)
def test_chunk_borders_change_no_event_however_odd_the_bytes(
    pieces: list[bytes], cuts: list[int], limit_bytes: int
) -> None:
    body = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "EVENT_LIMIT_BYTES", limit_bytes)
        assert _events(_split(body, cuts)) == _events([body])
        assert _events([body[i : i + 1] for i in range(len(body))]) == _events([body])


def _events(chunks: list[bytes]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    reader = EventReader(lambda name, data: found.append((name, data)))
    for chunk in chunks:
        reader.feed(chunk)
    reader.finish()
    return found


def _dispatched(body: bytes) -> list[tuple[str, bytes]]:
    """The events of `body` line by line, as the standard's algorithm has it, a last one too."""
    text = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: list[tuple[str, bytes]] = []
    name, data = b"", list[bytes]()
    for line in [*text.split(b"\n"), b""]:
        if not line:
            if data:
                found.append((name.decode(), b"\n".join(data)))
            name, data = b"", []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].removeprefix(b" ")
    return found


@settings(max_examples=300)
@given(body=_streams(), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_events_are_those_of_the_standard_that_are_of_interest(
    body: bytes, cuts: list[int]
) -> None:
    found = iter(_events(_split(body, cuts)))
    awaited = next(found, None)
    for event in _dispatched(body):
        if event == awaited:
            awaited = next(found, None)
        else:  # passed over
            assert b"ping" in event[1] or b"content_block" in event[1]
    assert awaited is None


@settings(max_examples=300)
@given(
    chunks=st.lists(st.binary(max_size=40), max_size=12),
    content_type=st.sampled_from(["text/event-stream", "application/json", ""]),
    coding=st.sampled_from([*CODECS, "br, gzip", "nonsense"]),
)
def test_random_bytes_never_raise(chunks: list[bytes], content_type: str, coding: str) -> None:
    _facts(chunks, content_type=content_type, coding=coding)


@settings(max_examples=300)
@given(events=st.lists(_usage_events(), max_size=6))
def test_usage_is_the_latest_count_above_zero_of_each_field(events: list[dict[str, Any]]) -> None:
    expected = TokenUsage()
    for event in events:
        usage = event.get("usage") or event.get("message", {}).get("usage", {})
        flat = {name: usage.get(name) for name in FIELDS}
        flat |= {DETAILS[k]: n for k, n in usage.get("cache_creation", {}).items()}
        for name, count in flat.items():
            if type(count) in (int, float) and 1 <= count <= 2**53 and count == int(count):
                setattr(expected, name, int(count))
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    meter = UsageMeter(content_type="text/event-stream", content_encoding="")
    meter.feed(body)
    assert meter.usage == expected


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("per_chunk", [1, 3, 500])
@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"content_block_delta","index":0,"delta":{"text":"an error, message_stop"}}',
        b'{"index": 0, "type": "content_block_delta", "delta": {"text": "an \\"error\\""}}',
        b'{"delta":{"text":"message_start"},"type":"content_block_delta"}',
    ],
)
def test_end_behind_many_deltas_is_found(line_end: bytes, per_chunk: int, data: bytes) -> None:
    delta = line_end.join((b"event: content_block_delta", b"data: " + data, b"", b""))
    stop = line_end.join((b"event: message_stop", b'data: {"type":"message_stop"}', b"", b""))
    chunks = [delta * per_chunk] * (500 // per_chunk)
    reader_facts = _facts([*chunks, delta + stop], content_type="text/event-stream", coding="")
    assert reader_facts["is_complete"]
    assert reader_facts["error_type"] is None
    assert not _facts(chunks, content_type="text/event-stream", coding="")["is_complete"]


def test_overlong_event_is_passed_over_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "EVENT_LIMIT_BYTES", 1000)
    event = b"data: message_ %b\n\n"
    body = event % (b"x" * 5000) + event % b"y"
    for size in (1, 100, 5000, 10_000):
        chunks = [body[i : i + size] for i in range(0, len(body), size)]
        assert _events(chunks) == [("", b"message_ y")]


def test_stream_without_a_blank_line_keeps_memory_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_LIMIT_BYTES", 1000)
    reader = EventReader(lambda _name, _data: None)
    for _ in range(1000):
        reader.feed(b"x" * 900)
        assert reader.held_bytes <= 1900
