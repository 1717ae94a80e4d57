"""What is taken for a key, and what is plainly none."""

from __future__ import annotations

import pytest

from offramp_core.keys import key_input
from offramp_core.keys.key_input import KeyTextError
from offramp_core.settings import Secret

KEY = "0123456789abcdef0123456789abcdef.AbCdEfGh12345678"


@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f"  {KEY}\r\n\t", f"\ufeff{KEY}\n"])
def test_blanks_and_line_ends_around_a_key_go(text: str) -> None:
    assert key_input.parse(text, "zai") == Secret(KEY)


def test_key_of_another_service_may_look_as_it_likes() -> None:
    assert key_input.parse("sk-or-v1-0123456789", "other") == Secret("sk-or-v1-0123456789")


@pytest.mark.parametrize("text", ["", " \n\t", "\ufeff\n"])
def test_nothing_is_no_key(text: str) -> None:
    with pytest.raises(KeyTextError, match="No key was given"):
        key_input.parse(text, "zai")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sk-ant-oat01-Xk3vP9aQw7LmZt5R", "credential for Anthropic"),
        ("sk-ant-api03-Xk3vP9aQw7LmZt5R", "credential for Anthropic"),
        (f"Bearer {KEY}", "Bearer"),
        (f"Authorization: {KEY}", "header"),
        (f"ZAI_API_KEY={KEY}", "assignment"),
        (f"export ZAI_API_KEY = {KEY}", "assignment"),
        (f'"{KEY}"', "quotes"),
        (f"{KEY}'", "quotes"),
        ("https://z.ai/manage-apikey", "address"),
        (f"{KEY}\n{KEY}", "more than one line"),
        (f"{KEY} {KEY}", "space"),
        (f"{KEY[:10]}\x1b[31m", "control character"),
        (f"{KEY}é", "letter that no key has"),
        ("a" * 5000, "longer than"),
    ],
)
def test_what_is_plainly_no_key_is_refused_and_not_shown(text: str, part: str) -> None:
    with pytest.raises(KeyTextError) as caught:
        key_input.parse(text, "zai")
    assert part in caught.value.title
    assert "Nothing was stored" in caught.value.hint
    assert KEY[:10] not in str(caught.value)
    assert "Xk3vP9" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "backend", "is_usual"),
    [(KEY, "zai", True), ("0123456789abcdef", "zai", False), ("anything", "other", True)],
)
def test_usual_shape_is_known_for_zai_alone(key: str, backend: str, is_usual: bool) -> None:
    assert key_input.has_usual_shape(Secret(key), backend) is is_usual
