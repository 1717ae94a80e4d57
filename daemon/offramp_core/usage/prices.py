"""What delegated tokens would have cost at Anthropic's list prices: an estimate, never a bill.

Prices come from the data inside the package genai-prices; nothing is ever fetched. The package is
slow to import and takes 25 MB, so `PriceList` does it when first asked.

A request counts as the model that was asked for, for that is what the plan would have served. Rates
are those of a small request: a prompt of over 200,000 tokens may cost more. Cache writes count at
the rate of the short-lived cache; where they last an hour they cost more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.settings import ANTHROPIC
from offramp_core.usage.aggregation import by_route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offramp_core.usage.aggregation import Counts, UsageCells

_SAMPLE_TOKENS = 1000
"""Of one kind, priced to learn its rate; few enough to stay in the lowest tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """An estimate: the delegated tokens at Anthropic's list prices, in US dollars."""

    usd: float
    priced_on: date
    unpriced_tokens: int = 0
    """Of models that the price list does not know; they are not in `usd`."""
    source: str = ""
    """Where the prices are from, with its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars for one token of each kind."""

    input: float
    output: float
    cache_write: float
    cache_read: float

    def cost(self, counts: Counts) -> float:
        """What `counts` cost, US dollars."""
        return (
            counts.input_tokens * self.input
            + counts.output_tokens * self.output
            + counts.cache_creation_input_tokens * self.cache_write
            + counts.cache_read_input_tokens * self.cache_read
        )


class PriceList:
    """Anthropic's list prices. Use it from one thread; the first question takes 0.3 s."""

    def __init__(self) -> None:
        """Nothing is imported yet."""
        self._rates: dict[str, Rates | None] = {}
        self._priced_on: date | None = None

    def savings(self, usage: UsageCells) -> Savings | None:
        """Estimate what `usage` would have cost, as far as it was delegated.

        None without a price list.
        """
        routes = by_route(usage).items()
        return self.estimate((*route, totals.counts) for route, totals in routes)

    def estimate(self, parts: Iterable[tuple[str | None, str | None, Counts]]) -> Savings | None:
        """Estimate what `parts` (backend, model, counts) would have cost, as `savings` does."""
        usd, unpriced = 0.0, 0
        for backend, model, counts in parts:
            if backend is None or backend == ANTHROPIC:
                continue
            rates = self.rates(model)
            if rates is None:
                unpriced += counts.tokens
            else:
                usd += rates.cost(counts)
        priced_on = self.priced_on()
        if priced_on is None:
            return None
        return Savings(usd=usd, priced_on=priced_on, unpriced_tokens=unpriced, source=_source())

    def rates(self, model: str | None) -> Rates | None:
        """The rates of `model`; None where the list does not know it."""
        # A suffix such as `[1m]` chooses a context size, and is no part of the name.
        name = (model or "").partition("[")[0].strip()
        if name not in self._rates:
            self._rates[name] = _look_up(name) if name else None
        return self._rates[name]

    def priced_on(self) -> date | None:
        """The latest change of a price that the list had seen when it was installed.

        It has no date of its own. None without a list.
        """
        if self._priced_on is None:
            self._priced_on = _newest_change()
        return self._priced_on


def _look_up(model: str) -> Rates | None:
    try:
        from genai_prices import Usage as PricedUsage
        from genai_prices import calc_price
    except ImportError:
        return None

    def rate(**tokens: int) -> float:
        priced = calc_price(PricedUsage(**tokens), model, provider_id=ANTHROPIC)
        return float(priced.total_price) / _SAMPLE_TOKENS

    try:
        # In this package's terms the input holds what went through the cache.
        return Rates(
            input=rate(input_tokens=_SAMPLE_TOKENS),
            output=rate(output_tokens=_SAMPLE_TOKENS),
            cache_write=rate(input_tokens=_SAMPLE_TOKENS, cache_write_tokens=_SAMPLE_TOKENS),
            cache_read=rate(input_tokens=_SAMPLE_TOKENS, cache_read_tokens=_SAMPLE_TOKENS),
        )
    except (LookupError, ValueError):
        return None


def _newest_change() -> date | None:
    try:
        from genai_prices import data
    except ImportError:
        return None
    # Changes that are announced for later are in it too.
    installed = datetime.fromtimestamp(Path(data.__file__).stat().st_mtime, UTC).date()
    found = (day for provider in data.providers for day in _days_in(provider, depth=6))
    return max((day for day in found if day <= installed), default=installed)


@cache  # else it would read the package's files for every estimate
def _source() -> str:
    return f"genai-prices {metadata.version('genai-prices')}"


def _days_in(value: object, depth: int) -> Iterator[date]:
    """Every day that the list's plain data names: it has none for itself as a whole."""
    if isinstance(value, date):
        yield value
    elif depth and isinstance(value, list | tuple):
        for part in value:
            yield from _days_in(part, depth - 1)
    elif depth and hasattr(value, "__dict__"):
        with contextlib.suppress(RecursionError):
            for part in vars(value).values():
                yield from _days_in(part, depth - 1)
