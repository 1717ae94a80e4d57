"""The stream that a delegate's calls come in: one event may change, and every other byte stays."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.call_stream import HELD_LIMIT_BYTES, CallStream
from offramp_daemon.messages.answers.tool_calls import ToolCallRepair

REQUEST = json.dumps(
    {
        "model": "claude-sonnet-5-5",
        "tools": [{"name": "Bash"}, {"name": "Read"}],
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0"}]},
        ],
    }
).encode()


def new_stream() -> CallStream:
    return CallStream(ToolCallRepair(request_body.read(REQUEST)).event)


def through(*chunks: bytes) -> bytes:
    """What comes out for a stream in those chunks."""
    stream = new_stream()
    return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.finish()])


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def begun(index: int = 1, **fields: Any) -> bytes:
    block = {"type": "tool_use", "id": f"call_{index}", "name": "Bash", "input": {}} | fields
    return event("content_block_start", index=index, content_block=block)


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = event("message_start", message={"id": "msg_1", "model": "glm-4.7", "content": []})
TEXT = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
STOP = event("content_block_stop", index=0)
PING = b"event: ping\ndata: {}\n\n"
END = event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 7}) + event(
    "message_stop"
)
FAULTY = begun(name="Bash</arg_value>")
RIGHT = begun()
VALID = START + PING + TEXT + delta("héllo 🦊 tool_use") + STOP + begun(4) + STOP + END
LONG = START + TEXT + delta("tool_use") + STOP + FAULTY + STOP + begun(2, id="call_0") + END

NOT_AS_USUAL = [
    b': "tool_use"\n\n: more\nevent: content_block_start\ndata: {"content_block": {"id":"a b",'
    b'"type":"tool_use","name":"Read\\n","input":null},"index":3,"type":"content_block_start"}\n\n',
    b'data:{"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", '
    b'"id": "x", "name": "<tool_call>Read", "input": {}}}\n\n',
    b'id: 7\nretry: 10\ndata: {"type":"content_block_start","content_block":\ndata: {"type":'
    b'"tool_use","id":"y",\ndata: "name":"Bash ","x":[1,\ndata: 2],"input":[]}}\n'
    b"event: content_block_start\n\n",
    b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":'
    b'"server_tool_use","id":"call_0","name":"a b"}}\n\n',
    b'data: "tool_use"\n\n',
    b'event: content_block_start\n: "tool_use"\n\n',
    FAULTY.replace(b"event: content_block_start", b"event: content_block_delta"),
    b"\n\n\n",
    b": ping\n",
    b"\xef\xbb\xbf",
]
SHORT = b"\n".join([delta("a"), *NOT_AS_USUAL])
EVENTS = [START, PING, TEXT, delta("é🦊"), delta("tool_use"), STOP, END, RIGHT, FAULTY]
FAULTS = [begun(2, name="no\ttool"), begun(3, id="call_0"), begun(1, input=None), begun(1, id=None)]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Streams of any events, in any of the three line ends, perhaps cut short."""
    events = draw(st.lists(st.sampled_from(EVENTS + FAULTS + NOT_AS_USUAL), max_size=8))
    line_end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    whole = b"".join(events).replace(b"\n", line_end)
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


@st.composite
def split(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


@given(st.data())
def test_chunk_borders_make_no_difference(data: st.DataObject) -> None:
    whole = data.draw(streams())

    assert through(*data.draw(split(whole))) == through(whole)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("source", [VALID, LONG, SHORT, *NOT_AS_USUAL])
def test_every_single_split_gives_the_same(source: bytes, line_end: bytes) -> None:
    whole = source.replace(b"\n", line_end)
    expected = through(whole)

    for place in range(len(whole) + 1):
        assert through(whole[:place], whole[place:]) == expected
    assert through(*(whole[place : place + 1] for place in range(len(whole)))) == expected


@given(st.data(), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_valid_stream_passes_byte_for_byte(data: st.DataObject, line_end: bytes) -> None:
    valid = [START, PING, TEXT, delta("é🦊"), delta('"tool_use"'), STOP, END]
    calls = [begun(number) for number in range(1, 5)]
    events = data.draw(st.permutations(valid + calls))
    whole = b"".join(events).replace(b"\n", line_end)

    assert through(*data.draw(split(whole))) == whole


@given(st.binary(max_size=200), st.data())
@example(b'"tool_use"\r\r', None)
@example(b"\n\r\r\n:\r", None)
def test_bytes_that_are_no_stream_pass_as_they_came(noise: bytes, data: st.DataObject) -> None:
    chunks = [noise] if data is None else data.draw(split(noise))

    assert through(*chunks) == noise


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_faulty_event_is_the_only_one_that_changes(line_end: bytes) -> None:
    before = (START + TEXT + delta("a") + STOP + FAULTY + END).replace(b"\n", line_end)
    after = (START + TEXT + delta("a") + STOP + RIGHT + END).replace(b"\n", line_end)

    assert through(before) == after


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        (begun(name="<tool_call>Bash"), begun()),
        (begun(name="Bash\n"), begun()),
        (begun(id="functions.Bash:0"), begun(id="functions_Bash_0")),
        (begun(id="call_0"), begun(id="call_0_2")),
        (begun(id=""), begun(id="call")),
        (begun(input=None), begun()),
        (begun(input=[{"command": "ls"}]), begun()),
        (begun(id="call_0", name="read ", input="x"), begun(id="call_0_2", name="Read")),
    ],
)
def test_each_fault_is_repaired(fault: bytes, right: bytes) -> None:
    assert through(START + fault + END) == START + right + END


