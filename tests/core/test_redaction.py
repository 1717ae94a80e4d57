"""Credentials leave a text in whatever spelling, and ordinary text stays as it is."""

from __future__ import annotations

import base64
import json
import string
from typing import TYPE_CHECKING

import key_spellings
import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_spellings import SPELLINGS

from offramp_core.redaction import (
    MASK,
    Redactor,
    holds_key,
    mask_address,
    mask_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ZAI = "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp"
OAUTH = "sk-ant-oat01-Tq7ZxW2mRb9KvLp4Nc8YsHd3JfGu6Ee5TiOyVqXa1BhMzDlCgUrFjSkPnwigAA"
OPAQUE = "opaque/corporate+key=Uv83nMq2~_x"
SHAPELESS = "plainKeyOfNoKnownShapeAtAll0815"
DOTTED = "sk-abcdefgh.the-rest-of-it.which-is-longer!and=odd"
SHORT = "Xk9-Qw3-Pz"
KEYS = (ZAI, OAUTH, OPAQUE, SHAPELESS, DOTTED, SHORT)
FRAMES = ("{}", "the key {} is wrong", '{{"error": "{}"}}', "<p>{}</p>", "«{}»", "…{}\U0001f511")
ORDINARY = (
    "prompt is too long: 213000 tokens > 200000 maximum",
    "messages.3.content.4: Invalid `signature` in `thinking` block",
    "100% of 5 &amp; 6 \\u00e9 \\n C:\\Users\\me %7B%22a%22%7D &eacute; 50%ab",
    "aGVsbG8gd29ybGQsIHRoaXMgaXMgbm90aGluZw== 68656c6c6f20776f726c64",
    "Insufficient balance or no resource package. Please recharge. [1113]",
    '{"model": "claude-sonnet-4-5", "tokens": 12}',
)


def longest_common(text: str, key: str) -> int:
    """The length of the longest piece of `key` that stands in `text`."""
    return max(
        (end - start)
        for start in range(len(key))
        for end in range(start, len(key) + 1)
        if key[start:end].lower() in text.lower()
    )


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("spell", SPELLINGS)
def test_known_key_in_any_spelling_is_masked_wholly(
    spell: Callable[[str], str], key: str, frame: str
) -> None:
    spelt = spell(key)
    if key == SHORT and spell is key_spellings.with_a_middle_cut:
        return  # half of a short key is no longer than a word
    said = Redactor(KEYS).redact(frame.format(spelt))
    assert said == frame.format(MASK) or (said.count(MASK) == 2 and "..." in spelt)


@pytest.mark.parametrize("key", KEYS)
def test_part_of_a_key_that_is_left_is_a_third_or_half_of_a_short_one(key: str) -> None:
    redactor = Redactor([key])
    for start in range(len(key)):
        for end in range(start + 1, len(key) + 1):
            said = redactor.redact(f"<{key[start:end]}>")
            assert longest_common(said, key) < max(len(key) / 3, min(12, len(key) * 2 / 3)) + 1


def test_shape_at_the_start_of_a_known_key_does_not_save_the_rest_of_it() -> None:
    for spell in (key_spellings.plain, key_spellings.percent_encoded_last):
        assert Redactor([DOTTED]).redact(spell(DOTTED)) == MASK


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor(KEYS).redact(text) == text
    assert not Redactor(KEYS).holds(text)
    assert mask_credentials(text) == text


@pytest.mark.parametrize("key", [ZAI, OAUTH])
@pytest.mark.parametrize(
    "spell",
    [
        key_spellings.json_escaped,
        key_spellings.percent_encoded,
        key_spellings.decimal_references,
        key_spellings.json_escaped_here_and_there,
        key_spellings.references_in_json,
    ],
)
def test_key_that_nobody_named_is_known_by_its_shape_in_any_escapes(
    spell: Callable[[str], str], key: str
) -> None:
    assert key[-8:] not in mask_credentials(f"is {spell(key)} wrong")
    assert mask_credentials(f"is {spell(key)} wrong") == f"is {MASK} wrong"
    assert holds_key(spell(key))


LONG = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "\\" * LONG,
        "\\" * LONG + "z",
        "\\/" * (LONG // 2),
        "-eyJ" * (LONG // 100),
        "eyJ_" * (LONG // 100),
    ],
    ids=["backslashes", "backslashes and a letter", "slashes", "beginnings of tokens", "others"],
)
def test_long_text_that_nearly_holds_a_key_is_read_in_one_go(text: str) -> None:
    # Where each place is looked at from each other one, this takes hours.
    assert Redactor(KEYS).holds(text) is False
    assert mask_credentials(text) == text


def test_base64_that_repeats_a_key_is_masked_in_one_go() -> None:
    coded = base64.b64encode(OAUTH.encode()).decode().rstrip("=")
    assert Redactor([OAUTH]).redact(f"<{coded * 2000}>") == "<***>"


@pytest.mark.parametrize("spell", SPELLINGS[:26])
def test_values_are_hidden_in_json_without_breaking_it(spell: Callable[[str], str]) -> None:
    text = json.dumps({"token_count": 5, spell(ZAI): [spell(OPAQUE), {"api_key": None}]})
    said = json.loads(Redactor(KEYS).hide_values(text))
    assert said == {"token_count": 5, MASK: [MASK, {"api_key": None}]}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://proxy.example:8080", "http://proxy.example:8080"),
        ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"),
        ("localhost,127.0.0.1,*.example", "localhost,127.0.0.1,*.example"),
        ("http://u:pass@proxy.example:8080/", "http://***@proxy.example:8080/"),
        ("HTTP://pass@proxy.example", "HTTP://***@proxy.example"),
        ("u:pass@proxy.example:1", "***@proxy.example:1"),
        ("socks5h://u:pa/s@s@proxy.example", "socks5h://***@proxy.example"),
        ("http://u:pa?s#s@proxy.example", "http://***@proxy.example"),
        ("http://u:pa\nss@proxy.example", "http://***@proxy.example"),
        ("http://u%3Apass@proxy.example", "http://***@proxy.example"),
        ("http://proxy.example/?t=pass", "http://proxy.example/?***"),
        ("http://proxy.example/#pass", "http://proxy.example/#***"),
    ],
)
def test_address_of_a_proxy_is_shown_without_its_login(address: str, shown: str) -> None:
    assert mask_address(address) == shown


characters = st.sampled_from(
    [
        str,
        key_spellings.json_escaped,
        key_spellings.percent_encoded,
        key_spellings.hexadecimal_references,
        key_spellings.source_escaped,
    ]
)
layers = st.lists(
    st.sampled_from(
        [
            key_spellings.json_escaped,
            key_spellings.percent_encoded,
            key_spellings.decimal_references,
        ]
    ),
    max_size=2,
)


@given(st.lists(characters, min_size=len(OPAQUE), max_size=len(OPAQUE)), layers)
def test_key_spelt_differently_at_each_character_is_masked(spell_each, layers) -> None:
    spelt = "".join(spell(character) for spell, character in zip(spell_each, OPAQUE, strict=True))
    for layer in layers:
        spelt = layer(spelt)
    assert Redactor([OPAQUE]).redact(f"({spelt})") == f"({MASK})"


@given(st.text(string.printable + "é€\u0130\ud800", max_size=200), st.text(max_size=50))
def test_any_text_without_the_key_passes_and_any_with_it_is_masked(before, after) -> None:
    redactor = Redactor([SHAPELESS])
    assert redactor.hide_values(before) == before
    said = redactor.hide_values(f"{before}<{SHAPELESS}>{after}")
    assert said == f"{before}<{MASK}>{after}"
