"""The memory that request bodies may take while they are received, shared by all of them.

Small bodies don't count. All others together may hold `LIMIT_BYTES`. When another byte would pass
that, the body that holds most gives way, so that a few giants that never end, or come byte by byte,
can't keep usual requests out. Its request is refused with 503 and `Retry-After`, after which Claude
Code sends it again; waiting for room instead could last as long as a giant wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 256 * 1024 * 1024
SMALL_BYTES = 64 * 1024
"""A body of that length is not news: connections have buffers of their own of that order."""


class Share:
    """What one body holds."""

    __slots__ = ("give_way", "has_given_way", "held_bytes")

    def __init__(self, give_way: Callable[[], None]) -> None:
        """`give_way` is called once should another body need the room."""
        self.give_way = give_way
        self.has_given_way = False
        self.held_bytes = 0


class BodyMemory:
    """What all bodies hold. Used only from the event loop."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Nothing is held yet."""
        self._limit_bytes = limit_bytes
        self._shares: set[Share] = set()
        self.held_bytes = 0

    def hold(self, share: Share, length_bytes: int) -> None:
        """Count `length_bytes` as what `share` holds now; somebody may have to give way for it."""
        if length_bytes <= SMALL_BYTES or share.has_given_way:
            return
        self.held_bytes += length_bytes - share.held_bytes
        share.held_bytes = length_bytes
        self._shares.add(share)
        while self.held_bytes > self._limit_bytes:
            largest = max(self._shares, key=lambda one: one.held_bytes)
            self.release(largest)
            largest.has_given_way = True
            largest.give_way()

    def release(self, share: Share) -> None:
        """Count nothing for `share` any more: its body is whole, or given up."""
        self.held_bytes -= share.held_bytes
        share.held_bytes = 0
        self._shares.discard(share)
