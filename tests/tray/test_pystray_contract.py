"""What the tray relies on of pystray, which keeps these classes private: pinned, and pinned down.

A new pystray that fails here needs `row_menu`, `status_notifier`, `appkit_icon` and `appindicator`
looked at.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import subprocess
import sys
import threading

from patience import PATIENCE_S
from running_host import sample_rows

from offramp_tray.toolkit.pystray_menu import RowMenu, pystray_base

_HOOKS = {
    "_show": [],
    "_hide": [],
    "_update_icon": [],
    "_update_title": [],
    "_update_menu": [],
    "_run": [],
    "_stop": [],
    "_notify": ["message", "title"],
    "_remove_notification": [],
}


class _Recorder(pystray_base.Icon):  # type: ignore[misc]  # pystray has no types
    """Writes down what pystray calls."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.asked_to_stop = threading.Event()
        super().__init__("name", icon="icon", title="title", menu=RowMenu((), print))

    def _run(self) -> None:
        self._mark_ready()
        self.asked_to_stop.wait(PATIENCE_S)

    def _stop(self) -> None:
        self.asked_to_stop.set()

    def _show(self) -> None:
        self.called.append("show")

    def _hide(self) -> None:
        self.called.append("hide")

    def _update_icon(self) -> None:
        self._icon_valid = True
        self.called.append("icon")

    def _update_title(self) -> None:
        self.called.append("title")

    def _update_menu(self) -> None:
        self.called.append("menu")


def test_version_is_the_one_that_was_looked_at() -> None:
    assert importlib.metadata.version("pystray") == "0.19.5"


def test_base_class_has_the_hooks() -> None:
    for name, parameters in _HOOKS.items():
        hook = getattr(pystray_base.Icon, name)
        assert list(inspect.signature(hook).parameters)[1:] == parameters, name


def test_properties_call_the_hooks_of_an_icon_that_is_visible() -> None:
    icon = _Recorder()
    icon.title = "hidden"
    assert icon.called == []
    icon.visible = True
    icon.icon = "another"
    icon.title = "shown"
    icon.title = "shown"
    icon.menu = RowMenu((), print)
    icon.visible = False
    assert icon.called == ["icon", "show", "icon", "title", "menu", "hide"]


def test_stop_from_another_thread_ends_run() -> None:
    icon = _Recorder()
    ready = threading.Event()
    running = threading.Thread(target=icon.run, args=(lambda _icon: ready.set(),))
    running.start()
    assert ready.wait(PATIENCE_S)
    icon.stop()
    running.join(PATIENCE_S)
    assert not running.is_alive()
    assert icon.called == ["menu"]


def test_menu_gives_pystray_rows_and_their_clicks() -> None:
    keys: list[str] = []
    items = list(RowMenu(sample_rows(is_paused=True), keys.append))
    assert [item.text for item in items] == [
        "Z.ai 68 %, Claude 32 %",
        "- - - -",
        "Pause delegation",
        "Pause for",
        "Open charts…",
        "Open config_file",
        "- - - -",
        "Quit tray (the daemon runs on)",
    ]
    assert items[1] is pystray_base.Menu.SEPARATOR
    assert [item.checked for item in items[2:5]] == [True, None, None]
    assert [item.enabled for item in items] == [False, True, True, True, True, False, True, True]
    items[4](None)
    next(iter(items[3].submenu))(None)
    assert keys == ["charts", "hour"]


def test_import_needs_no_display_and_leaves_the_environment_alone() -> None:
    code = (
        "import os; import offramp_tray.toolkit.pystray_menu; "
        "print(os.environ.get('PYSTRAY_BACKEND'))"
    )
    for chosen in ({}, {"PYSTRAY_BACKEND": "xorg"}):
        environ = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PATH": os.environ["PATH"],
            **chosen,
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environ,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.stdout.strip() == str(chosen.get("PYSTRAY_BACKEND"))
