"""Names and ids of tool calls: what is valid stays, all else becomes valid and unique."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.messages.tool_names import (
    NO_NAME,
    KnownTools,
    is_valid_id,
    is_valid_name,
    repaired_id,
    repaired_name,
)

TOOLS = KnownTools(
    ("Bash", "Read", "Write", "mcp__files__read", "WebFetch", "str_replace_editor", "not valid")
)
ANTHROPIC_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}\Z")
ANTHROPIC_ID = re.compile(r"^[a-zA-Z0-9_-]+\Z")


@pytest.mark.parametrize(
    ("leaked", "meant"),
    [
        ("Bash</arg_value>", "Bash"),
        ("<tool_call>Bash", "Bash"),
        ("<tool_call>Bash</tool_call>", "Bash"),
        ("Bash\n", "Bash"),
        (" Bash\t", "Bash"),
        ("Bash<|im_end|>", "Bash"),
        ("<|tool_call_begin|>functions.Bash:0<|tool_call_argument_begin|>", "Bash"),
        ("<\uff5ctool\u2581call\u2581begin\uff5c>Bash", "Bash"),
        ("Bash</arg_va", "Bash"),
        ("Bash<", "Bash"),
        ("Bash\n<arg_key>command</arg_key>\n<arg_value>ls</arg_value>", "Bash"),
        ("Bash<arg_key>command", "Bash"),
        ('Bash\n{"command": "ls"}', "Bash"),
        ("<tool_call>\r\nBash\r\n", "Bash"),
        ("<function=Bash>", "Bash"),
        ("functions.Bash", "Bash"),
        ("functions.Bash:0", "Bash"),
        ('"Bash"', "Bash"),
        ("`Bash`", "Bash"),
        ("Bash()", "Bash"),
        ("bash</arg_value>", "Bash"),
        ("BASH ", "Bash"),
        ("mcp__files__read</arg_key>", "mcp__files__read"),
        ("str_replace editor", "str_replace_editor"),
        ("not valid", "not_valid"),
        ("mcp.files.read</tool_call>", "mcp_files_read"),
    ],
)
def test_name_with_leaked_tokens_becomes_the_offered_tool(leaked: str, meant: str) -> None:
    assert repaired_name(leaked, TOOLS) == meant


@pytest.mark.parametrize(
    ("leaked", "left"),
    [
        ("Bash</arg_value>", "Bash"),
        ("<tool_call>Bash", "Bash"),
        ("Bash\n<arg_key>command</arg_key>", "Bash"),
        ("functions.Bash:0", "Bash"),
        ("<>", NO_NAME),
        ("naïve tool", "na_ve_tool"),
        ("", NO_NAME),
        ("<tool_call>", NO_NAME),
        ("\n", NO_NAME),
        ("x" * 200, "x" * 128),
        (None, NO_NAME),
        (7, NO_NAME),
        (["Bash"], NO_NAME),
    ],
)
def test_name_without_known_tools_keeps_what_is_valid_of_it(leaked: object, left: str) -> None:
    assert repaired_name(leaked) == left


def test_name_that_holds_two_tools_becomes_the_one_before_the_token() -> None:
    assert repaired_name("Read</arg_value>Write", TOOLS) == "Read"
    assert repaired_name("Read.Write", TOOLS) == "Read_Write"


def test_namespace_that_is_not_a_templates_leads_to_no_other_tool() -> None:
    assert repaired_name("mcp.other.Read", TOOLS) == "mcp_other_Read"
    assert repaired_name("mcp.other.read", TOOLS) == "mcp_other_read"


def test_name_that_two_tools_share_in_other_cases_is_not_guessed() -> None:
    assert repaired_name("READ\n", KnownTools(("Read", "read"))) == "READ"
    assert repaired_name("read\n", KnownTools(("Read", "read"))) == "read"


@pytest.mark.parametrize("name", ["Bash", "bash", "no_such_tool", "a" * 128, "-", "tool"])
def test_valid_name_stays_whether_offered_or_not(name: str) -> None:
    assert repaired_name(name, TOOLS) == name


@given(st.text() | st.none() | st.integers(), st.lists(st.text(max_size=12), max_size=4))
def test_any_name_becomes_valid_and_stays_so(name: object, known: list[str]) -> None:
    repaired = repaired_name(name, KnownTools(known))

    assert ANTHROPIC_NAME.match(repaired)
    assert is_valid_name(repaired)
    assert repaired_name(repaired, KnownTools(known)) == repaired


@pytest.mark.parametrize("name", ["", "Bash\n", "a" * 129, "é", "٣", None, 3, b"Bash"])
def test_name_outside_the_pattern_is_not_valid(name: object) -> None:
    assert not is_valid_name(name)


@pytest.mark.parametrize("call_id", ["", "functions.Bash:0", "call_1\n", "é", None, 3, []])
def test_id_outside_the_pattern_is_not_valid(call_id: object) -> None:
    assert not is_valid_id(call_id)


@pytest.mark.parametrize(
    ("call_id", "taken", "repaired"),
    [
        ("call_1", (), "call_1"),
        ("call_1", ("call_1",), "call_1_2"),
        ("call_1", ("call_1", "call_1_2"), "call_1_3"),
        ("functions.Bash:0", (), "functions_Bash_0"),
        ("functions.Bash:0", ("functions_Bash_0",), "functions_Bash_0_2"),
        ("", (), "call"),
        (None, ("call",), "call_2"),
        (17, (), "call"),
        ("call:1", ("call_1",), "call_1_2"),
        ("x" * 300, (), "x" * 300),
    ],
)
def test_id_becomes_one_that_is_not_taken(
    call_id: object, taken: tuple[str, ...], repaired: str
) -> None:
    assert repaired_id(call_id, taken) == repaired


@given(st.lists(st.text(max_size=6) | st.none() | st.integers() | st.just("call_1")))
def test_ids_of_many_calls_become_valid_and_unique(ids: list[object]) -> None:
    taken: set[str] = set()
    for call_id in ids:
        repaired = repaired_id(call_id, taken)
        assert ANTHROPIC_ID.match(repaired)
        assert repaired not in taken
        taken.add(repaired)
