"""Tells the user, once a session, what to do where nothing on the desktop shows the icon."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.paths import TRAY_TOLD_FILE
from offramp_core.wording.menu_bar_text import hidden_icon_cure
from offramp_tray.state.said_notifications import FOR_SO_LONG
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

AFTER_S = 30.0
"""At login the tray may well be there before the panel is."""

_LOG = logging.getLogger(__name__)


class MissingPanelHint:
    """Waits whether a place for the icon comes. `on_presence` on one thread, `close` on any."""

    def __init__(
        self,
        runtime_dir: Path,
        environ: Mapping[str, str],
        *,
        notify: Callable[[Notification], None],
        tell: Callable[[str], None] = lambda _text: None,
        after_s: float = AFTER_S,
        make_timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
        platform: str = sys.platform,
    ) -> None:
        """Call `notify` where there is no place for `after_s`.

        `tell` is called at once, the first time, for whoever looks at the terminal.
        """
        self._mark = runtime_dir / TRAY_TOLD_FILE
        self._desktop = environ.get("XDG_CURRENT_DESKTOP", "")
        self._notify = notify
        self._tell = tell
        self._is_told = False
        self._after_s = after_s
        self._make_timer = make_timer
        self._platform = platform
        self._timer: threading.Timer | None = None

    def on_presence(self, is_shown: bool) -> None:
        """Something shows the icon now, or nothing does."""
        self.close()
        if not is_shown:
            if not self._is_told:
                self._is_told = True
                self._tell(
                    f"Nothing on this desktop shows the icon yet; the tray waits. {self._cure()}"
                )
            self._timer = self._make_timer(self._after_s, self._report)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self) -> None:
        cure = self._cure()
        _LOG.warning("Nothing on this desktop shows the icon", extra={"cure": cure})
        if self._is_first_time():
            self._notify(
                Notification(key="place", title="Offramp has no place for its icon", body=cure)
            )

    def _cure(self) -> str:
        is_mac = self._platform == "darwin"
        return hidden_icon_cure() if is_mac else what_to_install(self._desktop)

    def _is_first_time(self) -> bool:
        """Whether there was no hint lately; true too where that can't be recorded."""
        with contextlib.suppress(OSError):
            told = datetime.fromtimestamp(self._mark.stat().st_mtime, UTC)
            if abs(datetime.now(UTC) - told) < FOR_SO_LONG:
                return False
        with contextlib.suppress(OSError):
            self._mark.touch(mode=0o600)
        return True


def what_to_install(desktop: str) -> str:
    """The cure on Linux, for the desktop that `XDG_CURRENT_DESKTOP` names."""
    if "gnome" in desktop.lower():
        return (
            "GNOME shows such icons only with the extension AppIndicator and KStatusNotifierItem "
            "Support (package gnome-shell-extension-appindicator). Install it, switch it on in "
            "Extensions, and log in again. Offramp also works without the icon."
        )
    return (
        "Add a system tray or status notifier to your panel (in Xfce: Status Tray Plugin, in "
        "Sway's waybar: tray). The icon then appears by itself. Offramp also works without it."
    )
