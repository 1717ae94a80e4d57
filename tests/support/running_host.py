"""The tray's host on a thread of its own, and everything that it called back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patience import PATIENCE_S
from PIL import Image

from offramp_tray.host import Host
from offramp_tray.view.view_model import IconImages, MenuRow, RowKind, ViewModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from offramp_tray.toolkit.backend import ToolkitBackend


@dataclass
class RunningHost:
    """A host under way. The queues hold what it called back, oldest first."""

    host: Host
    thread: threading.Thread
    clicks: queue.Queue[str] = field(default_factory=queue.Queue)
    opened: queue.Queue[None] = field(default_factory=queue.Queue)
    presence: queue.Queue[bool] = field(default_factory=queue.Queue)
    restarts: queue.Queue[None] = field(default_factory=queue.Queue)
    on_click: Callable[[str], None] | None = None
    """Called with each key before it is queued."""

    def click(self, key: str) -> None:
        """What the host calls."""
        if self.on_click is not None:
            self.on_click(key)
        self.clicks.put(key)

    async def next_click(self) -> str:
        """The key of the next row that was clicked, waited for."""
        return await asyncio.to_thread(self.clicks.get, timeout=PATIENCE_S)

    async def next_presence(self) -> bool:
        """What it says next of whether the icon is shown."""
        return await asyncio.to_thread(self.presence.get, timeout=PATIENCE_S)

    async def next_open(self) -> None:
        """Wait for the menu to be opened."""
        await asyncio.to_thread(self.opened.get, timeout=PATIENCE_S)

    async def settle(self) -> None:
        """Wait until the main loop has done all that was asked of it so far."""
        done = threading.Event()
        self.host.on_main_thread(done.set)
        assert await asyncio.to_thread(done.wait, PATIENCE_S)


@contextlib.asynccontextmanager
async def running_host(backend: ToolkitBackend, view: ViewModel) -> AsyncIterator[RunningHost]:
    """Run a host until the context ends; entered once its loop runs."""
    ready = threading.Event()
    failures: list[BaseException] = []
    host = Host(backend)

    def run() -> None:
        try:
            host.run(
                view,
                on_click=running.click,
                on_ready=ready.set,
                on_open=lambda: running.opened.put(None),
                on_presence=running.presence.put,
                on_restart=lambda: running.restarts.put(None),
            )
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            ready.set()

    running = RunningHost(host, threading.Thread(target=run, name="tray"))
    running.thread.start()
    try:
        assert await asyncio.to_thread(ready.wait, PATIENCE_S)
        yield running
    finally:
        host.stop()
        await asyncio.to_thread(running.thread.join, PATIENCE_S)
        assert not running.thread.is_alive()
        assert not failures


def icon_of(*sizes: int, color: tuple[int, int, int, int] = (200, 30, 60, 255)) -> IconImages:
    """An icon of one colour."""
    return IconImages(
        by_size_px=tuple((size, Image.new("RGBA", (size, size), color)) for size in sizes)
    )


def sample_rows(
    *, is_paused: bool = False, headline: str = "Z.ai 68 %, Claude 32 %"
) -> tuple[MenuRow, ...]:
    """A menu with a row of each kind."""
    return (
        MenuRow(key="headline", kind=RowKind.TEXT, text=headline, is_enabled=False),
        MenuRow(key="line", kind=RowKind.SEPARATOR),
        MenuRow(key="pause", kind=RowKind.CHECK, text="Pause delegation", is_checked=is_paused),
        MenuRow(
            key="pause-for",
            kind=RowKind.SUBMENU,
            text="Pause for",
            rows=(
                MenuRow(key="hour", kind=RowKind.ACTION, text="1 hour"),
                MenuRow(key="tomorrow", kind=RowKind.ACTION, text="Until tomorrow"),
            ),
        ),
        MenuRow(key="charts", kind=RowKind.ACTION, text="Open charts…"),
        MenuRow(key="config", kind=RowKind.ACTION, text="Open config_file", is_enabled=False),
        MenuRow(key="line-2", kind=RowKind.SEPARATOR),
        MenuRow(key="hidden", kind=RowKind.ACTION, text="Start daemon", is_visible=False),
        MenuRow(key="quit", kind=RowKind.ACTION, text="Quit tray (the daemon runs on)"),
    )


def sample_view(
    *,
    icon: IconImages | None = None,
    title: str = "Z.ai 68 %, Claude 32 % this week",
    label: str = "",
    rows: tuple[MenuRow, ...] | None = None,
    needs_attention: bool = False,
) -> ViewModel:
    """A view as the tray shows one."""
    return ViewModel(
        icon=icon or icon_of(16, 22, 48),
        title=title,
        tooltip=title,
        label=label,
        rows=sample_rows() if rows is None else rows,
        needs_attention=needs_attention,
    )
