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

from offramp_daemon.messages.first_event import LIMIT_BYTES, FirstEventReader

if TYPE_CHECKING:
    from collections.abc import Callable

START = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'
DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n'
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
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
@pytest.mark.parametrize("text", [START, DELTA, PING, b'data: {"error":null}\n\n'])
def test_what_is_no_error_passes(text: bytes, coding: str) -> None:
    opening, _ = fed(CODINGS[coding](text + ERRORS["typed"][0]), coding)
    assert opening.is_known
    assert opening.error() is None


@pytest.mark.parametrize(
    "text", [START, PING, START.replace(b"\n\n", b"\n\r\n"), b": keep-alive\n", b":"]
)
def test_nothing_is_held_longer_than_its_first_event(text: bytes) -> None:
    _, took = fed(text + DELTA)
    assert took <= len(text)


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
    error = opening.error(lambda data: data.replace(b"abc", b"***"))
    assert error is not None
    assert error.message == "key ***"


def test_error_behind_a_comment_counts_for_nothing_in_one_piece_or_many() -> None:
    for size in (1, 1000):
        opening, _ = fed(b":" + ERRORS["typed"][0], size=size)
        assert (opening.is_known, opening.error()) == (True, None)


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
