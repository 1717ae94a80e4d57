"""A history that a service wrote amiss leaves for either service with just its faults repaired."""

from __future__ import annotations

import json

import pytest
from history_rules import claude_minds, delegate_minds
from request_bodies import (
    ANTHROPIC_BACKEND,
    ANTHROPIC_SIGNATURE,
    ZAI_BACKEND,
    ZAI_SIGNATURE,
    ask,
    assistant,
    backend,
    call,
    encode,
    read,
    result,
    system,
    text,
    thought,
    user,
)

from offramp_daemon.messages import transform
from offramp_daemon.messages.tool_names import KnownTools, repaired_name

PLACEHOLDER = text("(no content)")
TOOLS = [{"name": "Bash"}, {"name": "Read"}, {"name": "mcp__x__y"}]
EFFORT = {"output_config": {"effort": "high"}}
INTERRUPTED = {**result("t", content="The call was interrupted."), "is_error": True}
BOTH = pytest.mark.parametrize("service", ["claude", "zai"])


def at(service, *messages, **fields):
    body = read(ask("claude-opus-5-5", messages=list(messages), tools=TOOLS, **fields))
    if service == "claude":
        raw = transform.for_client_backend(body, ANTHROPIC_BACKEND)
    else:
        raw = transform.for_delegate(body, ZAI_BACKEND)
    sent = json.loads(raw)["messages"]
    assert (claude_minds(sent) if service == "claude" else delegate_minds(sent)) is None
    return sent


def said(words):
    return text(f"<system-reminder>\n{words}\n</system-reminder>")


# Inputs, names and ids of calls.


@BOTH
@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([{"command": "ls"}], {"value": [{"command": "ls"}]}),
        ("git status", {"value": "git status"}),
        ("half \ud83d", {"value": "half \ud83d"}),
        (None, {}),
        (7, {"value": 7}),
        (1.5, {"value": 1.5}),
        (True, {"value": True}),
        ([], {"value": []}),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_input_of_a_call_is_an_object_wherever_it_stands(service, given, left):
    old = [assistant("So", {**call("t"), "input": given}), user(result("t"))]
    new = [assistant({**call("u"), "input": given}), user(result("u"))]
    sent = at(service, user("Hi"), *old, *new)
    assert [sent[1]["content"][1]["input"], sent[3]["content"][0]["input"]] == [left, left]


@BOTH
def test_call_without_an_input_gets_an_empty_one(service):
    bare = {key: value for key, value in call("t").items() if key != "input"}
    assert at(service, user("Hi"), assistant(bare), user(result("t")))[1] == assistant(
        {**call("t"), "input": {}}
    )


@BOTH
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("Bash</arg_value>", "Bash"),
        ("<tool_call>Bash", "Bash"),
        ("<tool_call>Bash\n<arg_key>command</arg_key>", "Bash"),
        ("Bash<arg_key", "Bash"),
        ("<think>I call Read</think>Bash", "Bash"),
        ("Bash\n", "Bash"),
        (" mcp__x__y ", "mcp__x__y"),
        ("functions.Read:3", "Read"),
        ("functions.Unheard:3", "Unheard"),
        ("<|tool|>Read<|end|>", "Read"),
        ("Bash command", "Bash"),
        ("mcp.a.b", "mcp_a_b"),
        ("größe", "gr_e"),
        ("x" * 200, "x" * 128),
        ("<tool_call>", "tool"),
        ("<>", "tool"),
        ("", "tool"),
        (None, "tool"),
        ({"a": 1}, "tool"),
        ("Write", "Write"),
    ],
)
def test_name_of_a_call_is_the_tool_that_was_meant(service, name, left):
    sent = at(service, user("Hi"), assistant({**call("t"), "name": name}), user(result("t")))
    assert sent[1]["content"][0]["name"] == left


def test_tool_that_is_there_is_preferred_among_the_words_of_a_name():
    assert repaired_name("call Read now", KnownTools(["Read"])) == "Read"
    assert repaired_name("call Read now") == "call_Read_now"


