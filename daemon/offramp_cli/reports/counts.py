"""How the reports write counts and times for scripts."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_core.usage.aggregation import Counts, Totals

TOKENS = (
    *("input_tokens", "output_tokens"),
    *("cache_creation_input_tokens", "cache_read_input_tokens"),
)
"""The kinds of tokens, under the names that they have in the log."""


def counts_of(totals: Totals) -> dict[str, int]:
    """List requests by how they ended, and tokens in all and by kind."""
    return {
        "requests": totals.requests,
        "success": totals.success,
        "errors": totals.errors,
        "cancelled": totals.cancelled,
        "tokens": totals.tokens,
        **tokens_of(totals.counts),
    }


def tokens_of(counts: Counts) -> dict[str, int]:
    """List the tokens by kind."""
    return {name: getattr(counts, name) for name in TOKENS}


def iso(moment: datetime) -> str:
    """Return `moment` (aware) as UTC, to the second: `2026-02-07T10:30:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
