"""A whole daemon in a thread of its own, for tests whose own thread is Qt's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

from control_harness import Commands
from patience import PATIENCE_S
from proxy_harness import settings_for
from running_app import running_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running_app import RunningApp

    from offramp_core.settings import Settings

NOWHERE = "http://127.0.0.1:9"
"""An upstream for tests that ask it nothing."""


@contextlib.contextmanager
def app_in_thread(home: Path, settings: Settings | None = None) -> Iterator[RunningApp]:
    """A daemon that takes commands; it has ended when the context ends."""
    found: list[RunningApp] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def run() -> None:
        try:
            async with running_app(home, settings or settings_for(NOWHERE, NOWHERE)) as app:
                await Commands(app.paths).until_there()
                found.append(app)
                is_up.set()
                await asyncio.to_thread(is_over.wait)
        finally:
            is_up.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="daemon under test")
    thread.start()
    try:
        assert is_up.wait(PATIENCE_S)
        assert found, "the daemon did not start"
        yield found[0]
    finally:
        is_over.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