@BOTH
@pytest.mark.parametrize(
    ("call_id", "left"),
    [
        ("functions.Bash:0", "functions_Bash_0"),
        ("call 1", "call_1"),
        ("é", "_"),
        ("x" * 200 + ".", "x" * 64),
        ("", "call"),
        (None, "call"),
        (7, "call"),
        (["a"], "call"),
        ("y" * 200, "y" * 200),
    ],
)
def test_odd_id_changes_in_call_and_result_alike(service, call_id, left):
    odd, answer = {**call(""), "id": call_id}, {**result(""), "tool_use_id": call_id}
    sent = at(service, user("Hi"), assistant(odd), user(answer))
    assert sent[1:] == [assistant({**odd, "id": left}), user({**answer, "tool_use_id": left})]


@BOTH
def test_call_and_result_without_ids_get_the_same(service):
    bare = {key: value for key, value in call("").items() if key != "id"}
    answer = {"type": "tool_result", "content": "fine"}
    sent = at(service, user("Hi"), assistant(bare), user(answer))
    assert sent[1]["content"][0]["id"] == sent[2]["content"][0]["tool_use_id"] == "call"


@BOTH
def test_ids_that_come_again_are_told_apart_without_collisions(service):
    history = [user("Hi")]
    for number in range(3):
        turn = [call("c"), call("c"), call("c_2")]
        history.append(assistant(*turn))
        history.append(
            user(*(result(each["id"], content=f"{number}{n}") for n, each in enumerate(turn)))
        )
    sent = at(service, *history)
    ids = [block["id"] for message in sent[1::2] for block in message["content"]]
    assert len(set(ids)) == 9
    answers = [block for message in sent[2::2] for block in message["content"]]
    assert [block["tool_use_id"] for block in answers] == ids
    assert [block["content"] for block in answers] == [
        f"{n}{m}" for n in range(3) for m in range(3)
    ]


@BOTH
def test_each_of_two_calls_with_one_id_keeps_its_own_result(service):
    first, second = {**call("functions.Bash:0"), "input": {"n": 1}}, call("functions.Bash:0")
    answers = [result("functions.Bash:0", content="one"), result("functions.Bash:0", content="two")]
    sent = at(service, user("Hi"), assistant(first, second), user(*answers))
    (one, two), (of_one, of_two) = sent[1]["content"], sent[2]["content"]
    assert one["input"] == {"n": 1}
    assert (of_one["tool_use_id"], of_one["content"]) == (one["id"], "one")
    assert (of_two["tool_use_id"], of_two["content"]) == (two["id"], "two")


@BOTH
def test_parallel_results_in_another_order_stay_with_their_calls(service):
    answers = [result("b:1", content="b"), result("a:1", content="a")]
    sent = at(service, user("Hi"), assistant(call("a:1"), call("b:1")), user(*answers))
    assert sent[2] == user(result("b_1", content="b"), result("a_1", content="a"))


@BOTH
def test_many_repeated_ids_take_no_more_than_their_number(service):
    turns = [turn for _ in range(400) for turn in (assistant(call("c")), user(result("c")))]
    assert len(at(service, user("Hi"), *turns)) == 801


# Calls and results that do not belong together.


