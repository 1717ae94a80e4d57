"""The whole daemon in this process: what `app.serve` runs, with folders of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.config.loader import LoadedSettings
from offramp_core.paths import Paths
from offramp_daemon import app
from offramp_daemon.config.live_settings import LiveSettings
from offramp_daemon.recording.console import Console
from offramp_daemon.server.lifecycle import Shutdown
from offramp_daemon.server.listeners import open_listeners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from offramp_core.settings import Settings


@dataclass(frozen=True)
class RunningApp:
    """Where it listens, how to ask it to end, and the task that is done when it has."""

    url: str
    paths: Paths
    live: LiveSettings
    shutdown: Shutdown
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running_app(
    home: Path, settings: Settings | Callable[[], Settings]
) -> AsyncIterator[RunningApp]:
    """Run one; where `settings` is called, the daemon finds what it returns at each reload."""
    console = Console(io.StringIO(), log_format="text")
    console.start()

    def load(_held: object) -> LoadedSettings:
        found = settings() if callable(settings) else settings
        return LoadedSettings(settings=found, origins={}, notes=())

    live = LiveSettings(load, lambda: None, console.say)
    listeners = open_listeners("127.0.0.1", 0)
    host, port = listeners[0].getsockname()
    paths = Paths.under(home)
    shutdown, ready = Shutdown(), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                app.serve(live, paths, console, listeners, shutdown, on_ready=ready.set)
            )
            await ready.wait()
            yield RunningApp(f"http://{host}:{port}", paths, live, shutdown, task)
            shutdown.ask()
    finally:
        await asyncio.to_thread(console.close)
