"""Does what a click asks for, each in a thread of its own, and shows what came of it.

A click is taken note of at once (its row says `…`); what goes wrong is a row of the menu, and a
notification with what to do.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.addresses import claude_code_line
from offramp_core.config import example
from offramp_core.errors import OfframpError
from offramp_core.setup import first_run
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Presence
from offramp_tray.view import menu, wording
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.control.api import CommandAnswer
    from offramp_core.control.client import ControlClient
    from offramp_core.login_item.autostart import TraySwitch
    from offramp_core.paths import Paths
    from offramp_tray.choices import Choices
    from offramp_tray.desktop_actions import Desktop
    from offramp_tray.state.tray_state import TrayState
    from offramp_tray.store import Store

_LOG = logging.getLogger(__name__)


class Actions:
    """Everything that the menu can do."""

    def __init__(
        self,
        store: Store,
        client: ControlClient,
        desktop: Desktop,
        paths: Paths,
        *,
        is_demo: bool = False,
        login_item: TraySwitch | None,
        choices: Choices,
        notify: Callable[[Notification], None],
        on_daemon_wanted: Callable[[], None],
        quit_tray: Callable[[], None],
    ) -> None:
        """Act for the daemon of `paths`; `on_daemon_wanted` is told when one was started."""
        self._store = store
        self._client = client
        self._desktop = desktop
        self._paths = paths
        self._demo = ("--demo",) if is_demo else ()
        self._login_item = login_item
        self._notify = notify
        self._on_daemon_wanted = on_daemon_wanted
        self._quit = quit_tray
        self._choices = choices
        self._lock = threading.Lock()
        self._work: dict[str, Callable[[TrayState], None]] = {
            menu.PAUSE: self._toggle_pause,
            menu.PAUSE_HOUR: lambda state: self._pause(state.now + timedelta(hours=1)),
            menu.PAUSE_TOMORROW: lambda state: self._pause(wording.tomorrow(state)),
            menu.PAUSE_RESET: lambda state: self._pause(state.boundary.week_of(state.now).end),
            menu.CHARTS: lambda _state: self._open_charts(),
            menu.SETUP: lambda _state: self._desktop.launch("setup"),
            menu.COPY: self._copy,
            menu.SETTINGS: self._open_settings,
            menu.LOGS: lambda _state: self._open_logs(),
            menu.LOGIN: self._toggle_login,
            menu.DAEMON: self._start_or_restart,
        }

    def click(self, key: str) -> None:
        """Act on a click on the row `key`; never waits. A second click meanwhile is none."""
        if key == menu.QUIT:
            self._quit()
            return
        work = self._work.get(key) or self._work_of(key)
        if work is None:
            return
        with self._lock:
            if key in self._store.state.pending:
                return
            self._store.update(
                lambda state: dataclasses.replace(
                    state,
                    pending=state.pending | {key},
                    refusal="",
                    refusal_cure="",
                    is_start_refused=False,
                    notes="",
                    said_at=None,
                    unseen=frozenset(),
                    is_copied=False,
                )
            )
        threading.Thread(target=self._do, args=(key, work), name=f"do {key}", daemon=True).start()

    def offer_setup(self, environ: Mapping[str, str]) -> None:
        """Open the set-up window where nothing is set up yet; only the first time. Blocks.

        Without the charts, whose part it is, say what to type in a terminal.
        """
        if self._demo or not first_run.is_due(self._paths, environ):
            return
        first_run.mark_offered(self._paths)
        if _has_charts():
            # Not as a click, which would take away what another one has to say.
            self._do(menu.SETUP, self._work[menu.SETUP])
            return
        title, body = "Set up Offramp", "Type in a terminal: offramp install"
        self._store.change(notes=f"{title}. {body}")
        self._say(Notification(key="setup", title=title, body=body))

    def refresh_menu_facts(self) -> None:
        """Look at what only the menu shows and nobody tells of: the login item, the charts."""
        is_on = None
        if self._login_item is not None:
            try:
                is_on = self._login_item.is_on()
            except OfframpError as error:
                _LOG.warning("The login item can't be read", extra={"why": str(error)})
        self._store.change(has_charts=_has_charts(), is_login_item=is_on)

    def _work_of(self, key: str) -> Callable[[TrayState], None] | None:
        """What a row does that is one of several of its kind; None for what does nothing."""
        if key.startswith(menu.SAID):
            return lambda _state: None  # each click takes away what was said
        if (page := menu.page_of(key)) is not None:
            return lambda state: self._open_more(key, page, state)
        if (text := menu.ABOUT.get(key)) is not None:
            return lambda _state: self._copy_about(text)
        return self._choices.work_of(key)

    def _do(self, key: str, work: Callable[[TrayState], None]) -> None:
        refusal = cure = ""
        try:
            work(self._store.state)
        except OfframpError as error:
            refusal, cure = error.title, error.hint
            self._say(Notification(key="refusal", title=error.title, body=error.hint))
        except Exception:  # noqa: BLE001 - the row must not say for good that it is being done
            _LOG.exception("An action failed", extra={"key": key})
            refusal = "That failed. The log folder shows why."
        self._store.update(
            lambda state: dataclasses.replace(
                state,
                pending=state.pending - {key},
                refusal=refusal or state.refusal,
                refusal_cure=cure if refusal else state.refusal_cure,
                is_start_refused=key == menu.DAEMON if refusal else state.is_start_refused,
                said_at=state.now if refusal else state.said_at,
            )
        )

    def _say(self, message: Notification) -> None:
        """Show `message`, which has a row of the menu too, and mark the icon until it was seen."""
        self._store.update(
            lambda state: dataclasses.replace(
                state, unseen=state.unseen | {message.key}, said_at=state.now
            )
        )
        self._notify(message)

    def _toggle_pause(self, state: TrayState) -> None:
        if tray_state.is_paused(state):
            self._take(self._client.resume())
        else:
            self._pause(None)

    def _pause(self, until: datetime | None) -> None:
        self._take(self._client.pause(until))

    def _take(self, answer: CommandAnswer) -> None:
        """Show the daemon's answer, which is there before its next event; say its notes."""
        notes = " ".join(answer.notes)
        self._store.change(status=answer.status, notes=notes)
        if notes:
            self._say(Notification(key="note", title="Offramp", body=notes))

    def _copy(self, state: TrayState) -> None:
        line = claude_code_line(state.address, has_token=state.has_client_token)
        is_copied = self._desktop.copy(line)
        self._store.change(is_copied=is_copied)
        if not is_copied:
            title = "For a terminal"
            self._store.change(notes=f"{title}: {line}")
            self._say(Notification(key="line", title=title, body=line))

    def _copy_about(self, text: str) -> None:
        self._desktop.copy(text)

    def _open_charts(self, *options: str) -> None:
        self._desktop.launch("charts", *options, *self._demo)

    def _open_more(self, key: str, page: str, state: TrayState) -> None:
        """Open what has more about a row: for a key the form that it is set in."""
        is_key = menu.is_about_key(key, state)
        self._open_charts(*(("--settings",) if is_key else ("--page", page)))

    def _open_settings(self, state: TrayState) -> None:
        """The window's form; the file itself where there is no window."""
        if state.has_charts:
            self._open_charts("--settings")
            return
        example.create_if_missing(self._paths.config_file)
        self._desktop.open_path(self._paths.config_file, is_text=True)

    def _open_logs(self) -> None:
        folder = self._paths.diagnostics_dir
        try:
            private_files.make_folder(folder)
        except OSError as error:
            raise OfframpError(
                f"The folder {folder} can't be created: {error.strerror or error}.",
                hint="Make the folder above it writable for your user.",
            ) from error
        self._desktop.open_path(folder)

    def _toggle_login(self, state: TrayState) -> None:
        if self._login_item is None:
            return
        self._login_item.switch(on=not state.is_login_item)
        self._store.change(is_login_item=self._login_item.is_on())

    def _start_or_restart(self, state: TrayState) -> None:
        if self._demo:
            raise OfframpError(
                "The demo runs in a terminal.", hint="End it there and start it again: offramp demo"
            )
        is_gone = state.presence is Presence.NOT_RUNNING
        self._desktop.command("start" if is_gone else "restart")
        self._on_daemon_wanted()


def _has_charts() -> bool:
    return importlib.util.find_spec("PySide6") is not None