@BOTH
@pytest.mark.parametrize(
    ("messages", "left"),
    [
        ([user(result("t", content="seen"))], [user(text("seen"))]),
        ([user(result("t", content=[text("a"), text(" ")]), "Hi")], [user("a", "Hi")]),
        ([user(result("t", content=""))], [user(PLACEHOLDER)]),
        ([user({"type": "tool_result"})], [user(PLACEHOLDER)]),
        (
            [user("Hi"), assistant(call("t")), user(result("t"), result("t", content="again"))],
            [user("Hi"), assistant(call("t")), user(result("t"), "again")],
        ),
        (
            [user("Hi"), assistant(call("t")), user("Stop")],
            [user("Hi"), assistant(call("t")), user(INTERRUPTED, "Stop")],
        ),
        (
            [user("Hi"), assistant(call("t"), call("u")), user(result("u"), "Stop")],
            [user("Hi"), assistant(call("t"), call("u")), user(result("u"), INTERRUPTED, "Stop")],
        ),
        (
            [user("Hi"), assistant(call("t")), user("a"), assistant("b"), user(result("t"))],
            [
                *[user("Hi"), assistant(call("t")), user(INTERRUPTED, "a"), assistant("b")],
                user(text("fine")),
            ],
        ),
        ([user("Hi"), assistant(call("t"))],) * 2,
        ([user("Hi"), assistant(call("t")), assistant("So"), user(result("t"))],) * 2,
        ([user("Hi"), assistant(call("t"), call("u")), user(result("t")), user(result("u"), "a")],)
        * 2,
        (
            [user("Hi"), assistant(call("t")), user("a", result("t"), "b")],
            [user("Hi"), assistant(call("t")), user(result("t"), "a", "b")],
        ),
        (
            [user("Hi"), assistant(call("t")), user("a"), user("b"), user("c", result("t"))],
            [user("Hi"), assistant(call("t")), user(result("t"), "a", "b", "c")],
        ),
        (
            [user("Hi"), assistant("So", result("t", content="odd"))],
            [user("Hi"), assistant("So", "odd")],
        ),
        ([user("Hi", call("t"))], [user(text("Hi"))]),
        (
            [user("Hi"), assistant(call("t")), user(text(" ")), user(result("t"), "a")],
            [user("Hi"), assistant(call("t")), user(result("t"), "a")],
        ),
        (
            [user("Hi"), assistant(call("t")), user(thought("")), user(result("t"))],
            [user("Hi"), assistant(call("t")), user(result("t"))],
        ),
    ],
)
def test_calls_and_results_are_made_to_belong_together(service, messages, left):
    assert at(service, *messages) == left


def test_picture_in_a_result_without_a_call_still_reaches_claude():
    picture = {"type": "image", "source": {"type": "base64", "data": "iVBORw0K"}}
    reference = {"type": "tool_reference", "tool_name": "Read"}
    (turn,) = at("claude", user(result("t", content=[picture, reference])))
    assert turn["content"][0] == picture
    assert "Read" in turn["content"][1]["text"]


# Texts.

BLANKS = ["", " ", "\n\t\r", "\f\u000b", "\u00a0", "\u2003\u3000"]


@BOTH
@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("escapes", [True, False])
def test_blank_texts_go_in_every_place(service, blank, escapes):
    messages = [
        {"role": "user", "content": blank},
        assistant(text(blank), "Hi", call("t")),
        user(result("t", content=[text(blank), text("a")]), text(blank)),
        {"role": "assistant", "content": blank},
        user(text(blank)),
        system([text(blank)]),
    ]
    body = ask(messages=messages)
    raw = json.dumps(body, ensure_ascii=escapes).encode()
    if service == "claude":
        raw = transform.for_client_backend(read(raw), ANTHROPIC_BACKEND)
    else:
        raw = transform.for_delegate(read(raw), ZAI_BACKEND)
    nothing = [PLACEHOLDER]
    assert json.loads(raw)["messages"] == [
        {"role": "user", "content": nothing},
        assistant("Hi", call("t")),
        user(result("t", content=[text("a")])),
        {"role": "assistant", "content": nothing},
        {"role": "user", "content": nothing},
    ]


@BOTH
@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("", ""),
        (" \n", [PLACEHOLDER]),
        ([text("")], [PLACEHOLDER]),
        ([thought(ZAI_SIGNATURE), text("a")], [text("a")]),
        (text("a"), [text("a")]),
    ],
)
def test_result_holds_no_blank_text_and_no_thinking(service, content, left):
    sent = at(service, user("Hi"), assistant(call("t")), user(result("t", content=content)))
    assert sent[2] == user(result("t", content=left))


