"""The whole tray with a real daemon; only the desktop's side is a stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from control_harness import Commands
from daemon_process import daemon_process, write_config
from log_samples import sample_line
from patience import PATIENCE_S
from proxy_harness import settings_for
from quota_samples import claude_week, keep, next_reset
from raw_client import SONNET, post, read_to_end
from raw_upstream import MESSAGE, json_answer, raw_upstream
from running_app import running_app
from tray_states import FakeDesktop, FakeHost, row, status_of, whole_text
from trouble_samples import left, trouble

from offramp_core.paths import Paths
from offramp_tray import app
from offramp_tray.app import TrayApp, utc_now
from offramp_tray.single_instance import AlreadyRunningError
from offramp_tray.state.daemon_watcher import Patience
from offramp_tray.view import menu

QUICK = Patience(first_s=0.02, longest_s=0.2, handover_s=1.0, missed_s=0.5)


class RunningTray:
    """A tray on a thread of its own."""

    def __init__(self, home):
        self.paths = Paths.under(home)
        self.host = FakeHost()
        self.desktop = FakeDesktop()
        self.tray = TrayApp(
            self.paths,
            {"TZ": "Europe/Berlin"},
            self.host,
            desktop=self.desktop,
            patience=QUICK,
            panel_hint_after_s=0.05,
        )
        self.thread = threading.Thread(target=self.tray.run)

    def text(self, key):
        return whole_text(self.host.view.rows, key)

    async def until(self, is_so):
        await asyncio.to_thread(self.host.until, is_so)

    async def until_text(self, key, start):
        """Wait until a row begins so."""
        await self.until(lambda: self.text(key).startswith(start))


@contextlib.asynccontextmanager
async def running_tray(home):
    running = RunningTray(home)
    running.thread.start()
    try:
        assert await asyncio.to_thread(running.host.ready.wait, PATIENCE_S)
        yield running
    finally:
        running.host.stop()
        await asyncio.to_thread(running.thread.join, PATIENCE_S)
        assert not running.thread.is_alive()


async def answer(connection):
    await connection.write(json_answer(MESSAGE))


@contextlib.asynccontextmanager
async def daemon(home):
    async with (
        raw_upstream(answer) as upstream,
        running_app(home, settings_for(upstream.url, upstream.url)) as running,
    ):
        await Commands(running.paths).until_there()
        yield running


async def ask(url):
    headers = b"Connection: close\r\n"
    assert b"200 OK" in await read_to_end(url, post(b"/v1/messages", SONNET, headers))


async def test_it_shows_what_the_daemon_and_the_log_say(tmp_path):
    async with daemon(tmp_path) as served, running_tray(tmp_path) as running:
        await running.until_text("headline", "Delegation on · no tokens this week")
        await ask(served.url)
        await running.until_text("headline", "Delegation on · Z.ai 100% of tokens this week")
        assert running.text("backend.zai").startswith("Z.ai: 1 request, ")
        assert running.host.view.title == "Z.ai 100% of tokens this week"


async def test_a_change_shows_at_once(tmp_path):
    async with daemon(tmp_path), running_tray(tmp_path) as running:
        await running.until_text("headline", "Delegation on")
        commands = Commands(running.paths)
        for _ in range(3):
            await commands.pause()
            await running.until_text("headline", "Delegation paused")
            await commands.resume()
            await running.until_text("headline", "Delegation on")


async def test_a_click_reaches_the_daemon_and_shows(tmp_path):
    async with daemon(tmp_path), running_tray(tmp_path) as running:
        await running.until_text("headline", "Delegation on")
        running.host.on_click(menu.PAUSE_HOUR)
        await running.until_text("headline", "Delegation paused until")
        status = await Commands(running.paths).status()
        assert status.pause is not None
        assert status.pause.until is not None
        assert abs(status.pause.until - utc_now() - timedelta(hours=1)) < timedelta(minutes=1)
        running.host.on_click(menu.PAUSE)
        await running.until_text("headline", "Delegation on")


async def test_claudes_week_is_counted_by_once_it_was_told(tmp_path):
    folder = Paths.under(tmp_path).log_dir
    folder.mkdir(parents=True)
    reset = next_reset()
    before_that_week = reset - timedelta(days=7, hours=2)
    lines = sample_line(before_that_week) + sample_line(utc_now())
    (folder / "requests.jsonl").write_bytes(lines)
    async with running_tray(tmp_path) as running:
        await running.until_text("backend.zai", "Z.ai: ")
        keep(running.paths, claude_week(reset))
        running.host.on_open()
        local = reset.astimezone(ZoneInfo("Europe/Berlin"))
        await running.until_text(menu.PAUSE_RESET, f"Until the week resets ({local:%a %H:%M})")
        await running.until_text("backend.zai", "Z.ai: 1 request, ")


async def test_trouble_is_said_once_though_the_tray_is_started_again(tmp_path):
    in_trouble = status_of(troubles=(trouble(),), client_problem=left())
    said = []
    for _ in range(2):
        async with running_tray(tmp_path) as running:
            running.tray.on_status(in_trouble)
            running.tray.on_status(in_trouble)
            shown = [row(view.rows, "trouble.0").is_visible for view in running.host.faces]
            assert any(shown)
            said += [each.key for each in running.host.messages]
    assert said == ["trouble.zai.claude-sonnet-5-5.refused", "client"]


async def test_without_a_daemon_the_week_is_shown_all_the_same(tmp_path):
    folder = Paths.under(tmp_path).log_dir
    folder.mkdir(parents=True)
    (folder / "requests.jsonl").write_bytes(sample_line(utc_now()))
    async with running_tray(tmp_path) as running:
        await running.until_text("headline", "Daemon not running · Z.ai 100% of tokens this week")
        assert running.text(menu.DAEMON) == "Start daemon"
        assert not running.host.messages


async def test_the_daemons_end_and_return_are_noticed(tmp_path):
    async with running_tray(tmp_path) as running:
        await running.until_text("headline", "Daemon not running")
        async with daemon(tmp_path):
            await running.until_text("headline", "Delegation on")
        await running.until_text("headline", "Daemon not running")
        async with daemon(tmp_path):
            await running.until_text("headline", "Delegation on")
        assert not running.host.messages  # it was told to end


async def test_a_daemon_that_is_killed_shows_at_once_and_is_missed(tmp_path):
    async with raw_upstream(answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as process, running_tray(tmp_path) as running:
            await running.until_text("headline", "Delegation on")
            process.process.kill()
            await running.until_text("headline", "Daemon not running")
            assert running.host.view.needs_attention
            await running.until(lambda: bool(running.host.messages))
            assert running.host.messages[0].title == "Offramp's daemon does not come back"


async def test_a_socket_that_a_killed_daemon_left_is_nobody_at_once(tmp_path):
    path = Paths.under(tmp_path).control_socket
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with running_tray(tmp_path) as running:
        await running.until_text("headline", "Daemon not running")


async def test_a_new_daemon_in_the_old_ones_place_is_no_outage(tmp_path):
    async with raw_upstream(answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with running_tray(tmp_path) as running, daemon_process(tmp_path) as first:
            await running.until_text("headline", "Delegation on")
            async with daemon_process(tmp_path) as second:  # waits for the control socket
                shown = len(running.host.faces)
                assert await first.stop() == 0
                commands = Commands(running.paths)
                await commands.until(lambda status: status.pid == second.process.pid)
                await commands.pause()
                await running.until_text("headline", "Delegation paused")
                headlines = [view.rows[0].text for view in running.host.faces[shown:]]
                assert all(line.startswith("Delegation ") for line in headlines)


async def test_settings_that_change_apply_without_a_restart(tmp_path):
    async with daemon(tmp_path), running_tray(tmp_path) as running:
        await running.until_text("headline", "Delegation on")
        file = running.paths.config_file
        file.parent.mkdir(parents=True)
        file.write_text('[tray]\ntext = "requests"\n', encoding="utf-8")
        running.host.on_open()
        await running.until(lambda: running.host.view.label == "0 requests")
        file.write_text('[tray]\ntext = "request"\n', encoding="utf-8")
        running.host.on_open()
        # The rest of the row is cut where the file's path is long.
        await running.until_text("error", f"Settings rejected: {str(file)[:20]}")
        assert running.host.view.label == "0 requests"


async def test_line_for_claude_code_follows_a_token_that_is_set_later(tmp_path):
    async with running_tray(tmp_path) as running:
        running.host.on_click(menu.COPY)
        await running.until(lambda: bool(running.desktop.copied))
        file = running.paths.config_file
        file.parent.mkdir(parents=True)
        file.write_text('client_token = "a-token-of-24-characters"\n', encoding="utf-8")
        running.host.on_open()
        await running.until(lambda: running.tray.store.state.has_client_token)
        running.host.on_click(menu.COPY)
        await running.until(lambda: len(running.desktop.copied) == 2)
        first, second = running.desktop.copied
        assert first.startswith("export ANTHROPIC_BASE_URL=http://localhost:")
        assert second == "offramp connect"


async def test_another_log_folder_and_week_are_read_anew(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "requests.jsonl").write_bytes(sample_line(utc_now()) * 2)
    async with running_tray(tmp_path) as running:
        await running.until_text("headline", "Daemon not running · no tokens this week")
        file = running.paths.config_file
        file.parent.mkdir(parents=True)
        file.write_text(f'log_dir = "{other}"\nweek_start_hour = 3\n', encoding="utf-8")
        running.host.on_open()
        await running.until_text("backend.zai", "Z.ai: 2 requests")
        assert running.tray.store.state.boundary.hour == 3


async def test_numbers_of_another_log_are_not_shown_for_one_that_cannot_be_read(tmp_path):
    folder = Paths.under(tmp_path).log_dir
    folder.mkdir(parents=True)
    (folder / "requests.jsonl").write_bytes(sample_line(utc_now()))
    none = tmp_path / "none"
    none.write_bytes(b"no folder")
    async with running_tray(tmp_path) as running:
        await running.until_text("backend.zai", "Z.ai: 1 request")
        file = running.paths.config_file
        file.parent.mkdir(parents=True)
        file.write_text(f'log_dir = "{none}"\n', encoding="utf-8")
        running.host.on_open()
        await running.until(lambda: bool(running.tray.store.state.week_problem))
        assert running.text("backend.zai") == "Z.ai: – requests, – tokens"  # noqa: RUF001 - unknown


async def test_a_log_that_cannot_be_read_dims_the_icon_and_says_why(tmp_path):
    log = Paths.under(tmp_path).log_dir
    log.parent.mkdir(parents=True)
    log.write_bytes(b"no folder")
    async with daemon_without_log(tmp_path), running_tray(tmp_path) as running:
        # The path is long, so the sentence goes on in the next row.
        await running.until_text("error", "The request log ")
        said = "".join(each.text for each in running.host.view.rows).replace(" ", "")
        assert f"The request log {log} can't be read".replace(" ", "") in said


@contextlib.asynccontextmanager
async def daemon_without_log(home):
    """A daemon with a log of its own, so that the tray alone has the trouble."""
    async with raw_upstream(answer) as upstream:
        settings = settings_for(upstream.url, upstream.url, log_dir=home / "elsewhere")
        async with running_app(home, settings) as running:
            await Commands(running.paths).until_there()
            yield running


async def test_opening_the_menu_takes_the_mark_of_a_message_away(tmp_path):
    async with running_tray(tmp_path) as running:
        running.host.on_click(menu.PAUSE)  # without a daemon it is refused
        await running.until(lambda: running.host.view.needs_attention)
        await running.until(lambda: running.host.row("said.refusal.0").is_visible)
        running.host.on_open()
        assert "new message" not in running.host.view.title
        assert running.host.row("said.refusal.0").is_visible


async def test_tray_without_a_program_to_start_again_as_runs_on(tmp_path, caplog):
    async with running_tray(tmp_path) as running:
        running.desktop.program = str(tmp_path / "gone")
        running.host.on_restart()
        assert not running.tray.successor
        assert not running.host.over.is_set()
    assert "The installed tray can't be started" in caplog.messages


async def test_tray_that_is_to_start_again_ends_with_the_command_for_that(tmp_path):
    async with running_tray(tmp_path) as running:
        running.host.on_restart()
        await asyncio.to_thread(running.thread.join, PATIENCE_S)
        assert running.tray.successor[0] == running.desktop.program


async def test_nothing_that_shows_icons_is_told_once(tmp_path):
    async with running_tray(tmp_path) as running:
        running.host.on_presence(False)
        await running.until(lambda: bool(running.host.messages))
        assert "place" in running.host.messages[0].title


async def test_quit_ends_it_and_leaves_the_daemon_alone(tmp_path):
    async with daemon(tmp_path) as served, running_tray(tmp_path) as running:
        await running.until_text("headline", "Delegation on")
        running.host.on_click(menu.QUIT)
        await asyncio.to_thread(running.thread.join, PATIENCE_S)
        assert not running.thread.is_alive()
        await ask(served.url)


async def test_a_second_tray_is_refused(tmp_path):
    paths = Paths.under(tmp_path)
    host = FakeHost()
    first = threading.Thread(target=app.run, args=(paths, {}, lambda _environ: host))
    first.start()
    try:
        assert await asyncio.to_thread(host.ready.wait, PATIENCE_S)
        with pytest.raises(AlreadyRunningError):
            app.run(paths, {}, lambda _environ: FakeHost())
    finally:
        host.stop()
        await asyncio.to_thread(first.join, PATIENCE_S)
    text = (paths.diagnostics_dir / "tray.log").read_text(encoding="utf-8")
    assert "The tray is running" in text
    assert "The tray has ended" in text
    assert not logging.getLogger("offramp_tray").handlers
