"""Hostile inputs: none costs more bytes and steps than its budget, which what it sends has paid."""

from __future__ import annotations

import math
import random
import zlib
from dataclasses import dataclass
from typing import Any

import brotli
import pytest
import zstandard

from hostile_corpus import MIB, Hostile, corpus, padded_twice
from offramp_daemon.messages.answers import answer_envelope
from offramp_daemon.messages.answers.usage_meter import UsageMeter
from offramp_daemon.wire.content_coding import ContentCodingError, Decoder, decode_all
from offramp_daemon.wire.work_budget import (
    ASIDE,
    EVENT_COST,
    LIVE,
    MEMBER_COST,
    Allowance,
    OverBudgetError,
    WorkBudget,
)

SMALL_MIB = 128 * 1024
"""The corpus in an eighth of its size, which is beyond the budgets still."""
CHUNK_BYTES = 64 * 1024
LARGEST_PIECE_BYTES = 9 * MIB
"""What one step of a decoder may put out before it is counted."""
LIMIT_BYTES = 64 * MIB

CODED = [one for one in corpus(SMALL_MIB) if one.content_encoding]
ANSWERS = [one for one in corpus(SMALL_MIB) if one.side == "answer"]


@dataclass
class Work:
    """What the decoders and the reader of events really did."""

    put_out_bytes: int = 0
    decoder_calls: int = 0
    decoders: int = 0
    events: int = 0
    longest_event_bytes: int = 0

    def count(self, piece: bytes) -> bytes:
        self.decoder_calls += 1
        self.put_out_bytes += len(piece)
        return piece


class CountingZlib:
    def __init__(self, work: Work, inner: Any) -> None:
        work.decoders += 1
        self._work, self._inner = work, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decompress(self, *args: Any) -> bytes:
        return self._work.count(self._inner.decompress(*args))


class CountingBrotli(CountingZlib):
    def process(self, *args: Any, **options: Any) -> bytes:
        return self._work.count(self._inner.process(*args, **options))


class CountingZstd:
    def __init__(self, work: Work, inner: Any) -> None:
        self._work, self._inner = work, inner

    def decompressobj(self) -> CountingZlib:
        return CountingZlib(self._work, self._inner.decompressobj())


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """All decoders and the reader of events, counting what they do."""
    work = Work()
    inflater, brotlis, zstds = zlib.decompressobj, brotli.Decompressor, zstandard.ZstdDecompressor
    read = answer_envelope.read

    def read_event(data: bytes) -> Any:
        work.events += 1
        work.longest_event_bytes = max(work.longest_event_bytes, len(data))
        return read(data)

    monkeypatch.setattr(
        zlib, "decompressobj", lambda *a, **o: CountingZlib(work, inflater(*a, **o))
    )
    monkeypatch.setattr(brotli, "Decompressor", lambda: CountingBrotli(work, brotlis()))
    monkeypatch.setattr(zstandard, "ZstdDecompressor", lambda **o: CountingZstd(work, zstds(**o)))
    monkeypatch.setattr(answer_envelope, "read", read_event)
    return work


def granted(allowance: Allowance, length_bytes: int, most: float = math.inf) -> float:
    return min(allowance.at_first + allowance.per_byte * length_bytes, most)


# What is decoded in one go: requests, errors, answers that are looked at first.


@pytest.mark.parametrize("one", CODED, ids=lambda one: f"{one.side}: {one.name}")
def test_hostile_body_is_decoded_within_its_budget(one: Hostile, work: Work) -> None:
    body = one.make()
    try:
        plain = decode_all(body, one.content_encoding, limit_bytes=LIMIT_BYTES)
    except ContentCodingError:
        plain = b""
    allowed = granted(ASIDE, len(body), 4 * LIMIT_BYTES + MIB)
    assert len(plain) <= LIMIT_BYTES
    assert work.put_out_bytes + work.decoders * MEMBER_COST <= allowed + LARGEST_PIECE_BYTES
    assert work.decoder_calls <= allowed / 1024 + len(body) / 128 + 8


@pytest.mark.parametrize("limit_bytes", [1000, 64 * 1024, MIB])
def test_hostile_body_costs_little_where_little_is_expected(limit_bytes: int, work: Work) -> None:
    with pytest.raises(ContentCodingError):
        decode_all(padded_twice(b"{}", 32 * MIB), "gzip, gzip", limit_bytes=limit_bytes)
    assert work.put_out_bytes <= 4 * limit_bytes + 2 * MIB


