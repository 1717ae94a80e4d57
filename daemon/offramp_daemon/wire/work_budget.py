"""Limits the work that bytes from outside may cause. The one place that states the rule.

**The rule.** Each body has a budget of work. It starts with a fixed allowance, and every byte
received adds a fixed amount (`LIVE` or `ASIDE`). Every step that reads the body takes its cost out
of it. A body whose budget is used up is not read any further: a request is refused with 413, and
of an answer only the bytes are passed on. So for each kilobyte received there is at most so much
CPU time and so much memory, whatever the bytes say.

The unit is one byte that passes through a loop in C, which takes 1 to 15 ns:

- one byte that any layer of a content coding puts out, also one that the next layer skips as
  padding, costs 1, or `LAYER_COST` if another layer takes it in: nobody received it, and a decoder
  may build its tables for every few bytes of it;
- one member (gzip) or frame (zstd) costs `MEMBER_COST`, also an empty or a skipped one;
- one event that the SSE reader looks at costs `EVENT_COST`, and each byte of its JSON
  `JSON_BYTE_COST`;
- one byte of a chunk whose line ends have to be changed costs `LINE_END_COST`.

`LIVE` is for what is read on the event loop while it streams, `ASIDE` for what is decoded in one
go, in a thread. With `LIVE`, 64 KiB received cause at most 2 MiB of work. Real streams in a content
coding need 5 to 20 for each byte; no service sends one that shrinks to a thirtieth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from offramp_core.errors import OfframpError

LAYER_COST = 16
MEMBER_COST = 16 * 1024
EVENT_COST = 1024
JSON_BYTE_COST = 8
LINE_END_COST = 2


class OverBudgetError(OfframpError):
    """The bytes would cost more work than they are worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How much work a body may cause: at first, and for each byte of it."""

    at_first: int
    per_byte: int


LIVE = Allowance(at_first=3 * 1024 * 1024, per_byte=32)
ASIDE = Allowance(at_first=16 * 1024 * 1024, per_byte=64)


class WorkBudget:
    """What one body may cost, and what it has cost so far. Used by one thread at a time."""

    __slots__ = ("_granted", "_most", "_per_byte", "spent")

    def __init__(self, allowance: Allowance, *, most: float = math.inf) -> None:
        """Begin with what `allowance` grants; it never becomes more than `most` in all."""
        self._per_byte = allowance.per_byte
        self._most = most
        self._granted = min(allowance.at_first, most)
        self.spent = 0

    def receive(self, length_bytes: int) -> None:
        """Add what so many received bytes are worth."""
        self._granted = min(self._granted + length_bytes * self._per_byte, self._most)

    def spend(self, cost: int) -> None:
        """Take `cost` out.

        Raises:
            OverBudgetError: there is less than that left.
        """
        self.spent += cost
        if self.spent > self._granted:
            raise OverBudgetError("Reading the body would take too much work.")
