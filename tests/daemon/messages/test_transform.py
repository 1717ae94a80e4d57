"""What leaves for each backend: foreign blocks cut, quirks met, and all else as it came."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_bodies import (
    ANTHROPIC_BACKEND,
    ANTHROPIC_SIGNATURE,
    BILLING,
    ZAI_BACKEND,
    ZAI_SIGNATURE,
    ask,
    assistant,
    backend,
    blocks,
    call,
    conversations,
    encode,
    raw_bodies,
    read,
    result,
    system,
    text,
    thought,
    unhurried,
    user,
)

from offramp_core.settings import Route
from offramp_daemon.messages import request_body, transform
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.messages.request_body import MalformedBodyError

PLACEHOLDER = text("(no content)")
DEEP = b"[" * 100_000 + b"]" * 100_000
THINKING_ON = {"type": "enabled", "budget_tokens": 1024}
CLEAR_THINKING = {"type": "clear_thinking_20251015", "keep": "all"}
CLEAR_TOOLS = {"type": "clear_tool_uses_20250919"}


def to_anthropic(body, **options):
    return transform.for_client_backend(read(body), ANTHROPIC_BACKEND, **options)


def to_zai(body, *, send_model=None, strip_all=False, **fields):
    target = backend("zai", **fields)
    route = Route(match="", backend="zai", send_model=send_model)
    return transform.for_delegate(read(body), target, route, strip_all=strip_all)


def messages_at_zai(messages, **fields):
    return json.loads(to_zai(ask(messages=messages), **fields))["messages"]


# Towards Anthropic.


@pytest.mark.parametrize(
    "raw",
    [
        encode(ask()),
        json.dumps(ask(), indent=4).encode(),
        b'  { "model":\t"claude-opus-4-6" ,\r\n"messages" : [ ] }\n\n',
        b'{"model":"a","model":"b","messages":[{"role":"user","role":"user","content":"x"}]}',
        encode(ask(messages=[user("half \ud83d")])),
        encode(ask(messages=[user("half \ud83d"), assistant(thought(ANTHROPIC_SIGNATURE), "Hi")])),
        encode(ask(messages=[user("Hi"), assistant(thought(ANTHROPIC_SIGNATURE)), user(" a ")])),
        encode(ask(system=[text(BILLING), text("You are")], metadata={"user_id": "u"})),
        encode(ask("claude-sonnet-4-5[1m]", messages=[user("Hi"), system("Rules")])),
        b'{"model":"m","x":NaN}',
        b'{"model":"m","x":1e400,"y":' + b"9" * 5000 + b"}",
        b'{"model":"m","x":' + DEEP + b"}",
        b'{"model":"m","x":"\xff","\xff":1}',
        b'\xef\xbb\xbf{"model":"m"}',
        '{"model":"m"}'.encode("utf-16"),
        b"[]",
        b'"text"',
        rb'{"mod\u0065l":"m","messages":[{"role":"user","content":"\/\u00e9"}]}',
    ],
)
def test_body_without_foreign_blocks_leaves_as_the_very_bytes_that_came(raw):
    assert transform.for_client_backend(request_body.read(raw), ANTHROPIC_BACKEND) is raw


def test_only_the_foreign_block_goes_and_the_rest_keeps_its_bytes():
    own = '{ "type":"thinking","thinking" : "\\u0041\\/ \\ud83d" ,"signature":"OWN"}'
    own = own.replace("OWN", ANTHROPIC_SIGNATURE)
    foreign = f'{{"type":"thinking","thinking":"Hm","signature":"{ZAI_SIGNATURE}"}}'
    first = '{ "role" : "user", "content" : [ {"text":"\\u00e9","type":"text"} ] }'
    system_text = '[ {"type": "text", "text": "a",  "cache_control":{"type":"ephemeral"}} ]'
    content = f'[{foreign}, {own},{{"type":"text","text":"Hi"}}]'
    raw = (
        f'{{ "model" : "claude-opus-4-6", "system": {system_text}, "temperature":1.0,\n'
        f' "messages": [{first} , {{"role":"assistant","content":{content}}}], "n":1e400 }}'
    )
    sent = to_anthropic(raw.encode()).decode()
    assert foreign not in sent
    for piece in (own, first, system_text, '"temperature":1.0', '"n":1e400', "\\ud83d"):
        assert piece in sent
    expected = json.loads(raw)
    del expected["messages"][1]["content"][0]
    assert json.loads(sent) == expected


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ([thought(ZAI_SIGNATURE)], [PLACEHOLDER]),
        ([thought(ZAI_SIGNATURE), text("")], [PLACEHOLDER]),
        ([thought(ZAI_SIGNATURE), text(" \n\t\r"), text("Hi")], [text("Hi")]),
        ([thought(ZAI_SIGNATURE), text("\\n"), text("a b")], [text("\\n"), text("a b")]),
        ([thought(""), call("t")], [call("t")]),
        ([text("Hi"), thought(None)], [text("Hi")]),
        (
            [call("call_1", "server_tool_use"), result("call_1", "web_search_tool_result")],
            [PLACEHOLDER],
        ),
        ([thought(ANTHROPIC_SIGNATURE), thought(ZAI_SIGNATURE)], [thought(ANTHROPIC_SIGNATURE)]),
    ],
)
def test_no_message_is_left_empty_or_with_blank_text(content, left):
    sent = json.loads(to_anthropic(ask(messages=[user("Hi"), assistant(*content)])))
    assert sent["messages"] == [user("Hi"), assistant(*left)]


@pytest.mark.parametrize(
    ("inner", "left"),
    [("", [text("So")]), ([text("")], [text("So")]), ("fine \n", [text("So "), text("fine")])],
)
def test_answer_to_go_on_from_ends_without_white_space_when_its_result_goes(inner, left):
    body = ask(messages=[user("Hi"), assistant("So ", result("t", content=inner))])
    sent = json.loads(transform.for_client_backend(read(body), ANTHROPIC_BACKEND))
    assert sent["messages"][1] == assistant(*left)


def test_user_turn_of_nothing_but_a_cut_result_is_not_left_empty():
    messages = [user("Hi"), assistant(call("call_1", "server_tool_use")), user(result("call_1"))]
    sent = json.loads(to_anthropic(ask(messages=messages)))
    assert sent["messages"] == [user("Hi"), assistant(PLACEHOLDER), user(PLACEHOLDER)]


LOOP = [user("Read"), assistant(thought(ZAI_SIGNATURE), call("t")), user(result("t"))]
CUT_LOOP = [user("Read"), assistant(call("t")), user(result("t"))]


@pytest.mark.parametrize(
    ("fields", "sent_fields"),
    [
        ({"thinking": THINKING_ON}, {"thinking": {"type": "disabled"}}),
        ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        (
            {"thinking": {"type": "adaptive"}, "context_management": {"edits": [CLEAR_THINKING]}},
            {"thinking": {"type": "adaptive"}, "context_management": {"edits": [CLEAR_THINKING]}},
        ),
        ({}, {}),
        (
            {
                "thinking": THINKING_ON,
                "context_management": {"edits": [CLEAR_THINKING, CLEAR_TOOLS]},
            },
            {"thinking": {"type": "disabled"}, "context_management": {"edits": [CLEAR_TOOLS]}},
        ),
        (
            {"thinking": THINKING_ON, "context_management": {"edits": [CLEAR_THINKING]}},
            {"thinking": {"type": "disabled"}},
        ),
        (
            {"thinking": THINKING_ON, "context_management": {"edits": [CLEAR_THINKING], "x": 1}},
            {"thinking": {"type": "disabled"}, "context_management": {"x": 1}},
        ),
    ],
)
def test_broken_tool_loop_turns_enabled_thinking_off_and_nothing_else(fields, sent_fields):
    sent = json.loads(to_anthropic(ask(messages=LOOP, **fields)))
    assert sent == ask(messages=CUT_LOOP, **sent_fields)


def test_whole_tool_loop_keeps_thinking_on():
    messages = [*LOOP, assistant(thought(ANTHROPIC_SIGNATURE), call("u")), user(result("u"))]
    sent = json.loads(to_anthropic(ask(messages=messages, thinking=THINKING_ON)))
    assert sent["thinking"] == THINKING_ON
    assert sent["messages"] == [*CUT_LOOP, *messages[3:]]


def test_stripping_always_takes_own_thinking_too():
    messages = [user("Hi"), assistant(thought(ANTHROPIC_SIGNATURE), "Hello"), user("More")]
    sent = json.loads(to_anthropic(ask(messages=messages), strip_all=True))
    assert sent["messages"] == [user("Hi"), assistant("Hello"), user("More")]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"\xff":1,"messages":[{"role":"assistant","content":[{"type":"thinking"}]}]}',
        b'{"messages":[{"\xff":1,"role":"assistant","content":[{"type":"thinking"}]}]}',
    ],
)
def test_body_that_cannot_be_taken_apart_goes_to_anthropic_as_it_came(raw):
    assert to_anthropic(raw) is raw
    assert transform.without_thinking(read(raw), ANTHROPIC_BACKEND) is raw


def test_utf_16_body_loses_its_foreign_blocks_too():
    raw = json.dumps(ask(messages=LOOP)).encode("utf-16")
    assert json.loads(to_anthropic(raw)) == ask(messages=CUT_LOOP)


# Once more, without thinking.


@pytest.mark.parametrize(
    ("fields", "sent_fields"),
    [
        ({"thinking": THINKING_ON}, {"thinking": {"type": "disabled"}}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},) * 2,
        ({"thinking": {"type": "of the future"}},) * 2,
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "context_management": {"edits": [CLEAR_THINKING]},
            },
        )
        * 2,
        (
            {"thinking": THINKING_ON, "output_config": {"effort": "max"}},
            {"output_config": {"effort": "max"}},
        ),
        (
            {"thinking": THINKING_ON, "output_config": {"effort": "high"}},
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        ),
        ({"thinking": THINKING_ON, "model": "claude-fable-5-2"}, {"model": "claude-fable-5-2"}),
        ({}, {}),
        ({"context_management": {"edits": [CLEAR_THINKING]}}, {}),
        ({"context_management": {"edits": [CLEAR_TOOLS]}},) * 2,
        ({"context_management": {"edits": "all"}},) * 2,
        ({"context_management": {"edits": [7, None, {"type": []}, {}]}},) * 2,
        ({"context_management": [CLEAR_THINKING]},) * 2,
        ({"context_management": None},) * 2,
    ],
)
def test_second_try_has_no_thinking_blocks_and_keeps_adaptive_thinking_on(fields, sent_fields):
    messages = [
        user("Read"),
        assistant(thought(ANTHROPIC_SIGNATURE), call("t")),
        user(result("t")),
        assistant({"type": "redacted_thinking", "data": ANTHROPIC_SIGNATURE}),
    ]
    body = read(ask(messages=messages, **fields))
    left = [user("Read"), assistant(call("t")), user(result("t")), assistant(PLACEHOLDER)]
    sent = json.loads(transform.without_thinking(body, ANTHROPIC_BACKEND))
    assert sent == ask(messages=left, **sent_fields)


def test_second_try_keeps_the_bytes_of_edits_that_stay():
    edit = b'{ "type" : "clear_tool_uses_20250919", "n":1e400 }'
    management = b'{"edits":[%s,{"type":"clear_thinking_20251015"}]}' % edit
    raw = b'{"thinking":{"type":"enabled"},"context_management":%s}' % management
    sent = transform.without_thinking(read(raw), ANTHROPIC_BACKEND)
    assert sent == b'{"thinking":{"type":"disabled"},"context_management":{"edits":[%s]}}' % edit


# Towards a delegate.


@pytest.mark.parametrize(
    ("model", "send_model", "sent"),
    [
        ("claude-sonnet-4-5", None, "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1m]", None, "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1M]", None, "claude-sonnet-4-5"),
        ("claude-haiku-4-5", "GLM-4.5-Air", "GLM-4.5-Air"),
        ("claude-haiku-4-5[1m]", "GLM-4.5-Air", "GLM-4.5-Air"),
        ("sonnet \ud83d[1m]", None, "sonnet \ud83d"),
    ],
)
def test_model_is_sent_as_the_route_says_without_the_suffix(model, send_model, sent):
    assert json.loads(to_zai(ask(model), send_model=send_model))["model"] == sent


def test_repeated_names_reach_a_delegate_once_as_they_were_read():
    raw = b'{"model":"opus","metadata":1,"model":"claude-sonnet-4-5","met\\u0061data":2}'
    assert to_zai(raw) == b'{"model":"claude-sonnet-4-5"}'


def test_what_the_delegate_gets_of_a_full_request():
    body = ask(
        metadata={"user_id": '{"device_id":"d","account_uuid":"a","session_id":"s"}'},
        system=[text(BILLING), {**text("You are"), "cache_control": {"type": "ephemeral"}}],
        messages=[user("Hi"), system("Rules"), assistant(thought(ANTHROPIC_SIGNATURE), "Hello")],
        context_management={"edits": [CLEAR_THINKING]},
        thinking=THINKING_ON,
        tools=[{"name": "Read", "input_schema": {"pattern": "\\p{L}"}}],
        brand_new={"a": 1},
        safeguards=None,
        max_tokens=5000,
    )
    assert json.loads(to_zai(body)) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 5000,
        "messages": [user(said("Rules"), "Hi"), assistant("Hello")],
        "system": [{**text("You are"), "cache_control": {"type": "ephemeral"}}],
        "thinking": THINKING_ON,
        "tools": [{"name": "Read", "input_schema": {}}],
    }


@pytest.mark.parametrize("field", ["model", "messages", "system", "thinking", "tools"])
def test_any_field_can_be_dropped_by_the_settings(field):
    body = ask(
        "claude-sonnet-4-5[1m]",
        system=[text(BILLING)],
        messages=[user("Hi"), system("Rules"), assistant(thought(ANTHROPIC_SIGNATURE))],
        tools=[],
    )
    sent = json.loads(to_zai(body, drop_fields=("metadata", field), send_model=None))
    assert field == "model" or field not in sent


def test_delegate_that_takes_everything_gets_what_came():
    odd = {"type": "brand_new", "text": "t", "cache_control": {"scope": "global"}}
    body = ask(
        system=[text(BILLING), text("a")],
        messages=[user("Hi"), {**system("Rules"), "x": 1}, user(odd)],
        tools=[{"name": "A", "defer_loading": True, "input_schema": {"$ref": "#"}}],
        output_config={"format": {"schema": {}}},
        thread={"type": "create"},
    )
    kept = {
        "system_role_in_messages": True,
        "billing_header_block": True,
        "accept_fields": "all",
        "accept_blocks": "all",
    }
    assert json.loads(to_zai(body, **kept)) == body


def test_delegate_keeps_its_own_thinking_and_loses_anthropics():
    ours, theirs = thought(ANTHROPIC_SIGNATURE), thought(ZAI_SIGNATURE, "Own \ud83d")
    redacted = {"type": "redacted_thinking", "data": ANTHROPIC_SIGNATURE}
    messages = [user("Hi"), assistant(ours, theirs, redacted, "Hello")]
    assert messages_at_zai(messages) == [user("Hi"), assistant(theirs, "Hello")]
    body = read(ask(messages=messages))
    stripped = transform.for_delegate(body, ZAI_BACKEND, strip_all=True)
    assert json.loads(stripped)["messages"] == [user("Hi"), assistant("Hello")]


def test_anthropics_server_tool_calls_and_their_results_stay_off_a_delegate():
    search = [
        call("srvtoolu_1", "server_tool_use"),
        result("srvtoolu_1", "web_search_tool_result", [{"type": "web_search_result"}]),
    ]
    messages = [user("Search"), assistant("Look:", *search, "Found.")]
    assert messages_at_zai(messages) == [user("Search"), assistant("Look:", "Found.")]
    assert json.loads(to_anthropic(ask(messages=messages)))["messages"] == messages


SEEN = text("[An image was seen.]")
ASK = user("Ask")
CALL = assistant(call("t"))


def said(words):
    """A system item's text, as it stands in a user turn."""
    return text(f"<system-reminder>\n{words}\n</system-reminder>")


