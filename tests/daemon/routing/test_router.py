"""Where each request goes, and why: the table of defaults, and the rules that keep some back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_bodies import (
    BILLING,
    ask,
    assistant,
    encode,
    raw_bodies,
    read,
    result,
    settings_with_key,
    text,
    unhurried,
    user,
)

from offramp_core.settings import (
    Backend,
    KeepRules,
    Route,
    Secret,
    Settings,
    default_backends,
    default_routes,
)
from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.messages.request_body import MalformedBodyError
from offramp_daemon.routing import affinity, keep_rules, router, tiers
from offramp_daemon.routing.decision import ORDINARY, AutopilotChoice, Circumstances

DEFAULTS = settings_with_key()
KEYLESS = Settings(backends=default_backends(), routes=default_routes())


def decide(body, found=DEFAULTS):
    return router.decide(read(body), found)


def without_rule(name):
    return settings_with_key(keep_on_anthropic=KeepRules(**{name: False}))


@pytest.mark.parametrize(
    ("model", "backend", "send_model"),
    [
        ("claude-sonnet-4-5", "zai", None),
        ("claude-sonnet-4-5-20250929", "zai", None),
        ("CLAUDE-SONNET-4-5", "zai", None),
        ("claude-3-7-Sonnet-latest", "zai", None),
        ("sonnet", "zai", None),
        ("claude-sonnet-4-5[1m]", "zai", None),
        ("us.anthropic.claude-sonnet-4-5-v1:0", "zai", None),
        ("claude-haiku-4-5", "zai", "GLM-4.5-Air"),
        ("Claude-HAIKU-4-5[1m]", "zai", "GLM-4.5-Air"),
        ("haiku-or-sonnet", "zai", None),
        ("claude-opus-4-6", "anthropic", None),
        ("claude-opus-4-6[1m]", "anthropic", None),
        ("opus", "anthropic", None),
        ("glm-4.7", "zai", None),
        ("claude-s0nnet", "anthropic", None),
        ("", "anthropic", None),
        (" ", "anthropic", None),
        (None, "anthropic", None),
        (["claude-sonnet-4-5"], "anthropic", None),
        ({"name": "sonnet"}, "anthropic", None),
        (45, "anthropic", None),
        (True, "anthropic", None),
    ],
)
def test_default_routes_are_the_products_table(model, backend, send_model):
    decision = decide({**ask(), "model": model})
    assert decision.backend.name == backend
    assert decision.is_delegated is (backend == "zai")
    assert (decision.route.send_model if decision.route else None) == send_model


@pytest.mark.parametrize(
    ("raw", "backend", "reason"),
    [
        (rb'{"model":"claude-\u0073onnet"}', "zai", "route sonnet"),
        (rb'{"mod\u0065l":"sonnet"}', "zai", "route sonnet"),
        (b'{"model":"opus","model":"sonnet"}', "zai", "route sonnet"),
        (b'{"model":"sonnet","model":"opus"}', "anthropic", "default"),
        (b'{"model":"opus","x":{"model":"sonnet"}}', "anthropic", "default"),
        (rb'{"x":"\ud83d","model":"sonnet"}', "zai", "route sonnet"),
        (b'{"x":"\\"model\\":\\"sonnet\\""}', "anthropic", "no model"),
        (b"{}", "anthropic", "no model"),
        (b'["sonnet"]', "anthropic", "unreadable body"),
        (b'{"model":"sonnet","x":NaN}', "anthropic", "unreadable body"),
        (b'{"model":"sonnet","messages":{"odd":1}}', "anthropic", "unreadable body"),
        (b'\xef\xbb\xbf{"model":"sonnet"}', "zai", "route sonnet"),
        ('{"model":"sonnet"}'.encode("utf-16"), "zai", "route sonnet"),
    ],
)
def test_model_counts_as_it_reads_not_as_it_is_written(raw, backend, reason):
    decision = decide(raw)
    assert (decision.backend.name, decision.reason) == (backend, reason)


@pytest.mark.parametrize(
    ("body", "found", "is_ordinary"),
    [
        (ask("claude-opus-4-6"), DEFAULTS, True),
        (ask("claude-sonnet-4-5"), DEFAULTS, True),
        (ask("claude-sonnet-4-5"), KEYLESS, False),
        (ask("claude-sonnet-4-5", safeguards={}), DEFAULTS, False),
        (ask(None), DEFAULTS, False),
    ],
)
def test_reason_is_ordinary_only_where_the_routes_alone_decided(body, found, is_ordinary):
    assert decide(body, found).is_ordinary is is_ordinary


def test_without_a_key_everything_stays_and_says_so():
    decision = decide(ask(), KEYLESS)
    assert (decision.backend.name, decision.route) == ("anthropic", None)
    assert decision.reason == "no key for zai"


PAUSED = Circumstances(is_paused=True)


def test_paused_requests_stay_that_would_have_been_delegated():
    decision = router.decide(read(ask()), DEFAULTS, PAUSED)
    assert (decision.backend.name, decision.reason) == ("anthropic", "paused")
    assert not decision.is_ordinary
    opus = read(ask("claude-opus-4-6"))
    assert router.decide(opus, DEFAULTS, PAUSED) == router.decide(opus, DEFAULTS)


@pytest.mark.parametrize(
    ("lets_finish", "is_warm", "body", "reason"),
    [
        (True, True, ask(), "paused, conversation goes on"),
        (True, False, ask(), "paused"),
        (False, True, ask(), "paused"),
        (True, True, ask(safeguards={}), "kept: safety_check"),
    ],
)
def test_paused_conversation_goes_on_only_if_warm_and_wanted(lets_finish, is_warm, body, reason):
    found = settings_with_key(let_conversations_finish=lets_finish)
    asked = []

    def warm(backend):
        asked.append(backend.name)
        return is_warm

    decision = router.decide(read(body), found, Circumstances(is_paused=True, is_warm=warm))
    assert decision.reason == reason
    assert decision.is_delegated is (reason == "paused, conversation goes on")
    assert not decision.is_ordinary
    assert asked == (["zai"] if lets_finish else [])


def test_first_matching_route_counts_and_routes_are_data():
    other = Backend(name="other", base_url="http://127.0.0.1:1", key=Secret("k" * 20))
    found = settings_with_key(
        backends=(*DEFAULTS.backends, other),
        routes=(
            Route(match="Opus", backend="other", send_model="big"),
            Route(match="sonnet-4", backend="anthropic"),
            *default_routes(),
        ),
    )
    assert decide(ask("claude-opus-4-6"), found).backend is other
    kept = decide(ask("claude-sonnet-4-5"), found)
    assert (kept.backend.name, kept.reason) == ("anthropic", "route sonnet-4")
    assert not kept.is_delegated
    assert decide(ask("claude-sonnet-5"), found).backend.name == "zai"
    assert decide(ask("x"), settings_with_key(routes=())).reason == "default"


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "data": "x"}}
PROBE = {"max_tokens": 1, "messages": [user("quota")]}
MONITOR = "You are a security monitor for autonomous AI coding agents.\nJudge:"


def nested(block):
    return {"messages": [user("Hi"), assistant("ok"), user(result("t", content=[block]))]}


KEPT = [
    ("quota_probe", PROBE),
    ("quota_probe", {"max_tokens": 1, "messages": [user(text("quota"))]}),
    ("quota_probe", {**PROBE, "stream": False, "metadata": {"user_id": "u"}}),
    ("server_tools", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("server_tools", {"tools": [{"name": "Read"}, {"type": "web_fetch_20250910"}]}),
    ("server_tools", {"tools": [{"type": "code_execution_20250825"}]}),
    ("server_tools", {"tools": [{"type": ["odd"]}]}),
    ("server_tools", {"mcp_servers": [{"type": "url", "url": "https://x"}]}),
    ("images", {"messages": [user(IMAGE, "What is this?")]}),
    ("images", {"messages": [user(IMAGE), assistant("A cat"), user("Sure?")]}),
    ("images", nested(IMAGE)),
    ("images", {"messages": [user(result("t", content={"type": "x", "content": [IMAGE]}))]}),
    ("documents", {"messages": [user(DOCUMENT, "Sum up")]}),
    ("documents", nested(DOCUMENT)),
    ("context_size", {"messages": [user("a" * 700_100)]}),
    ("safety_check", {"safeguards": {"kind": "dangerous_tool_use"}}),
    ("safety_check", {"safeguards": []}),
    ("safety_check", {"stop_sequences": ["</severity>"]}),
    ("safety_check", {"stop_sequences": ["x", "</block>"]}),
    ("safety_check", {"system": MONITOR}),
    ("safety_check", {"system": [text(MONITOR), text("more")]}),
    ("safety_check", {"system": [text(BILLING), text(MONITOR)]}),
    ("safety_check", {"system": [text(BILLING), text(""), text(MONITOR)]}),
    ("safety_check", {"system": f"{BILLING}\n{MONITOR}"}),
    ("safety_check", {"system": [text(f"{BILLING}\n\n{MONITOR}")]}),
]


@pytest.mark.parametrize(("rule", "fields"), KEPT)
def test_what_glm_cannot_serve_stays_on_anthropic_unless_the_rule_is_off(rule, fields):
    body = ask(**fields)
    kept = decide(body)
    assert (kept.backend.name, kept.reason) == ("anthropic", f"kept: {rule}")
    assert decide(body, without_rule(rule)).backend.name == "zai"


@pytest.mark.parametrize("rule", ["server_tools", "images", "documents"])
def test_backend_that_can_serve_it_gets_it(rule):
    fields = next(fields for name, fields in KEPT if name == rule)
    found = settings_with_key(
        backends=tuple(msgspec.structs.replace(each, **{rule: True}) for each in DEFAULTS.backends)
    )
    assert decide(ask(**fields), found).backend.name == "zai"


def test_image_and_document_are_two_rules():
    body = ask(messages=[user(IMAGE, DOCUMENT)])
    assert decide(body).reason == "kept: images"
    assert decide(body, without_rule("images")).reason == "kept: documents"
    neither = settings_with_key(keep_on_anthropic=KeepRules(images=False, documents=False))
    assert decide(body, neither).backend.name == "zai"


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 2, "messages": [user("quota")]},
        {**PROBE, "stream": True},
        {"max_tokens": 1, "messages": [user("quota of what?")]},
        {"max_tokens": 1, "messages": [user("quota"), assistant("ok"), user("quota")]},
        {"max_tokens": 1, "messages": [user("quota", "now")]},
        {"max_tokens": 1, "messages": [user()]},
        {"max_tokens": 1, "messages": [{"role": "user", "content": None}]},
        {"max_tokens": 1, "messages": []},
        {"max_tokens": ["1"], "messages": [user("quota")]},
        {"tools": []},
        {"tools": None, "mcp_servers": []},
        {"tools": [{"name": "Read", "input_schema": {}}, {"type": "custom", "name": "Edit"}]},
        {"messages": [user("image"), assistant({"type": "tool_use", "input": IMAGE})]},
        nested(text("image")),
        {"messages": [user("a" * 699_000)]},
        {"safeguards": None},
        {"stop_sequences": ["</severity> "]},
        {"stop_sequences": "</block>"},
        {"stop_sequences": [None, ["</block>"]]},
        {"system": "You are a security monitor"},
        {"system": [text("Hello"), text(MONITOR)]},
        {"system": f"{BILLING}\n"},
        {"system": []},
    ],
)
def test_what_only_looks_like_a_kept_request_is_delegated(fields):
    assert decide(ask(**fields)).backend.name == "zai"


def test_context_is_the_routes_own():
    body = {"messages": [user("a" * 500_000)]}
    assert decide(ask("claude-sonnet-4-5", **body)).backend.name == "zai"
    assert decide(ask("claude-haiku-4-5", **body)).reason == "kept: context_size"
    unlimited = settings_with_key(routes=(Route(match="haiku", backend="zai"),))
    assert decide(ask("claude-haiku-4-5", **body), unlimited).backend.name == "zai"


ALL_RULES = st.builds(KeepRules, **dict.fromkeys(KeepRules.__struct_fields__, st.booleans()))


@given(raw_bodies, ALL_RULES)
@settings(unhurried, max_examples=400)
def test_any_readable_body_gets_a_decision(raw, rules):
    try:
        body = request_body.read(raw)
    except MalformedBodyError:
        return
    decision = router.decide(body, settings_with_key(keep_on_anthropic=rules))
    assert decision.reason
    if decision.is_delegated:
        assert any(tier in (body.model or "").lower() for tier in ("sonnet", "haiku"))
    affinity.session_id_of(None, body)
    keep_rules.is_quota_probe(body)
    tiers.tier_of(body.model, decision)


@unhurried
@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(["sonnet", "SONNET", "Haiku"]))
def test_tier_anywhere_in_the_name_is_delegated(before, after, tier):
    assert decide(ask(f"{before}{tier}{after}")).is_delegated


@unhurried
@given(st.text())
def test_no_tier_in_the_name_stays_on_anthropic(model):
    if not any(name in model.lower() for name in ("sonnet", "haiku", "glm-")):
        assert not router.decide(request_body.read(encode(ask(model))), DEFAULTS).is_delegated


AUTO = settings_with_key(delegation="auto")


def asked_autopilot(model, *, is_claude, found=AUTO, **around):
    """The decision, and what the autopilot was asked."""
    questions = []

    def choose(*question):
        questions.append(question)
        return AutopilotChoice(is_claude=is_claude, why="because")

    decision = router.decide(
        read(encode(ask(model))), found, Circumstances(choose=choose, **around)
    )
    return (decision.backend.name, decision.reason), questions


def test_autopilot_is_asked_with_the_model_and_where_it_would_go():
    ways = [
        asked_autopilot("claude-Sonnet-4-5", is_claude=is_claude) for is_claude in (True, False)
    ]
    assert ways == [
        (("anthropic", "because"), [("claude-Sonnet-4-5", "zai")]),
        (("zai", "because"), [("claude-Sonnet-4-5", "zai")]),
    ]


@pytest.mark.parametrize("model", ["claude-opus-4-6", "glm-4.7", "sonnet", "my-haiku"])
def test_autopilot_has_no_say_in_what_the_user_routed_beside_execution_work(model):
    routes = (Route(match=model, backend="zai"),)
    found = msgspec.structs.replace(AUTO, routes=routes)
    assert asked_autopilot(model, is_claude=True, found=found) == (("zai", f"route {model}"), [])


@pytest.mark.parametrize(("is_claude", "reason"), [(True, "route sonnet"), (False, "because")])
def test_spent_plan_is_no_choice_whatever_the_autopilot_says(is_claude, reason):
    decision, _ = asked_autopilot(
        "claude-sonnet-4-5", is_claude=is_claude, is_claude_spent=lambda: True
    )
    assert decision == ("zai", reason)


@pytest.mark.parametrize("model", ["glm-5.3", "GLM-4.7", "glm-5.2[1m]"])
@pytest.mark.parametrize("routes", [(), (Route(match="opus", backend="anthropic"),)])
def test_model_of_the_delegate_goes_there_by_its_name(model, routes):
    own = settings_with_key(routes=routes)
    image = {"type": "image", "source": {}}
    assert decide(ask(model), own).backend.name == "zai"
    assert decide(ask(model, messages=[user(image)]), own).backend.name == "zai"


def test_users_own_route_for_the_delegates_model_counts_first():
    own = settings_with_key(routes=(Route(match="glm", backend="zai", send_model="glm-5.4"),))
    assert decide(ask("glm-4.7"), own).route.send_model == "glm-5.4"


@pytest.mark.parametrize(
    ("own", "around", "why"),
    [
        (settings_with_key(), Circumstances(is_paused=True), "paused"),
        (settings_with_key(delegation="never"), ORDINARY, "delegation is off"),
        (Settings(backends=default_backends()), ORDINARY, "no key for zai"),
    ],
)
def test_model_of_the_delegate_that_nobody_may_serve_gets_one_clear_error(own, around, why):
    with pytest.raises(RequestFailedError) as caught:
        router.decide(read(ask("glm-5.3")), own, around)
    assert caught.value.failure.status == 400
    assert why in caught.value.failure.message
    assert "glm-5.3" in caught.value.failure.message


@pytest.mark.parametrize(
    ("source", "served_by"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "Words"}, "zai"),
        ({"type": "content", "content": "Words"}, "zai"),
        ({"type": "content", "content": [text("Words")]}, "zai"),
        ({"type": "content", "content": [{"type": "image"}]}, "anthropic"),
        ({"type": "content", "content": 7}, "zai"),
        ({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}, "anthropic"),
        ({"type": "url", "url": "https://example.invalid/a.pdf"}, "anthropic"),
        ({"type": "file", "file_id": "file_1"}, "anthropic"),
        ("odd", "anthropic"),
        (None, "anthropic"),
    ],
)
def test_document_stays_on_claude_unless_it_is_written_in_the_request(source, served_by):
    block = {"type": "document", "source": source}
    for message in (user(block), user(result("t", content=[block]))):
        body = read(ask("claude-sonnet-5-5", messages=[message]))
        assert router.decide(body, DEFAULTS).backend.name == served_by


@pytest.mark.parametrize("fields", [{"messages": {"odd": 1}}, {"thinking": "odd"}])
def test_unreadable_request_for_a_model_of_the_delegate_goes_to_nobody(fields):
    with pytest.raises(RequestFailedError) as caught:
        router.decide(read(ask("glm-4.7", **fields)), DEFAULTS)
    assert caught.value.failure.status == 400
    assert "glm-4.7" in caught.value.failure.message
    assert router.decide(read(ask("sonnet", **fields)), DEFAULTS).backend.name == "anthropic"


@pytest.mark.parametrize("others", [[], [{"type": "web_search_20250305", "name": "web_search"}]])
def test_advisor_does_not_keep_a_request_but_another_server_tool_does(others):
    tools = [{"name": "Bash"}, {"type": "advisor_20260301", "name": "advisor"}, *others]
    found = decide(ask("claude-sonnet-5-5", tools=tools))
    assert found.backend.name == ("anthropic" if others else "zai")


def test_settings_that_change_count_for_the_next_request_and_back_again():
    body = read(encode(ask("claude-opus-4-6")))
    to_zai = settings_with_key(routes=(Route(match="opus", backend="zai"),))
    table = router.RouteTable()
    found = [router.decide(body, each, table=table).backend.name for each in (DEFAULTS, to_zai) * 2]
    assert found == ["anthropic", "zai"] * 2
    assert router.by_name(body, to_zai, table) is None
    assert router.by_name(body, DEFAULTS, table) == router.decide(body, DEFAULTS)


def test_two_tables_do_not_disturb_each_other():
    body = read(encode(ask("claude-opus-4-6")))
    to_zai = settings_with_key(routes=(Route(match="opus", backend="zai"),))
    pairs = [(DEFAULTS, router.RouteTable()), (to_zai, router.RouteTable())] * 2
    found = [router.decide(body, each, table=table).backend.name for each, table in pairs]
    assert found == ["anthropic", "zai"] * 2


def test_any_number_of_models_is_told_apart():
    table = router.RouteTable()
    for number in range(250):
        body = read(encode(ask(f"claude-{('opus', 'sonnet')[number % 2]}-{number}")))
        found = router.decide(body, settings_with_key(), table=table)
        assert found.is_delegated is bool(number % 2)
