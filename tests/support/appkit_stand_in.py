"""AppKit, Foundation, objc and PyObjCTools, as far as a tray icon needs them, on any system.

Objects keep what they were given, in plain attributes. As on macOS, everything but `callAfter`
and `callLater` is for the thread that runs the application: a call on another one fails the test.
What AppKit or PyObjC refuse is refused here: a setter that the class does not have, a value of
another type, a menu item in two menus, an observer without the method, a method whose name and
arguments do not agree.
"""

from __future__ import annotations

import functools
import inspect
import queue
import sys
import threading
import types
from typing import TYPE_CHECKING, Any, ClassVar

from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Setters = Mapping[str, tuple[type, ...]]


SCREENS_CHANGED = "NSApplicationDidChangeScreenParametersNotification"
OCCLUSION_CHANGED = "NSWindowDidChangeOcclusionStateNotification"
SPACE_CHANGED = "NSWorkspaceActiveSpaceDidChangeNotification"
WOKEN = "NSWorkspaceDidWakeNotification"
LOCKED = "com.apple.screenIsLocked"
UNLOCKED = "com.apple.screenIsUnlocked"
OCCLUSION_VISIBLE = 1 << 1
FULL_SCREEN = 1 << 10
_TEXT, _YES_NO, _NUMBER = (str,), (bool,), (int, float)


def rect(left: float, bottom: float, width: float, height: float) -> Any:
    """An NSRect."""
    return types.SimpleNamespace(
        origin=types.SimpleNamespace(x=left, y=bottom),
        size=types.SimpleNamespace(width=width, height=height),
    )


class Screen:
    """An NSScreen; the left and right areas beside a notch are zero where there is none."""

    def __init__(
        self, frame: Any, *, left: Any = None, right: Any = None, is_before_notches: bool = False
    ) -> None:
        self._frame = frame
        self._areas = (left or rect(0, 0, 0, 0), right or rect(0, 0, 0, 0))
        self._is_before_notches = is_before_notches

    def frame(self) -> Any:
        return self._frame

    def respondsToSelector_(self, name: str) -> bool:  # noqa: N802 - AppKit's name
        return name in {"frame", "auxiliaryTopLeftArea"} and not (
            self._is_before_notches and name.startswith("auxiliary")
        )

    def auxiliaryTopLeftArea(self) -> Any:  # noqa: N802 - AppKit's name
        assert not self._is_before_notches, "unrecognized selector"
        return self._areas[0]

    def auxiliaryTopRightArea(self) -> Any:  # noqa: N802 - AppKit's name
        assert not self._is_before_notches, "unrecognized selector"
        return self._areas[1]