@pytest.mark.parametrize(
    ("messages", "folded"),
    [
        # After a user turn, as text or blocks: before its own text, behind its tool results.
        ([user("Hi"), system("S")], [user(said("S"), "Hi")]),
        ([user("Hi"), system([text("S"), text("T")])], [user(said("S\n\nT"), "Hi")]),
        ([user(SEEN, "Hi"), system("S")], [user(said("S"), SEEN, "Hi")]),
        ([user("Hi"), system("S"), system("T")], [user(said("S"), said("T"), "Hi")]),
        ([ASK, CALL, user(result("t")), system("S")], [ASK, CALL, user(result("t"), said("S"))]),
        (
            [ASK, CALL, user(result("t"), "Hi"), system("S"), system("T")],
            [ASK, CALL, user(result("t"), said("S"), said("T"), "Hi")],
        ),
        ([user("Hi"), system("S"), assistant("Y")], [user(said("S"), "Hi"), assistant("Y")]),
        ([user("Hi"), system("S"), user("Ho")], [user(said("S"), "Hi"), user("Ho")]),
        # Before one: the same.
        ([system("S"), user("Hi")], [user(said("S"), "Hi")]),
        (
            [ASK, assistant("A"), system("S"), user("Hi")],
            [ASK, assistant("A"), user(said("S"), "Hi")],
        ),
        (
            [ASK, CALL, system("S"), user(result("t"), "Hi")],
            [ASK, CALL, user(result("t"), said("S"), "Hi")],
        ),
        # With no user turn beside it: a turn of its own.
        (
            [ASK, assistant("A"), system("S"), system("T"), assistant("B")],
            [ASK, assistant("A"), user(said("S"), said("T")), assistant("B")],
        ),
        ([user("Hi"), assistant("A"), system("S")], [user("Hi"), assistant("A"), user(said("S"))]),
        ([system("S")], [user(said("S"))]),
        # What is marked already is not marked twice.
        ([user("Hi"), system(said("S")["text"])], [user(said("S"), "Hi")]),
        # Empty ones.
        ([user("Hi"), system("")], [user("Hi")]),
        ([user("Hi"), system([])], [user("Hi")]),
        ([user("Hi"), system(None)], [user("Hi")]),
        ([user(""), system("")], [user(PLACEHOLDER)]),
        ([system("")], [user(PLACEHOLDER)]),
        ([system([]), assistant("A")], [user(PLACEHOLDER), assistant("A")]),
        ([{"role": "system"}, user("Hi")], [user("Hi")]),
    ],
)
def test_system_items_are_folded_into_the_user_turn_beside_them(messages, folded):
    assert messages_at_zai(messages) == folded


