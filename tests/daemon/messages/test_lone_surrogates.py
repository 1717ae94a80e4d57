"""Lone surrogates are carried past msgspec and come back as the very bytes that they were."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import unhurried

from offramp_daemon.messages.lone_surrogates import NO_SHIELD, shield

HALVES = st.sampled_from(["\ud83d", "\ude00", "\ud83d\ude00", "\udfff\ud800", "\ud800\ud800"])
TEXTS = st.lists(
    HALVES | st.sampled_from(["\\", "\\\\u", "ud83d", "\ue000", "\uf000", '"', "é"]), max_size=12
).map("".join)


@pytest.mark.parametrize(
    "escapes",
    [
        rb"\ud83d",
        rb"\uDE00",
        rb"\ud83d\ud83d\ude00",
        rb"\ude00\ud83d",
        rb"\\\ud83d",
        rb"\ud83d\\ude00",
        rb"\\ud83d\ude00",
        rb"\ud83d\n\ude00",
        rb"\ud83d \ud83D \uD83d",
    ],
)
def test_lone_surrogate_is_shielded_and_restored_byte_for_byte(escapes):
    body = b'{"a":"' + escapes + b'"}'
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    source, surrogates = shield(body)
    msgspec.json.decode(source)
    assert surrogates.restore(source) == body


@pytest.mark.parametrize("escapes", [rb"\ud83d\ude00", rb"\\ud83d", rb"\\\\ude00", rb"\ue000", b""])
def test_body_without_lone_surrogates_is_left_alone(escapes):
    body = b'{"a":"' + escapes + b'"}'
    source, surrogates = shield(body)
    assert source == body
    assert surrogates.restore(body) == body


@pytest.mark.parametrize("taken", [rb"\ue000\uf000", rb"\uE000\uF000", "\ue000\uf000".encode()])
def test_body_that_holds_a_stand_in_of_its_own_keeps_it(taken):
    body = b'["' + taken + rb" \ud83d" + b'"]'
    source, surrogates = shield(body)
    assert surrogates.restore(source) == body
    rewritten = msgspec.json.encode(msgspec.json.decode(source))
    assert json.loads(surrogates.restore(rewritten)) == json.loads(body)


def test_body_with_every_marker_taken_is_refused():
    markers = "".join(map(chr, range(0xE000, 0xF000)))
    for escaped in (True, False):
        body = json.dumps([markers], ensure_ascii=escaped).encode() + rb'"\ud83d"'
        with pytest.raises(ValueError, match="no character"):
            shield(body)


def test_every_kind_of_lone_surrogate_at_once_is_restored():
    body = b'"' + b" ".join(b"\\u%04x" % code for code in range(0xD800, 0xE000)) + b'"'
    source, surrogates = shield(body)
    assert surrogates.restore(source) == body
    assert len(surrogates.taken) == 0x800


def test_more_spellings_than_there_are_stand_ins_are_refused():
    spellings = [
        b"\\u" + bytes(spelling, "ascii")
        for code in range(0xD800, 0xE000)
        for spelling in {f"{code:04x}", f"{code:04X}", f"D{code & 0xFFF:03x}"}
    ]
    with pytest.raises(ValueError, match="too many"):
        shield(b'"' + b" ".join(spellings) + b'"')


def test_no_shield_restores_nothing():
    data = b"anything"
    assert NO_SHIELD.restore(data) is data


@unhurried
@given(TEXTS, TEXTS)
def test_any_text_survives_shielding_and_decoding(name, value):
    body = json.dumps({name: value}).encode()
    source, surrogates = shield(body)
    assert surrogates.restore(source) == body
    rewritten = msgspec.json.encode(msgspec.json.decode(source))
    assert json.loads(surrogates.restore(rewritten)) == json.loads(body)
