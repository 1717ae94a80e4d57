"""Counts records into a list of seven integers: the innermost loop, a million times round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.usage.aggregation import Counts, Totals

if TYPE_CHECKING:
    from offramp_core.usage.records import UsageRecord

Tally = list[int]
"""Requests, tokens of four kinds in the order of `Counts`, errors, cancelled."""


def zero() -> Tally:
    """Return a tally of nothing."""
    return [0] * 7


def count(tally: Tally, record: UsageRecord) -> None:
    """Add `record` to `tally`."""
    tally[0] += 1
    tally[1] += record.input_tokens
    tally[2] += record.output_tokens
    tally[3] += record.cache_creation_input_tokens
    tally[4] += record.cache_read_input_tokens
    if record.status == "error":
        tally[5] += 1
    elif record.status == "cancelled":
        tally[6] += 1


def totals(tally: Tally) -> Totals:
    """Return what `tally` holds, in its common form."""
    return Totals(Counts(*tally[:5]), *tally[5:])
