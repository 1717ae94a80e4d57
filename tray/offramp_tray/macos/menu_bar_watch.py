"""Looks, when there is reason to, whether the menu bar shows the icon. On the main thread only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import AppKit
import Foundation
from PyObjCTools import AppHelper

from offramp_tray.macos.menu_bar_place import IconWindow, MenuBarScreen, Placement, Rect, judge

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLE_S = 5.0
"""The menu bar takes its time, at login most of all."""

_LOCKED = "com.apple.screenIsLocked"
_UNLOCKED = "com.apple.screenIsUnlocked"
_HIDES_BAR = "_HIHideMenuBar"

logger = logging.getLogger(__name__)


class OfframpMenuBarObserver(Foundation.NSObject):  # type: ignore[misc]  # pyobjc has no types
    """Hears from the system what may have moved the icon.

    Objective-C's classes have one namespace for the whole process, hence the long name.
    """

    watch: MenuBarWatch

    def barChanged_(self, _notification: object) -> None:  # noqa: N802 - a selector's name
        """Look again soon."""
        self.watch.look_soon()

    def screenLocked_(self, _notification: object) -> None:  # noqa: N802 - a selector's name
        """Nothing can be seen for now."""
        self.watch.is_locked = True

    def screenUnlocked_(self, _notification: object) -> None:  # noqa: N802 - a selector's name
        """Look again soon."""
        self.watch.is_locked = False
        self.watch.look_soon()


class MenuBarWatch:
    """Says whether the icon is shown: once that is known, and at each change."""

    def __init__(self, status_item: Any, on_presence: Callable[[bool], None]) -> None:
        """Look after `status_item`, from `begin` on."""
        self.is_locked = False
        self._status_item = status_item
        self._on_presence = on_presence
        self._asked = 0
        self._said: bool | None = None
        self._centers: tuple[Any, ...] = ()
        self._observer = OfframpMenuBarObserver.alloc().init()
        self._observer.watch = self

    def begin(self) -> None:
        """Look soon, and after each change of screens, spaces, sleep, lock and what is covered."""
        own = Foundation.NSNotificationCenter.defaultCenter()
        workspace = AppKit.NSWorkspace.sharedWorkspace().notificationCenter()
        everybodys = Foundation.NSDistributedNotificationCenter.defaultCenter()
        window = self._status_item.button().window()
        for center, name, selector, sender in (
            (own, AppKit.NSApplicationDidChangeScreenParametersNotification, "barChanged:", None),
            (own, AppKit.NSWindowDidChangeOcclusionStateNotification, "barChanged:", window),
            (workspace, AppKit.NSWorkspaceDidWakeNotification, "barChanged:", None),
            (workspace, AppKit.NSWorkspaceActiveSpaceDidChangeNotification, "barChanged:", None),
            (everybodys, _LOCKED, "screenLocked:", None),
            (everybodys, _UNLOCKED, "screenUnlocked:", None),
        ):
            center.addObserver_selector_name_object_(self._observer, selector, name, sender)
        self._centers = (own, workspace, everybodys)
        self.look_soon()

    def end(self) -> None:
        """Hear no more."""
        self._asked += 1
        for center in self._centers:
            center.removeObserver_(self._observer)

    def look_soon(self) -> None:
        """Look once nothing has changed for a while."""
        self._asked += 1
        AppHelper.callLater(SETTLE_S, self._look, self._asked)

    def _look(self, asked: int) -> None:
        if asked != self._asked:
            return
        placement = judge(
            _window_of(self._status_item),
            tuple(map(_screen, AppKit.NSScreen.screens())),
            is_bar_covered=self.is_locked or _is_bar_covered(),
            hides_bar=bool(
                Foundation.NSUserDefaults.standardUserDefaults().boolForKey_(_HIDES_BAR)
            ),
        )
        is_shown = placement is Placement.SHOWN
        if placement is Placement.UNKNOWN or is_shown is self._said:
            return
        self._said = is_shown
        if is_shown:
            logger.info("The menu bar shows the icon")
        else:
            logger.warning("The menu bar does not show the icon", extra={"why": placement.value})
        self._on_presence(is_shown)


def _is_bar_covered() -> bool:
    """Whether the program in front fills the screen, menu bar and all."""
    options = AppKit.NSApplication.sharedApplication().currentSystemPresentationOptions()
    hiding = (
        AppKit.NSApplicationPresentationAutoHideMenuBar
        | AppKit.NSApplicationPresentationHideMenuBar
        | AppKit.NSApplicationPresentationFullScreen
    )
    return bool(options & hiding)


def _window_of(status_item: Any) -> IconWindow | None:
    window = status_item.button().window()
    if window is None:
        return None
    return IconWindow(
        frame=_rect(window.frame()),
        is_visible=bool(window.isVisible()),
        is_drawn=bool(window.occlusionState() & AppKit.NSWindowOcclusionStateVisible),
    )


def _screen(screen: Any) -> MenuBarScreen:
    notch = None
    if screen.respondsToSelector_("auxiliaryTopLeftArea"):  # from macOS 12 on
        left, right = _rect(screen.auxiliaryTopLeftArea()), _rect(screen.auxiliaryTopRightArea())
        if left.width and right.width:
            notch = (left.right, right.left)
    return MenuBarScreen(frame=_rect(screen.frame()), notch=notch)


def _rect(rect: Any) -> Rect:
    return Rect(rect.origin.x, rect.origin.y, rect.size.width, rect.size.height)
