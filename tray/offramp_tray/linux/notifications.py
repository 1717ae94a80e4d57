"""Messages to the user on Linux: org.freedesktop.Notifications, over the tray's own connection.

At login the tray may be there before the session bus is: a few messages wait for it. A desktop
without that service is not an error: the menu shows the message too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from dbus_fast.signature import Variant

from offramp_tray.linux.dbus_object import plain_text
from offramp_tray.linux.session_bus import BusError
from offramp_tray.toolkit.backend import APP_ID, APP_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from offramp_tray.linux.session_bus import SessionBus
    from offramp_tray.view.view_model import Notification

logger = logging.getLogger(__name__)

SERVICE: Final = "org.freedesktop.Notifications"
SERVICE_PATH: Final = "/org/freedesktop/Notifications"

_TIMEOUT_S = 25.0
"""The service may have to be started first."""
_MOST_WAITING = 16
_WAITS_FOR_S = 300.0
"""What waits for the session bus for longer may be true no more."""
_BY_THE_SERVICE = -1
"""How long a message stays."""


class DesktopNotifier:
    """Delivers messages one after another, so that none overtakes the one it replaces."""

    def __init__(
        self,
        bus: SessionBus,
        icon: Callable[[], Image | None],
        *,
        timeout_s: float = _TIMEOUT_S,
        waits_for_s: float = _WAITS_FOR_S,
    ) -> None:
        """Ask `icon` for the picture beside a message."""
        self._bus = bus
        self._icon = icon
        self._timeout_s = timeout_s
        self._waits_for_s = waits_for_s
        self._waiting: asyncio.Queue[tuple[float, Notification]] = asyncio.Queue(_MOST_WAITING)
        """When each was posted, and the message."""
        self._numbers: dict[str, int] = {}
        """What the service calls the last message with each key."""
        self._failure = ""
        """Why the last message could not be shown; logged once for as long as it stays so."""

    def post(self, message: Notification) -> None:
        """Deliver `message` as soon as there is a bus, on the loop's thread.

        That it can't be delivered is logged, once for each reason.
        """
        if self._waiting.full():
            self._fail(message, "there is no session bus, or it does not answer")
            return
        self._waiting.put_nowait((time.monotonic(), message))

    async def serve(self) -> None:
        """Deliver, until cancelled; what waits then is for the next connection."""
        self._numbers.clear()  # another bus, another service
        while True:
            posted_s, message = await self._waiting.get()
            if time.monotonic() - posted_s > self._waits_for_s:
                self._fail(message, "there was no session bus for too long")
                continue
            try:
                await self._deliver(message)
            except BusError as error:
                self._fail(message, str(error))
            else:
                self._failure = ""

    async def _deliver(self, message: Notification) -> None:
        title = plain_text(message.title)
        body = escape(plain_text(message.body))  # services read it as markup
        icon = self._icon()
        hints = {
            "desktop-entry": Variant("s", APP_ID),
            **({"image-data": _image_hint(icon)} if icon is not None else {}),
        }
        [number] = await self._bus.call(
            SERVICE,
            SERVICE_PATH,
            f"{SERVICE}.Notify",
            "susssasa{sv}i",
            APP_NAME,
            self._numbers.get(message.key, 0),
            "",
            title,
            body,
            [],
            hints,
            _BY_THE_SERVICE,
            timeout_s=self._timeout_s,
            may_start=True,
        )
        self._numbers[message.key] = number

    def _fail(self, message: Notification, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            logger.warning(
                "A message to the user could not be shown.",
                extra={"title": message.title, "body": message.body, "reason": reason},
            )


def _image_hint(image: Image) -> Variant:
    """The picture as width, height, bytes in a row, alpha, bits, channels and the bytes."""
    width, height = image.size
    values: list[Any] = [width, height, 4 * width, True, 8, 4, image.tobytes()]
    return Variant("(iiibiiay)", values)
