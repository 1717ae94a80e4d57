"""A body is looked into without being changed, whatever it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_bodies import (
    ask,
    assistant,
    encode,
    raw_bodies,
    read,
    result,
    text,
    thought,
    unhurried,
    user,
)

from offramp_daemon.messages import request_body
from offramp_daemon.messages.request_body import MalformedBodyError

DEEP = b"[" * 100_000 + b"]" * 100_000
BAD_UTF_8 = b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}'


@pytest.mark.parametrize(
    ("raw", "model"),
    [
        (b'{"model":"claude-sonnet-4-5"}', "claude-sonnet-4-5"),
        (b' \n{ "max_tokens" : 1 ,\t"model" : "m" }\r\n', "m"),
        (rb'{"model":"claude-\u0073onnet"}', "claude-sonnet"),
        (rb'{"mod\u0065l":"m"}', "m"),
        (b'{"model":"first","model":"last"}', "last"),
        (b'{"model":"first","model":null}', None),
        (b'{"x":{"model":"inner"},"messages":[{"model":"inner"}]}', None),
        (b'{"model":["claude-sonnet"]}', None),
        (b'{"model":{"sonnet":1}}', None),
        (b'{"model":3}', None),
        (b'{"model":true}', None),
        (b'{"model":null}', None),
        (b'{"model":""}', None),
        (b"{}", None),
        ('{"model":"ünï"}'.encode(), "ünï"),
        (b'\xef\xbb\xbf{"model":"m"}', "m"),
        ('{"model":"m"}'.encode("utf-16"), "m"),
        ('{"model":"m"}'.encode("utf-32"), "m"),
        (rb'{"model":"m","messages":[{"role":"user","content":"half \ud83d"}]}', "m"),
        (rb'{"model":"m","x":"half \ud83d"}', "m"),
        (b'{"model":"m","x":1e400,"y":' + b"9" * 5000 + b"}", "m"),
        (b'{"model":"m","max_tokens":1e400}', "m"),
        (b'{"max_tokens":' + b"9" * 5000 + b',"model":"m"}', "m"),
        (b'{"model":"m","messages":"what"}', "m"),
        (b'{"model":"m","messages":[7]}', "m"),
        (b'{"model":"m","system":{"a":1},"tools":[null],"thinking":"on"}', "m"),
    ],
)
def test_model_is_read_as_a_parser_reads_it(raw, model):
    body = request_body.read(raw)
    assert body.model == model
    assert body.raw is raw


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"3",
        b"null",
        rb'"\ud83d"',
        b'["claude-sonnet"]',
        b'{"model":"m","x":NaN}',
        b'{"model":"m","x":-Infinity}',
        BAD_UTF_8,
    ],
)
def test_what_is_no_readable_object_is_kept_unread(raw):
    body = request_body.read(raw)
    assert body.raw is raw
    assert body.view is None
    assert body.model is None
    assert body.messages == []
    assert body.system_texts() == []
    assert request_body.last_prompt(body) is None


@pytest.mark.parametrize("name", ["messages", "metadata"])
def test_depth_beyond_a_parser_is_kept_as_it_came(name):
    # How deep is too deep depends on the Python: 3.14 asks how much room its stack has.
    raw = f'{{"model":"m","{name}":'.encode() + DEEP + b"}"
    body = request_body.read(raw)
    assert body.raw is raw
    assert body.model in (None, "m")
    assert body.messages == []
    assert body.system_texts() == []
    assert request_body.last_prompt(body) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"model":"m"',
        b'{"model":"m"}}',
        b'{"model":"m",}',
        b"{'model':'m'}",
        b'{"a":01}',
        b'{"a":"\x00"}',
        b"model=m",
        b"\xff\xfe\xfd",
        rb'{"a":"\ud8"}',
        rb'{"a":"\x"}',
    ],
)
def test_what_is_no_json_is_malformed(raw):
    with pytest.raises(MalformedBodyError):
        request_body.read(raw)


def test_odd_shapes_leave_the_model_and_nothing_else():
    body = read(ask("m", messages=[{"role": "user", "content": 7}], metadata={"user_id": "u"}))
    assert body.is_odd
    assert body.model == "m"
    assert body.messages == []
    assert body.view
    assert body.view.metadata == {"user_id": "u"}


@pytest.mark.parametrize(
    "content",
    [
        "plain",
        [result("t", content=[text("a"), {"type": "image", "source": {"data": "x"}}])],
        [result("t", "web_search_tool_result", {"type": "web_search_tool_result_error"})],
        [result("t", "web_fetch_tool_result", {"type": "x", "content": {"type": "document"}})],
        [result("t", content=None)],
        [{"type": "search_result", "source": "x", "title": "t", "content": [text("a")]}],
        [{"type": "compaction", "content": None}],
        [{"type": "brand_new", "text": {"not": "text"}, "data": [1], "id": 7}],
        [],
        None,
    ],
)
def test_known_and_new_content_shapes_are_not_odd(content):
    assert not read(ask("m", messages=[{"role": "user", "content": content}])).is_odd


def test_body_with_every_marker_taken_is_kept_unread():
    words = "".join(map(chr, range(0xE000, 0xF000))) + "\ud83d"
    assert read(ask("m", messages=[user(words)])).view is None


def test_lone_surrogates_need_no_second_parser(monkeypatch):
    raw = encode(ask("m", messages=[user("half \ud83d")]))

    def refuse(*_: object) -> None:
        raise AssertionError("a body of megabytes is not parsed by the standard library")

    monkeypatch.setattr(json, "loads", refuse)
    assert request_body.read(raw).model == "m"


@pytest.mark.parametrize(
    ("system", "texts"),
    [
        ("Be brief.", ["Be brief."]),
        ([text("a"), text("b")], ["a", "b"]),
        ([text("a"), {"type": "text", "text": 3}, {"type": "image"}], ["a", "", ""]),
        ([], []),
        (None, []),
    ],
)
def test_system_texts_come_block_by_block(system, texts):
    assert read(ask("m", system=system)).system_texts() == texts


def test_bad_utf_8_in_a_text_reads_as_none():
    raw = b'{"model":"m","system":[{"type":"text","text":"\xff"}]}'
    assert request_body.read(raw).system_texts() == [""]


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([user("Write it")], "Write it"),
        ([user("  Write it \n")], "Write it"),
        ([user("Old"), assistant("Yes"), user("New")], "New"),
        ([user("First", "Second")], "Second"),
        ([user("Ask", "<system-reminder>be good</system-reminder>")], "Ask"),
        ([user("Ask"), assistant("ok"), user(result("t"))], "Ask"),
        ([user("Ask"), {"role": "system", "content": "Rules"}], "Ask"),
        ([assistant(thought("s"), "Hi")], None),
        ([user("   ")], None),
        ([], None),
        ([user("a" * 500)], "a" * 200),
        ([user("Ask")] + [assistant("ok"), user(result("t"))] * 20, None),
    ],
)
def test_prompt_is_the_newest_text_that_the_user_wrote(messages, prompt):
    assert request_body.last_prompt(read(ask("m", messages=messages))) == prompt


@given(raw_bodies)
@settings(unhurried, max_examples=400)
def test_reading_anything_raises_nothing_but_malformed(raw):
    try:
        body = request_body.read(raw)
    except MalformedBodyError:
        return
    assert body.raw is raw
    body.system_texts()
    request_body.last_prompt(body)


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"model":"m","x":"\ud83d"}',
        b'\xef\xbb\xbf{"model":"m"}',
        '{"model":"m"}'.encode("utf-16"),
    ],
    ids=["half a character", "byte order mark", "UTF-16"],
)
def test_unusual_body_is_left_to_the_closer_look(raw):
    assert request_body.read_usual(raw) is None
    assert request_body.read_unusual(raw).model == "m"


@unhurried
@given(raw_bodies)
def test_usual_and_unusual_bodies_are_read_as_any_are(raw):
    try:
        expected = request_body.read(raw)
    except MalformedBodyError:
        assert request_body.read_usual(raw) is None
        return
    found = request_body.read_usual(raw) or request_body.read_unusual(raw)
    assert found.view == expected.view
    assert (found.raw, found.source) == (expected.raw, expected.source)


@unhurried
@given(st.binary(max_size=400), st.sampled_from([b"{", b"[", b","]))
def test_bytes_are_counted_one_by_one(raw, byte):
    assert request_body.count_bytes(raw, byte) == raw.count(byte)


@unhurried
@given(raw_bodies)
def test_model_is_the_one_that_the_standard_library_reads(raw):
    try:
        body = request_body.read(raw)
    except MalformedBodyError:
        return
    if body.view is not None and b"\xff" not in raw:
        model = json.loads(raw).get("model")
        expected = model if isinstance(model, str) and model else None
        if expected is None or expected.isprintable():
            assert body.model == expected


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"{}," * 110_000 + b"{}]",
        b"[" + b'{"type":"text","text":""},' * 110_000 + b"{}]",
        b'{"x":[' + b"[]," * 110_000 + b"0]}",
        b'{"x":[' + b"0," * 1_100_000 + b"0]}",
    ],
)
def test_body_of_more_values_than_a_conversation_has_is_kept_but_not_looked_into(content):
    raw = b'{"model":"m","messages":[{"role":"user","content":' + content + b"}]}"
    body = request_body.read(raw)
    assert body.raw == raw
    assert body.view is None


@pytest.mark.parametrize(
    "written",
    ['{"id": 1, "name": "x"}', "if (x) {\n", "a = {}\nb = [\n", '["x"]', "{\t[\r\n", "x{" * 9],
)
def test_long_conversation_about_code_and_data_is_read_however_many_braces_it_holds(written):
    raw = encode({"model": "m", "messages": [user(text(written * 40_000))]})
    body = request_body.read(raw)
    is_read = body.view is not None
    assert is_read is (written != "x{" * 9)
    assert body.raw == raw


@pytest.mark.parametrize("escape", [rb"\ud83d", rb"\uDE00"])
def test_body_of_countless_half_characters_is_kept_but_not_looked_into(escape):
    raw = b'{"model":"m","messages":[{"role":"user","content":"' + escape * 400_000 + b'"}]}'
    body = request_body.read(raw)
    assert body.raw == raw
    assert body.view is None


def test_long_body_with_a_few_half_characters_is_read():
    raw = b'{"model":"m","x":"' + b"x" * 3_000_000 + rb'\ud83d"}'
    assert request_body.read(raw).model == "m"


@pytest.mark.parametrize(
    ("length", "is_read"), [(1, True), (1000, True), (1001, False), (10**6, False)]
)
def test_model_that_is_too_long_for_a_name_is_none(length: int, is_read: bool) -> None:
    name = "\u00e9" * length
    body = request_body.read(json.dumps({"model": name, "messages": []}).encode())
    assert body.model == (name if is_read else None)