@BOTH
@pytest.mark.parametrize("content", [[], None, [text(None)], [{"type": "text"}]])
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_turn_without_content_says_so(service, content, role):
    odd = {"role": role, "content": content}
    sent = at(service, user("Hi"), odd, user("So"))
    assert sent == [user("Hi"), {"role": role, "content": [PLACEHOLDER]}, user("So")]


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("So \n", "So"),
        ([text("a "), text("b\u00a0")], [text("a "), text("b")]),
        ([text("half \ud83d ")], [text("half \ud83d")]),
        ([text("a "), thought(ZAI_SIGNATURE)], [text("a")]),
        ([text("a "), call("t")],) * 2,
    ],
)
def test_answer_to_be_continued_ends_in_no_white_space_at_claude(content, left):
    begun = {"role": "assistant", "content": content}
    assert at("claude", user("Hi"), begun)[1] == {"role": "assistant", "content": left}
    kept = json.loads(encode(assistant("a ")))
    assert at("claude", user("Hi"), kept, user("So"))[1] == kept


# Blocks out of place.


@BOTH
@pytest.mark.parametrize("signature", [ZAI_SIGNATURE, ANTHROPIC_SIGNATURE, "", None])
def test_thinking_outside_answers_leaves_a_conversation(service, signature):
    odd = thought(signature)
    sent = at(service, user(odd), assistant("A"), user(odd, "Hi"), system([odd]), assistant("B"))
    assert sent == [user(PLACEHOLDER), assistant("A"), user(text("Hi")), assistant("B")]


def test_conversation_that_begins_with_an_answer_gets_a_turn_before_it_at_claude():
    sent = at("claude", assistant(thought(ZAI_SIGNATURE)), user("Hi"))
    assert sent == [user(PLACEHOLDER), assistant(PLACEHOLDER), user("Hi")]


SEARCH = [call("call_9", "server_tool_use"), result("call_9", "web_search_tool_result", [])]
OWN_SEARCH = [
    call("srvtoolu_1", "server_tool_use"),
    result("srvtoolu_1", "web_search_tool_result", []),
]
TOOL_CHANGE = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Read"}}


@pytest.mark.parametrize(
    ("messages", "left"),
    [
        # A cut takes away what a system item stood behind.
        (
            [user("Hi"), assistant("A", *SEARCH), system("S"), assistant("B"), user("C")],
            [user("Hi"), assistant("A"), user(said("S")), assistant("B"), user("C")],
        ),
        (
            [user("Hi"), assistant("A", *SEARCH), system("S")],
            [user("Hi"), assistant("A"), user(said("S"))],
        ),
        (
            [user("Hi"), assistant("A", *SEARCH), system("S"), user("C"), assistant("D")],
            [user("Hi"), assistant("A"), user(said("S"), "C"), assistant("D")],
        ),
        (
            [user("Hi"), assistant(*OWN_SEARCH, *SEARCH), system("S"), assistant("B")],
            [user("Hi"), assistant(*OWN_SEARCH), system("S"), assistant("B")],
        ),
        # What an item does besides is said at the next place that there is for it.
        (
            [user("Hi"), assistant(*SEARCH), {**system("S"), **EFFORT}, assistant("B"), user("C")],
            [
                *[user("Hi"), assistant(PLACEHOLDER), user(said("S"))],
                {**system([]), **EFFORT},
                *[assistant("B"), user("C")],
            ],
        ),
        (
            [user("Hi"), assistant(*SEARCH), {**system([]), **EFFORT}, assistant("B"), user("C")],
            [
                *[user("Hi"), assistant(PLACEHOLDER), assistant("B"), user("C")],
                {**system([]), **EFFORT},
            ],
        ),
        (
            [user("Hi"), assistant(*SEARCH), system([text("S"), TOOL_CHANGE]), user("C")],
            [user("Hi"), assistant(PLACEHOLDER), user(said("S"), "C"), system([TOOL_CHANGE])],
        ),
        # Between a call and its result no turn is put.
        (
            [user("Hi"), assistant(call("t")), system("S"), assistant("B"), user(result("t"), "C")],
            [user("Hi"), assistant(call("t")), assistant("B"), user(result("t"), said("S"), "C")],
        ),
        (
            [user("Hi"), assistant(call("t")), system("S")],
            [user("Hi"), assistant(call("t")), user(INTERRUPTED, said("S"))],
        ),
        # Other places that Claude takes none in.
        ([system("S"), user("Hi")], [user(said("S"), "Hi")]),
        ([system("S"), assistant("A")], [user(said("S")), assistant("A")]),
        ([system("S")], [user(said("S"))]),
        (
            [user("Hi"), system("S"), user("C"), assistant("D")],
            [user(said("S"), "Hi"), user("C"), assistant("D")],
        ),
        (
            [{**system([]), **EFFORT}, system("S"), user("Hi")],
            [{**system([]), **EFFORT}, user(said("S"), "Hi")],
        ),
        # Emptied ones vanish; what they set stays.
        (
            [user("Hi"), system([thought(ZAI_SIGNATURE)]), assistant("A")],
            [user("Hi"), assistant("A")],
        ),
        (
            [user("Hi"), {**system([text(" ")]), **EFFORT}, assistant("A")],
            [user("Hi"), {**system([]), **EFFORT}, assistant("A")],
        ),
        ([system([thought(ZAI_SIGNATURE)])], [user(PLACEHOLDER)]),
    ],
)
def test_system_items_stand_where_claude_takes_them(messages, left):
    assert at("claude", *messages) == left


