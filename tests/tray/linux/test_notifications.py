"""Messages to the user over the bus, with and without somebody to show them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import pytest
from notification_service import notification_service
from notifier_watcher import panel
from patience import PATIENCE_S
from PIL import Image
from private_bus import private_bus
from running_host import icon_of, running_host, sample_view

from offramp_tray.linux.notifications import DesktopNotifier
from offramp_tray.linux.session_bus import SessionBus
from offramp_tray.linux.status_notifier_backend import StatusNotifierBackend
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from private_bus import PrivateBus

_REFUSED_KEY = Notification(
    key="key", title="The Z.ai key was refused", body="Set it <anew> & go on."
)


@contextlib.asynccontextmanager
async def _notifier(address: str, *, timeout_s: float = 10.0) -> AsyncIterator[DesktopNotifier]:
    """One that is connected."""
    bus = SessionBus(address)
    notifier = DesktopNotifier(bus, lambda: None, timeout_s=timeout_s)
    connected = asyncio.Event()

    async def speak() -> None:
        connected.set()
        await notifier.serve()

    async with asyncio.TaskGroup() as group:
        group.create_task(bus.serve(speak, lambda: None))
        await connected.wait()
        yield notifier
        bus.close()


class _Reasons(logging.Handler):
    """Why messages were not shown, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._reasons: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        assert record.getMessage() == "A message to the user could not be shown."
        self._reasons.put_nowait(vars(record)["reason"])

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reasons.get()


@pytest.fixture
def unshown() -> Iterator[_Reasons]:
    reasons = _Reasons()
    logger = logging.getLogger("offramp_tray.linux.notifications")
    logger.addHandler(reasons)
    yield reasons
    logger.removeHandler(reasons)


async def test_message_arrives_as_it_is_with_the_icon(bus: PrivateBus) -> None:
    view = sample_view(icon=icon_of(16, 48, color=(1, 2, 3, 4)))
    async with (
        notification_service(bus.address) as service,
        panel(bus.address) as there,
        running_host(StatusNotifierBackend(bus.address), view) as running,
    ):
        await there.item()
        running.host.notify(_REFUSED_KEY)
        name, replaces, icon, title, body, actions, hints, timeout = await service.next_call()
        assert (name, replaces, icon, actions, timeout) == ("Offramp", 0, "", [], -1)
        assert title == "The Z.ai key was refused"
        assert body == "Set it &lt;anew&gt; &amp; go on."
        width, height, stride, has_alpha, bits, channels, pixels = hints["image-data"]
        assert (width, height, stride, has_alpha, bits, channels) == (48, 48, 192, True, 8, 4)
        assert Image.frombytes("RGBA", (48, 48), bytes(pixels)).getpixel((0, 0)) == (1, 2, 3, 4)


async def test_later_message_replaces_the_one_with_its_key(bus: PrivateBus) -> None:
    async with notification_service(bus.address) as service, _notifier(bus.address) as notifier:
        for key in ("key", "quota", "key"):
            notifier.post(Notification(key=key, title=key, body=""))
        assert [(await service.next_call())[1] for _call in range(3)] == [0, 0, 1]


async def test_desktop_without_a_service_is_only_logged(bus: PrivateBus, unshown: _Reasons) -> None:
    async with _notifier(bus.address) as notifier:
        notifier.post(_REFUSED_KEY)
        assert "refused Notify" in await unshown.next()


async def test_service_that_can_t_be_started_is_only_logged(
    bus_folder: Path, unshown: _Reasons
) -> None:
    services = {"org.freedesktop.Notifications": "/bin/false"}
    with private_bus(bus_folder, services=services) as bus:
        async with _notifier(bus.address) as notifier:
            notifier.post(_REFUSED_KEY)
            assert "refused Notify" in await unshown.next()