def test_folded_texts_keep_their_bytes():
    raw = rb'{"model":"sonnet","messages":[{"role":"user","content":"\u0041\/ \ud83d"},'
    raw += rb'{"role":"system","content":"\u0042"}]}'
    assert to_zai(raw) == (
        rb'{"model":"sonnet","messages":[{"role":"user","content":'
        rb'[{"type":"text","text":"<system-reminder>\n\u0042\n</system-reminder>"},'
        rb'{"type":"text","text":"\u0041\/ \ud83d"}]}]}'
    )


@pytest.mark.parametrize(
    ("system_field", "left"),
    [
        ([text(BILLING), text("You are")], [text("You are")]),
        ([text("First"), text(BILLING), text("Last")], [text("First"), text("Last")]),
        ([text(BILLING)], None),
        (BILLING, None),
        (BILLING + "\n", None),
        (BILLING + "\n\nYou are \ud83d\n", "You are \ud83d\n"),
        (
            [{**text(BILLING + "\nYou are"), "cache_control": {}}, text("b")],
            [{**text("You are"), "cache_control": {}}, text("b")],
        ),
        ("You are x-anthropic-billing-header: no",) * 2,
        ([text("You are")],) * 2,
        ("", None),
        ([], None),
    ],
)
def test_billing_header_stays_off_a_delegate_and_on_anthropic(system_field, left):
    body = ask(system=system_field)
    sent = json.loads(to_zai(body))
    assert sent == (ask(system=left) if left is not None else ask())
    raw = encode(body)
    assert transform.for_client_backend(request_body.read(raw), ANTHROPIC_BACKEND) is raw


