"""The ranges that were looked into, one within the other. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    Ends = tuple[datetime, datetime]


class RangeHistory:
    """Remembers how to get out again."""

    def __init__(self) -> None:
        """No range."""
        self._ranges: list[Ends] = []

    def __len__(self) -> int:
        """How many ranges deep it is."""
        return len(self._ranges)

    @property
    def ends(self) -> tuple[datetime | None, datetime | None]:
        """Where the present range begins and ends; None and None without one."""
        return self._ranges[-1] if self._ranges else (None, None)

    def enter(self, start: datetime, end: datetime) -> None:
        """Look into that range."""
        self._ranges.append((start, end))

    def leave(self) -> None:
        """Look at the range before, or at none."""
        if self._ranges:
            self._ranges.pop()

    def shift(self, steps: int, usual: Ends, now: datetime) -> bool:
        """Look at as long a time `steps` ranges later; whether that has begun by `now`.

        `usual` is what is seen without a range. It counts by the wall clock: weeks stay weeks.
        """
        start, end = self._ranges[-1] if self._ranges else usual
        length = end - start
        moved = start + steps * length, end + steps * length
        if moved[0] >= now:
            return False
        self._ranges[-1:] = [moved]
        return True
