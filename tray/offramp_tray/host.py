"""The tray's place on the desktop: the one module through which the tray reaches a toolkit.

It chooses the toolkit, brings every call to its main thread, and keeps the last view of several.
What is shown, and what a click does, is for others to decide.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING, ParamSpec

from offramp_core.errors import OfframpError
from offramp_tray.toolkit.backend import Callbacks
from offramp_tray.view.row_order import all_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_tray.toolkit.backend import ToolkitBackend
    from offramp_tray.view.view_model import Notification, ViewModel

P = ParamSpec("P")

logger = logging.getLogger(__name__)


class HostError(OfframpError):
    """Nothing on this system can show an icon."""


class _Phase(Enum):
    BEFORE = auto()
    RUNNING = auto()
    AFTER = auto()


class Host:
    """Shows a view, by one backend. Runs once; but for `run`, every method is for any thread.

    A callback that raises is logged: it ends neither the loop nor the icon.
    """

    def __init__(self, backend: ToolkitBackend) -> None:
        """Show by `backend`."""
        self._backend = backend
        # Reentrant, for `stop` is called by signal handlers, in the midst of anything.
        self._lock = threading.RLock()
        self._phase = _Phase.BEFORE
        self._waiting: list[Callable[[], None]] = []
        self._next: ViewModel | None = None

    def run(
        self,
        view: ViewModel,
        *,
        on_click: Callable[[str], None],
        on_ready: Callable[[], None],
        on_open: Callable[[], None] | None = None,
        on_presence: Callable[[bool], None] | None = None,
        on_restart: Callable[[], None] | None = None,
    ) -> None:
        """Show `view` and what `show` brings, until `stop`, SIGINT or SIGTERM.

        Call it on the main thread; all callbacks come there. `on_ready`: the loop runs.
        `on_click`: the key of a row. `on_open`: the menu is about to be seen. `on_presence`:
        whether something shows the icon, said once known and at each change; False is the rule for
        a moment at login and while a panel restarts. `on_restart`: the tray is to start again.
        """
        _check(view)

        def begin() -> None:
            self._begin()
            _guarded(on_ready)()

        try:
            self._backend.run(
                view,
                Callbacks(
                    on_ready=begin,
                    on_click=_guarded(on_click),
                    on_open=_guarded(on_open or _ignore),
                    on_presence=_guarded(on_presence or _ignore_presence),
                    on_restart=_guarded(on_restart or _ignore),
                ),
            )
        finally:
            with self._lock:
                self._phase = _Phase.AFTER

    def show(self, view: ViewModel) -> None:
        """Show `view` soon; of several in quick succession only the last.

        Raises:
            ValueError: two rows have the same key.
        """
        _check(view)
        with self._lock:
            is_first = self._next is None
            self._next = view
        if is_first:
            self.on_main_thread(self._show_next)

    def on_main_thread(self, call: Callable[[], None]) -> None:
        """Have `call` run on the main thread, after those before it; dropped after `run`."""
        with self._lock:
            if self._phase is _Phase.BEFORE:
                self._waiting.append(call)
                return
        if self._phase is _Phase.RUNNING:
            self._backend.on_main_thread(_guarded(call))

    def notify(self, message: Notification) -> None:
        """Show `message` to the user, where the desktop can; it is logged too."""
        # Desktops may drop one without an error; the log still has it.
        logger.info("Shown to the user", extra={"title": message.title, "body": message.body})
        self.on_main_thread(lambda: self._backend.notify(message))

    def stop(self) -> None:
        """End `run`; more than once is fine, and before `run` too."""
        self.on_main_thread(self._backend.stop)

    def _begin(self) -> None:
        with self._lock:
            self._phase = _Phase.RUNNING
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._backend.on_main_thread(_guarded(call))

    def _show_next(self) -> None:
        with self._lock:
            view, self._next = self._next, None
        if view is not None:
            self._backend.show(view)


def open_host(environ: Mapping[str, str]) -> Host:
    """The host for this system. Nothing is shown before `run`.

    On Linux that is one which speaks to the desktop over D-Bus; where it can't, the system's own
    indicator library if it is installed.

    Raises:
        HostError: there is no way to show an icon here.
    """
    platform: str = sys.platform  # so typed, the rest is checked on a Mac too
    if platform == "darwin":
        return Host(_backend("offramp_tray.macos.appkit_backend", "AppKitBackend"))
    from offramp_tray.linux.session_bus import NoAddressError, address_in

    try:
        address = address_in(environ)
    except NoAddressError as error:
        reason = error
    else:
        return Host(
            _backend("offramp_tray.linux.status_notifier_backend", "StatusNotifierBackend", address)
        )
    with contextlib.suppress(ImportError, ValueError):  # no library, no display, another version
        return Host(_backend("offramp_tray.linux.appindicator", "AppIndicatorBackend"))
    raise HostError(f"Can't show the icon: {reason.title}", hint=reason.hint)


def _backend(module: str, name: str, *arguments: str) -> ToolkitBackend:
    """Made of a module that only one system can import."""
    made: ToolkitBackend = getattr(importlib.import_module(module), name)(*arguments)
    return made


def _check(view: ViewModel) -> None:
    """A click names a row only by its key."""
    seen: set[str] = set()
    for row in all_rows(view.rows):
        if row.key in seen:
            raise ValueError(f"Two rows of the menu have the key {row.key!r}.")
        seen.add(row.key)


def _guarded(call: Callable[P, None]) -> Callable[P, None]:
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            call(*args, **kwargs)
        except Exception:
            logger.exception("A call on the tray's main thread failed.")

    return run


def _ignore() -> None:
    """Nobody wants to know."""


def _ignore_presence(_is_shown: bool) -> None:
    """Nobody wants to know."""