class Window:
    """The window of the icon, as the menu bar has placed it."""

    def __init__(self) -> None:
        self.rect = rect(1200, 876, 30, 24)
        self.is_visible = True
        self.occlusion = OCCLUSION_VISIBLE

    def frame(self) -> Any:
        return self.rect

    def isVisible(self) -> bool:  # noqa: N802 - AppKit's name
        return self.is_visible

    def occlusionState(self) -> int:  # noqa: N802 - AppKit's name
        return self.occlusion


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
        self.window: Window | None = Window()
        self.screens = [Screen(rect(0, 0, 1440, 900))]
        self.presentation_options = 0
        self.defaults: dict[str, bool] = {}
        self.observers: list[tuple[str, Any, str, Any]] = []
        """Name, observer, its method and whose notifications it wants."""
        self._later: list[Callable[[], None]] = []

    def call_later(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """What `callLater` does; the time passes only by `pass_time`."""
        assert delay_s > 0
        assert callable(call)
        self._later.append(lambda: call(*arguments))

    def pass_time(self) -> None:
        """Have everything that waits for its time run, in its order."""
        later, self._later = self._later, []
        for call in later:
            self.calls.put(call)

    def post(self, name: str, sender: Any = None) -> None:
        """Send a notification to whoever wants it, on the main thread."""
        for wanted, observer, method, of in list(self.observers):
            if wanted == name and of in {None, sender}:
                self.calls.put(functools.partial(getattr(observer, method), sender))

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
        while (call := self.calls.get(timeout=PATIENCE_S)) is not None or not self.is_stopped:
            if call is not None:
                call()

    def modules(self) -> dict[str, types.ModuleType]:
        """The modules, by name."""
        system = self

        class NSObject:
            """Made by `alloc().init…()`; each setter `setName_` leaves an attribute `name`."""

            setters: ClassVar[Setters] = {}
            """Each attribute that can be set, with the types that it takes; () for any."""

            def __init_subclass__(cls) -> None:
                for name, method in vars(cls).items():
                    if inspect.isfunction(method) and name.endswith("_") and name[0] != "_":
                        count = len(inspect.signature(method).parameters) - 1
                        assert name.count("_") == count, f"BadPrototypeError: {name}"

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
                if attribute not in self.setters:
                    raise AttributeError(f"{type(self).__name__} has no {name}")
                taken = self.setters[attribute]

                def set_attribute(value: Any) -> None:
                    system.check(name)
                    assert not taken or isinstance(value, taken), f"{name}({value!r})"
                    setattr(self, attribute, value)

                return set_attribute

        class NSButton(NSObject):
            setters: ClassVar[Setters] = {
                "target": (),
                "action": (bytes,),
                "hidden": _YES_NO,
                "toolTip": _TEXT,
                "image": (),
                "accessibilityLabel": _TEXT,
                "title": _TEXT,
                "imagePosition": (),
            }

            def window(self) -> Window | None:
                system.check("window")
                return system.window

        class NSStatusItem(NSObject):
            setters: ClassVar[Setters] = {"menu": ()}
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

            def currentSystemPresentationOptions(self) -> int:  # noqa: N802
                return system.presentation_options

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
            setters: ClassVar[Setters] = {"autoenablesItems": _YES_NO, "delegate": ()}
            delegate: Any = None

            def __init__(self) -> None:
                self.items: list[Any] = []

            def initWithTitle_(self, _title: str) -> NSMenu:  # noqa: N802
                return self

            def addItem_(self, item: Any) -> None:  # noqa: N802
                system.check("addItem_")
                assert not item.is_in_menu, "NSInternalInconsistencyException: in a menu already"
                item.is_in_menu = True
                self.items.append(item)

        class NSMenuItem(NSObject):
            setters: ClassVar[Setters] = {
                "title": _TEXT,
                "enabled": _YES_NO,
                "state": (int,),
                "hidden": _YES_NO,
                "submenu": (NSMenu,),
                "target": (),
            }
            title = "---"
            hidden = False
            is_in_menu = False
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
                assert isinstance(title, str)
                self.title = title
                return self

            def setTag_(self, number: int) -> None:  # noqa: N802
                self._tag = number

            def tag(self) -> int:
                return self._tag

        class NSImage(NSObject):
            setters: ClassVar[Setters] = {"template": _YES_NO}

            def __init__(self) -> None:
                self.pixels: list[Any] = []

            def initWithSize_(self, size: tuple[float, float]) -> NSImage:  # noqa: N802
                self.size = size
                return self

            def addRepresentation_(self, pixels: Any) -> None:  # noqa: N802
                self.pixels.append(pixels)

        class NSBitmapImageRep(NSObject):
            setters: ClassVar[Setters] = {"size": (tuple,)}

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

        class NotificationCenter:
            """The process's own, the workspace's and everybody's alike."""

            @classmethod
            def defaultCenter(cls) -> NotificationCenter:  # noqa: N802
                return cls()

            def addObserver_selector_name_object_(  # noqa: N802
                self, observer: NSObject, selector: str, name: str, sender: object
            ) -> None:
                system.check("addObserver")
                method = selector.replace(":", "_")
                assert callable(getattr(type(observer), method, None)), f"no method {selector}"
                system.observers.append((name, observer, method, sender))

            def removeObserver_(self, observer: NSObject) -> None:  # noqa: N802
                system.observers = [each for each in system.observers if each[1] is not observer]

        class NSWorkspace(NSObject):
            @classmethod
            def sharedWorkspace(cls) -> NSWorkspace:  # noqa: N802
                return cls()

            def notificationCenter(self) -> NotificationCenter:  # noqa: N802
                return NotificationCenter()

        class NSScreen(NSObject):
            @classmethod
            def screens(cls) -> list[Screen]:
                system.check("screens")
                return system.screens

        class NSUserDefaults(NSObject):
            @classmethod
            def standardUserDefaults(cls) -> NSUserDefaults:  # noqa: N802
                return cls()

            def boolForKey_(self, key: str) -> bool:  # noqa: N802
                return system.defaults.get(key, False)

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
                NSScreen,
                NSStatusBar,
                NSWorkspace,
            )
        }
        constants = {
            "NSApplicationActivationPolicyAccessory": "accessory",
            "NSApplicationDefined": 15,
            "NSApplicationDidChangeScreenParametersNotification": SCREENS_CHANGED,
            "NSApplicationPresentationAutoHideMenuBar": 1 << 2,
            "NSApplicationPresentationFullScreen": FULL_SCREEN,
            "NSApplicationPresentationHideMenuBar": 1 << 3,
            "NSImageLeft": "left of the text",
            "NSImageOnly": "alone",
            "NSMakeSize": lambda width, height: (width, height),
            "NSOffState": 0,
            "NSOnState": 1,
            "NSPoint": lambda x, y: (x, y),
            "NSVariableStatusItemLength": -1.0,
            "NSWindowDidChangeOcclusionStateNotification": OCCLUSION_CHANGED,
            "NSWindowOcclusionStateVisible": OCCLUSION_VISIBLE,
            "NSWorkspaceActiveSpaceDidChangeNotification": SPACE_CHANGED,
            "NSWorkspaceDidWakeNotification": WOKEN,
        }
        return {
            "AppKit": _module("AppKit", **app_kit, **constants),
            "Foundation": _module(
                "Foundation",
                NSObject=NSObject,
                NSData=NSData,
                NSDistributedNotificationCenter=NotificationCenter,
                NSNotificationCenter=NotificationCenter,
                NSUserDefaults=NSUserDefaults,
            ),
            "objc": _module("objc", namedSelector=named_selector),
            "PyObjCTools": _module("PyObjCTools", __path__=[]),
            "PyObjCTools.AppHelper": _module(
                "PyObjCTools.AppHelper", callAfter=system.calls.put, callLater=system.call_later
            ),
            "PyObjCTools.MachSignals": _module(
                "PyObjCTools.MachSignals", signal=signal, getsignal=system.signal_handlers.get
            ),
        }


def _module(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


MADE_WITH = (
    "pystray._darwin",
    "offramp_tray.macos.appkit_backend",
    "offramp_tray.macos.menu_bar_watch",
)
"""Modules to be imported anew for each system."""


def forget(*names: str) -> None:
    """Have these imported anew next time."""
    for name in names:
        sys.modules.pop(name, None)
