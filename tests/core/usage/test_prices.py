"""The estimate: list prices of the models that were asked for, known ones alone, no network."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
from usage_samples import record

from offramp_core.usage.aggregation import Counts, UsageCells, fold
from offramp_core.usage.prices import PriceList, Rates
from offramp_dashboard.data.usage.usage_table import GRID

NOW = datetime(2026, 11, 26, tzinfo=UTC)
MILLION = 1_000_000


def usage(*records: object) -> UsageCells:
    return fold(records, GRID)  # type: ignore[arg-type]


def test_delegated_tokens_cost_what_the_asked_model_costs_by_kind() -> None:
    """Sonnet 4.5: $3 in, $15 out, $3.75 written to the cache, $0.30 read from it, per million."""
    one = record(NOW, tokens=(MILLION, MILLION, MILLION, MILLION))
    found = PriceList().savings(usage(one))
    assert found is not None
    assert found.usd == pytest.approx(3 + 15 + 3.75 + 0.3)
    assert found.unpriced_tokens == 0
    assert found.source.startswith("genai-prices ")
    assert date(2025, 6, 1) < found.priced_on <= datetime.now(UTC).date()


def test_many_small_requests_stay_in_the_lowest_tier() -> None:
    one = PriceList().savings(usage(record(NOW, tokens=(1000, 0, 0, 0))))
    many = PriceList().savings(usage(*[record(NOW, tokens=(1000, 0, 0, 0))] * 1000))
    assert one is not None
    assert many is not None
    assert many.usd == pytest.approx(1000 * one.usd)


def test_what_stayed_on_the_plan_or_was_never_served_saved_nothing() -> None:
    found = PriceList().savings(
        usage(record(NOW, backend="anthropic"), record(NOW, backend=None, model=None))
    )
    assert found is not None
    assert (found.usd, found.unpriced_tokens) == (0, 0)


def test_unknown_models_are_told_apart_from_free_ones() -> None:
    found = PriceList().savings(
        usage(record(NOW, model="claude-sonnet-99"), record(NOW, model=None), record(NOW))
    )
    assert found is not None
    assert found.unpriced_tokens == 2 * 433
    assert found.usd > 0


@pytest.mark.parametrize(
    "model",
    ["claude-sonnet-4-5[1m]", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929[1m]"],
)
def test_variants_of_a_models_name_have_its_rates(model: str) -> None:
    prices = PriceList()
    assert prices.rates(model) == prices.rates("claude-sonnet-4-5") is not None


@pytest.mark.parametrize("model", [None, "", "[1m]", "gpt-4o", "claude-", "\x00", "a" * 10_000])
def test_name_that_is_not_anthropics_has_no_rates(model: str | None) -> None:
    assert PriceList().rates(model) is None


def test_rates_count_each_kind_once() -> None:
    rates = Rates(input=1, output=10, cache_write=100, cache_read=1000)
    assert rates.cost(Counts(1, 1, 2, 3, 4)) == 1 + 20 + 300 + 4000


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert PriceList().savings(usage(record(NOW))) is not None


def test_the_package_is_imported_only_when_asked_and_may_be_missing() -> None:
    code = (
        "import sys, offramp_core.usage.prices as prices\n"
        "assert 'genai_prices' not in sys.modules\n"
        "sys.modules['genai_prices'] = None\n"
        "from offramp_core.usage.aggregation import UsageCells\n"
        "assert prices.PriceList().savings(UsageCells({})) is None\n"
        "assert prices.PriceList().rates('claude-sonnet-4-5') is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