async def test_service_that_refuses_is_only_logged(bus: PrivateBus, unshown: _Reasons) -> None:
    async with (
        notification_service(bus.address, refusal="too many"),
        _notifier(bus.address) as notifier,
    ):
        notifier.post(_REFUSED_KEY)
        assert "too many" in await unshown.next()


async def test_service_that_hangs_is_given_up(bus: PrivateBus, unshown: _Reasons) -> None:
    async with (
        notification_service(bus.address, is_mute=True) as service,
        _notifier(bus.address, timeout_s=0.05) as notifier,
    ):
        notifier.post(_REFUSED_KEY)
        assert "does not answer" in await unshown.next()
        service.is_mute = False
        notifier.post(Notification(key="next", title="next", body=""))
        assert (await service.next_call())[3] == _REFUSED_KEY.title
        assert (await service.next_call())[3] == "next"


async def test_messages_from_before_the_connection_arrive_in_their_order(bus: PrivateBus) -> None:
    session = SessionBus(bus.address)
    notifier = DesktopNotifier(session, lambda: None)
    for title in ("first", "second", "third"):
        notifier.post(Notification(key=title, title=title, body=""))
    async with notification_service(bus.address) as service, asyncio.TaskGroup() as group:
        group.create_task(session.serve(notifier.serve, lambda: None))
        assert [(await service.next_call())[3] for _ in range(3)] == ["first", "second", "third"]
        session.close()


async def test_message_from_between_two_connections_arrives_over_the_second(
    bus: PrivateBus,
) -> None:
    session = SessionBus(bus.address)
    notifier = DesktopNotifier(session, lambda: None)
    connected = asyncio.Event()

    async def connect() -> None:
        connected.set()

    async with notification_service(bus.address) as service, asyncio.TaskGroup() as group:
        group.create_task(session.serve(connect, lambda: None))
        await connected.wait()
        for title in ("first", "second"):
            notifier.post(Notification(key=title, title=title, body=""))
            serving = group.create_task(notifier.serve())
            assert (await service.next_call())[3] == title
            serving.cancel()
        session.close()


async def test_messages_without_a_bus_are_logged_once_no_more_can_wait(unshown: _Reasons) -> None:
    notifier = DesktopNotifier(SessionBus("unix:path=/nowhere"), lambda: None)
    for _ in range(17):
        notifier.post(_REFUSED_KEY)
    assert "no session bus" in await unshown.next()


async def test_message_that_waited_too_long_is_logged_and_not_shown(
    bus: PrivateBus, unshown: _Reasons
) -> None:
    session = SessionBus(bus.address)
    notifier = DesktopNotifier(session, lambda: None, waits_for_s=-1.0)
    notifier.post(_REFUSED_KEY)
    async with notification_service(bus.address) as service, asyncio.TaskGroup() as group:
        group.create_task(session.serve(notifier.serve, lambda: None))
        assert "for too long" in await unshown.next()
        session.close()
    assert service.calls.empty()


async def test_messages_beyond_what_can_wait_are_logged(bus: PrivateBus, unshown: _Reasons) -> None:
    async with (
        notification_service(bus.address, is_mute=True) as service,
        _notifier(bus.address) as notifier,
    ):
        notifier.post(_REFUSED_KEY)
        await service.next_call()
        for number in range(17):
            notifier.post(Notification(key=f"{number}", title=f"{number}", body=""))
        assert "does not answer" in await unshown.next()


async def test_reason_why_nothing_is_shown_is_logged_once_until_it_works(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture, unshown: _Reasons
) -> None:
    async with _notifier(bus.address) as notifier:
        for _ in range(3):
            notifier.post(_REFUSED_KEY)
        await unshown.next()
        async with notification_service(bus.address) as service:
            notifier.post(Notification(key="next", title="next", body=""))
            while (await service.next_call())[3] != "next":
                pass
        notifier.post(_REFUSED_KEY)
        await unshown.next()
    assert caplog.messages.count("A message to the user could not be shown.") == 2