@pytest.mark.parametrize("codings", ["gzip, gzip", "br, zstd", "zstd, deflate", "deflate, br"])
def test_ratios_of_real_bodies_pass(codings: str) -> None:
    words = [b"reader", b"stalls", b"after", b"the", b"last", b"chunk", b"def", b"return", b"self."]
    text = b" ".join(random.Random(1).choices(words, k=600_000))
    body = text * 4  # a file that is read again and again
    for name in codings.split(", "):
        encode = {
            "gzip": lambda data: zlib.compress(data, wbits=31),
            "deflate": zlib.compress,
            "br": lambda data: brotli.compress(data, quality=3),
            "zstd": zstandard.ZstdCompressor().compress,
        }[name]
        body = encode(body)
    assert decode_all(body, codings, limit_bytes=32 * MIB) == text * 4


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_each_member_costs_something_however_small(coding: str) -> None:
    unit = {"gzip": zlib.compress(b"", wbits=31), "zstd": zstandard.ZstdCompressor().compress(b"")}
    budget = WorkBudget(Allowance(at_first=10 * MEMBER_COST, per_byte=0))
    decoder = Decoder(coding, lambda _: None, budget)
    decoder.feed(unit[coding] * 10)
    with pytest.raises(ContentCodingError) as caught:
        decoder.feed(unit[coding])
    assert caught.value.problem == "too large"


def test_padding_is_paid_for_by_the_layer_that_puts_it_out() -> None:
    budget = WorkBudget(Allowance(at_first=MIB, per_byte=0))
    decoder = Decoder("gzip, gzip", lambda _: None, budget)
    with pytest.raises(ContentCodingError, match="too much work"):
        decoder.feed(padded_twice(b"text", 2 * MIB))


@pytest.mark.parametrize("outer", ["gzip", "zstd", "deflate"])
def test_bytes_that_another_layer_takes_in_cost_more_than_those_that_come_out(outer: str) -> None:
    encode = {
        "gzip": lambda data: zlib.compress(data, wbits=31),
        "deflate": zlib.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }[outer]
    # Blocks that put nothing out, as a decoder's tables do that are built and never used.
    inner = zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff" * (MIB // 5)
    budget = WorkBudget(LIVE)
    with pytest.raises(ContentCodingError, match="too much work"):
        Decoder(f"deflate, {outer}", lambda _: None, budget).feed(encode(inner))
    alone = WorkBudget(LIVE)
    Decoder("deflate", lambda _: None, alone).feed(inner)
    assert alone.spent == 0  # all of it was received


def test_budget_grows_with_what_is_received_but_never_beyond_its_cap() -> None:
    budget = WorkBudget(Allowance(at_first=10, per_byte=2), most=20)
    budget.spend(10)
    budget.receive(3)
    budget.spend(6)
    budget.receive(100)
    budget.spend(4)
    with pytest.raises(OverBudgetError):
        budget.spend(1)


# What streams through the event loop: answers beside the meter.


@pytest.mark.parametrize("one", ANSWERS, ids=lambda one: one.name)
def test_meter_stays_within_the_budget_of_a_hostile_answer(one: Hostile, work: Work) -> None:
    body = one.make()
    meter = UsageMeter(content_type=one.content_type, content_encoding=one.content_encoding)
    fed = 0
    while fed < len(body):
        before_bytes, before_events = work.put_out_bytes, work.events
        meter.feed(body[fed : fed + CHUNK_BYTES])
        fed += CHUNK_BYTES
        in_one_go = granted(LIVE, CHUNK_BYTES if fed > CHUNK_BYTES else len(body))
        assert work.put_out_bytes - before_bytes <= in_one_go + LARGEST_PIECE_BYTES
        assert (work.events - before_events) * EVENT_COST <= in_one_go + LIVE.at_first
    meter.finish()
    allowed = granted(LIVE, len(body))
    assert work.put_out_bytes + work.decoders * MEMBER_COST <= allowed + LARGEST_PIECE_BYTES
    assert work.events * EVENT_COST <= allowed
    assert work.longest_event_bytes <= 8 * MIB


@pytest.mark.parametrize(
    "name", ["blank lines", "line ends CR", "data lines", "event of lists", "JSON of lists, 7 MB"]
)
def test_odd_but_cheap_answers_are_read_to_their_end(name: str) -> None:
    one = next(one for one in ANSWERS if one.name == name)
    meter = UsageMeter(content_type=one.content_type, content_encoding="")
    end = b'\n\ndata: {"type":"message_delta","usage":{"output_tokens":5}}\n\n'
    meter.feed(one.make() + (end if meter.is_stream else b""))
    meter.finish()
    assert meter.is_readable
    assert meter.usage.output_tokens == (5 if meter.is_stream else 0)


def test_long_answer_with_half_a_character_still_gives_its_usage() -> None:
    one = next(one for one in ANSWERS if one.name == "JSON, half a character, 7 MB")
    meter = UsageMeter(content_type="application/json", content_encoding="")
    meter.feed(one.make())
    meter.finish()
    assert meter.usage.output_tokens == 7
    assert meter.is_complete


@pytest.mark.parametrize(
    "name",
    ["padding, 2 x gzip, 256 MiB", "blank lines, gzip", "tiny comments, gzip", "zeros, br"],
)
def test_absurd_answer_is_not_read_on_and_claims_nothing(name: str) -> None:
    one = next(one for one in corpus() if one.side == "answer" and one.name == name)
    meter = UsageMeter(content_type=one.content_type, content_encoding=one.content_encoding)
    meter.feed(one.make())
    meter.feed(b"more")
    meter.finish()
    assert not meter.is_readable
    assert not meter.is_complete
    assert not meter.is_empty
