"""List prices by model: the same as in a package that follows them, where it has the model."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.autopilot.work.prices import price_of

SAMPLE = 10_000
MILLION = 1_000_000
ON = datetime(2026, 11, 1, tzinfo=UTC)


def cost(model: str, **tokens: int) -> float:
    """What the package says that those tokens cost, in dollars."""
    priced = calc_price(Usage(**tokens), model, provider_id="anthropic", genai_request_timestamp=ON)
    return float(priced.total_price)


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-20250514",
        "claude-opus-4-1-20250805",
        "claude-opus-4-5-20251101",
        "claude-opus-4-6",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-3-5-sonnet-20241022",
        "claude-sonnet-4-20250514",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
        "claude-3-haiku-20240307",
        "claude-3-5-haiku-20241022",
        "claude-haiku-4-5-20251001",
        "claude-haiku-5-5",
        "claude-fable-5",
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-mythos-5-2",
    ],
)
def test_a_price_is_the_one_that_the_price_list_has(model: str) -> None:
    def listed(**tokens: int) -> float:
        return cost(model, **tokens) * MILLION / SAMPLE

    price = price_of(model)
    assert price.input == pytest.approx(listed(input_tokens=SAMPLE))
    assert price.output == pytest.approx(listed(output_tokens=SAMPLE))
    written = listed(input_tokens=SAMPLE, cache_write_tokens=SAMPLE)
    assert price.cache_write == pytest.approx(written)
    read = listed(input_tokens=SAMPLE, cache_read_tokens=SAMPLE)
    assert price.cache_read == pytest.approx(read)
    long = price.long_times if price.long_from < 150_000 else 1.0
    assert cost(model, input_tokens=150_000) == pytest.approx(0.15 * price.input * long)


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("Claude-Opus-4.5", "claude-opus-4-5"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("sonnet", "claude-sonnet-5-5"),
        ("claude-opus-9-1", "claude-opus-5-5"),
        ("claude-haiku-5", "claude-haiku-4-5"),
        ("claude-fable-5-20260801", "claude-fable-5"),
        ("claude-2-haiku", "claude-3-haiku"),
        ("glm-4.7", "claude-opus-5-5"),
        (None, "claude-opus-5-5"),
        ("", "claude-opus-5-5"),
        ("x" * 100_000, "claude-opus-5-5"),
    ],
)
def test_a_name_that_no_list_has_is_taken_for_its_nearest(model: str | None, same_as: str) -> None:
    assert price_of(model) == price_of(same_as)


@given(st.text() | st.from_regex(r"[\d.-]*(opus|sonnet|haiku|fable)[\d.@-]*"))
def test_any_name_has_a_price(model: str) -> None:
    price = price_of(model)
    assert 0 < price.cache_read < price.input < price.cache_write < price.output
