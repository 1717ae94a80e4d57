"""A delegate's stream, decoded on its way: bounded, and given up only before anything was sent."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers import answer_repair
from offramp_daemon.messages.answers.answer_repair import StreamRepair, open_stream
from offramp_daemon.wire.content_coding import ContentCodingError

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
REQUEST = request_body.read(json.dumps({"model": "m", "tools": [{"name": "Bash"}]}).encode())
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}


def call(name: str) -> bytes:
    block = {"type": "tool_use", "id": "call_1", "name": name, "input": {}}
    begun = {"type": "content_block_start", "index": 0, "content_block": block}
    data = json.dumps(begun, separators=(",", ":"))
    return f"event: content_block_start\ndata: {data}\n\n".encode()


START = b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
FAULTY, RIGHT = START + call("Bash\n") + END, START + call("Bash") + END


def rest_of(repair: StreamRepair, chunks: list[bytes]) -> bytes:
    pieces = [repair.feed(piece) for chunk in chunks for piece in repair.plain(chunk)]
    return b"".join([*pieces, repair.finish()])


@given(st.sampled_from(list(ENCODERS)), st.integers(1, 400), st.integers(1, 400))
def test_head_and_rest_become_the_repaired_stream_wherever_they_part(
    coding: str, first: int, step: int
) -> None:
    coded = ENCODERS[coding](FAULTY)
    opened = open_stream(REQUEST, coding, coded[:first])
    assert opened is not None
    head, repair = opened
    chunks = [coded[start : start + step] for start in range(first, len(coded), step)]

    assert repair.feed(head) + rest_of(repair, chunks) == RIGHT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "compress", "gzip, x"])
def test_stream_that_cannot_be_decoded_is_not_opened(coding: str) -> None:
    assert open_stream(REQUEST, coding, b"\xff" + FAULTY) is None


def test_head_that_becomes_too_much_is_not_opened() -> None:
    assert open_stream(REQUEST, "gzip", gzip.compress(b"\n" * 9 * MIB)) is None


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_stream_that_becomes_too_much_is_given_up(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_repair, "DECODED_LIMIT_BYTES", MIB)
    begun = {"gzip": zlib.compressobj(wbits=31), "zstd": zstandard.ZstdCompressor().compressobj()}
    coded = ENCODERS[coding](START + b"\n" * 2 * MIB)
    head = begun[coding].compress(START) + begun[coding].flush() if coding in begun else coded[:1]
    opened = open_stream(REQUEST, coding, head)
    assert opened is not None

    with pytest.raises(ContentCodingError):
        rest_of(opened[1], [coded if coding in begun else coded[1:]])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_chunk_that_becomes_much_comes_in_small_pieces(coding: str) -> None:
    coded = ENCODERS[coding](START + b"\n" * 2 * MIB)
    opened = open_stream(REQUEST, coding, coded[:1])
    assert opened is not None

    pieces = list(opened[1].plain(coded[1:]))

    assert max(map(len, pieces)) <= 64 * 1024
    assert sum(map(len, pieces)) == len(START) + 2 * MIB


def test_long_coded_chunk_is_read_to_its_end() -> None:
    noise = b": " + random.Random(1).randbytes(100_000).hex().encode() + b"\n\n"
    coded = gzip.compress(noise + FAULTY)
    opened = open_stream(REQUEST, "gzip", coded[:1])
    assert opened is not None

    assert rest_of(opened[1], [coded[1:]]) == noise + RIGHT


def test_chunk_without_a_coding_stays_one() -> None:
    opened = open_stream(REQUEST, "", START)
    assert opened is not None

    assert opened[0] == START
    assert list(opened[1].plain(b"x" * MIB)) == [b"x" * MIB]
