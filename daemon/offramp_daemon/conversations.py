"""Remembers which conversations were delegated of late, by their session's id: in memory alone."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_S = 300.0
"""How long a service keeps a prompt's cache, and so how long a move costs it."""

_CAPACITY = 10_000
_ID_CHARACTERS = 200


class Conversations:
    """When each was last delegated, and where to. A full memory drops the oldest.

    Durations are monotonic: a clock that is put right warms and cools nothing.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, capacity: int = _CAPACITY
    ) -> None:
        """Remember at most `capacity` conversations."""
        self._clock = clock
        self._capacity = capacity
        self._last_s: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._last_s)

    def note(self, session_id: str | None, backend: str) -> None:
        """A request of the session goes to `backend` now."""
        if session_id is None:
            return
        key = (session_id[:_ID_CHARACTERS], backend)
        self._last_s[key] = self._clock()
        self._last_s.move_to_end(key)
        if len(self._last_s) > self._capacity:
            self._last_s.popitem(last=False)

    def is_warm(self, session_id: str | None, backend: str) -> bool:
        """Whether the session had a request at `backend` within the last five minutes."""
        if session_id is None:
            return False
        last_s = self._last_s.get((session_id[:_ID_CHARACTERS], backend))
        return last_s is not None and self._clock() - last_s <= WARM_S
