"""Content codings: round trips, damage, bombs."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_daemon.wire.content_coding import ContentCodingError, Decoder, decode_all
from offramp_daemon.wire.work_budget import Allowance, WorkBudget

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def _bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _bare_deflate,
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "": bytes,
}
CODED = [name for name in ENCODERS if name not in ("identity", "")]


def _decode_in_pieces(body: bytes, coding: str, size: int) -> bytes:
    pieces: list[bytes] = []
    decoder = Decoder(coding, pieces.append)
    for start in range(0, len(body), size):
        decoder.feed(body[start : start + size])
    assert decoder.is_whole
    return b"".join(pieces)


@given(
    unit=st.binary(max_size=2000),
    repeats=st.sampled_from([1, 1, 100]),  # multiplied here, so that a failure's repr stays small
    codings=st.lists(st.sampled_from(list(ENCODERS)), max_size=2),
    size=st.integers(1, 5000),
)
def test_coded_body_decodes_to_itself_whatever_the_pieces(
    unit: bytes, repeats: int, codings: list[str], size: int
) -> None:
    body = data = unit * repeats
    for coding in codings:
        body = ENCODERS[coding](body)
    header = " , ".join(codings)
    assert decode_all(body, header, limit_bytes=len(data)) == data
    assert _decode_in_pieces(body, header, size) == data


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 7, 10_000_000])
def test_several_members_decode_as_one_body(coding: str, size: int) -> None:
    encode = ENCODERS[coding]
    body = encode(b"one") + encode(b"") + encode(b"two" * 100_000)
    assert _decode_in_pieces(body, coding, size) == b"one" + b"two" * 100_000


def test_gzip_padded_with_zeros_decodes() -> None:
    assert decode_all(gzip.compress(b"text") + bytes(512), "gzip", limit_bytes=4) == b"text"


@pytest.mark.parametrize("coding", ENCODERS)
def test_body_of_no_bytes_stays_empty(coding: str) -> None:
    assert decode_all(b"", coding, limit_bytes=0) == b""


@pytest.mark.parametrize("coding", CODED)
def test_large_body_that_compresses_badly_decodes(coding: str) -> None:
    data = os.urandom(MIB) + bytes(MIB)
    assert decode_all(ENCODERS[coding](data), coding, limit_bytes=len(data)) == data


@pytest.mark.parametrize("coding", CODED)
def test_each_flushed_piece_is_decoded_at_once(coding: str) -> None:
    if coding == "br":
        compressor = brotli.Compressor()
        first = compressor.process(b"first event") + compressor.flush()
    elif coding == "zstd":
        frame = zstandard.ZstdCompressor().compressobj()
        first = frame.compress(b"first event") + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    else:
        window = {"deflate": 15, "Deflate": -15}.get(coding, 31)
        deflater = zlib.compressobj(wbits=window)
        first = deflater.compress(b"first event") + deflater.flush(zlib.Z_SYNC_FLUSH)
    pieces: list[bytes] = []
    decoder = Decoder(coding, pieces.append)
    decoder.feed(first)
    assert b"".join(pieces) == b"first event"
    assert not decoder.is_whole


@pytest.mark.parametrize("coding", CODED)
def test_body_cut_short_is_refused_as_damaged(coding: str) -> None:
    body = ENCODERS[coding](b"some text, some text" * 50)
    with pytest.raises(ContentCodingError) as caught:
        decode_all(body[:-1], coding, limit_bytes=MIB)
    assert caught.value.problem == "damaged"


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("size", [1, 10_000])
def test_bytes_behind_the_end_are_refused_as_damaged(coding: str, size: int) -> None:
    body = ENCODERS[coding](b"some text") + b"rubbish behind it"
    with pytest.raises(ContentCodingError) as caught:
        _decode_in_pieces(body, coding, size)
    assert caught.value.problem == "damaged"


@pytest.mark.parametrize("header", ["compress", "gzip, rot13", "aws-chunked", "gzip;q=1"])
def test_unknown_coding_is_refused_as_such(header: str) -> None:
    with pytest.raises(ContentCodingError) as caught:
        decode_all(b"", header, limit_bytes=MIB)
    assert caught.value.problem == "unknown"
    assert "not known" in str(caught.value)


@pytest.mark.parametrize("header", ["gzip, gzip, gzip", "gzip,br,identity,zstd", "br," * 50])
def test_more_than_two_codings_are_refused(header: str) -> None:
    with pytest.raises(ContentCodingError, match="too many") as caught:
        decode_all(b"", header, limit_bytes=MIB)
    assert caught.value.problem == "unknown"


@pytest.mark.parametrize("coding", ENCODERS)
def test_body_at_its_limit_passes_and_one_byte_more_is_too_large(coding: str) -> None:
    body = ENCODERS[coding](b"x" * 1000)
    assert len(decode_all(body, coding, limit_bytes=1000)) == 1000
    with pytest.raises(ContentCodingError) as caught:
        decode_all(body, coding, limit_bytes=999)
    assert caught.value.problem == "too large"


@pytest.mark.parametrize("coding", CODED)
def test_bomb_is_handed_on_in_pieces_of_bounded_size(coding: str) -> None:
    sizes: list[int] = []
    body = ENCODERS[coding](bytes(64 * MIB))
    assert len(body) < 128 * 1024
    ample = WorkBudget(Allowance(at_first=65 * MIB, per_byte=0))
    Decoder(coding, lambda piece: sizes.append(len(piece)), ample).feed(body)
    assert sum(sizes) == 64 * MIB
    assert max(sizes) <= 9 * MIB


def test_zstd_window_beyond_the_standard_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    body = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    coded = body.compress(os.urandom(1000)) + body.flush()
    with pytest.raises(ContentCodingError) as caught:
        decode_all(coded, "zstd", limit_bytes=MIB)
    assert caught.value.problem == "damaged"


@settings(max_examples=300)
@given(body=st.binary(max_size=300), coding=st.sampled_from(CODED), size=st.integers(1, 300))
def test_random_bytes_raise_nothing_but_the_one_error(body: bytes, coding: str, size: int) -> None:
    decoder = Decoder(coding, lambda _: None)
    with contextlib.suppress(ContentCodingError):
        for start in range(0, len(body), size):
            decoder.feed(body[start : start + size])
