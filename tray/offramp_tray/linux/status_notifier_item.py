"""The icon on the session bus: org.kde.StatusNotifierItem, with Ayatana's text beside it.

It holds what is shown and tells of changes, and only of these. The interface is the one in the
freedesktop StatusNotifierItem specification, at the names that KDE gave it; the label is
libayatana-appindicator's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from dbus_fast.constants import ErrorType
from dbus_fast.signature import Variant
from PIL import Image

from offramp_tray.linux.dbus_object import BusMethod, BusObject, BusSignals, plain_text, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_fast.message import Message

ITEM_PATH: Final = "/StatusNotifierItem"
ITEM_INTERFACE: Final = "org.kde.StatusNotifierItem"

PASSIVE: Final = "Passive"
"""Not to be seen."""
ACTIVE: Final = "Active"
NEEDS_ATTENTION: Final = "NeedsAttention"

Pixmap = tuple[int, int, bytes]

_PIXMAPS = "a(iiay)"
_TOOLTIP = "(sa(iiay)ss)"

_SIGNALS: BusSignals = {
    "NewTitle": (),
    "NewIcon": (),
    "NewAttentionIcon": (),
    "NewToolTip": (),
    "NewStatus": (("status", "s"),),
    "XAyatanaNewLabel": (("label", "s"), ("guide", "s")),
}


def pixmap_of(image: Image.Image) -> Pixmap:
    """Width, height and pixels of an RGBA `image`, each pixel as the bytes A, R, G, B."""
    argb = Image.merge("RGBA", [image.getchannel(channel) for channel in "ARGB"])
    return (*image.size, argb.tobytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLook:
    """All that the desktop can see of the icon."""

    title: str = ""
    tooltip: str = ""
    label: str = ""
    status: str = PASSIVE
    pixmaps: tuple[Pixmap, ...] = field(default=(), repr=False)


class NotifierItem:
    """The icon, and what the panel may ask of it."""

    def __init__(
        self,
        item_id: str,
        *,
        menu_path: str,
        send: Callable[[Message], None],
        on_open: Callable[[], None],
    ) -> None:
        """Show nothing until `show`. `on_open`: a panel asked for what a click on the icon does."""
        self._id = item_id
        self._menu_path = menu_path
        self._on_open = on_open
        self._look = ItemLook()
        self.bus_object = BusObject(
            ITEM_PATH,
            ITEM_INTERFACE,
            methods=self._methods(),
            properties=self._properties,
            signals=_SIGNALS,
            send=send,
        )

    def show(self, look: ItemLook) -> None:
        """Show `look` from now on; says what has changed."""
        before, self._look = self._look, look
        emit = self.bus_object.emit
        if look.pixmaps != before.pixmaps:
            # A panel reads everything again for each of these, so none is sent in vain.
            emit("NewAttentionIcon" if look.status == NEEDS_ATTENTION else "NewIcon")
        if look.title != before.title:
            emit("NewTitle")
        if look.tooltip != before.tooltip:
            emit("NewToolTip")
        if look.label != before.label:
            emit("XAyatanaNewLabel", plain_text(look.label), plain_text(look.label))
        if look.status != before.status:
            emit("NewStatus", look.status)

    def _methods(self) -> dict[str, BusMethod]:
        at = (("x", "i"), ("y", "i"))
        return {
            "ContextMenu": BusMethod(_do_nothing, at),
            # Not in the introspection: a panel that sees it there waits for a double click before
            # it opens the menu (GNOME's extension).
            "Activate": BusMethod(self._activate, at, is_shown=False),
            "SecondaryActivate": BusMethod(_do_nothing, at),
            "Scroll": BusMethod(_do_nothing, (("delta", "i"), ("orientation", "s"))),
            "ProvideXdgActivationToken": BusMethod(_do_nothing, (("token", "s"),)),
        }

    def _activate(self, _x: int, _y: int) -> list[Any]:
        """A panel that is refused opens the menu instead, which is all that a click should do."""
        self._on_open()
        raise refused("The icon has its menu and nothing else.", ErrorType.UNKNOWN_METHOD)

    def _properties(self) -> dict[str, Variant]:
        look = self._look
        title, label = plain_text(look.title), plain_text(look.label)
        headline, _, rest = plain_text(look.tooltip).partition("\n")
        pixmaps = [list(pixmap) for pixmap in look.pixmaps]
        return {
            "Category": Variant("s", "ApplicationStatus"),
            "Id": Variant("s", self._id),
            "Title": Variant("s", title),
            "Status": Variant("s", look.status),
            "WindowId": Variant("i", 0),
            "ItemIsMenu": Variant("b", True),
            "Menu": Variant("o", self._menu_path),
            # By name, a theme could put another picture in its place.
            "IconName": Variant("s", ""),
            "IconThemePath": Variant("s", ""),
            "IconPixmap": Variant(_PIXMAPS, pixmaps),
            "OverlayIconName": Variant("s", ""),
            "OverlayIconPixmap": Variant(_PIXMAPS, []),
            # Without one, some panels show nothing while the status is NeedsAttention.
            "AttentionIconName": Variant("s", ""),
            "AttentionIconPixmap": Variant(_PIXMAPS, pixmaps),
            "AttentionMovieName": Variant("s", ""),
            # Panels read the lines after the first as markup.
            "ToolTip": Variant(_TOOLTIP, ["", [], headline, escape(rest)]),
            "XAyatanaLabel": Variant("s", label),
            "XAyatanaLabelGuide": Variant("s", label),
            "XAyatanaOrderingIndex": Variant("u", 0),
        }


def _do_nothing(*_arguments: object) -> list[Any]:
    return []
