"""How a stream begins: told from its first event, whatever the chunks, and no later than that."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # it ships no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.messages.answers.error_bodies import Form
from offramp_daemon.messages.answers.first_event import LIMIT_BYTES, FirstEventReader

if TYPE_CHECKING:
    from collections.abc import Callable

START = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'
DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n'
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
BLOCK = b'event: content_block_start\ndata: {"type":"content_block_start","index":0}\n\n'
OPENINGS = {
    "ping": PING,
    "pings": PING * 20,
    "unnamed ping": b'data: {"type": "ping"}\n\n',
    "ping without data": b"event: ping\n\n",
    "comment": b": keep-alive\n",
    "comments": b": a\n\n:\n\n",
    "retry": b"retry: 3000\n\n",
    "id": b"id: 7\n\n",
    "blank lines": b"\n\r\n\n",
    "start": START,
    "all of it": b"retry: 10\n" + PING + b": x\n\n" + START + PING,
    "type last": b'data: {"cost":"0.1","type":"ping"}\n\n',
    "message first": b'data: {"message":{"type":"message"},"type":"message_start"}\n\n',
    "sign of life": b"event: heartbeat\ndata: {}\n\n",
    "unknown event": b'event: gateway_queue\ndata: {"type":"gateway_queue","place":3}\n\n',
    "unnamed sign of life": b'data: {"type":"keepalive"}\n\n',
    "usual name": b'event: message\ndata: {"type":"ping"}\n\n',
    "empty data": b"data:\n\n",
    "no data": b"data: {}\n\n",
    "end of another protocol": b"data: [DONE]\n\n",
    "crlf": (PING + START).replace(b"\n", b"\r\n"),
}
ERRORS = {
    "typed": (b'event: error\ndata: {"type":"error","error":{"code":"1305"}}\n\n', "1305"),
    "unnamed": (b'data: {"error":{"code":1302,"message":"busy"}}\n\n', "1302"),
    "crlf": (b'event: error\r\ndata: {"error":{"code":"1230"}}\r\n\r\n', "1230"),
    "cr": (b'event: error\rdata: {"error":{"code":"1230"}}\r\r', "1230"),
    "mark": (b'\xef\xbb\xbfevent: error\ndata: {"error":{"code":"1230"}}\n\n', "1230"),
    "lines": (b'event: error\ndata: {"error":\ndata: {"code":"1230"}}\n\n', "1230"),
    "blank before": (b'\n\r\nevent: error\ndata: {"error":{"code":"1230"}}\n\n', "1230"),
    "success false": (b'data: {"success":false,"code":500,"msg":"no"}\n\n', "500"),
    "nothing said": (b"event: error\ndata: {}\n\n", None),
    "no json": (b"event: error\ndata: oh no\n\n", None),
    "mixed line ends": (b'event: error\ndata: {"error":{"code":"1230"}}\n\r\n', "1230"),
    "json in place of fields": (b'{"type":"error","error":{"code":"1230"}}\n\n', "1230"),
    "torn json": (b'{"type":"error","error":{"code":"1230"}}', "1230"),
    "torn": (b'event: error\ndata: {"error":{"code":"1230"}}', "1230"),
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
BLOCKS = st.sampled_from([START, DELTA, PING, b":", *(text for text, _ in ERRORS.values())])


def fed(data: bytes, coding: str = "", *, size: int = 1) -> tuple[FirstEventReader, int]:
    """The opening of `data` in chunks, and how many bytes it took."""
    opening = FirstEventReader(coding)
    for start in range(0, len(data), size):
        if opening.feed(data[start : start + size]):
            return opening, min(start + size, len(data))
    return opening, len(data)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("text", "code"), ERRORS.values(), ids=ERRORS)
def test_error_is_found(text: bytes, code: str | None, coding: str) -> None:
    opening, _ = fed(CODINGS[coding](text), coding)
    error = opening.error()
    assert error is not None
    assert error.code == code
    assert not opening.is_empty


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("text", [DELTA, START + DELTA, PING + BLOCK, b'data: {"error":null}\n\n'])
def test_what_is_no_error_passes(text: bytes, coding: str) -> None:
    opening, _ = fed(CODINGS[coding](text + ERRORS["typed"][0]), coding)
    assert opening.is_known
    assert opening.error() is None


@pytest.mark.parametrize("text", [*OPENINGS.values(), b""], ids=[*OPENINGS, "nothing"])
@pytest.mark.parametrize("content", [BLOCK, BLOCK.replace(b"\n\n", b"\n\r\n"), DELTA])
def test_nothing_is_held_longer_than_the_first_content(text: bytes, content: bytes) -> None:
    opening, took = fed(text + content + DELTA)
    assert (opening.is_known, opening.error()) == (True, None)
    assert took <= len(text + content)


@pytest.mark.parametrize("text", OPENINGS.values(), ids=OPENINGS)
@pytest.mark.parametrize(("error", "code"), ERRORS.values(), ids=ERRORS)
def test_error_is_found_behind_what_is_no_content(
    text: bytes, error: bytes, code: str | None
) -> None:
    plain = text + error.removeprefix(b"\xef\xbb\xbf")
    for coding, size in (("", 1), ("", 7), ("gzip", 3), ("", 1000)):
        opening, _ = fed(CODINGS[coding](plain), coding, size=size)
        found = opening.error()
        assert found is not None
        assert found.code == code


@pytest.mark.parametrize(
    ("text", "has_message"),
    [(START, True), (PING + START, True), (PING, False), (b": x\n\n", False), (b"", False)],
)
def test_message_without_content_has_begun_all_the_same(text: bytes, has_message: bool) -> None:
    opening, _ = fed(text)
    assert (opening.is_known, opening.has_message) == (False, has_message)
    assert opening.error() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<!DOCTYPE html><html><head><title>404 Not Found</title>", "404 Not Found"),
        (b"<html>\n\n<body>\n\n</body></html>", ""),
        (b'{"timestamp":"2026","status":404,"error":"Not Found","path":"/v1"}', "Not Found"),
        (b'{"status":"ok"}\n\n', ""),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_stream_at_all_is_an_error(text: bytes, said: str, size: int) -> None:
    opening, _ = fed(text, size=size)
    error = opening.error()
    assert error is not None
    assert (error.form is not Form.SERVICE, error.message) == (True, said)


def test_whole_message_in_place_of_a_stream_passes() -> None:
    opening, _ = fed(b'{"type":"message","content":[]}\n\n')
    assert opening.error() is None


@pytest.mark.parametrize("coding", CODINGS)
def test_stream_without_a_byte_is_empty(coding: str) -> None:
    opening, _ = fed(CODINGS[coding](b"") if coding else b"", coding)
    assert opening.is_empty
    assert opening.error() is None


@pytest.mark.parametrize("coding", ["unknown", "gzip"])
def test_what_cannot_be_read_is_passed_on(coding: str) -> None:
    opening, _ = fed(b"no gzip at all", coding)
    assert opening.is_known
    assert not opening.is_empty
    assert opening.error() is None


def test_long_first_event_is_passed_on() -> None:
    _, took = fed(b"data: " + b"x" * (2 * LIMIT_BYTES), size=1000)
    assert took <= LIMIT_BYTES + 1000


def test_mask_takes_out_what_nobody_is_to_see() -> None:
    opening, _ = fed(b'data: {"error":{"code":"1","message":"key abc"}}\n\n')
    error = opening.error(lambda text: text.replace("abc", "***"))
    assert error is not None
    assert error.message == "key ***"


@given(
    st.lists(BLOCKS | st.binary(max_size=60), max_size=4),
    st.sampled_from(sorted(CODINGS)),
    st.integers(1, 200),
)
def test_chunk_borders_make_no_difference(blocks: list[bytes], coding: str, size: int) -> None:
    data = CODINGS[coding](b"".join(blocks))
    one, _ = fed(data, coding, size=size)
    whole, _ = fed(data, coding, size=max(len(data), 1))
    assert one.error() == whole.error()
    assert one.is_empty == whole.is_empty


def test_of_a_long_chunk_no_more_is_undone_than_its_first_event_takes() -> None:
    noise = random.Random(7).randbytes(200_000)  # what can't be packed any smaller
    packed = zlib.compress(START + noise)
    damaged = packed[: len(packed) // 2] + b"\xff" * 1000
    opening, took = fed(damaged, "deflate", size=len(damaged))
    assert (opening.is_known, opening.error(), took) == (True, None, len(damaged))
    error = zlib.compress(ERRORS["typed"][0] + noise)
    opening, _ = fed(error[: len(error) // 2] + b"\xff" * 1000, "deflate", size=len(error))
    found = opening.error()
    assert found is not None
    assert found.code == "1305"
