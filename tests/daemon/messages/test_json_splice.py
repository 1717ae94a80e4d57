"""Members of a JSON text are taken apart and joined without a change to what stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import anything, encode, unhurried

from offramp_daemon.messages import json_splice
from offramp_daemon.messages.json_splice import SpliceError
from offramp_daemon.messages.lone_surrogates import shield


def test_values_are_the_very_bytes_that_came():
    text = b'{ "a" : [ 1,\t2 ] , "b":1.50e+3 ,"c": "\\u0041\\/" ,\n"d":{"x" :-0}, "e":1e400}'
    parts = json_splice.members(text)
    assert {name: bytes(part) for name, part in parts.items()} == {
        "a": b"[ 1,\t2 ]",
        "b": b"1.50e+3",
        "c": b'"\\u0041\\/"',
        "d": b'{"x" :-0}',
        "e": b"1e400",
    }
    assert json_splice.join_members(parts) == (
        b'{"a":[ 1,\t2 ],"b":1.50e+3,"c":"\\u0041\\/","d":{"x" :-0},"e":1e400}'
    )


def test_last_of_duplicate_names_holds_however_it_is_written():
    parts = json_splice.members(b'{"a":1,"b":2,"\\u0061":3}')
    assert json_splice.join_members(parts) == b'{"a":3,"b":2}'


def test_items_are_the_very_bytes_that_came():
    assert [bytes(item) for item in json_splice.items(b'[ 1 , "x"\n,{ } ]')] == [
        b"1",
        b'"x"',
        b"{ }",
    ]


def test_nothing_joins_to_empty_containers():
    assert json_splice.join_members({}) == b"{}"
    assert json_splice.join_items([]) == b"[]"


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"null", b"[1]", b'"a"', b"{", b'{"a":1}}', b'{"\xff":1}', b'{"a":NaN}'],
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(SpliceError):
        json_splice.members(text)


@pytest.mark.parametrize("text", [b"", b"null", b"{}", b"[1", b"[1,]", b'["\\ud83d"]'])
def test_what_is_no_array_is_refused(text):
    with pytest.raises(SpliceError):
        json_splice.items(text)


def pieces_or_none(take, text):
    """The bytes of each piece; None for what is refused."""
    try:
        return [bytes(piece) for piece in take(text)]
    except SpliceError:
        return None


def test_depth_beyond_the_parser_is_refused_or_taken_apart_as_it_stands():
    # How deep is too deep depends on the Python: 3.14 asks how much room its stack has.
    deep = b"[" * 200_000 + b"]" * 200_000
    assert pieces_or_none(json_splice.items, deep) in (None, [deep[1:-1]])
    members = pieces_or_none(
        lambda text: json_splice.members(text).values(), b'{"a":' + deep + b"}"
    )
    assert members in (None, [deep])


@unhurried
@given(st.dictionaries(st.text(max_size=5), anything, max_size=5))
def test_any_object_taken_apart_and_joined_says_the_same(value):
    source, surrogates = shield(encode(value))
    joined = json_splice.join_members(json_splice.members(source))
    assert json.loads(surrogates.restore(joined)) == value


@unhurried
@given(st.lists(anything, max_size=5))
def test_any_array_taken_apart_and_joined_says_the_same(value):
    source, surrogates = shield(encode(value))
    joined = json_splice.join_items(json_splice.items(source))
    assert json.loads(surrogates.restore(joined)) == value


@unhurried
@given(st.text())
def test_value_text_reads_back(value):
    source, surrogates = shield(encode(value))
    plain = json.loads(source)
    assert json.loads(surrogates.restore(json_splice.value_text(plain))) == value


def taken_apart(text):
    parts, messages = json_splice.split(text)
    others = {name: bytes(part) for name, part in parts.items() if name != "messages"}
    return list(parts), others, None if messages is None else [bytes(each) for each in messages]


@unhurried
@given(st.lists(anything, max_size=4), st.dictionaries(st.text(max_size=3), anything, max_size=3))
def test_request_is_split_as_its_members_and_items_say(messages, others):
    text = encode({"a": others, "messages": messages, **others})
    text, _ = shield(text)
    parts = json_splice.members(text)
    _, seen, items = taken_apart(text)
    assert list(seen.items()) == [
        (name, bytes(part)) for name, part in parts.items() if name != "messages"
    ]
    if messages:
        assert items == [bytes(each) for each in json_splice.items(parts["messages"])]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (b'{"messages":[1,{"a":[2]}],"a":0}', [b"1", b'{"a":[2]}']),
        (b'{"a":0,"messages":[1]}', [b"1"]),
        (b'{ "a":0, "messages" : [ 1 , 2 ] }', [b"1", b"2"]),
        (b'{"messages":[1, 2]}', [b"1", b"2"]),
        (b'{"messages":[1],"a":0,"messages":[1,2]}', [b"1", b"2"]),
        (b'{"messages":[1,2],"messages":[1]}', [b"1"]),
        (b'{"messages":[1],"messages":[]}', []),
        (b'{"messages":[1],"\\u006dessages":[2]}', [b"2"]),
        (b'{"a":{"messages":[1]},"messages":[1]}', [b"1"]),
        (b'{"a":{"messages":[1,2]},"messages":[1]}', [b"1"]),
        (b'{"a":"\\"messages\\":[1","messages":[1]}', [b"1"]),
        (b'{"a":0}', None),
        (b'{"messages":[]}', []),
        (b'{"messages":null}', None),
        (b'{"messages":"none"}', None),
    ],
)
def test_messages_are_those_that_hold_wherever_they_stand(text, items):
    _, _, found = taken_apart(text)
    assert found == items


def test_list_of_pieces_is_joined_as_an_array():
    text = b'{"b":0,"messages":[{"x":1},{"y":[2]}],"a":0}'
    parts, messages = json_splice.split(text)
    assert json_splice.join_members({**parts, "messages": messages or []}) == text
    assert json_splice.join_members({"messages": []}) == b'{"messages":[]}'
