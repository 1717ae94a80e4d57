"""Adding and removing whole tables of backends, with all else byte for byte as it was."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.config import example
from offramp_core.config.editor import edited

KIMI = '[backend.kimi]\nbase_url = "https://api.moonshot.ai/anthropic"\n'
URL = {"base_url": "https://api.moonshot.ai/anthropic"}
BEFORE = """\
port = 3002  # mine

[backend.other]   # my gateway
base_url = "https://llm.example.com"  # and its address

# The routes.
[[route]]
match = "sonnet"
backend = "other"
"""


@pytest.mark.parametrize("before", ["", BEFORE, "port = 3001", BEFORE + "\n\n"])
def test_table_is_put_behind_everything_else(before: str) -> None:
    text = edited(before, {"backend.kimi": URL})
    start = before.rstrip("\n")
    assert text == (f"{start}\n\n{KIMI}" if start else KIMI)


@pytest.mark.parametrize("before", ["", "port = 3001\n", BEFORE])
def test_table_that_was_added_leaves_without_a_trace(before: str) -> None:
    assert edited(edited(before, {"backend.kimi": URL}), {"backend.kimi": None}) == before


def test_comment_of_the_next_table_stays_when_one_before_it_goes() -> None:
    text = edited(BEFORE, {"backend.other": None})
    assert text == (
        'port = 3002  # mine\n\n# The routes.\n[[route]]\nmatch = "sonnet"\nbackend = "other"\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        'backend.kimi.base_url = "https://a.example"\n',
        'backend = { kimi = { base_url = "https://a.example" } }\n',
        '[backend]\nkimi = { base_url = "https://a.example" }\n',
        '[backend."kimi"]\nbase_url = "https://a.example"\n',
        '  [ backend . kimi ]  # mine\nheaders = ["""\n[backend.kimi]\n"""]\n',
        'log_dir = """\n[backend.kimi]\n"""\n[backend.kimi]\nkey = "a"\n',
    ],
)
def test_table_in_any_form_can_be_removed(text: str) -> None:
    before = tomllib.loads(text)
    after = tomllib.loads(edited(text, {"backend.kimi": None}))
    assert after.pop("backend", {}) == {}
    assert after == {key: value for key, value in before.items() if key != "backend"}


def test_table_is_added_beside_one_that_is_written_in_a_line() -> None:
    text = edited('backend = { zai = { auth = "bearer" } }\n', {"backend.kimi": URL})
    assert tomllib.loads(text)["backend"] == {"zai": {"auth": "bearer"}, "kimi": URL}


def test_shipped_example_keeps_every_line() -> None:
    text = edited(example.text(), {"backend.kimi": URL})
    assert text.startswith(example.text().rstrip("\n"))
    assert edited(text, {"backend.kimi": None}) == example.text()


@given(
    st.lists(
        st.sampled_from(
            [
                "# a note",
                "",
                "[tray]\npicture = 'left'",
                "[backend.a]\nauth = 'none'",
                "[backend.kimi]\nauth = 'none' # x",
                "[[route]]\nmatch = 'a'\nbackend = 'b'",
                "[keep_on_anthropic]\nimages = true",
            ]
        ),
        unique=True,
    )
)
def test_removing_takes_only_that_table(parts: list[str]) -> None:
    text = "\n".join(parts) + "\n"
    before = tomllib.loads(text)
    after = edited(text, {"backend.kimi": None})
    before.get("backend", {}).pop("kimi", None)
    found = tomllib.loads(after)
    assert found.pop("backend", {}) == before.pop("backend", {})
    assert found == before
    assert after.count("# a note") == text.count("# a note")
