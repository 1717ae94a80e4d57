"""Short texts for tokens, shares and durations."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_core.wording.formatting import (
    backend_name,
    escaped,
    format_dollars,
    format_duration,
    format_percent,
    format_tokens,
    printable,
    share,
    short_model,
    spreadsheet_safe,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (890, "890"),
        (999, "999"),
        (1_000, "1.0k"),
        (1_250, "1.3k"),
        (45_000, "45.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (2_100_000, "2.1M"),
        (3_400_000_000, "3.4G"),
        (7_000_000_000_000_000, "7000T"),
        (-1_250, "-1.3k"),
    ],
)
def test_token_count_is_short_text(count: int, text: str) -> None:
    assert format_tokens(count) == text


@settings(deadline=None)
@given(st.integers(0, 10**14))
def test_any_token_count_reads_back_within_a_twentieth(count: int) -> None:
    text = format_tokens(count)
    match = re.fullmatch(r"(\d{1,3}(?:\.\d)?)([kMGT]?)", text)
    assert match is not None
    factor = 1000 ** " kMGT".index(match[2] or " ")
    assert float(match[1]) * factor == pytest.approx(count, rel=0.05)


@settings(deadline=None)
@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_larger_token_count_never_reads_smaller(one: int, other: int) -> None:
    def value(text: str) -> float:
        digits = text.rstrip("kMGT")
        factor: int = 1000 ** len("kMGT"[: "kMGT".find(text[-1]) + 1])
        return float(digits) * factor

    small, large = sorted((one, other))
    assert value(format_tokens(small)) <= value(format_tokens(large))


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0%"),
        (0.001, "<1%"),
        (0.005, "<1%"),
        (0.006, "1%"),
        (0.62, "62%"),
        (0.994, "99%"),
        (0.9999, ">99%"),
        (1.0, "100%"),
        (1.2, "120%"),
    ],
)
def test_fraction_is_percent_that_never_hides_a_rest(fraction: float, text: str) -> None:
    assert format_percent(fraction) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (12 * 60 + 20, "12 min"),
        (3600, "1 h"),
        (2 * 3600 + 5 * 60, "2 h 5 min"),
        (86_400, "1 d"),
        (3 * 86_400 + 4 * 3600 + 59 * 60, "3 d 4 h"),
        (-90, "-1 min"),
    ],
)
def test_duration_is_its_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_share_of_nothing_is_nothing() -> None:
    assert share(0, 0) == 0.0
    assert share(1, 4) == 0.25


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("claude-sonnet-4-5-20250929", "sonnet-4-5"),
        ("claude-sonnet-4-5-20250929[1m]", "sonnet-4-5[1m]"),
        ("claude-opus-4-6", "opus-4-6"),
        ("claude-3-5-haiku", "3-5-haiku"),
        ("claude-", "claude-"),
        ("glm-4.7", "glm-4.7"),
        (None, "no model"),
        ("", "no model"),
        ("a\x1b[2J\n", "a?[2J?"),
    ],
)
def test_model_is_named_without_what_all_have_in_common(name: str | None, short: str) -> None:
    assert short_model(name) == short


@given(st.text())
def test_shown_name_is_printable_and_no_longer(name: str) -> None:
    assert printable(name).isprintable()
    assert len(printable(name)) == len(name)


@pytest.mark.parametrize(
    ("backend", "name"),
    [("anthropic", "Claude"), ("zai", "Z.ai"), ("own", "own"), ("a\x1b[2J", "a?[2J")],
)
def test_backend_is_called_what_people_call_it(backend: str, name: str) -> None:
    assert backend_name(backend) == name


@given(st.text())
def test_escaped_json_means_the_same_and_is_printable(text: str) -> None:
    shown = escaped(json.dumps(text, ensure_ascii=False).encode())
    assert shown.isprintable()
    assert json.loads(shown) == text


@pytest.mark.parametrize("character", ["\x7f", "\x9b", "\u202e", "\u2028", "\U000e0041"])
def test_escaped_json_shows_no_control_or_direction_character(character: str) -> None:
    line = json.dumps(f"model{character}", ensure_ascii=False).encode()
    assert character not in escaped(line)
    assert json.loads(escaped(line)) == f"model{character}"


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-2", " =1", "'=1", "\t=1"]
)
def test_cell_is_no_formula(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{text}"


def test_ordinary_cell_stays() -> None:
    assert spreadsheet_safe("glm-4.7 = good") == "glm-4.7 = good"


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0.00"), (0.0004, "<$0.01"), (4.2, "$4.20"), (84.31, "$84"), (12_400, "$12,400")],
)
def test_dollars_are_written_as_in_the_charts(usd: float, text: str) -> None:
    assert format_dollars(usd) == text
