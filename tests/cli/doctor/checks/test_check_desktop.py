"""The check of the tray: a session bus of the test's own, with and without a panel on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from doctor_harness import doctor_context, said, severities
from patience import PATIENCE_S

from offramp_cli.doctor.checks import check_desktop
from offramp_cli.doctor.checks.check_desktop import TrayFacts
from offramp_tray.single_instance import only_one

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbus_fast.aio import MessageBus

WATCHER = "org.kde.StatusNotifierWatcher"
_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""

needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None or sys.platform == "darwin",
    reason="dbus-daemon is not here",
)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a bus on which nothing is, and which starts nothing."""
    config = tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(folder=tmp_path))
    process = await asyncio.create_subprocess_exec(
        *("dbus-daemon", "--nofork", "--print-address", f"--config-file={config}"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def watcher(address: str, *, has_host: bool) -> AsyncIterator[MessageBus]:
    """A panel's watcher, which answers one property."""
    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

    def answer(message: Message) -> Message | None:
        if message.member == "Get" and message.body[1] == "IsStatusNotifierHostRegistered":
            return Message.new_method_return(message, "v", [Variant("b", has_host)])
        return None

    connected = await MessageBus(bus_address=address).connect()
    connected.add_message_handler(answer)
    await connected.request_name(WATCHER)
    try:
        yield connected
    finally:
        connected.disconnect()


async def look(tmp_path: Path, address: str, **limits: float) -> TrayFacts:
    here = doctor_context(
        tmp_path,
        platform="linux",
        DISPLAY=":0",
        DBUS_SESSION_BUS_ADDRESS=address,
        XDG_CURRENT_DESKTOP="ubuntu:GNOME",
    )
    return await asyncio.to_thread(check_desktop.look, here, **limits)


@needs_bus
async def test_bus_without_a_watcher_names_what_to_install(tmp_path, bus):
    tray = await look(tmp_path, bus)
    assert tray.state == "no watcher"
    remarks = [*check_desktop.judge(tray)]
    assert severities(remarks) == ["warning"]
    assert "gnome-shell-extension-appindicator" in said(remarks)


@needs_bus
@pytest.mark.parametrize(("has_host", "state"), [(True, "ready"), (False, "no host")])
async def test_watcher_tells_whether_a_panel_shows_icons(tmp_path, bus, has_host, state):
    async with watcher(bus, has_host=has_host):
        tray = await look(tmp_path, bus)
    assert tray.state == state
    assert severities(check_desktop.judge(tray)) == (["ok"] if has_host else ["warning"])


@needs_bus
async def test_watcher_that_does_not_answer_is_given_up(tmp_path, bus):
    from dbus_fast.aio import MessageBus

    mute = await MessageBus(bus_address=bus).connect()
    mute.add_message_handler(lambda message: message.member == "Get")
    await mute.request_name(WATCHER)
    tray = await look(tmp_path, bus, limit_s=0.2)
    mute.disconnect()
    assert tray.state == "no bus"
    assert severities(check_desktop.judge(tray)) == ["warning"]


async def test_bus_that_is_not_there_is_a_warning(tmp_path):
    tray = await look(tmp_path, f"unix:path={tmp_path}/none")
    assert tray.state == "no bus"
    assert severities(check_desktop.judge(tray)) == ["warning"]


def test_session_without_a_desktop_is_noted(tmp_path):
    tray = check_desktop.look(doctor_context(tmp_path, platform="linux"))
    assert tray.state == "no desktop"
    assert severities(check_desktop.judge(tray)) == ["note"]


def test_desktop_without_a_bus_is_a_warning(tmp_path):
    here = doctor_context(
        tmp_path, platform="linux", WAYLAND_DISPLAY="w", XDG_RUNTIME_DIR=str(tmp_path)
    )
    tray = check_desktop.look(here)
    assert tray.state == "no bus"


def test_mac_without_a_tray_says_that_nothing_was_looked_at(tmp_path):
    tray = check_desktop.look(doctor_context(tmp_path, platform="darwin"))
    remarks = [*check_desktop.judge(tray)]
    assert severities(remarks) == ["ok"]
    assert "not checked" in said(remarks)


@pytest.mark.parametrize(
    ("is_shown", "found"),
    [(True, ["ok", "note"]), (False, ["note", "note"]), (None, ["ok", "note"])],
)
def test_mac_says_what_its_tray_has_found_and_what_to_allow(tmp_path, is_shown, found):
    here = doctor_context(tmp_path, platform="darwin")
    with only_one(here.paths.tray_lock_file) as lock:
        lock.write_record(is_icon_shown=is_shown)
        remarks = [*check_desktop.judge(check_desktop.look(here))]
    assert severities(remarks) == found
    text = said(remarks)
    assert "display notification" in text
    assert ("Allow in the Menu Bar" in text) is (is_shown is False)


def test_mac_whose_tray_has_ended_claims_nothing(tmp_path):
    here = doctor_context(tmp_path, platform="darwin")
    with only_one(here.paths.tray_lock_file) as lock:
        lock.write_record(is_icon_shown=False)
    assert severities(check_desktop.judge(check_desktop.look(here))) == ["ok"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("XFCE", "Status Tray"), ("sway", "waybar"), ("KDE", "System Tray"), ("odd", "panel or bar")],
)
def test_cure_is_the_desktops_own(name, words):
    assert words in said(check_desktop.judge(TrayFacts(state="no watcher", desktop=name)))


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("", None),
        ("print('Qt is gone.\\nInstall it.')", ("Qt is gone.", "Install it.")),
        ("raise SystemExit('libglib is missing')", ("libglib is missing", "")),
        ("import os; os._exit(3)", ("it ended with 3.", "")),
    ],
)
def test_what_the_charts_window_lacks_is_found_by_loading_it(program, found):
    assert (
        check_desktop.look_for_charts(os.environ, command=(sys.executable, "-c", program)) == found
    )


def test_charts_window_that_hangs_is_not_waited_for():
    program = "import time; time.sleep(60)"
    found = check_desktop.look_for_charts(
        os.environ, command=(sys.executable, "-c", program), limit_s=0.5
    )
    assert found is not None
    assert "could not be tried" in found[0]


def test_charts_are_judged():
    assert severities(check_desktop.judge_charts(None)) == ["ok"]
    remarks = [*check_desktop.judge_charts(("Qt can't be loaded: libglib.", "apt-get install x"))]
    assert severities(remarks) == ["note"]
    assert "Qt can't be loaded: libglib." in said(remarks)
    assert "apt-get install x" in said(remarks)
