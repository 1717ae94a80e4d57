"""The tray as its user has it: a process, a bus, a panel, and a daemon with the simulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from control_harness import Commands
from daemon_process import OFFRAMP, daemon_process, environment
from notifier_watcher import panel
from patience import PATIENCE_S
from terminal import dialogue
from tray_process import tray_process

from offramp_core import running_tray
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp
    from daemon_process import DaemonProcess
    from notifier_watcher import Panel, PanelItem, ShownRow

    from offramp_core.usage.records import RequestRecord


async def menu_until(shown: Panel, item: PanelItem, headline: str) -> ShownRow:
    """The menu, once its headline begins so; waited for by the panel's own signals."""
    return await shown_until(shown, item, lambda words: words[0].startswith(headline))


async def shown_until(
    shown: Panel, item: PanelItem, is_so: Callable[[list[str]], bool]
) -> ShownRow:
    """The menu, once its words are so; waited for by the panel's own signals."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            seen = len(shown.signals)
            layout = await item.layout()
            if is_so(layout.words):
                return layout
            await shown.until(lambda seen=seen: len(shown.signals) > seen)


async def record_until(daemon: DaemonProcess, backend: str) -> RequestRecord:
    """The latest record, once it is of that backend."""
    await Commands(daemon.paths).until(
        lambda _status: bool(daemon.records) and daemon.records[-1].backend == backend
    )
    return daemon.records[-1]


async def ask_for_sonnet(client: aiohttp.ClientSession, url: str) -> None:
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    async with client.post(f"{url}/v1/messages", json=body) as answered:
        assert answered.status == 200
        await answered.read()


async def test_the_icon_registers_with_its_pixels_and_the_menu_reads_as_designed(tmp_path, bus):
    async with (
        daemon_process(tmp_path, "--no-traffic", is_demo=True) as daemon,
        panel(bus.address) as shown,
        tray_process(tmp_path, bus, "--demo"),
    ):
        item = await shown.item()
        layout = await menu_until(shown, item, "Delegation on · Claude")
        words = layout.words
        assert words[0].endswith("of tokens this week")
        assert words[1].startswith("Claude: ")
        assert words[2].startswith("Z.ai: ")
        assert words[5:] == [
            "---",
            "Pause delegation",
            "Pause for",
            "Delegate: always",
            "Sonnet → GLM-4.7",
            "Haiku → GLM-4.5-Air",
            "---",
            "Open charts…",
            "Copy terminal command for Claude Code",
            "Open settings…",
            "Set up Offramp…",
            "Open log folder",
            "---",
            *[word for word in words if word == "Start the tray at login"],
            "Restart daemon",
            "---",
            "About",
            "Quit tray (the daemon keeps running)",
        ]
        properties = await item.properties()
        sizes = [width for width, _height, _pixels in properties["IconPixmap"]]
        assert {16, 22, 24, 44, 48, 72} <= set(sizes)
        assert properties["Title"].startswith("Claude ")
        assert daemon.paths == Paths.under(tmp_path / "demo")


async def test_a_click_on_pause_reaches_the_daemon_and_the_next_sonnet_goes_to_anthropic(
    tmp_path, bus, client
):
    async with (
        daemon_process(tmp_path, "--no-traffic", is_demo=True) as daemon,
        panel(bus.address) as shown,
        tray_process(tmp_path, bus, "--demo"),
    ):
        item = await shown.item()
        await menu_until(shown, item, "Delegation on")
        await ask_for_sonnet(client, daemon.url)
        await item.open()
        await item.click("Pause delegation")
        await item.event(0, "closed")
        await menu_until(shown, item, "Delegation paused until you resume it")
        assert (await item.row("Pause delegation")).properties["toggle-state"] == 1
        await ask_for_sonnet(client, daemon.url)
        await item.click("Pause delegation")
        await menu_until(shown, item, "Delegation on")
        await Commands(daemon.paths).until(lambda status: status.records.written >= 2)
        latest = [(record.backend, record.reason) for record in daemon.records[-2:]]
        assert latest == [("zai", "route sonnet"), ("anthropic", "paused")]


async def test_a_model_chosen_in_the_menu_answers_the_next_request(tmp_path, bus, client):
    async with (
        daemon_process(tmp_path, "--no-traffic", is_demo=True) as daemon,
        panel(bus.address) as shown,
        tray_process(tmp_path, bus, "--demo"),
    ):
        item = await shown.item()
        await menu_until(shown, item, "Delegation on")
        for label, backend, model in (
            ("GLM-5.4", "zai", "GLM-5.4"),
            ("Claude", "anthropic", "claude-sonnet-4-5"),
        ):
            await item.click(label)
            await shown_until(shown, item, lambda words, label=label: f"Sonnet → {label}" in words)
            await ask_for_sonnet(client, daemon.url)
            record = await record_until(daemon, backend)
            assert (record.served_model or record.model).lower() == model.lower()
        await item.click("Never")
        await menu_until(shown, item, "Delegation off")


async def test_a_daemon_that_is_killed_and_comes_back_is_shown(tmp_path, bus):
    async with panel(bus.address) as shown, tray_process(tmp_path, bus, "--demo"):
        item = await shown.item()
        await menu_until(shown, item, "Daemon not running")
        async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as daemon:
            await menu_until(shown, item, "Delegation on")
            daemon.process.kill()
            layout = await menu_until(shown, item, "Daemon not running")
            assert "Start daemon" in layout.words
        async with daemon_process(tmp_path, "--no-traffic", is_demo=True):
            await menu_until(shown, item, "Delegation on")


async def test_a_panel_that_ends_and_comes_again_gets_the_icon_again(tmp_path, bus):
    async with tray_process(tmp_path, bus, "--demo"):
        for _ in range(2):
            async with panel(bus.address) as shown:
                await menu_until(shown, await shown.item(), "Daemon not running")


async def test_terminal_is_told_that_no_panel_shows_the_icon(tmp_path, bus):
    environ = environment(tmp_path, TERM="xterm", XDG_CURRENT_DESKTOP="XFCE", **bus.environ)
    command = [*OFFRAMP, "tray", "--demo"]
    code, shown = await asyncio.to_thread(dialogue, command, environ, [("without it", "\x03")])
    assert code == 0
    assert shown.count("Nothing on this desktop shows the icon yet; the tray waits.") == 1
    assert "Status Tray Plugin" in shown


async def test_a_second_start_says_so_and_ends_well(tmp_path, bus):
    async with panel(bus.address) as shown, tray_process(tmp_path, bus, "--demo"):
        await shown.item()
        second = await asyncio.create_subprocess_exec(
            *OFFRAMP,
            "tray",
            "--demo",
            env=environment(tmp_path, **bus.environ),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await second.communicate()
        assert (second.returncode, said.decode()) == (0, "The tray is already running.\n")
        assert len(shown.items) == 1


async def test_tray_that_is_asked_to_starts_again_as_the_same_process(tmp_path, bus):
    file = Paths.under(tmp_path / "demo").tray_lock_file
    async with (
        panel(bus.address) as shown,
        tray_process(tmp_path, bus, "--demo") as process,
    ):
        for number in (1, 2):
            await menu_until(shown, await shown.item(number), "Daemon not running")
            record = running_tray.find(file)
            assert record is not None
            assert record.pid == process.pid
            assert running_tray.restart(record)
        await menu_until(shown, await shown.item(3), "Daemon not running")
        assert process.returncode is None
    assert running_tray.find(file) is None
