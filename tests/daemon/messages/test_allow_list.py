"""A delegate gets what its service takes, and the words of what carries meaning besides."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import (
    ANTHROPIC_SIGNATURE,
    ZAI_SIGNATURE,
    ask,
    assistant,
    backend,
    call,
    conversations,
    read,
    result,
    system,
    text,
    thought,
    unhurried,
    user,
)

from offramp_core.settings import Route
from offramp_daemon.messages import transform
from offramp_daemon.messages.delegate import delegate_body

MARK = "unknown-mark"
NEW = {"new_field": MARK}
PLACEHOLDER = text("(no content)")
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


def sent(body, *, route=None, **fields):
    return json.loads(transform.for_delegate(read(body), backend("zai", **fields), route))


def messages_of(*messages, **fields):
    return sent(ask(messages=list(messages)), **fields)["messages"]


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ({"fallbacks": [{"model": "claude-opus-4-8"}]}, {}),
        ({"diagnostics": {"previous_message_id": "msg_1"}}, {}),
        ({"thread": {"type": "create"}}, {}),
        ({"never_heard_of": 1}, {}),
        (
            {"thinking": {"type": "adaptive", "display": "omitted", "block_binding": {}}},
            {"thinking": {"type": "adaptive"}},
        ),
        ({"output_config": {"effort": "high"}}, {}),
        ({"output_config": {}}, {}),
        ({"tools": [{"name": "A", "input_schema": SCHEMA}]},) * 2,
        ({"tools": []}, {}),
        ({"tools": [], "tool_choice": {"type": "auto"}}, {}),
        (
            {
                "tools": [{"name": "A"}, {"name": "DeferredToolPlaceholder"}],
                "tool_choice": {"type": "tool", "name": "A", "later": 1},
            },
            {"tools": [{"name": "A"}], "tool_choice": {"type": "tool", "name": "A"}},
        ),
        ({"tool_choice": {"type": "tool", "name": "gone"}, "tools": [{"name": "A"}]}, None),
        ({"tool_choice": {"type": "auto"}}, {}),
        ({"system": None, "thinking": None, "tools": None, "temperature": None}, {}),
        ({"system": []}, {}),
        ({"system": " \n"}, {}),
        ({"system": [text("")]}, {}),
        ({"system": [text(""), text("S")]}, {"system": [text("S")]}),
        ({"output_config": "high"}, {}),
        (
            {"tools": [{"name": "A", "cache_control": "1h"}], "tool_choice": "auto"},
            {"tools": [{"name": "A"}]},
        ),
    ],
)
def test_only_known_fields_of_the_body_reach_a_delegate(field, left):
    body = sent(ask(**field))
    left = {"tools": [{"name": "A"}]} if left is None else left
    assert body == ask(**left)


ID_NAMES = (
    *("metadata", "Metadata", "user_id", "account_uuid", "organization_id", "device_id"),
    *("diagnostics", "authorization_token", "mcp_servers", "container", "session", "x-new-id"),
)


@pytest.mark.parametrize("name", ID_NAMES)
@pytest.mark.parametrize("value", [MARK, [MARK], {"id": MARK}, {"user_id": {MARK: 1}}])
def test_field_that_may_identify_somebody_reaches_a_delegate_at_no_level(name, value):
    new = {name: value}
    body = ask(
        system=[{**text("S"), "cache_control": {"type": "ephemeral", **new}, **new}],
        messages=[
            {**user({**text("Hi"), **new}), **new},
            {**assistant({**call("t"), "name": "A", **new}), **new},
            user({**result("t"), "content": [{**text("r"), **new}], **new}),
        ],
        tools=[{"name": "A", "input_schema": SCHEMA, **new}],
        tool_choice={"type": "tool", "name": "A", **new},
        thinking={"type": "adaptive", **new},
        output_config={"effort": "high", **new},
        **new,
    )
    assert MARK not in json.dumps(sent(body))


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (["a", {"type": "fallback", "model": "m"}, "b"], ["a", "b"]),
        ([{"type": "fallback", "model": "m"}], [PLACEHOLDER]),
        ([{"type": "compaction", "content": "Summary: x", "signature": "AAAA"}], ["Summary: x"]),
        ([{"type": "connector_text", "connector_text": "words"}], ["words"]),
        ([{"type": "from_the_future", "text": "?"}, "b"], ["b"]),
        ([{**text("a"), "citations": [], "cache_control": {"type": "ephemeral"}}], None),
        ([{**call("t"), "caller": {"type": "direct"}}], [call("t")]),
        ([{**call("t"), "input": [1]}], [{**call("t"), "input": {"value": [1]}}]),
        ([{**call("t"), "input": "git"}], [{**call("t"), "input": {"value": "git"}}]),
        ([{**call("t"), "input": None}], [{**call("t"), "input": {}}]),
    ],
)
def test_blocks_of_an_assistant_turn_become_known_ones(content, left):
    if left is None:
        left = [{**text("a"), "cache_control": {"type": "ephemeral"}}]
    assert messages_of(user("Hi"), assistant(*content))[1] == assistant(*left)


def test_cache_control_keeps_its_known_fields_everywhere():
    marked = {"cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}
    kept = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = sent(
        ask(
            system=[text("S") | marked],
            messages=[user(text("a") | marked)],
            tools=[{"name": "A", **marked}],
        )
    )
    assert body["system"] == [text("S") | kept]
    assert body["messages"] == [user(text("a") | kept)]
    assert body["tools"] == [{"name": "A", **kept}]


def test_loaded_tool_is_named_in_words_and_can_be_called():
    search = {"name": "ToolSearch", "input_schema": SCHEMA}
    deferred = {"name": "mcp__x__y", "input_schema": SCHEMA, "defer_loading": True}
    reference = [{"type": "tool_reference", "tool_name": "mcp__x__y"}]
    history = [user("Hi"), assistant(call("t")), user(result("t", content=reference))]
    body = sent(ask(messages=history, tools=[search, deferred]))
    assert body["tools"] == [search, {"name": "mcp__x__y", "input_schema": SCHEMA}]
    (words,) = body["messages"][2]["content"][0]["content"]
    assert words["type"] == "text"
    assert "mcp__x__y" in words["text"]


def change(kind, **tool):
    return {"type": kind, "tool": tool}


@pytest.mark.parametrize(
    ("block", "names"),
    [
        (change("tool_addition", type="tool_reference", name="B"), ["A", "B"]),
        (change("tool_removal", type="tool_reference", name="B"), ["A"]),
        (
            change("tool_addition", type="tool_definition", name="C", input_schema=SCHEMA),
            ["A", "B", "C"],
        ),
        ({"type": "tool_definition", "name": "C", "input_schema": SCHEMA}, ["A", "B", "C"]),
    ],
)
def test_change_of_tools_in_a_system_item_becomes_words_and_a_list(block, names):
    tools = [{"name": "A"}, {"name": "B", "defer_loading": True}]
    messages = [user("Hi"), system([text("Rules"), block])]
    body = sent(ask(messages=messages, tools=tools))
    assert [tool["name"] for tool in body["tools"]] == names
    (turn,) = body["messages"]
    reminder, own = turn["content"]
    assert own == text("Hi")
    assert "Rules" in reminder["text"]
    assert (block.get("tool") or block)["name"] in reminder["text"]


@pytest.mark.parametrize("tools", [[{"name": "A"}, {"name": "B"}], [{"name": "A"}]])
def test_tool_that_was_removed_and_added_again_is_there(tools):
    reference = {"type": "tool_reference", "name": "B"}
    defined = change("tool_addition", type="tool_definition", name="B", input_schema=SCHEMA)
    first = [] if len(tools) == 2 else [defined]
    gone, there = change("tool_removal", **reference), change("tool_addition", **reference)
    messages = [user("Hi"), system([*first, gone]), assistant("Yes"), user("So"), system([there])]
    body = sent(ask(messages=messages, tools=tools))
    assert [tool["name"] for tool in body["tools"]] == ["A", "B"]


@pytest.mark.parametrize("place", ["user", "system", "result"])
def test_tool_that_a_message_defines_can_be_called_wherever_that_stands(place):
    new = {"name": "N", "description": "New", "input_schema": SCHEMA}
    for block in (
        {"type": "tool_definition", **new},
        {"type": "tool_addition", "tool": {"type": "tool_definition", **new}},
    ):
        turns = {
            "user": [user("Hi", block)],
            "system": [user("Hi"), system([block])],
            "result": [
                user("Hi"),
                assistant(call("t")),
                user(result("t", content=[text("So"), block])),
            ],
        }
        for old in ([], [{"name": "N", "input_schema": {}}], [{"name": "N"}, {"name": "O"}]):
            got = sent(ask(messages=turns[place], tools=[{"name": "A"}, *old]))
            assert got["tools"] == [{"name": "A"}, new, *old[1:]]
            assert "The tool N can be called from now on." in json.dumps(got["messages"])


def test_service_that_takes_changes_of_tools_gets_them_and_its_tools_as_they_came():
    block = {"type": "tool_definition", "name": "N", "input_schema": SCHEMA}
    body = ask(messages=[user("Hi", block)], tools=[{"name": "A"}])
    assert sent(body, accept_blocks=("tool_definition",)) == body


def test_system_item_of_nothing_known_vanishes():
    assert messages_of(user("Hi"), system([{"type": "future"}])) == [user("Hi")]


def test_system_item_takes_the_place_of_a_turn_without_content():
    (turn,) = messages_of(user({"type": "future"}), system("Rules"))
    (block,) = turn["content"]
    assert "Rules" in block["text"]


def test_search_results_keep_their_text():
    found = {"type": "search_result", "title": "T", "source": "S", "content": [text("found")]}
    web = {"type": "web_search_result", "title": "W", "url": "u", "encrypted_content": "SECRET"}
    search = [
        call("srvtoolu_1", "server_tool_use"),
        result("srvtoolu_1", "web_search_tool_result", [web]),
    ]
    history = messages_of(
        user("Hi", found),
        assistant(*search, call("t")),
        user(result("t", content=[found])),
    )
    assert history[0] == user("Hi", "T\nS\nfound")
    assert history[1] == assistant("W\nu", call("t"))
    assert history[2] == user(result("t", content=[text("T\nS\nfound")]))


def asked(name, kind="server_tool_use", **given):
    return {"type": kind, "id": "srvtoolu_1", "name": name, "input": given}


def answered(kind, content, **fields):
    return {"type": kind, "tool_use_id": "srvtoolu_1", "content": content, **fields}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (asked("web_search", query="GLM limits"), "[The tool web_search was asked: GLM limits]"),
        (
            asked("web_fetch", url="https://a.invalid"),
            "[The tool web_fetch was asked: https://a.inv",
        ),
        (asked("code_execution", code="print(1)"), "[The tool code_execution was asked: print(1)]"),
        (asked("find", "mcp_tool_use", what="é"), '[The tool find was asked: {"what": "é"}]'),
        (
            answered(
                "web_search_tool_result",
                {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
            ),
            "[The tool failed: max_uses_exceeded]",
        ),
        (answered("mcp_tool_result", [text("No such page")], is_error=True), "No such page"),
        (
            answered(
                "bash_code_execution_tool_result",
                {"type": "bash_code_execution_result", "stdout": "a.py", "stderr": "warned"},
            ),
            "a.py\nwarned",
        ),
        (
            answered(
                "tool_search_tool_result",
                {"tool_references": [{"type": "tool_reference", "tool_name": "B"}]},
            ),
            "The tool B is loaded",
        ),
        (
            answered("advisor_tool_result", {"type": "advisor_result", "text": "Ask again"}),
            "Ask again",
        ),
        ({"type": "container_upload", "file_id": "file_1"}, "[A file was given to the code tool"),
        (
            {"type": "document", "title": "T", "source": {"type": "content", "content": "body"}},
            "T\nbody",
        ),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_block_of_a_service_s_own_tools_reaches_a_delegate_in_words(block, words, role):
    (said,) = messages_of(user("Hi"), {"role": role, "content": [block]})[1]["content"]
    assert said["type"] == "text"
    assert said["text"].startswith(words)


@pytest.mark.parametrize(
    "block",
    [
        asked("web_search"),
        asked("web_search", query=""),
        {**asked("x", query="q"), "name": None},
        {**asked("x"), "input": "q"},
        answered("web_search_tool_result", {"error_code": 7}),
    ],
)
def test_block_of_a_service_s_own_tools_that_says_nothing_is_left_out(block):
    assert messages_of(user("Hi"), assistant(block, "So"))[1] == assistant("So")


@pytest.mark.parametrize("content", ["Say", [text("Say")]])
@pytest.mark.parametrize("role", ["developer", "tool", None])
def test_message_of_a_role_that_is_not_known_is_said_in_the_user_turn_beside_it(role, content):
    said = text("<system-reminder>\nSay\n</system-reminder>")
    got = messages_of(user("Hi"), {"role": role, "content": content}, assistant("So"))
    assert got == [user(said, "Hi"), assistant("So")]


@pytest.mark.parametrize(
    ("first", "left"),
    [
        ([assistant({"type": "compaction", "content": "Sum"})], [assistant("Sum")]),
        ([assistant("So")], [assistant("So")]),
        ([{"role": "assistant", "content": "So"}], [{"role": "assistant", "content": "So"}]),
        ([assistant(call("t")), user(result("t"))], [assistant(call("t")), user(result("t"))]),
        ([{**system([]), "output_config": {"effort": "low"}}, assistant("So")], [assistant("So")]),
        ([assistant({"type": "invented"})], [assistant(PLACEHOLDER)]),
    ],
)
def test_conversation_that_begins_with_an_answer_gets_a_user_turn_before_it(first, left):
    assert messages_of(*first) == [user(PLACEHOLDER), *left]
    assert messages_of(*first, user("Go on")) == [user(PLACEHOLDER), *left, user("Go on")]


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("odd", [{}, {"text": "So"}, {"type": None, "text": "So"}])
def test_block_without_a_type_does_not_reach_a_delegate(odd, role):
    turn = {"role": role, "content": [text("Hi"), odd]}
    assert messages_of(user("Hi"), turn)[1]["content"] == [text("Hi")]
    got = messages_of(user("Hi"), assistant(call("t")), user(result("t", content=[odd])))
    assert got[2] == user(result("t", content=[PLACEHOLDER]))
    assert sent(ask(system=[odd])).get("system") is None


def test_tool_without_a_name_does_not_reach_a_delegate():
    named = {"name": "A", "input_schema": SCHEMA}
    for odd in ({}, {"name": None}, {"name": ""}, {"name": 7}, {"type": "custom"}):
        assert sent(ask(tools=[odd, named]))["tools"] == [named]
        assert "tools" not in sent(ask(tools=[odd]))


def test_result_of_an_empty_list_is_not_sent_empty():
    got = messages_of(user("Hi"), assistant(call("t")), user(result("t", content=[])))
    assert got[2] == user(result("t", content=[PLACEHOLDER]))


def test_cache_control_that_is_no_object_is_left_out():
    assert messages_of(user({**text("Hi"), "cache_control": "1h"})) == [user(text("Hi"))]


@pytest.mark.parametrize("role", ["user", "system"])
def test_thinking_outside_assistant_turns_is_left_out(role):
    odd = {"role": role, "content": [thought(ZAI_SIGNATURE, MARK), text("Hi")]}
    history = messages_of(user(thought(ANTHROPIC_SIGNATURE, MARK)), assistant("A"), odd)
    assert MARK not in json.dumps(history)
    assert history[0] == user(PLACEHOLDER)
    assert "Hi" in json.dumps(history)


def test_result_without_its_call_becomes_text():
    assert messages_of(user(result("t", content="seen"), "Hi")) == [user("seen", "Hi")]
    assert messages_of(user(result("t", content=[]))) == [user(PLACEHOLDER)]


def test_result_without_its_call_leaves_the_results_first():
    history = [user("Hi"), assistant(call("t")), user(result("gone", content="old"), result("t"))]
    assert messages_of(*history)[2] == user(result("t"), "old")


PDF = {"type": "document", "source": {"type": "base64", "data": "JVBERi0x"}}
PICTURE = {"type": "image", "source": {"type": "base64", "data": "iVBORw0K"}}
FETCHED = {"type": "web_fetch_result", "url": "https://a.invalid", "content": PDF}


@pytest.mark.parametrize(
    "block",
    [
        result("gone", content=[PICTURE, PDF, text("seen")]),
        {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "content": FETCHED},
    ],
)
def test_media_in_a_result_that_becomes_text_is_named_but_not_spelled_out(block):
    got = json.dumps(messages_of(user(block)))
    assert "A document was left out" in got
    assert "seen" in got or "https://a.invalid" in got
    assert "JVBERi0x" not in got
    assert "iVBORw0K" not in got


def test_blank_text_goes_with_the_foreign_thinking_before_it():
    history = [user("Hi"), assistant(thought(ANTHROPIC_SIGNATURE), "\n\n"), user("So")]
    assert messages_of(*history)[1] == assistant(PLACEHOLDER)


def test_settings_may_name_a_field_that_is_no_identifier():
    odd = user({**text("a"), "x-odd": 1})
    assert messages_of(odd, accept_fields=("text.x-odd", "cache_control.x-odd")) == [odd]


@pytest.mark.parametrize("is_kept", [True, False])
def test_image_reaches_only_a_model_that_takes_images(is_kept):
    image = {"type": "image", "source": {"type": "base64", "data": "x"}}
    route = Route(match="", backend="zai", images=is_kept)
    history = [user(image), assistant(call("t")), user(result("t", content=[image]))]
    got = json.dumps(sent(ask(messages=history), route=route)["messages"])
    assert got.count('"image"') == (2 if is_kept else 0)
    assert got.count("takes no images") == (0 if is_kept else 2)


PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}


@pytest.mark.parametrize(
    ("block", "left"),
    [
        ({"type": "image", "source": {**PNG, **NEW}}, {"type": "image", "source": PNG}),
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            text("[A file at Anthropic was left out: it is not available here.]"),
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            text("[A file at Anthropic was left out: it is not available here.]"),
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{**text("Page"), "citations": []}]},
            },
            text("Page"),
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "Page"}, "citations": {}},
            {"type": "document", "source": {"type": "text", "data": "Page"}},
        ),
        ({"type": "image", "source": PNG},) * 2,
    ],
)
def test_media_reach_a_model_that_takes_them_only_from_where_it_can_get_them(block, left):
    route = Route(match="m", backend="zai", images=True, documents=True)
    for messages, place in (
        ([user(block)], lambda got: got[0]["content"]),
        (
            [user("Hi"), assistant(call("t")), user(result("t", content=[block]))],
            lambda got: got[2]["content"][0]["content"],
        ),
    ):
        assert place(messages_of(*messages, route=route)) == [left]


def test_advisor_is_left_out_and_one_line_says_so():
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "m"}
    tools = [{"name": "Bash"}, advisor]
    for given_system, got in [
        ({}, delegate_body.NO_ADVISOR),
        ({"system": "S"}, f"S\n\n{delegate_body.NO_ADVISOR}"),
        ({"system": [text("S")]}, [text("S"), text(delegate_body.NO_ADVISOR)]),
    ]:
        body = sent(ask(tools=tools, **given_system))
        assert body["tools"] == [{"name": "Bash"}]
        assert body["system"] == got


def test_schema_of_the_answer_reaches_a_delegate_in_words():
    fields = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    body = sent(ask(system=[text("S")], **fields))
    assert "output_config" not in body
    assert json.dumps(SCHEMA) in body["system"][1]["text"]


@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "grammar", "grammar": "a"}])
def test_form_of_the_answer_without_a_schema_reaches_a_delegate_in_words(form):
    for fields in ({"output_config": {"format": form}}, {"output_format": form}):
        said = sent(ask(**fields))["system"]
        assert said.endswith(json.dumps(form))


@pytest.mark.parametrize("form", [None, {}, {"type": "text"}, "json"])
def test_answer_of_any_form_needs_no_words(form):
    assert "system" not in sent(ask(output_config={"format": form}))


def test_half_of_an_emoji_in_the_schema_of_the_answer_stays_as_it_came():
    schema = {"title": "half \ud83d and \\ud83d"}
    body = sent(ask(output_config={"format": {"type": "json_schema", "schema": schema}}))
    assert json.dumps(schema) in body["system"]


EMAIL = "# userEmail\nThe user's email address is someone@example.invalid.\n"


def test_accounts_address_is_left_out_of_a_reminder_and_of_nothing_else():
    reminder = f"<system-reminder>\nContext:\n{EMAIL}# currentDate\nToday\n</system-reminder>"
    spoken = "The user's email address is other@example.invalid."
    history = messages_of(
        user(reminder, spoken),
        assistant(call("t")),
        user(result("t", content=EMAIL)),
        system(EMAIL + "Rules"),
    )
    got = json.dumps(history)
    assert got.count("someone@example.invalid") == 1  # in what the tool read
    assert "other@example.invalid" in got
    assert history[0]["content"][0] == text(reminder.replace(EMAIL, ""))
    assert history[2]["content"][1] == text("<system-reminder>\nRules\n</system-reminder>")


@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("escaped", ["", "'", "@", "<>", "'@<>"])
@pytest.mark.parametrize("apostrophe", ["'", "\u2019"])
@pytest.mark.parametrize("name", ["someone", "s\u00f6meone"])
def test_accounts_address_is_recognised_however_its_characters_are_written(
    name, apostrophe, escaped, is_ascii
):
    spoken = EMAIL.replace("'", apostrophe).replace("someone", name)
    body = ask(messages=[user(f"<system-reminder>{spoken}Today</system-reminder>")])
    written = json.dumps(body, ensure_ascii=is_ascii)
    for character in escaped:
        written = written.replace(character, f"\\u{ord(character):04x}")
    got = json.loads(transform.for_delegate(read(written.encode()), backend("zai")))
    assert got["messages"] == [user("<system-reminder>Today</system-reminder>")]


def test_settings_name_what_a_backend_takes_besides():
    odd = {"type": "odd", "x": 1}
    body = ask(
        messages=[user(odd, {**text("a"), "citations": []})],
        thinking={"type": "adaptive", "display": "omitted", "more": 1},
        service_tier="auto",
        metadata={"user_id": "u"},
        mcp_servers=[],
    )
    accepted = ("service_tier", "thinking.display", "text.citations", "metadata", "mcp_servers")
    got = sent(body, accept_fields=accepted, accept_blocks=("odd",))
    assert got == ask(
        messages=[user(odd, {**text("a"), "citations": []})],
        thinking={"type": "adaptive", "display": "omitted"},
        service_tier="auto",
    )
    everything = sent(body, accept_fields="all", accept_blocks="all")
    assert everything.keys() == body.keys() - {"metadata", "mcp_servers"}


def test_accounts_address_is_left_out_of_what_becomes_text():
    reminder = f"<system-reminder>{EMAIL}</system-reminder>"
    got = messages_of(
        user(result("gone", content=reminder), {"type": "mid_conv_system", "text": reminder})
    )
    assert got == [
        user("<system-reminder></system-reminder>", "<system-reminder></system-reminder>")
    ]


@pytest.mark.parametrize("role", [EMAIL + "Rules", [text(EMAIL + "Rules")]])
def test_accounts_address_is_left_out_of_system_items_that_stay(role):
    got = messages_of(user("Hi"), system(role), system_role_in_messages=True)
    assert "Rules" in json.dumps(got)
    assert "someone@" not in json.dumps(got)


@pytest.mark.parametrize(
    ("given_system", "left"), [(EMAIL, None), ([text("S"), text(EMAIL)], [text("S")])]
)
def test_system_prompt_of_the_address_leaves_no_empty_text(given_system, left):
    assert sent(ask(system=given_system)).get("system") == left


# Schemas.


def cleaned(schema):
    return sent(ask(tools=[{"name": "A", "input_schema": schema}]))["tools"][0]["input_schema"]


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        (SCHEMA, SCHEMA),
        ({"type": "string", "pattern": "^[^\\p{Cc}]{1,200}$"}, {"type": "string"}),
        ({"type": "string", "pattern": "(?=a)b"}, {"type": "string"}),
        ({"type": "string", "pattern": "a\n\\p{L}"}, {"type": "string"}),
        ({"type": "string", "pattern": "a(?<!b)"}, {"type": "string"}),
        ({"pattern": "^(?:a|b)\\d+$"}, {"pattern": "^(?:a|b)\\d+$"}),
        ({"properties": {"pattern": {"type": "string"}}},) * 2,
        ({"properties": {"$ref": {"pattern": "\\P{L}"}}}, {"properties": {"$ref": {}}}),
        ({"items": [{"pattern": "\\p{L}"}, True]}, {"items": [{}, True]}),
        ({"anyOf": [{"x-new": 1, "type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        (
            {"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}},
            {"properties": {"x": {"type": "string"}}},
        ),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "null"}}, "$ref": "#/$defs/a"},
            {"type": "null"},
        ),
        ({"properties": {"x": {"$ref": "https://a/b"}}}, {"properties": {"x": {}}}),
        ({"type": "object", "items": {"$ref": "#an"}}, {"type": "object", "items": {}}),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": False, "type": "object"},
            {"type": "object"},
        ),
        ({"properties": {"x": {"$ref": 7, "title": "T"}}}, {"properties": {"x": {"title": "T"}}}),
    ],
)
def test_schema_keeps_what_the_service_takes(schema, left):
    assert cleaned(schema) == left


STRING = {"type": "string", "description": "D"}


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("#/$defs/a", {"$defs": {"a": STRING}}),
        ("#/definitions/a", {"definitions": {"a": STRING}}),
        ("#/$defs/a%20b", {"$defs": {"a b": STRING}}),
        ("#/$defs/a~1b~0", {"$defs": {"a/b~": STRING}}),
        ("#/$defs/a/anyOf/0", {"$defs": {"a": {"anyOf": [STRING, True]}}}),
        ("#name", {"$defs": {"a": {**STRING, "$anchor": "name"}}}),
        ("b.json", {"$defs": {"a": {**STRING, "$id": "b.json"}}}),
        ("https://a/b#/$defs/a", {"$id": "https://a/b", "$defs": {"a": STRING}}),
    ],
)
def test_reference_is_replaced_by_what_it_leads_to_however_it_is_written(reference, parts):
    assert cleaned({"items": {"$ref": reference}, **parts}) == {"items": STRING}


@pytest.mark.parametrize(
    "reference", ["#/$defs/a/anyOf/7", "#/$defs/a/anyOf/x", "#/$defs/%zz", "#gone", "", 7, {}]
)
def test_reference_to_what_is_not_there_leaves_the_place_open(reference):
    schema = {"items": {"$ref": reference}, "$defs": {"a": {"anyOf": []}, "b": True}}
    assert "$ref" not in json.dumps(cleaned(schema))


def test_what_stands_beside_a_reference_is_added_to_what_it_leads_to():
    base = {"type": "object", "properties": {"a": STRING}, "required": ["a"]}
    schema = {"$ref": "#/$defs/b", "properties": {"c": {}}, "required": ["a", "c"]}
    left = {"type": "object", "properties": {"a": STRING, "c": {}}, "required": ["a", "c"]}
    assert cleaned({"items": schema, "$defs": {"b": base}}) == {"items": left}


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        ({"pattern": None, "type": "string"}, {"type": "string"}),
        ({"pattern": ["\\p{L}"]}, {}),
        ({"items": None}, {"items": {}}),
        ({"properties": {"a": "odd", "b": False}}, {"properties": {"a": {}, "b": False}}),
        ({"properties": [{"$ref": "#"}], "type": "object"}, {"type": "object"}),
        ({"anyOf": {"$ref": "#"}, "title": "T"}, {"title": "T"}),
        ({"anyOf": [], "title": "T"}, {"title": "T"}),
        ({"const": {"$ref": "#", "pattern": "\\p{L}"}},) * 2,
        ({"enum": ["pattern", "$ref"], "default": {"$ref": "#"}},) * 2,
    ],
)
def test_schema_of_odd_shape_hides_nothing_that_is_refused(schema, left):
    assert cleaned(schema) == left


def test_references_do_not_blow_a_schema_up():
    long = {"type": "string", "description": "x" * 2000}
    wide = {f"d{n}": {"anyOf": [long, *[{"$ref": f"#/$defs/d{n + 1}"}] * 3]} for n in range(12)}
    got = json.dumps(cleaned({"$defs": wide, "$ref": "#/$defs/d0"}))
    assert len(got) < 1_000_000
    assert "$ref" not in got


def test_schema_that_refers_to_itself_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}
    got = json.dumps(cleaned({"$defs": {"n": node}, "$ref": "#/$defs/n"}))
    assert "$ref" not in got
    chain_of = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(3000)}
    assert cleaned({"$defs": chain_of, "$ref": "#/$defs/d0", "type": "object"}) == {
        "type": "object"
    }
    wide = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(9)}
    assert "$ref" not in json.dumps(cleaned({"$defs": wide, "$ref": "#/$defs/d0"}))


# Whatever comes.

_KNOWN = st.sampled_from(["text", "tool_use", "tool_result", "image", "thinking"])


@unhurried
@given(conversations, st.integers(0, 8), st.sampled_from(["user", "assistant", "system"]), _KNOWN)
def test_invented_fields_and_blocks_reach_no_delegate(messages, place, role, kind):
    invented = {"type": "invented", "text": MARK, "content": MARK, **NEW}
    known = {"type": kind, **NEW, "cache_control": {"type": "ephemeral", **NEW}}
    nested = {**result("t", content=[invented, {**text("a"), **NEW}]), **NEW}
    turn = {"role": role, "content": [invented, known, nested, text("meaning")], **NEW}
    answer = assistant({**thought(ZAI_SIGNATURE), **NEW}, invented, {**call("t"), **NEW})
    paired = user(nested, {**text("meaning"), "cache_control": {"type": "ephemeral", **NEW}})
    body = ask(
        messages=[*messages[:place], turn, answer | NEW, paired | NEW, *messages[place:]],
        system=[invented, {**text("meaning too"), **NEW}],
        tools=[{"name": "A", "input_schema": {"x-new": MARK, "items": NEW}, **NEW}],
        thinking={"type": "adaptive", **NEW},
        tool_choice={"type": "auto", **NEW},
        output_config=NEW,
        **NEW,
    )
    got = json.dumps(sent(body))
    assert MARK not in got
    assert "meaning" in got
    assert "meaning too" in got


@st.composite
def growing(draw):
    """A conversation as a client makes it, cut behind an assistant turn at two places."""
    messages, turns = draw(st.lists(conversations, min_size=1, max_size=4)), []
    for each in messages:
        turns.append([*each, user("Go on"), system("Rules"), assistant("Yes", call("t"))])
        turns[-1].append(user(result("t", content=[{"type": "tool_reference", "name": "B"}])))
        turns[-1].append(assistant({"type": "compaction", "content": "So far"}))
    length = draw(st.integers(0, len(turns)))
    return list(chain(*turns[:length])), list(chain(*turns))


@unhurried
@given(growing())
def test_what_went_before_stays_the_same_on_every_turn(histories):
    before, after = histories
    shorter, longer = messages_of(*before), messages_of(*after)
    assert longer[: len(shorter)] == shorter
    assert all(message["content"] not in ("", []) for message in longer)


@unhurried
@given(conversations)
def test_every_result_at_a_delegate_has_its_call_before_it(messages):
    calls = set()
    for message in messages_of(*messages):
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] == "tool_use":
                assert message["role"] == "assistant"
                calls.add(block["id"])
            if block["type"] == "tool_result":
                assert message["role"] == "user"
                assert block["tool_use_id"] in calls
