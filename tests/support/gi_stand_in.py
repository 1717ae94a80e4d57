"""PyGObject with GTK and AppIndicator3, as far as a tray icon needs them, without a display.

Objects keep what they were given. The main loop runs what `idle_add` brings.
"""

from __future__ import annotations

import queue
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

MADE_WITH = (
    "pystray._appindicator",
    "pystray._util.gtk",
    "pystray._util.notify_dbus",
    "offramp_tray.linux.appindicator",
)
"""Modules to be imported anew for each desktop."""


class Desktop:
    """One desktop: its indicator and main loop."""

    def __init__(self) -> None:
        self.calls: queue.Queue[Callable[[], Any] | None] = queue.Queue()
        self.signal_handlers: dict[int, Callable[[], Any]] = {}
        self.indicator: Any = None

    def modules(self) -> dict[str, types.ModuleType]:
        """The modules, by name."""
        desktop = self

        class MainLoop:
            @classmethod
            def new(cls, _context: object, _is_running: bool) -> MainLoop:
                return cls()

            def run(self) -> None:
                while (call := desktop.calls.get(timeout=PATIENCE_S)) is not None:
                    call()

            def quit(self) -> None:
                desktop.calls.put(None)

        class Widget:
            def __init__(self, label: str = "---") -> None:
                self.label = label
                self.rows: list[Any] = []
                self.active: bool | None = None
                self.sensitive = True
                self.click: Callable[..., None] | None = None
                self.submenu: Any = None

            @classmethod
            def new(cls) -> Widget:
                return cls()

            @classmethod
            def new_with_label(cls, label: str) -> Widget:
                return cls(label)

            def append(self, row: Any) -> None:
                self.rows.append(row)

            def connect(self, _signal: str, handler: Callable[..., None]) -> None:
                self.click = handler

            def set_active(self, active: bool) -> None:
                self.active = active

            def set_sensitive(self, sensitive: bool) -> None:
                self.sensitive = sensitive

            def set_submenu(self, menu: Any) -> None:
                self.submenu = menu

            def set_draw_as_radio(self, _radio: bool) -> None:
                """Never wanted."""

            def show_all(self) -> None:
                """They are."""

        class Indicator:
            @classmethod
            def new(cls, name: str, _icon: str, _category: str) -> Indicator:
                desktop.indicator = cls()
                desktop.indicator.name = name
                return desktop.indicator  # type: ignore[no-any-return]

            status = "passive"
            title = label = ""
            menu: Any = None
            picture = b""

            def set_icon(self, path: str | None) -> None:
                if path:
                    self.picture = Path(path).read_bytes()

            def set_menu(self, menu: Any) -> None:
                self.menu = menu

            def set_title(self, title: str) -> None:
                self.title = title

            def set_label(self, label: str, _guide: str) -> None:
                self.label = label

            def set_status(self, status: str) -> None:
                self.status = status

        def idle_add(call: Callable[..., Any], *arguments: Any) -> None:
            desktop.calls.put(lambda: call(*arguments))

        def unix_signal_add(_priority: int, number: int, handler: Callable[[], None]) -> None:
            desktop.signal_handlers[number] = handler

        def require_version(_name: str, _version: str) -> None:
            """They all are there."""

        namespaces = {
            "GLib": {
                "MainLoop": MainLoop,
                "PRIORITY_DEFAULT": 0,
                "idle_add": idle_add,
                "unix_signal_add": unix_signal_add,
            },
            "GObject": {"idle_add": idle_add},
            "Gio": {},
            "Gtk": {
                "CheckMenuItem": Widget,
                "Menu": Widget,
                "MenuItem": Widget,
                "SeparatorMenuItem": Widget,
                "init_check": lambda: (True, []),
            },
            "AppIndicator3": {
                "Indicator": Indicator,
                "IndicatorCategory": types.SimpleNamespace(APPLICATION_STATUS="status"),
                "IndicatorStatus": types.SimpleNamespace(ACTIVE="active", PASSIVE="passive"),
            },
        }
        gi = types.ModuleType("gi")
        repository = types.ModuleType("gi.repository")
        vars(gi).update(require_version=require_version, repository=repository)
        modules = {"gi": gi, "gi.repository": repository}
        for name, contents in namespaces.items():
            module = types.ModuleType(f"gi.repository.{name}")
            vars(module).update(contents)
            vars(repository)[name] = module
            modules[module.__name__] = module
        return modules


def forget(*names: str) -> None:
    """Have these imported anew next time."""
    for name in names:
        sys.modules.pop(name, None)
