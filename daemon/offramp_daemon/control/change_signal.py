"""Wakes whoever follows the daemon's state. It carries no news: who is woken looks for himself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ChangeSignal:
    """Those who follow; with none of them, a change costs nothing."""

    def __init__(self) -> None:
        """Nobody follows yet."""
        self.followers: set[asyncio.Event] = set()
        """Their events; what changes with every request sets them without a call to here."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def count(self) -> int:
        """How many follow."""
        return len(self.followers)

    def notify(self) -> None:
        """Wake everybody; from the event loop."""
        for follower in self.followers:
            follower.set()

    def notify_from_thread(self) -> None:
        """Wake everybody; from any thread, never blocks, never raises."""
        if self.followers and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self.notify)

    @contextlib.contextmanager
    def follow(self) -> Iterator[asyncio.Event]:
        """Yield the event that each change sets, for the one who follows to clear."""
        self._loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        self.followers.add(changed)
        try:
            yield changed
        finally:
            self.followers.discard(changed)