@pytest.mark.parametrize(
    "messages",
    [
        [{**system([]), **EFFORT}, user("Hi"), assistant("A")],
        [{**system(""), **EFFORT}, user("Hi")],
        [user("Hi"), {**system([]), **EFFORT}, system("S"), assistant("A"), user("B"), system("T")],
        [user("Hi"), assistant("A", *OWN_SEARCH), system([text("S"), TOOL_CHANGE]), assistant("B")],
        [user("Hi"), user("Ho"), system([TOOL_CHANGE]), assistant("A"), assistant("B")],
        [
            user("Hi"),
            assistant(call("t"), call("u")),
            user(result("t")),
            user(result("u", content=[])),
        ],
        [user("Hi"), assistant(call("t")), user({"type": "tool_result", "tool_use_id": "t"})],
        [
            user("Hi"),
            assistant({"type": "of_the_future", "id": "?", "input": 7}),
            user("(no content)"),
        ],
        [user("Hi"), assistant(thought(ANTHROPIC_SIGNATURE), "a ", call("t"))],
    ],
)
def test_history_without_faults_leaves_as_the_very_bytes(messages):
    raw = json.dumps(ask(messages=messages), indent=1).encode()
    assert transform.for_client_backend(read(raw), ANTHROPIC_BACKEND) is raw


@pytest.mark.parametrize("kind", ["continue", "later"])
@pytest.mark.parametrize("send", [transform.for_client_backend, transform.without_thinking])
def test_newest_messages_of_a_thread_are_not_judged_without_the_others(kind, send):
    thread = {"type": kind, "previous_message_id": "msg_1"}
    raw = encode(ask(messages=[user(result("t"), "a"), system("S")], thread=thread))
    assert send(read(raw), ANTHROPIC_BACKEND) is raw


def test_history_that_begins_with_a_summary_needs_no_turn_before_it():
    summary = {"type": "compaction", "content": "So far"}
    raw = encode(ask(messages=[assistant(summary, "A"), user("B")], thread={"type": "create"}))
    assert transform.for_client_backend(read(raw), ANTHROPIC_BACKEND) is raw


