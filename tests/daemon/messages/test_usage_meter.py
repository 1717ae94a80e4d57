"""The usage meter: what it reads out of whole answers, in the forms that both services use."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import zstandard

from offramp_daemon.messages.answers import usage_meter as meter_module
from offramp_daemon.messages.answers.usage_meter import JSON_LIMIT_BYTES, TokenUsage, UsageMeter

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}

ANTHROPIC_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 4000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 1,
    "service_tier": "standard",
}


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _start(model: str, usage: dict[str, Any]) -> bytes:
    message = {"id": "msg_1", "type": "message", "model": model, "content": [], "usage": usage}
    return _event("message_start", message=message)


def _delta(text: str) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


STOP = _event("message_stop")
ANTHROPIC_STREAM = b"".join(
    (
        _start("claude-opus-4-6", ANTHROPIC_USAGE),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        _delta("Hello"),
        _delta('{"usage":{"output_tokens":9}} message_stop error'),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 89}),
        STOP,
    )
)
ZAI_STREAM = b"".join(
    (
        _start("glm-4.7", {"input_tokens": 0, "output_tokens": 0}),
        _delta("Hello"),
        _event(
            "message_delta",
            delta={"stop_reason": "end_turn"},
            usage={"input_tokens": 1250, "output_tokens": 890, "cache_read_input_tokens": 64},
        ),
        STOP,
    )
)


def _read(*chunks: bytes, content_type: str = "text/event-stream", coding: str = "") -> UsageMeter:
    meter = UsageMeter(content_type=content_type, content_encoding=coding)
    for chunk in chunks:
        meter.feed(chunk)
    meter.finish()
    return meter


def _read_json(answer: object, *, coding: str = "") -> UsageMeter:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return _read(body, content_type="application/json", coding=coding)


def test_anthropic_stream_gives_input_of_the_start_and_output_of_the_end() -> None:
    meter = _read(ANTHROPIC_STREAM)
    assert meter.usage == TokenUsage(12, 89, 300, 4000, 100, 200)
    assert meter.served_model == "claude-opus-4-6"
    assert (meter.is_stream, meter.is_complete, meter.is_readable) == (True, True, True)
    assert meter.error_type is None
    assert not meter.is_empty


def test_zai_stream_with_zeros_at_the_start_gives_the_counts_of_the_end() -> None:
    meter = _read(ZAI_STREAM)
    assert meter.usage == TokenUsage(1250, 890, 0, 64)
    assert meter.served_model == "glm-4.7"
    assert meter.is_complete


@pytest.mark.parametrize(
    ("message_id", "expected"),
    [("msg_01a", "msg_01a"), ("m" * 9000, "m" * 200), ("", None), (7, None), (None, None)],
)
def test_messages_id_is_read_from_streams_and_whole_answers(
    message_id: object, expected: str | None
) -> None:
    message = {"type": "message", "id": message_id, "model": "m", "content": []}
    assert _read_json(message).message_id == expected
    block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    stream = (
        _event("message_start", message=message),
        _event("content_block_start", index=0, content_block=block),
        STOP,
    )
    assert _read(*stream).message_id == expected


def test_later_counts_overwrite_and_are_never_added() -> None:
    deltas = [_event("message_delta", usage={"output_tokens": n}) for n in (5, 9, 0, 7)]
    assert _read(*deltas).usage.output_tokens == 7


@pytest.mark.parametrize(
    "count",
    [None, 0, -5, True, 1.5, "17", [3], {"n": 1}, 2**53 + 1, 10**25, float("nan"), float("inf")],
)
def test_insane_count_leaves_the_known_one(count: object) -> None:
    meter = _read(
        _event("message_delta", usage={"output_tokens": 42}),
        _event("message_delta", usage={"output_tokens": count, "input_tokens": 3}),
    )
    assert meter.usage == TokenUsage(input_tokens=3, output_tokens=42)


def test_count_of_thousands_of_digits_leaves_the_known_one() -> None:
    digits = b"9" * 5000
    torn = b'data: {"type":"message_delta","usage":{"output_tokens":%b,"input_tokens":3}}\n\n'
    meter = _read(_event("message_delta", usage={"output_tokens": 42}), torn % digits)
    assert meter.usage == TokenUsage(input_tokens=3, output_tokens=42)


def test_whole_float_counts() -> None:
    assert _read(_event("message_delta", usage={"output_tokens": 42.0})).usage.output_tokens == 42


@pytest.mark.parametrize("usage", [None, [], "none", 3, {"cache_creation": [1]}])
def test_usage_of_a_wrong_shape_is_passed_over(usage: object) -> None:
    meter = _read(_event("message_delta", usage=usage), STOP)
    assert meter.usage == TokenUsage()
    assert meter.is_complete


def test_json_answer_is_metered_at_its_end() -> None:
    answer = {"type": "message", "model": "glm-4.7", "content": [], "usage": ANTHROPIC_USAGE}
    meter = _read_json(answer)
    assert meter.usage == TokenUsage(12, 1, 300, 4000, 100, 200)
    assert meter.served_model == "glm-4.7"
    assert (meter.is_stream, meter.is_complete) == (False, True)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"content":[{"text":"half \ud83d an emoji"}],"usage":{"output_tokens":8}}',
        b'{"content":[{"text":"bad \xff UTF-8"}],"model":"\xff","usage":{"output_tokens":8}}',
        b'\xef\xbb\xbf {"usage":{"output_tokens":8}}',
        b'{"type":1e400,"usage":{"output_tokens":8}}',
        b'{"stop_sequence":NaN,"usage":{"output_tokens":8}}',
        b'{"usage":{"output_tokens":8},"code":' + b"7" * 5000 + b"}",
    ],
)
def test_json_that_a_strict_parser_refuses_is_metered(body: bytes) -> None:
    meter = _read_json(body)
    assert meter.usage == TokenUsage(output_tokens=8)
    assert meter.is_complete


def test_half_a_surrogate_pair_in_an_event_does_not_hide_its_usage() -> None:
    event = rb'data: {"type":"message_delta","x":"\ud83d","usage":{"output_tokens":8}}'
    assert _read(event + b"\n\n").usage.output_tokens == 8


@pytest.mark.parametrize("body", [b"", b'{"usage":{"output_tokens":8}', b"[1]", b"<html>", b"{}{}"])
def test_body_that_is_no_json_object_is_not_complete(body: bytes) -> None:
    meter = _read_json(body)
    assert not meter.is_complete
    assert meter.usage == TokenUsage()
    assert meter.is_readable
    assert meter.is_empty == (not body)


def test_json_nested_too_deep_is_not_complete() -> None:
    assert not _read_json(b'{"usage":' + b"[" * 200_000).is_complete


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        ({"error": {"code": "1308", "message": "TokenUsage limit"}, "request_id": "1"}, "1308"),
        (
            {"type": "error", "error": {"type": "rate_limit_error", "code": "1310"}},
            "rate_limit_error",
        ),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, "500"),
        ({"error": {"code": 1113}}, "1113"),
        ({"error": "something went wrong with sk-key"}, "error"),
        ({"type": "error"}, "error"),
        ({"error": {"type": "Sorry, that failed", "code": True}}, "error"),
        ({"error": {"type": "x" * 500}}, "x" * 64),
    ],
)
def test_error_json_under_http_200_gives_its_type_and_no_text(
    answer: dict[str, Any], error_type: str
) -> None:
    meter = _read_json(answer)
    assert meter.error_type == error_type
    assert not meter.is_complete


@pytest.mark.parametrize("error", [None, {}, False, ""])
def test_empty_error_field_is_no_error(error: object) -> None:
    meter = _read_json({"type": "message", "error": error})
    assert meter.error_type is None
    assert meter.is_complete


@pytest.mark.parametrize(
    ("event", "error_type"),
    [
        (_event("error", error={"type": "overloaded_error", "message": "x"}), "overloaded_error"),
        (b'data: {"error":{"code":"1308","message":"TokenUsage limit"}}\n\n', "1308"),
        (b'event: error\ndata: {"message":"no type at all"}\n\n', "error"),
        (b"event:error\ndata: plain text\n\n", "error"),
        (b'{"error":{"code":"1302","message":"JSON under the type of a stream"}}', "1302"),
        (b'{\n  "error": {\n    "code": "1302"\n  }\n}\n', "1302"),
    ],
)
def test_error_within_a_stream_is_noted_beside_known_tokens(event: bytes, error_type: str) -> None:
    meter = _read(_start("m", ANTHROPIC_USAGE), _delta("text"), event)
    assert meter.error_type == error_type
    assert not meter.is_complete
    assert meter.usage.input_tokens == 12


def test_first_of_two_errors_is_kept() -> None:
    meter = _read(_event("error", error={"type": "a"}), _event("error", error={"type": "b"}))
    assert meter.error_type == "a"


def test_cut_stream_keeps_its_tokens_and_is_not_complete() -> None:
    meter = _read(ANTHROPIC_STREAM[: -len(STOP)], STOP[:-10])
    assert meter.usage.output_tokens == 89
    assert not meter.is_complete


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_last_event_without_its_blank_line_counts(ending: bytes) -> None:
    assert _read(ANTHROPIC_STREAM.removesuffix(b"\n\n") + ending).is_complete


def test_end_of_a_stream_is_known_before_the_body_ends() -> None:
    meter = UsageMeter(content_type="text/event-stream", content_encoding="")
    meter.feed(ANTHROPIC_STREAM)
    assert meter.is_complete


def test_type_in_the_json_counts_before_the_name_of_the_event() -> None:
    assert not _read(b'event: message_stop\ndata: {"type":"message_delta"}\n\n').is_complete
    assert _read(b'event: ping\ndata: {"type":"message_stop"}\n\n').is_complete
    assert _read(b"event: message_stop\ndata: {}\n\n").is_complete


@pytest.mark.parametrize("body", [ANTHROPIC_STREAM, ZAI_STREAM])
@pytest.mark.parametrize("coding", ENCODERS)
def test_coded_stream_is_metered_like_a_plain_one(body: bytes, coding: str) -> None:
    plain = _read(body)
    meter = _read(ENCODERS[coding](body), coding=coding)
    assert (meter.usage, meter.served_model) == (plain.usage, plain.served_model)
    assert meter.is_complete
    assert meter.is_readable


def test_coded_json_is_metered() -> None:
    body = gzip.compress(b'{"usage":{"output_tokens":8}}')
    meter = _read_json(body, coding="gzip")
    assert meter.usage.output_tokens == 8
    assert meter.is_complete


def test_unknown_coding_is_unreadable_and_claims_nothing() -> None:
    meter = _read(ANTHROPIC_STREAM, coding="rot13")
    assert not meter.is_readable
    assert not meter.is_complete
    assert not meter.is_empty
    assert meter.error_type is None


def test_damaged_coding_is_unreadable_and_keeps_known_tokens() -> None:
    coded = gzip.compress(ANTHROPIC_STREAM)
    meter = _read(coded, b"rubbish", ANTHROPIC_STREAM, coding="gzip")
    assert not meter.is_readable
    assert not meter.is_complete
    assert meter.usage.output_tokens == 89


@pytest.mark.parametrize("coding", ["", "gzip", "rot13"])
@pytest.mark.parametrize("content_type", ["", "text/event-stream", "application/json"])
def test_body_of_no_bytes_is_empty_and_not_complete(content_type: str, coding: str) -> None:
    meter = _read(b"", b"", content_type=content_type, coding=coding)
    assert meter.is_empty
    assert not meter.is_complete


def test_coded_body_of_nothing_is_empty() -> None:
    assert _read(gzip.compress(b""), coding="gzip").is_empty


@pytest.mark.parametrize(
    ("content_type", "is_stream"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream ; charset=utf-8", True),
        ("application/json", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_stream_is_told_by_its_content_type(content_type: str, is_stream: bool) -> None:
    assert UsageMeter(content_type=content_type, content_encoding="").is_stream is is_stream


def test_finish_twice_and_bytes_behind_it_change_nothing() -> None:
    meter = _read_json({"usage": {"output_tokens": 8}})
    meter.feed(b"more")
    meter.finish()
    assert meter.is_complete
    assert meter.usage.output_tokens == 8


def test_json_over_its_limit_is_unreadable_and_is_not_kept() -> None:
    meter = UsageMeter(content_type="application/json", content_encoding="")
    chunk = b" " * (1024 * 1024)
    tracemalloc.start()
    for _ in range(3 * JSON_LIMIT_BYTES // len(chunk)):
        meter.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    meter.finish()
    assert not meter.is_readable
    assert not meter.is_complete
    assert peak < 2 * JSON_LIMIT_BYTES


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
def test_bomb_is_unreadable_beyond_its_limit(
    monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    monkeypatch.setattr(meter_module, "DECODED_LIMIT_BYTES", 100_000)
    bomb = gzip.compress(ANTHROPIC_STREAM + b"\n" * 1_000_000)
    meter = _read(bomb, content_type=content_type, coding="gzip")
    assert not meter.is_readable
    assert not meter.is_complete


def test_long_names_are_cut() -> None:
    assert _read(_start("m" * 100_000, {})).served_model == "m" * 200
