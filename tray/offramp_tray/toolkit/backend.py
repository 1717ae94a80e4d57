"""What a tray toolkit must be able to do, so that `host` can be the same on every system.

All of them show an icon of pystray's; `PystrayBackend` is what they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_tray.view.view_model import Notification, ViewModel

APP_ID = "offramp"
APP_NAME = "Offramp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What a backend says, always on its main thread. None of them raises."""

    on_ready: Callable[[], None]
    """The main loop runs; said once."""
    on_click: Callable[[str], None]
    """The user chose the row with this key."""
    on_open: Callable[[], None]
    """The user is about to see the menu."""
    on_presence: Callable[[bool], None]
    """Whether something on the desktop shows the icon; said once known, and at each change."""
    on_restart: Callable[[], None]
    """`running_tray.RESTART_SIGNAL` came; heard from before `on_ready` on."""


class ToolkitBackend(Protocol):
    """One toolkit. But for `on_main_thread`, everything is called only on its main thread."""

    def run(self, view: ViewModel, callbacks: Callbacks) -> None:
        """Show `view` until `stop`; calls `on_ready` once `on_main_thread` works."""

    def on_main_thread(self, call: Callable[[], None]) -> None:
        """Have `call` run by the main loop, in order; from any thread. Dropped once it ended."""

    def show(self, view: ViewModel) -> None:
        """Show `view` from now on."""

    def notify(self, message: Notification) -> None:
        """Show `message`, or log why none can be shown; returns at once either way."""

    def stop(self) -> None:
        """End `run`."""


class PystrayBackend:
    """The half of a `ToolkitBackend` that is the same for each of pystray's icons.

    Such an icon shows another view by `show_view`, beside what pystray itself asks of it.
    """

    def __init__(self, make_icon: Callable[[ViewModel, Callbacks], Any]) -> None:
        """Touch nothing of the toolkit before `run`, which calls `make_icon`."""
        self._make_icon = make_icon
        self._icon: Any = None

    def run(self, view: ViewModel, callbacks: Callbacks) -> None:
        """See `ToolkitBackend`."""
        self._icon = self._make_icon(view, callbacks)
        # What there is to set up belongs on the loop, not in the thread that pystray makes for it.
        self._icon.run(lambda _icon: None)

    def show(self, view: ViewModel) -> None:
        """See `ToolkitBackend`."""
        if self._icon is not None:
            self._icon.show_view(view)

    def stop(self) -> None:
        """See `ToolkitBackend`."""
        if self._icon is not None:
            self._icon.stop()
