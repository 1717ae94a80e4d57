"""What Claude's models cost at Anthropic's list prices: how requests compare in what they take.

Only proportions matter, for the plan's own figures set the scale; but those differ between the
generations of one tier as much as between tiers. It asks nobody: the prices are as they were in
November 2026, and a model that is newer is taken for the newest of its family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_NAME = re.compile(
    r"(?:(?P<before>\d{1,2}(?:[-.]\d{1,2})?)-)?"
    r"(?P<family>opus|sonnet|haiku|fable|mythos)"
    r"(?:-(?P<after>\d{1,2}(?:[-.]\d{1,2})?)(?!\d))?"
)
"""A family with its version, after it or, in older names, before; a date is not a version."""
_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for a million tokens; writing to the cache is priced for five minutes of it."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    long_from: float = float("inf")
    """A request whose prompt has more tokens costs more as a whole, ..."""
    long_times: float = 1.0
    """... so many times as much."""


_Version = tuple[int, ...]

_FABLE: Final[tuple[tuple[_Version, Price], ...]] = (
    ((5,), Price(input=10.0, output=50.0, cache_write=12.5, cache_read=1.0)),
    ((5, 1), Price(input=10.0, output=50.0, cache_write=12.5, cache_read=0.25)),
    ((5, 2), Price(input=8.0, output=40.0, cache_write=10.0, cache_read=0.2)),
)
_PRICES: Final[dict[str, tuple[tuple[_Version, Price], ...]]] = {
    "opus": (
        ((3,), Price(input=15.0, output=75.0, cache_write=18.75, cache_read=1.5)),
        ((4, 5), Price(input=5.0, output=25.0, cache_write=6.25, cache_read=0.5)),
        ((5, 5), Price(input=4.0, output=20.0, cache_write=5.0, cache_read=0.2)),
    ),
    "sonnet": (
        ((3,), Price(input=3.0, output=15.0, cache_write=3.75, cache_read=0.3)),
        ((5,), Price(input=2.0, output=10.0, cache_write=2.5, cache_read=0.2)),
        ((5, 5), Price(input=2.0, output=10.0, cache_write=2.5, cache_read=0.1)),
    ),
    "haiku": (
        ((3,), Price(input=0.25, output=1.25, cache_write=0.3, cache_read=0.03)),
        ((3, 5), Price(input=0.8, output=4.0, cache_write=1.0, cache_read=0.08)),
        ((4, 5), Price(input=1.0, output=5.0, cache_write=1.25, cache_read=0.1)),
        (
            (5, 5),
            Price(
                input=0.1,
                output=0.5,
                cache_write=0.125,
                cache_read=0.01,
                long_from=100_000,
                long_times=5.0,
            ),
        ),
    ),
    "fable": _FABLE,
    "mythos": _FABLE,
}
"""By family, the oldest first: from each version on that price holds."""


def price_of(model: str | None) -> Price:
    """Return the price of the model of that name; a model of no known family counts as Opus."""
    return _price_of_name((model or "")[:_NAME_CHARACTERS])


@lru_cache(maxsize=256)
def _price_of_name(model: str) -> Price:
    found = _NAME.search(model.casefold())
    known = _PRICES[found["family"] if found else "opus"]
    version = (found["after"] or found["before"]) if found else None
    if version is None:
        return known[-1][1]
    numbers = tuple(int(part) for part in re.split(r"[-.]", version))
    return next((price for since, price in reversed(known) if since <= numbers), known[0][1])
