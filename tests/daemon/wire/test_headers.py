"""All that may pass passes; what is the client's own never reaches another service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_spellings import SPELLINGS
from multidict import CIMultiDict
from request_bodies import ANTHROPIC_BACKEND, ZAI_BACKEND, ZAI_KEY, backend, unhurried

from offramp_core.redaction import Redactor
from offramp_core.settings import Secret
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from collections.abc import Callable

CLAUDE_TOKEN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1VhCxMzKlDgSaFjUrwigAA"
AS_CLAUDE_CODE_SENDS_THEM = [
    ("Host", "localhost:3001"),
    ("accept", "application/json"),
    ("Authorization", f"Bearer {CLAUDE_TOKEN}"),
    ("X-Api-Key", "sk-ant-api03-another"),
    ("Cookie", "sessionKey=sk-ant-sid01"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "oauth-2025-04-20,interleaved-thinking-2025-05-14"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
    ("x-app", "cli"),
    ("x-claude-code-session-id", "7f9b8a52"),
    ("x-stainless-os", "Linux"),
    ("X-Gateway-Token", "corporate-secret"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("content-type", "application/json"),
    ("Content-Length", "120"),
    ("Connection", "keep-alive"),
]
LOCAL_NAMES = {"host", "content-length", "expect", "x-offramp-hop", "x-offramp-token"}
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
NAMES = st.text(TOKEN_CHARACTERS, min_size=1, max_size=20)
CREDENTIAL_NAMES = st.sampled_from(
    ["authorization", "x-api-key", "cookie", "proxy-authorization", "x-offramp-token", "x-goog-key"]
)
CASES = st.sampled_from([str.lower, str.upper, str.title, str.swapcase])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


def to_client_backend(pairs):
    return as_text(headers.to_client_backend(pairs))


def to_client(pairs, **options):
    return as_text(headers.to_client(pairs, **options))


def to_delegate(pairs, target):
    return as_text(headers.to_delegate(pairs, target))


def as_text(passed):
    return CIMultiDict(
        [(name.decode("utf-8", "surrogateescape"), headers.text(value)) for name, value in passed]
    )


def raw(pairs):
    return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in pairs]


# Towards Anthropic: an open list.


def test_anthropic_gets_all_end_to_end_headers_as_they_came_and_in_order():
    passed = to_client_backend(raw(AS_CLAUDE_CODE_SENDS_THEM))
    expected = [
        pair
        for pair in AS_CLAUDE_CODE_SENDS_THEM
        if pair[0] not in {"Host", "Content-Length", "Connection"}
    ]
    assert list(passed.items()) == expected


def test_repeated_headers_in_mixed_case_all_pass_in_order():
    pairs = [("X-Tag", "1"), ("x-tag", "2"), ("accept", "*/*"), ("X-TAG", "3"), ("x-tag", "2")]
    assert list(to_client_backend(raw(pairs)).items()) == pairs
    assert list(to_client(raw(pairs)).items()) == pairs


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | LOCAL_NAMES))
def test_hop_by_hop_and_local_headers_go_no_further_whatever_their_case(name):
    pairs = [(name.upper(), "a"), (name.title(), "b"), (name, "c"), ("x-other", "d")]
    assert list(to_client_backend(raw(pairs)).items()) == [("x-other", "d")]


def test_headers_that_connection_names_go_no_further():
    pairs = [
        ("X-One", "1"),
        ("Connection", "close, X-ONE ,"),
        ("x-two", "2"),
        ("connection", "x-two"),
        ("x-one", "again"),
        ("x-three", "3"),
    ]
    assert list(to_client_backend(raw(pairs)).items()) == [("x-three", "3")]
    assert list(to_client(raw(pairs)).items()) == [("x-three", "3")]


def test_values_that_are_no_utf_8_do_not_break_anything():
    pairs = [(b"X-Name", b"caf\xe9"), (b"X-\xff", b"1")]
    (first, second) = to_client_backend(pairs).items()
    assert first == ("X-Name", "caf\udce9")  # which is written as it came
    assert second[1] == "1"


def test_answers_head_keeps_all_but_the_framing():
    pairs = [
        ("Content-Type", "text/event-stream"),
        ("Content-Length", "12"),
        ("Content-Encoding", "br"),
        ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("request-id", "req_1"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "timeout=5"),
        ("Connection", "keep-alive"),
    ]
    assert list(to_client(raw(pairs)).items()) == pairs[:7]


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\n", "\r", "\x1b", "\x7f"])
@pytest.mark.parametrize("is_delegates", [True, False])
def test_value_that_no_head_can_hold_is_left_out_and_the_rest_stays(bad, is_delegates):
    pairs = [("Request-Id", f"a{bad}b"), ("Content-Type", "text/plain\tx"), ("date", "ö")]
    passed = to_client(raw(pairs), is_delegates=is_delegates)
    assert list(passed.items()) == pairs[1:]


@pytest.mark.parametrize(
    ("phrase", "passed"),
    [
        ("OK", "OK"),
        ("Not Found, sorry", "Not Found, sorry"),
        ("\x1b[31mOK\r\n", "[31mOK"),
        ("O\x7fK", "OK"),
        ("\udcff", ""),
        ("gut ö", "gut "),
        ("", ""),
        (None, ""),
    ],
)
def test_reason_phrase_holds_nothing_but_printable_characters(phrase, passed):
    assert headers.reason(phrase) == passed


@unhurried
@given(st.lists(st.tuples(NAMES, VALUES)))
def test_of_a_delegates_answer_only_listed_headers_reach_the_client(pairs):
    known = {"content-type", "content-length", "content-encoding", "content-language", "date"}
    known |= {"request-id", "x-request-id", "x-log-id", "server", "x-should-retry"}
    passed = to_client(raw([*pairs, ("Request-Id", "1")]), is_delegates=True)
    assert passed.popall("request-id")[-1] == "1"
    assert {name.lower() for name in passed} <= known | {"vary", "retry-after", "cache-control"}
    for name in ("set-cookie", "location", "refresh", "access-control-allow-origin"):
        assert not to_client(raw([(name, "x")]), is_delegates=True)


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("name", ["request-id", "X-Request-Id", "server", "vary", "x-log-id"])
def test_header_of_a_delegate_that_holds_a_key_is_held_back(
    name: str, spell: Callable[[str], str]
) -> None:
    pairs = [("Request-Id", "req_1"), (name, f"v; {spell(ZAI_KEY)}"), ("Date", "Mon")]
    redactor = Redactor([ZAI_KEY])
    passed = to_client(raw(pairs), is_delegates=True, redactor=redactor)
    assert list(passed.items()) == [("Request-Id", "req_1"), ("Date", "Mon")]


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f,]{1,60}", fullmatch=True))
def test_hop_header_that_goes_on_is_made_of_hops(came):
    sent = headers.hops(came, "0123")
    *before, own = sent.split(",")
    assert own == "0123"
    assert all(hop and set(hop) <= set("0123456789abcdef") for hop in before)
    assert sent in {"0123", f"{came},0123"}


# Towards a delegate: an allow-list.


def test_zai_gets_its_own_key_and_nothing_of_the_clients_credentials():
    passed = to_delegate(raw(AS_CLAUDE_CODE_SENDS_THEM), ZAI_BACKEND)
    assert dict(passed.items()) == {
        "accept": "application/json",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "interleaved-thinking-2025-05-14",
        "User-Agent": "claude-cli/2.1.330 (external, cli)",
        "x-app": "cli",
        "accept-encoding": "gzip, deflate, br, zstd",
        "content-type": "application/json",
        "x-api-key": ZAI_KEY,
    }


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("x-api-key", [("x-api-key", ZAI_KEY)]),
        ("bearer", [("Authorization", f"Bearer {ZAI_KEY}")]),
    ],
)
def test_exactly_one_credential_is_sent(auth, expected):
    passed = to_delegate(
        raw(AS_CLAUDE_CODE_SENDS_THEM),
        backend("zai", auth=auth, headers=("authorization", "x-api-key", "cookie")),
    )
    assert list(passed.items())[-1:] == expected
    assert [name for name in passed if name.lower() in {"authorization", "x-api-key"}] == [
        expected[0][0]
    ]
    assert "cookie" not in passed


def test_backend_without_a_key_gets_no_credential_at_all():
    passed = to_delegate(raw(AS_CLAUDE_CODE_SENDS_THEM), backend("zai", key=None))
    assert not {"authorization", "x-api-key", "cookie"} & {name.lower() for name in passed}


@pytest.mark.parametrize(
    ("lines", "passed"),
    [
        (["a,b"], "a,b"),
        (["b , other,\ta"], "b,a"),
        (["other", "a", "more, b"], "a,b"),
        (["other"], None),
        ([""], None),
        ([",,"], None),
        (["A"], None),
        (["ab", "a-b"], None),
        ([], None),
    ],
)
def test_betas_are_filtered_across_all_lines(lines, passed):
    target = backend("zai", betas=("a", "b"), headers=("anthropic-beta",))
    names = ["anthropic-beta", "Anthropic-Beta", "ANTHROPIC-BETA"]
    sent = to_delegate(raw(zip(names, lines, strict=False)), target)
    assert sent.getall("anthropic-beta", []) == ([passed] if passed else [])


def test_default_betas_leave_the_login_behind():
    pairs = [("anthropic-beta", "oauth-2025-04-20,context-1m-2025-08-07,claude-code-20250219")]
    assert "anthropic-beta" not in to_delegate(raw(pairs), ZAI_BACKEND)


def test_allowed_header_that_connection_names_stays_behind():
    pairs = [("Connection", "x-app"), ("x-app", "cli"), ("Accept", "*/*")]
    assert "x-app" not in to_delegate(raw(pairs), ZAI_BACKEND)


@unhurried
@given(st.lists(st.tuples(NAMES | st.builds(lambda f, n: f(n), CASES, CREDENTIAL_NAMES), VALUES)))
def test_nothing_but_allowed_names_reaches_a_delegate(pairs):
    passed = to_delegate(raw(pairs), ZAI_BACKEND)
    assert passed.popall("x-api-key") == [ZAI_KEY]
    assert {name.lower() for name in passed} <= {*ZAI_BACKEND.headers, "anthropic-beta"}
    assert set(passed.items()) <= set(pairs)


@unhurried
@given(
    st.builds(lambda f, n: f(n), CASES, CREDENTIAL_NAMES | st.sampled_from(ZAI_BACKEND.headers)),
    st.permutations(AS_CLAUDE_CODE_SENDS_THEM),
)
def test_no_value_of_a_credential_reaches_a_delegate(name, pairs):
    secret = "the-clients-own-secret"
    credential = name.lower() not in ZAI_BACKEND.headers
    passed = to_delegate(raw([*pairs, (name, secret)]), ZAI_BACKEND)
    everything = " ".join(f"{each}: {value}" for each, value in passed.items())
    assert (secret in everything) is not credential
    for token in (CLAUDE_TOKEN, "sk-ant", "corporate-secret", "7f9b8a52", "oauth"):
        assert token not in everything


@unhurried
@given(st.lists(st.tuples(NAMES, VALUES)))
def test_anthropic_gets_every_header_that_is_not_for_this_hop(pairs):
    named = {"connection", *HOP_BY_HOP, *LOCAL_NAMES}
    for name, value in pairs:
        if name.lower() == "connection":
            named |= {option.strip().lower() for option in value.split(",")}
    expected = [pair for pair in pairs if pair[0].lower() not in named]
    assert list(to_client_backend(raw(pairs)).items()) == expected


def test_key_of_a_delegate_is_not_added_towards_anthropic():
    passed = to_client_backend(raw([("accept", "*/*")]))
    assert dict(passed.items()) == {"accept": "*/*"}
    assert ANTHROPIC_BACKEND.key is None


@pytest.mark.parametrize(
    ("pairs", "credential"),
    [
        ([("X-API-Key", "sk-ant-1")], "sk-ant-1"),
        ([("authorization", "Bearer sk-ant-2")], "sk-ant-2"),
        ([("Authorization", "bearer  sk-ant-2 ")], "sk-ant-2"),
        ([("Authorization", "Bearer sk-ant-2"), ("x-api-key", "sk-ant-1")], "sk-ant-1"),
        ([("Authorization", "Bearer sk-ant-2"), ("x-api-key", "")], "sk-ant-2"),
        ([("Authorization", "sk-ant-2")], "sk-ant-2"),
        ([("Authorization", "")], None),
        ([("Cookie", "a=1")], None),
        ([], None),
    ],
)
def test_clients_credential_is_found_for_its_mask(pairs, credential):
    assert headers.client_credential(CIMultiDict(pairs)) == credential


def test_secret_in_a_bearer_backend_shows_only_where_it_is_sent():
    target = backend("zai", auth="bearer", key=Secret("k" * 30))
    assert "k" * 30 not in repr(target)
    assert to_delegate([], target)["authorization"] == "Bearer " + "k" * 30