def test_only_the_messages_with_faults_change_their_bytes():
    good = '{ "role":"user",  "content":"\\u0041 \\/ \\ud83d" }'
    call_text = '{"type":"tool_use","id":"t", "name":"Bash" ,"input":"ls\\u0041\\ud83d"}'
    answer = '{"role" : "user","content" : [{"type":"tool_result","tool_use_id":"t"}]}'
    raw = (
        f'{{"model":"claude-opus-5-5", "messages":[{good},'
        f'{{"role":"assistant","content":[{call_text}]}}, {answer}] ,"n":1e400}}'
    )
    sent = transform.for_client_backend(read(raw.encode()), ANTHROPIC_BACKEND).decode()
    assert good in sent
    assert answer in sent
    assert '"input":{"value":"ls\\u0041\\ud83d"}' in sent
    assert '"n":1e400' in sent


@BOTH
@pytest.mark.parametrize("place", [0, 1, 2])
def test_answer_that_loses_its_thinking_keeps_the_bytes_of_its_other_blocks(service, place):
    signature = ANTHROPIC_SIGNATURE if service == "zai" else ZAI_SIGNATURE
    blocks = ['{"type":"text", "text":"\\u0041 \\ud83d"}', '{"text" : "b","type":"text"}']
    blocks.insert(place, json.dumps(thought(signature)))
    answer = f'{{"content": [{" , ".join(blocks)}],"role":"assistant"}}'
    turns = ('{"role":"user","content":"a"}', answer, '{"role":"user","content":"c"}')
    raw = f'{{"model":"m","max_tokens":9,"messages":[{",".join(turns)}]}}'
    body = read(raw.encode())
    if service == "claude":
        sent = transform.for_client_backend(body, ANTHROPIC_BACKEND)
    else:
        sent = transform.for_delegate(body, ZAI_BACKEND)
    del blocks[place]
    assert f'{{"role":"assistant","content":[{",".join(blocks)}]}}'.encode() in sent


@BOTH
def test_field_beside_a_cut_goes_to_claude_and_stays_away_from_the_delegate(service):
    signature = ANTHROPIC_SIGNATURE if service == "zai" else ZAI_SIGNATURE
    answer = {**assistant(thought(signature), text("b")), "later": 1}
    body = read(ask("m", messages=[user("a"), answer, user("c")]))
    if service == "claude":
        sent = transform.for_client_backend(body, ANTHROPIC_BACKEND)
        assert json.loads(sent)["messages"][1] == {**assistant(text("b")), "later": 1}
    else:
        sent = transform.for_delegate(body, ZAI_BACKEND)
        assert json.loads(sent)["messages"][1] == assistant(text("b"))


def test_gateway_that_takes_system_items_keeps_those_that_a_cut_did_not_move():
    gateway = backend("zai", system_role_in_messages=True, accept_blocks="all", accept_fields="all")
    search = [
        call("srvtoolu_1", "server_tool_use"),
        result("srvtoolu_1", "web_search_tool_result", []),
    ]
    messages = [user("Hi"), system("S"), user("B"), assistant(*search), system("T"), assistant("C")]
    sent = transform.for_delegate(read(ask(messages=messages)), gateway)
    assert json.loads(sent)["messages"][1] == system("S")
    assert said("T") in json.loads(sent)["messages"][4]["content"]


def test_gateway_gets_no_empty_text_where_only_the_address_stood():
    only = "The user's email address is someone@example.invalid.\n"
    body = ask(messages=[user("Hi"), system(only), assistant("A"), system([text(f" {only}")])])
    sent = transform.for_delegate(read(body), backend("zai", system_role_in_messages=True))
    assert json.loads(sent)["messages"] == [user("Hi"), assistant("A")]


@pytest.mark.parametrize("messages", [[{**system([]), **EFFORT}], [{**system(""), **EFFORT}]])
def test_delegate_gets_a_turn_where_only_the_effort_was_set(messages):
    assert at("zai", *messages) == [user(PLACEHOLDER)]


def test_many_system_items_behind_one_long_turn_all_become_reminders():
    many = [system(f"S{number}") for number in range(2000)]
    (turn,) = at("zai", user("Hi", "x" * 200_000), *many)
    assert turn["content"][:2000] == [said(f"S{number}") for number in range(2000)]
    assert len(turn["content"]) == 2002
