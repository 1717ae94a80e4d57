"""`ANTHROPIC_BASE_URL` goes into any settings text and out again, and nothing else moves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offramp_core.claude_settings.editing import BASE_URL, find, insert, quoted, remove, replace
from offramp_core.claude_settings.json_spans import SettingsTextError, read

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

URL = "http://localhost:3001"
OTHER = "https://gateway.example/v1"

PRETTY = """{
  "model": "opus",
  "env": {
    "A": "1"
  },
  "permissions": {"allow": []}
}
"""

gaps = st.sampled_from(
    ["", " ", "  ", "\t", "\n", "\n  ", "\n\t\t", "\n\n  ", "\r\n    ", " \r", "\r \t"]
)
"""Whatever may stand between two tokens."""


strings = st.one_of(
    st.sampled_from(['"env"', '"\\u0065nv"', f'"{BASE_URL}"', '"//"', '"}"', '"\\\\"', '"\\""']),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
)
plain = st.sampled_from(["null", "true", "false", "0", "-1.5e+3", "12", '"\\ud800"'])


@st.composite
def containers(draw: DrawFn, items: st.SearchStrategy[str], opening: str, closing: str) -> str:
    parts = [draw(items) for _ in range(draw(st.integers(0, 3)))]
    text = ",".join(draw(gaps) + part + draw(gaps) for part in parts)
    return opening + text + draw(gaps) + closing


@st.composite
def members(draw: DrawFn, keys: st.SearchStrategy[str], inner: st.SearchStrategy[str]) -> str:
    return f"{draw(keys)}{draw(gaps)}:{draw(gaps)}{draw(inner)}"


def objects(keys: st.SearchStrategy[str], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return containers(members(keys, inner), "{", "}")


values = st.recursive(
    strings | plain,
    lambda inner: containers(inner, "[", "]") | objects(strings, inner),
    max_leaves=4,
)
envs = objects(strings, values)


@st.composite
def settings_texts(draw: DrawFn) -> str:
    """Settings with anything in them, in any layout; `env`, if there, is an object."""
    keys = strings.filter(lambda key: json.loads(key) != "env")
    member = members(keys, values) | members(st.sampled_from(['"env"', '"\\u0065nv"']), envs)
    root = draw(containers(member, "{", "}") | st.just(""))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark + draw(gaps) + root + draw(gaps)


def plain_value(text: str) -> object:
    """What the text means to another reader."""
    bare = text.removeprefix("\ufeff")
    return json.loads(bare) if bare.strip() else {}


def refusal_of(text: str) -> SettingsTextError | None:
    try:
        read(text)
    except SettingsTextError as error:
        return error
    return None


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@given(settings_texts())
@example("{}")
@example("{ }")
@example("{\n}")
@example("")
@example("\ufeff")
@example(PRETTY)
@example(PRETTY.replace("\n", "\r\n"))
def test_any_settings_connected_and_disconnected_are_the_same_bytes(text: str) -> None:
    found = find(text)
    if found is None:
        connected, made = insert(text, URL)
        assert is_subsequence(text, connected)
        assert remove(connected, made) == text
    else:
        connected = replace(text, quoted(URL))
        assert replace(connected, text[found.start : found.end]) == text
    now = find(connected)
    assert now is not None
    assert now.value == URL


@given(settings_texts())
def test_connecting_changes_no_meaning_but_the_address(text: str) -> None:
    if find(text) is not None:
        return
    before, after = plain_value(text), plain_value(insert(text, URL)[0])
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    expected = {**before, "env": {**before.get("env", {}), BASE_URL: URL}}
    assert after == expected


@given(settings_texts())
def test_taking_it_out_takes_nothing_else(text: str) -> None:
    found = find(text)
    if found is None:
        return
    rest = remove(text, "member")
    again = find(rest)
    assert again is None or again.start < found.start  # a key that stood there twice
    assert is_subsequence(rest, text)
    read(rest)


@given(st.text(max_size=40) | st.text('{}[]:,"/*\\ \n\r01-.etrufalsn', max_size=30))
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    refusal = refusal_of(text)
    if refusal is not None:
        lines = re.split(r"\r\n|\n|\r", text)
        assert 1 <= refusal.line <= len(lines)
        assert 1 <= refusal.column <= len(lines[refusal.line - 1]) + 1


def test_env_in_lines_gets_one_more_line_in_its_own_style() -> None:
    connected, made = insert(PRETTY, URL)
    assert made == "member"
    added = f'"1",\n    "{BASE_URL}": "{URL}"'
    assert connected == PRETTY.replace('"1"', added)


@pytest.mark.parametrize(
    ("text", "connected", "made"),
    [
        ("{}", '{"env": {"K": "V"}}', "env"),
        ("{}\n", '{"env": {"K": "V"}}\n', "env"),
        ('{"a":1}', '{"a":1,"env":{"K":"V"}}', "env"),
        ('{"env": {}}', '{"env": {"K": "V"}}', "member"),
        ('{"env": { }}', '{"env": { "K": "V" }}', "member"),
        ('{ "env": { "A": "1" } }', '{ "env": { "A": "1", "K": "V" } }', "member"),
        ('{"env":{"A":"1"}}', '{"env":{"A":"1","K":"V"}}', "member"),
        (
            '{\n\t"a": 1\n}',
            '{\n\t"a": 1,\n\t"env": {\n\t\t"K": "V"\n\t}\n}',
            "env",
        ),
        (
            '{\r\n    "a": 1\r\n}\r\n',
            '{\r\n    "a": 1,\r\n    "env": {\r\n        "K": "V"\r\n    }\r\n}\r\n',
            "env",
        ),
        ('{\n  "env": {\n  }\n}', '{\n  "env": {\n    "K": "V"\n  }\n}', "member"),
        ("", '{\n  "env": {\n    "K": "V"\n  }\n}\n', "document"),
        ("\ufeff\r\n", '\ufeff{\r\n  "env": {\r\n    "K": "V"\r\n  }\r\n}\r\n\r\n', "document"),
        ("[]", None, None),
    ],
)
def test_layout_follows_the_file(text: str, connected: str | None, made: str | None) -> None:
    if connected is None:
        with pytest.raises(SettingsTextError):
            insert(text, URL)
        return
    expected = connected.replace('"K"', f'"{BASE_URL}"').replace('"V"', f'"{URL}"')
    assert insert(text, URL) == (expected, made)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"env": {"K": "V", "B": 2}}', '{"env": {"B": 2}}'),
        ('{"env": {"A": 1, "K": "V", "B": 2}}', '{"env": {"A": 1, "B": 2}}'),
        ('{"env": {\n  "A": 1,\n  "K": "V",\n  "B": 2\n}}', '{"env": {\n  "A": 1,\n  "B": 2\n}}'),
        ('{"env": {\n  "A": 1,\n  "K": "V"\n}}', '{"env": {\n  "A": 1\n}}'),
        ('{"env": {"K": "V"}, "z": 1}', '{"z": 1}'),
        ('{\n  "env": {\n    "K": "V"\n  },\n  "z": 1\n}', '{\n  "z": 1\n}'),
    ],
)
def test_taking_it_out_of_an_edited_file_leaves_good_settings(text: str, rest: str) -> None:
    text = text.replace('"K"', f'"{BASE_URL}"').replace('"V"', f'"{URL}"')
    assert remove(text, "env") == rest
    read(rest)


def test_block_that_others_use_now_stays() -> None:
    connected, made = insert('{"a": 1}', URL)
    assert made == "env"
    used = connected.replace(f'"{URL}"', f'"{URL}", "B": "2"')
    assert remove(used, made) == '{"a": 1, "env": {"B": "2"}}'


def test_last_of_two_keys_is_the_one_that_counts() -> None:
    text = f'{{"env": {{"{BASE_URL}": "{URL}"}}, "env": {{"{BASE_URL}": "{OTHER}"}}}}'
    found = find(text)
    assert found is not None
    assert found.value == OTHER
    assert replace(text, '"x"') == text.replace(f'"{OTHER}"', '"x"')


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ('{\n  "a": 1\n  "b": 2}', 3, 3, "a comma"),
        ('{"a" 1}', 1, 6, "a colon"),
        ("{'a': 1}", 1, 2, "a key in double quotes"),
        ('{"a": "b\n"}', 1, 9, "this text contains a line end"),
        ('{"a": "b\\q"}', 1, 9, "this text contains an invalid escape"),
        ('{"a": "b', 1, 7, "this text has no end"),
        ('{"a": 1', 1, 8, "a comma"),
        ("{} {}", 1, 4, "something follows"),
        ('{"NaN": -Infinity}', 1, 9, "this is not a number"),
        ('\ufeff{"a": /* x', 1, 7, "there is a comment"),
        ("{\n  // c\n}", 2, 3, "there is a comment"),
        ("{}\n// c", 2, 1, "there is a comment"),
        ('{"a": [1,\n ], "b": 2}', 1, 9, "there is a comma before a closing bracket"),
        ('{"a": 1,\n}', 1, 8, "there is a comma before a closing bracket"),
        ('{"a": 01}', 1, 8, "a comma"),
        ("{,}", 1, 2, "a key"),
        ('{"a": [,]}', 1, 8, "a value"),
        ('{"a": ' + "[" * 200_000, 1, 1, "the nesting is too deep"),
        ("\r\n\r[", 3, 2, "a value"),
        ("[1]", 1, 1, "the settings are not an object"),
        ("12", 1, 1, "the settings are not an object"),
        ('{"env": null}', 1, 9, "env is not an object"),
        ('{"env": ["x"]}', 1, 9, "env is not an object"),
    ],
)
def test_unusable_settings_are_refused_with_their_place(
    text: str, line: int, column: int, problem: str
) -> None:
    with pytest.raises(SettingsTextError) as refusal:
        find(text)
    assert (refusal.value.line, refusal.value.column) == (line, column)
    assert refusal.value.problem.startswith(problem)
