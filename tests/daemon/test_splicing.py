"""Members of a JSON text are taken apart and joined without a change to what stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import anything, encode, unhurried

from offramp_daemon import splicing
from offramp_daemon.splicing import SpliceError
from offramp_daemon.surrogates import shield


def test_values_are_the_very_bytes_that_came():
    text = b'{ "a" : [ 1,\t2 ] , "b":1.50e+3 ,"c": "\\u0041\\/" ,\n"d":{"x" :-0}, "e":1e400}'
    parts = splicing.members(text)
    assert {name: bytes(part) for name, part in parts.items()} == {
        "a": b"[ 1,\t2 ]",
        "b": b"1.50e+3",
        "c": b'"\\u0041\\/"',
        "d": b'{"x" :-0}',
        "e": b"1e400",
    }
    assert splicing.join_members(parts) == (
        b'{"a":[ 1,\t2 ],"b":1.50e+3,"c":"\\u0041\\/","d":{"x" :-0},"e":1e400}'
    )


def test_last_of_duplicate_names_holds_however_it_is_written():
    parts = splicing.members(b'{"a":1,"b":2,"\\u0061":3}')
    assert splicing.join_members(parts) == b'{"a":3,"b":2}'


def test_items_are_the_very_bytes_that_came():
    assert [bytes(item) for item in splicing.items(b'[ 1 , "x"\n,{ } ]')] == [b"1", b'"x"', b"{ }"]


def test_nothing_joins_to_empty_containers():
    assert splicing.join_members({}) == b"{}"
    assert splicing.join_items([]) == b"[]"


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"null", b"[1]", b'"a"', b"{", b'{"a":1}}', b'{"\xff":1}', b'{"a":NaN}'],
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(SpliceError):
        splicing.members(text)


@pytest.mark.parametrize("text", [b"", b"null", b"{}", b"[1", b"[1,]", b'["\\ud83d"]'])
def test_what_is_no_array_is_refused(text):
    with pytest.raises(SpliceError):
        splicing.items(text)


def test_depth_beyond_the_parser_is_refused():
    deep = b"[" * 200_000 + b"]" * 200_000
    with pytest.raises(SpliceError):
        splicing.items(deep)
    with pytest.raises(SpliceError):
        splicing.members(b'{"a":' + deep + b"}")


@unhurried
@given(st.dictionaries(st.text(max_size=5), anything, max_size=5))
def test_any_object_taken_apart_and_joined_says_the_same(value):
    source, surrogates = shield(encode(value))
    joined = splicing.join_members(splicing.members(source))
    assert json.loads(surrogates.restore(joined)) == value


@unhurried
@given(st.lists(anything, max_size=5))
def test_any_array_taken_apart_and_joined_says_the_same(value):
    source, surrogates = shield(encode(value))
    joined = splicing.join_items(splicing.items(source))
    assert json.loads(surrogates.restore(joined)) == value


@unhurried
@given(st.text())
def test_value_text_reads_back(value):
    source, surrogates = shield(encode(value))
    plain = json.loads(source)
    assert json.loads(surrogates.restore(splicing.value_text(plain))) == value
