"""A keeper of quota with a clock and ears of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN

from offramp_core.paths import Paths
from offramp_core.quota import windows
from offramp_core.settings import default_backends
from offramp_daemon.quota.tracker import QuotaTracker
from offramp_daemon.storage.background_writer import BackgroundWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


class Desk:
    """A keeper with a clock and ears of the test's own."""

    def __init__(self, home: Path, now: datetime) -> None:
        self.paths = Paths.under(home)
        self.now = now
        self.changes = 0
        self.has_change = asyncio.Event()
        self.said: list[str] = []
        self.files = BackgroundWriter("files")
        self.keeper = QuotaTracker(
            self.paths,
            self.paths.log_dir,
            self.files,
            clock=lambda: self.now,
            on_change=self._note_change,
            say=self.said.append,
            save_every_s=0.0,
        )

    def _note_change(self) -> None:
        self.changes += 1
        self.has_change.set()

    def tell(self, headers: dict[str, str], credential: str | None = CLAUDE_TOKEN) -> None:
        raw = [
            (name.encode(), value.encode("utf-8", "surrogateescape"))
            for name, value in headers.items()
        ]
        self.keeper.read_answer(default_backends()[0], credential, raw)

    def plan(self) -> PlanQuota:
        found = windows.find(self.keeper.plans(), "anthropic")
        assert found is not None
        return found

    def used(self) -> dict[str, float | None]:
        return {each.name: each.used for each in self.plan().windows}


@contextlib.asynccontextmanager
async def desk_at(home: Path, now: datetime = START) -> AsyncIterator[Desk]:
    desk = Desk(home, now)
    desk.files.start()
    await desk.keeper.start()
    try:
        yield desk
    finally:
        desk.files.close(PATIENCE_S)