def test_events_of_unusual_form_are_repaired() -> None:
    first, second, third, *unchanged = NOT_AS_USUAL

    assert through(first) == (
        b': "tool_use"\n\n: more\nevent: content_block_start\ndata: {"content_block":{"id":"a_b",'
        b'"type":"tool_use","name":"Read","input":{}},"index":3,"type":"content_block_start"}\n\n'
    )
    assert through(second).startswith(b"data:{")
    assert b'"name":"Read"' in through(second)
    lines = through(third).split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [
        b"id",
        b"retry",
        b"data",
        b"event",
        b"",
        b"",
    ]
    assert json.loads(lines[2][5:])["content_block"] == {
        "type": "tool_use",
        "id": "y",
        "name": "Bash",
        "x": [1, 2],
        "input": {},
    }
    for source in unchanged:
        assert through(source) == source


def test_ids_are_unique_within_the_answer_and_against_the_history() -> None:
    came = b"".join(begun(number, id="call_0") for number in range(5))
    ids = re.findall(rb'"id":"([^"]*)"', through(came))

    assert len(set(ids) | {b"call_0"}) == 6


@pytest.mark.parametrize(
    "beginning",
    [
        b"event: content_block_delta\n",
        delta("some text")[:-9],
        delta("tool_use")[:-4],
        TEXT[:-5],
        event("content_block_start", index=0, content_block={"type": "thinking"})[:-3],
        b'event: content_block_start\ndata: {"index":0,"type":"content_block_start",'
        b'"content_block":{"text":"',
        START[:60],
        b"event: ping\nda",
        b'data: {"type":"content_block_delta","ind',
        b'data: {"index": 12, "type": "content_block_stop',
        b": a comment that goes",
        b"\r\n",
    ],
)
def test_beginning_of_another_event_is_not_held(beginning: bytes) -> None:
    stream = new_stream()

    assert stream.feed(START + beginning) == START + beginning
    assert stream.feed(b"") == b""


def test_parts_of_another_event_pass_at_once() -> None:
    stream, torn = new_stream(), delta("some text")

    for part in (torn[:50], torn[50:60], b"", torn[60:-1]):
        assert stream.feed(part) == part
    assert stream.feed(b"") == b""
    assert stream.feed(b"\n" + FAULTY.partition(b"\n")[2]) == b"\n" + RIGHT.partition(b"\n")[2]


def test_beginning_is_let_go_as_soon_as_it_is_another_event() -> None:
    stream, torn = new_stream(), delta("some text")

    assert stream.feed(torn[:17]) == b""
    assert stream.feed(torn[17:30]) == torn[:30]
    assert stream.feed(torn[30:]) == torn[30:]


def test_only_the_event_that_begins_a_call_is_held() -> None:
    stream = new_stream()

    assert stream.feed(START + FAULTY[:90]) == START
    assert stream.feed(FAULTY[90:-1]) == b""
    assert stream.feed(FAULTY[-1:] + STOP[:30]) == RIGHT + STOP[:30]
    assert stream.feed(STOP[30:]) == STOP[30:]
    assert stream.finish() == b""


@pytest.mark.parametrize("cut", [30, 90, len(FAULTY) - 20])
def test_torn_event_is_given_out_at_the_end_as_it_came(cut: int) -> None:
    assert through(START, FAULTY[:cut]) == START + FAULTY[:cut]


@pytest.mark.parametrize("missing", [1, 2])
def test_last_event_without_its_blank_line_is_repaired(missing: int) -> None:
    assert through(START, FAULTY[:-missing]) == START + RIGHT[:-missing]


@pytest.mark.parametrize("step", [1024, 65_536, 10 * HELD_LIMIT_BYTES])
def test_endless_event_passes_as_it_came_and_the_next_one_is_repaired(step: int) -> None:
    long = begun(5, name="Bash ", input={"text": "x" * HELD_LIMIT_BYTES})
    whole = START + long + FAULTY + END

    pieces = [whole[start : start + step] for start in range(0, len(whole), step)]

    assert through(*pieces) == START + long + RIGHT + END


@pytest.mark.parametrize("over", range(-3, 4))
def test_limit_of_what_is_held_makes_no_difference_to_chunk_borders(over: int) -> None:
    length = HELD_LIMIT_BYTES - len(begun(5, name="Bash ", input={"text": ""})) + over
    whole = begun(5, name="Bash ", input={"text": "x" * length})

    expected = through(whole)

    assert (b'"Bash"' in expected) is (over <= 0)
    for place in range(len(whole) - 6, len(whole)):
        assert through(whole[:place], whole[place:]) == expected