def test_requests_that_differ_in_the_billing_header_alone_are_the_same_at_a_delegate():
    bodies = [ask(system=[text(f"{BILLING} cch={number};"), text("You")]) for number in range(3)]
    assert len({to_zai(body) for body in bodies}) == 1


def test_odd_body_loses_its_dropped_fields_and_the_suffix_all_the_same():
    body = ask("sonnet[1m]", messages="what", metadata={"user_id": "u"}, system=7)
    assert json.loads(to_zai(body)) == {**ask("sonnet", messages="what"), "system": 7}


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b'{"model":"sonnet","metadata":' + DEEP + b"}",
        b'{"model":"sonnet","\xff":1}',
        b'{"model":"sonnet","messages":[{"role":"user"},{"role":"system","\xff":1}]}',
    ],
)
def test_body_that_cannot_be_taken_apart_goes_to_no_delegate(raw):
    with pytest.raises(RequestFailedError) as caught:
        to_zai(raw)
    assert caught.value.failure.status == 400
    assert caught.value.failure.error_type == "invalid_request_error"


def test_nesting_at_the_very_limit_is_passed_or_refused_but_never_breaks():
    for depth in range(850, 1000):
        body = read(b'{"model":"sonnet","x":' + b"[" * depth + b"]" * depth + b"}")
        try:
            transform.for_delegate(body, ZAI_BACKEND)
        except RequestFailedError as error:
            assert error.failure.status == 400  # noqa: PT017 - most depths do not raise


