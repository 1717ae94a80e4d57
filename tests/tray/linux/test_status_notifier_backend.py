"""The icon on a private session bus, with a panel of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast.constants import MessageType
from dbus_fast.signature import Variant
from notifier_watcher import ITEM, MENU, panel
from patience import PATIENCE_S
from PIL import Image
from running_host import icon_of, running_host, sample_rows, sample_view

from offramp_tray.linux.status_notifier_backend import StatusNotifierBackend
from offramp_tray.view.view_model import IconImages, MenuRow, RowKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifier_watcher import Panel, PanelItem
    from private_bus import PrivateBus
    from running_host import RunningHost

    from offramp_tray.view.view_model import ViewModel


@contextlib.asynccontextmanager
async def _shown(
    bus: PrivateBus, view: ViewModel | None = None
) -> AsyncIterator[tuple[Panel, PanelItem, RunningHost]]:
    """An icon in a panel that was there before it."""
    async with (
        panel(bus.address) as there,
        running_host(StatusNotifierBackend(bus.address), view or sample_view()) as running,
    ):
        while not await running.next_presence():
            pass
        yield there, await there.item(), running


async def test_icon_registers_with_all_that_a_panel_reads(bus: PrivateBus) -> None:
    async with _shown(bus, sample_view(label="68 %")) as (_panel, item, _running):
        properties = await item.properties()
        assert item.name.startswith("org.kde.StatusNotifierItem-")
        assert properties["Id"] == "offramp"
        assert properties["Category"] == "ApplicationStatus"
        assert properties["Status"] == "Active"
        assert properties["Title"] == "Z.ai 68 %, Claude 32 % this week"
        assert list(properties["ToolTip"]) == ["", [], properties["Title"], ""]
        assert properties["IconName"] == ""
        assert properties["ItemIsMenu"] is True
        assert properties["XAyatanaLabel"] == "68 %"
        assert [pixmap[0] for pixmap in properties["IconPixmap"]] == [16, 22, 48]


async def test_pixels_arrive_in_the_order_alpha_red_green_blue(bus: PrivateBus) -> None:
    image = Image.new("RGBA", (2, 1))
    image.putpixel((0, 0), (0x11, 0x22, 0x33, 0x44))
    image.putpixel((1, 0), (0xFF, 0x00, 0x80, 0xFF))
    view = sample_view(icon=IconImages(by_size_px=((2, image),)))
    async with _shown(bus, view) as (_panel, item, _running):
        [[width, height, pixels]] = (await item.properties())["IconPixmap"]
        assert (width, height) == (2, 1)
        assert pixels == bytes.fromhex("44112233 ffff0080")


async def test_menu_reads_as_designed(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        menu = await item.open()
        await running.next_open()
        assert menu.words == [
            "Z.ai 68 %, Claude 32 %",
            "---",
            "Pause delegation",
            "Pause for",
            "Open charts…",
            "Open config__file",
            "---",
            "Quit tray (the daemon runs on)",
        ]
        assert menu.find("Pause for").words == ["1 hour", "Until tomorrow"]
        assert not menu.find("Open config__file").properties["enabled"]
        assert menu.find("Pause delegation").properties["toggle-state"] == 0


async def test_click_arrives_within_a_tenth_of_a_second(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        menu = await item.open()
        clicks = [("Pause delegation", "pause"), ("1 hour", "hour"), ("Open charts…", "charts")]
        took_s = []
        for label, key in 10 * clicks:
            number = menu.find(label).number
            began_s = time.perf_counter()
            await item.event(number, "clicked")
            assert await running.next_click() == key
            took_s.append(time.perf_counter() - began_s)
        assert min(took_s) < 0.1  # of many, for others may have the processor


async def test_click_reaches_the_thread_that_runs_the_host(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        threads: list[int] = []
        running.on_click = lambda _key: threads.append(threading.get_ident())
        await item.click("Open charts…")
        await running.next_click()
        assert threads == [running.thread.ident]


async def test_each_change_is_told_by_its_own_signal_alone(bus: PrivateBus) -> None:
    async with _shown(bus) as (there, item, running):
        seen = len(there.signals)
        changes: list[tuple[ViewModel, set[str]]] = [
            (sample_view(title="New"), {"NewTitle", "NewToolTip"}),
            (sample_view(title="New", label="1"), {"XAyatanaNewLabel"}),
            (sample_view(title="New", label="1", icon=icon_of(16)), {"NewIcon"}),
            (
                sample_view(
                    title="New", label="1", icon=icon_of(16), rows=sample_rows(is_paused=True)
                ),
                {"ItemsPropertiesUpdated"},
            ),
        ]
        for view, members in changes:
            running.host.show(view)
            await running.settle()
            await item.properties()  # its answer comes after the signals
            assert set(there.members(seen)) == members
            seen = len(there.signals)
        assert (await item.properties())["Title"] == "New"


async def test_same_face_again_says_nothing(bus: PrivateBus) -> None:
    async with _shown(bus) as (there, item, running):
        seen = len(there.signals)
        running.host.show(sample_view())
        await running.settle()
        await item.properties()
        assert there.members(seen) == []


async def test_trouble_asks_for_attention(bus: PrivateBus) -> None:
    async with _shown(bus) as (there, item, running):
        running.host.show(sample_view(needs_attention=True))
        assert await there.next_signal("NewStatus") == ["NeedsAttention"]
        properties = await item.properties()
        assert properties["AttentionIconPixmap"] == properties["IconPixmap"] != []


async def test_open_menu_is_not_rebuilt(bus: PrivateBus) -> None:
    async with _shown(bus) as (there, item, running):
        menu = await item.open()
        seen = len(there.signals)
        new = MenuRow(key="new", kind=RowKind.ACTION, text="New")
        running.host.show(sample_view(rows=(new, *sample_rows(is_paused=True))))
        [updated, _removed] = await there.next_signal("ItemsPropertiesUpdated", seen)
        assert dict(updated) == {menu.find("Pause delegation").number: {"toggle-state": 1}}
        assert (await item.layout()).words == menu.words
        assert "LayoutUpdated" not in there.members(seen)
        await item.event(0, "closed")
        await there.next_signal("LayoutUpdated", seen)
        assert (await item.layout()).words == ["New", *menu.words]


async def test_watcher_that_comes_late_gets_the_icon(bus: PrivateBus) -> None:
    async with running_host(StatusNotifierBackend(bus.address), sample_view()) as running:
        assert not await running.next_presence()
        async with panel(bus.address) as there:
            await there.item()
            assert await running.next_presence()


async def test_watcher_that_restarts_gets_the_icon_again(bus: PrivateBus) -> None:
    async with running_host(StatusNotifierBackend(bus.address), sample_view()) as running:
        assert not await running.next_presence()
        for _time in range(3):
            async with panel(bus.address) as there:
                item = await there.item()
                assert await running.next_presence()
                assert (await item.properties())["Status"] == "Active"
                assert there.items == [item.name]
            assert not await running.next_presence()


async def test_watcher_without_a_panel_shows_no_icon(bus: PrivateBus) -> None:
    async with (
        panel(bus.address, has_host=False) as there,
        running_host(StatusNotifierBackend(bus.address), sample_view()) as running,
    ):
        await there.item()
        assert not await running.next_presence()
        await there.say_host(is_there=True)
        assert await running.next_presence()
        await there.say_host(is_there=False)
        assert not await running.next_presence()
        assert len(there.items) == 1


async def test_bus_that_restarts_gets_the_icon_again(bus: PrivateBus) -> None:
    async with running_host(StatusNotifierBackend(bus.address), sample_view()) as running:
        assert not await running.next_presence()
        async with panel(bus.address) as there:
            await there.item()
            assert await running.next_presence()
            bus.stop()
            assert not await running.next_presence()
        bus.start()
        running.host.show(sample_view(title="After"))
        async with panel(bus.address) as there:
            assert (await (await there.item()).properties())["Title"] == "After"
            assert await running.next_presence()


async def test_bus_that_comes_late_gets_the_icon(bus: PrivateBus) -> None:
    bus.stop()
    async with running_host(StatusNotifierBackend(bus.address), sample_view()) as running:
        assert not await running.next_presence()
        bus.start()
        async with panel(bus.address) as there:
            await there.item()
            assert await running.next_presence()


async def test_two_icons_of_one_process_have_names_of_their_own(bus: PrivateBus) -> None:
    async with (
        _shown(bus) as (there, first, _running),
        running_host(StatusNotifierBackend(bus.address), sample_view(title="Second")) as other,
    ):
        second = await there.item(2)
        assert second.name != first.name
        assert (await second.properties())["Title"] == "Second"
        await second.click("Open charts…")
        assert await other.next_click() == "charts"


async def test_panel_that_ends_with_the_menu_open_gets_the_new_rows(bus: PrivateBus) -> None:
    async with running_host(StatusNotifierBackend(bus.address), sample_view()) as running:
        async with panel(bus.address) as there:
            await (await there.item()).open()
            while not await running.next_presence():
                pass
            running.host.show(sample_view(rows=sample_rows()[2:]))
            await running.settle()
        while await running.next_presence():
            pass
        async with panel(bus.address) as there:
            assert (await (await there.item()).layout()).words[0] == "Pause delegation"


async def test_icon_leaves_the_bus_with_its_host(bus: PrivateBus) -> None:
    async with panel(bus.address) as there:
        async with running_host(StatusNotifierBackend(bus.address), sample_view()):
            item = await there.item()
        answer = await item.send("/StatusNotifierItem", "org.freedesktop.DBus.Peer", "Ping")
        assert answer.error_name == "org.freedesktop.DBus.Error.ServiceUnknown"


async def test_left_click_on_the_icon_is_for_the_menu(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        answer = await item.send("/StatusNotifierItem", ITEM, "Activate", "ii", 1, 2)
        assert answer.error_name == "org.freedesktop.DBus.Error.UnknownMethod"
        await running.next_open()
        for member in ("ContextMenu", "SecondaryActivate"):
            assert await item.call("/StatusNotifierItem", ITEM, member, "ii", 1, 2) == []
        assert await item.call("/StatusNotifierItem", ITEM, "Scroll", "is", 1, "vertical") == []


_STRANGE_CALLS: list[tuple[str, str, str, str, list[Any]]] = [
    ("/StatusNotifierItem", ITEM, "Scroll", "s", ["up"]),
    ("/StatusNotifierItem", ITEM, "Explode", "", []),
    ("/StatusNotifierItem", "org.example.Nothing", "Get", "", []),
    ("/nowhere", ITEM, "ContextMenu", "ii", [0, 0]),
    ("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "Get", "ss", [ITEM, "Nope"]),
    ("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "Get", "i", [1]),
    (
        "/StatusNotifierItem",
        "org.freedesktop.DBus.Properties",
        "Set",
        "ssv",
        [ITEM, "Title", Variant("s", "mine")],
    ),
    ("/StatusNotifierItem/menu", MENU, "GetLayout", "iias", [2**31 - 1, -(2**31), ["x"] * 1000]),
    ("/StatusNotifierItem/menu", MENU, "Event", "isvu", [-5, "clicked", Variant("as", []), 0]),
    ("/StatusNotifierItem/menu", MENU, "EventGroup", "a(isvu)", [[[7, "", Variant("b", True), 1]]]),
    ("/StatusNotifierItem/menu", MENU, "AboutToShowGroup", "ai", [list(range(500, 5000))]),
    ("/StatusNotifierItem/menu", MENU, "GetGroupProperties", "aias", [[9999], ["label"]]),
]


async def test_strange_calls_do_no_harm(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        before = await item.properties()
        for path, interface, member, signature, body in _STRANGE_CALLS:
            answer = await item.send(path, interface, member, signature, *body)
            assert answer.message_type in {MessageType.ERROR, MessageType.METHOD_RETURN}
        assert await item.properties() == before
        await item.click("Open charts…")
        assert await running.next_click() == "charts"
        with pytest.raises(queue.Empty):
            running.clicks.get_nowait()


async def test_callback_that_fails_does_not_end_the_icon(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    async with _shown(bus) as (_panel, item, running):
        running.on_click = _fail
        await item.click("Open charts…")
        await running.settle()
        running.on_click = None
        await item.click("Pause delegation")
        assert await running.next_click() == "pause"
    assert "A call on the tray's main thread failed." in caplog.messages


async def test_many_faces_in_a_row_show_the_last(bus: PrivateBus) -> None:
    async with _shown(bus) as (_panel, item, running):
        await asyncio.to_thread(
            lambda: [running.host.show(sample_view(title=f"{number}")) for number in range(2000)]
        )
        await running.settle()
        assert (await item.properties())["Title"] == "1999"


def _fail(_key: str) -> None:
    raise RuntimeError("deliberate")


_PROGRAM = """
import os
from running_host import sample_view
from offramp_tray.host import open_host

open_host(os.environ).run(sample_view(), on_click=print, on_ready=lambda: None)
print("ended in order")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_a_process_in_order(bus: PrivateBus, number: signal.BusSignals) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **bus.environ,
    }
    async with panel(bus.address) as there:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            _PROGRAM,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await there.item()
            process.send_signal(number)
            async with asyncio.timeout(PATIENCE_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    assert (process.returncode, out, err) == (0, b"ended in order\n", b"")
