"""AppKit, Foundation, objc and PyObjCTools, as far as a tray icon needs them, on any system.

Objects keep what they were given, in plain attributes. As on macOS, everything but `callAfter`
is for the thread that runs the application: a call on another one fails the test.
"""

from __future__ import annotations

import queue
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class System:
    """One Mac: its application, its status bar, and what was installed for signals."""

    def __init__(self) -> None:
        self.main_thread: int | None = None
        self.calls: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self.activation_policy: str | None = None
        self.status_items: list[Any] = []
        self.signal_handlers: dict[int, Callable[..., None]] = {}
        self.is_stopped = False
        self.strays: list[str] = []

    @property
    def item(self) -> Any:
        """The only icon in the menu bar."""
        [item] = self.status_items
        return item

    @property
    def button(self) -> Any:
        """What is in the menu bar, for a test to look at."""
        return self.item.shown_button

    def check(self, what: str) -> None:
        """Note a call that came on the wrong thread."""
        if self.main_thread is None:
            self.main_thread = threading.get_ident()
        if threading.get_ident() != self.main_thread:
            self.strays.append(what)

    def run(self) -> None:
        """The main loop: until it was stopped and an event came after that."""
        while (call := self.calls.get(timeout=30)) is not None or not self.is_stopped:
            if call is not None:
                call()

    def modules(self) -> dict[str, types.ModuleType]:
        """The modules, by name."""
        system = self

        class NSObject:
            """Made by `alloc().init…()`; each setter `setName_` leaves an attribute `name`."""

            @classmethod
            def alloc(cls) -> Any:
                system.check(cls.__name__)
                return cls()

            def init(self) -> Any:
                return self

            def __getattr__(self, name: str) -> Callable[..., None]:
                if not (name.startswith("set") and name.endswith("_")):
                    raise AttributeError(name)
                attribute = name[3:4].lower() + name[4:-1]

                def set_attribute(value: Any) -> None:
                    system.check(name)
                    setattr(self, attribute, value)

                return set_attribute

        class NSButton(NSObject):
            pass

        class NSStatusItem(NSObject):
            menu: Any = None

            def __init__(self) -> None:
                self.shown_button = NSButton()

            def button(self) -> NSButton:
                system.check("button")
                return self.shown_button

        class NSStatusBar(NSObject):
            @classmethod
            def systemStatusBar(cls) -> NSStatusBar:  # noqa: N802 - AppKit's name
                return cls()

            def statusItemWithLength_(self, _length: float) -> NSStatusItem:  # noqa: N802
                system.status_items.append(NSStatusItem())
                return system.item  # type: ignore[no-any-return]

            def removeStatusItem_(self, item: NSStatusItem) -> None:  # noqa: N802
                system.status_items.remove(item)

            def thickness(self) -> float:
                return 22.0

        class NSApplication(NSObject):
            @classmethod
            def sharedApplication(cls) -> NSApplication:  # noqa: N802
                system.check("sharedApplication")
                return cls()

            def setActivationPolicy_(self, policy: str) -> None:  # noqa: N802
                system.activation_policy = policy

            def run(self) -> None:
                system.check("run")
                system.run()

            def stop_(self, _sender: object) -> None:
                system.check("stop_")
                system.is_stopped = True

            def postEvent_atStart_(self, _event: object, _at_start: bool) -> None:  # noqa: N802
                system.calls.put(None)

            def terminate_(self, _sender: object) -> None:
                raise AssertionError("It ends the process at once.")

        class NSMenu(NSObject):
            delegate: Any = None

            def __init__(self) -> None:
                self.items: list[Any] = []

            def initWithTitle_(self, _title: str) -> NSMenu:  # noqa: N802
                return self

            def addItem_(self, item: Any) -> None:  # noqa: N802
                system.check("addItem_")
                self.items.append(item)

        class NSMenuItem(NSObject):
            title = "---"
            hidden = False
            submenu: Any = None

            @classmethod
            def separatorItem(cls) -> NSMenuItem:  # noqa: N802
                return cls()

            def isHidden(self) -> bool:  # noqa: N802
                system.check("isHidden")
                return self.hidden

            def initWithTitle_action_keyEquivalent_(  # noqa: N802
                self, title: str, _action: bytes, _key: str
            ) -> NSMenuItem:
                self.title = title
                return self

            def setTag_(self, number: int) -> None:  # noqa: N802
                self._tag = number

            def tag(self) -> int:
                return self._tag

        class NSImage(NSObject):
            def __init__(self) -> None:
                self.pixels: list[Any] = []

            def initWithSize_(self, size: tuple[float, float]) -> NSImage:  # noqa: N802
                self.size = size
                return self

            def addRepresentation_(self, pixels: Any) -> None:  # noqa: N802
                self.pixels.append(pixels)

        class NSBitmapImageRep(NSObject):
            @classmethod
            def imageRepWithData_(cls, data: Any) -> NSBitmapImageRep:  # noqa: N802
                made = cls()
                made.data = data.content
                return made

            data = b""

        class NSData(NSObject):
            content = b""

            @classmethod
            def dataWithBytes_length_(cls, content: bytes, length: int) -> NSData:  # noqa: N802
                made = cls()
                made.content = content[:length]
                return made

        class NSEvent:
            @staticmethod
            def otherEventWithType_location_modifierFlags_timestamp_windowNumber_context_subtype_data1_data2_(  # noqa: E501, N802
                *_arguments: object,
            ) -> object:
                return object()

        def named_selector(_name: bytes) -> Callable[[Any], Any]:
            return lambda method: method

        def signal(number: int, handler: Callable[..., None]) -> Any:
            previous = system.signal_handlers.get(number)
            system.signal_handlers[number] = handler
            return previous

        app_kit = {
            each.__name__: each
            for each in (
                NSApplication,
                NSBitmapImageRep,
                NSEvent,
                NSImage,
                NSMenu,
                NSMenuItem,
                NSStatusBar,
            )
        }
        constants = {
            "NSApplicationActivationPolicyAccessory": "accessory",
            "NSApplicationDefined": 15,
            "NSImageLeft": "left of the text",
            "NSImageOnly": "alone",
            "NSMakeSize": lambda width, height: (width, height),
            "NSOffState": 0,
            "NSOnState": 1,
            "NSPoint": lambda x, y: (x, y),
            "NSVariableStatusItemLength": -1.0,
        }
        return {
            "AppKit": _module("AppKit", **app_kit, **constants),
            "Foundation": _module("Foundation", NSObject=NSObject, NSData=NSData),
            "objc": _module("objc", namedSelector=named_selector),
            "PyObjCTools": _module("PyObjCTools", __path__=[]),
            "PyObjCTools.AppHelper": _module("PyObjCTools.AppHelper", callAfter=system.calls.put),
            "PyObjCTools.MachSignals": _module(
                "PyObjCTools.MachSignals", signal=signal, getsignal=system.signal_handlers.get
            ),
        }


def _module(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


MADE_WITH = ("pystray._darwin", "offramp_tray.macos.appkit_backend")
"""Modules to be imported anew for each system."""


def forget(*names: str) -> None:
    """Have these imported anew next time."""
    for name in names:
        sys.modules.pop(name, None)