# Whatever comes.


def content_of(message):
    content = message["content"]
    return [text(content)] if isinstance(content, str) else content


@unhurried
@given(conversations, st.booleans())
def test_cutting_what_is_cut_changes_nothing(messages, strip):
    once = to_anthropic(ask(messages=messages), strip_all=strip)
    assert to_anthropic(once, strip_all=strip) is once
    delegated = to_zai(ask(messages=messages), strip_all=strip)
    assert to_zai(delegated, strip_all=strip) == delegated


@unhurried
@given(conversations)
def test_no_content_block_is_lost_by_folding(messages):
    came = json.loads(encode(messages))
    sent = messages_at_zai(messages)
    assert all(message["role"] != "system" for message in sent)
    assert all(message["content"] != [] for message in sent if message not in came)
    words = [block for message in came for block in content_of(message) if block["type"] == "text"]
    left = [block for message in sent for block in content_of(message)]
    texts = [block["text"] for block in left if block["type"] == "text"]
    spoken = [word["text"] for word in words if word["text"].strip()]
    assert all(any(word in text for text in texts) for word in spoken)


@unhurried
@given(conversations, blocks)
def test_signatures_that_stay_are_the_bytes_that_came(messages, block):
    messages = [*messages, assistant(thought(ANTHROPIC_SIGNATURE, "own \ud83d"), block)]
    sent = to_anthropic(ask(messages=messages))
    assert encode(thought(ANTHROPIC_SIGNATURE, "own \ud83d")) in sent


@given(raw_bodies, st.booleans())
@settings(unhurried, max_examples=400)
def test_any_readable_body_can_be_made_fit_for_any_backend(raw, strip):
    try:
        body = request_body.read(raw)
    except MalformedBodyError:
        return
    sent = [
        transform.for_client_backend(body, ANTHROPIC_BACKEND, strip_all=strip),
        transform.without_thinking(body, ANTHROPIC_BACKEND),
    ]
    if body.model is not None:
        try:
            for_zai = transform.for_delegate(body, ZAI_BACKEND, strip_all=strip)
        except RequestFailedError:
            assert b"\xff" in raw
        else:
            sent.append(for_zai)
            assert b"\xff" in raw or "metadata" not in json.loads(for_zai)
    for each in sent:
        assert each is raw or b"\xff" in raw or isinstance(json.loads(each), dict)
