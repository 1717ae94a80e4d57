"""The login item in a real `systemd --user`: set up, broken, upgraded and taken away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from daemon_process import free_port, read_records
from installed_offramp import InstalledOfframp
from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY
from terminal import dialogue
from user_systemd import Ending, UserSystemd, user_systemd

from offramp_core.control.client import ControlClient, ControlError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from offramp_core.control.api import Status
    from offramp_simulator import Simulator

pytestmark = pytest.mark.root

NOWHERE = "http://127.0.0.1:9"
ODD_NAME = 'it\'s 100%h ${HOME} $$ "ü" back\\slash'


@dataclass
class Desk:
    """A user's machine: a home, a service manager, an installed Offramp, Claude Code's settings."""

    systemd: UserSystemd
    offramp: InstalledOfframp
    port: int
    said: list[Ending] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.systemd.home

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def claude_settings(self) -> Path:
        return self.home / ".claude" / "settings.json"

    @property
    def config_file(self) -> Path:
        return self.home / ".config" / "offramp" / "config.toml"

    @property
    def env_file(self) -> Path:
        return self.config_file.parent / ".env"

    @property
    def log_dir(self) -> Path:
        return self.home / ".local" / "share" / "offramp" / "log"

    @property
    def entry(self) -> Path:
        return self.home / ".config" / "autostart" / "offramp-tray.desktop"

    def unit(self, kind: str) -> Path:
        return self.systemd.units_dir / f"offramp.{kind}"

    async def run(self, *arguments: str, stdin: bytes | None = None, **variables: str) -> Ending:
        """Run `offramp`."""
        return await self.systemd.run(self.offramp.command, *arguments, stdin=stdin, **variables)

    async def done(self, *arguments: str, **variables: str) -> str:
        """Run `offramp`, which must succeed; what it printed."""
        ending = await self.run(*arguments, **variables)
        assert ending.code == 0, ending
        assert "Traceback" not in ending.err
        return ending.out

    async def status(self) -> Status:
        paths = Paths(
            config_dir=self.home,
            data_dir=self.home,
            diagnostics_dir=self.home,
            cache_dir=self.home,
            runtime_dir=self.systemd.runtime / "offramp",
        )
        return await asyncio.to_thread(ControlClient(paths.control_socket).status)

    async def status_when(self, is_so: Callable[[Status], bool]) -> Status:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(ControlError):
                    if is_so(status := await self.status()):
                        return status
                await asyncio.sleep(0.02)

    async def healthy_pid(self) -> int:
        """Who answers on the port; a connection waits for as long as nobody does."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{self.url}/health") as answered,
        ):
            assert answered.status == 200
            health = await answered.json()
        assert health["service"] == "offramp"
        return int(health["pid"])

    async def supervisor(self) -> int:
        """The first process of the service, by its number out here."""
        pids = await self.systemd.pids("offramp.service")
        parents = {pid: int(_status_of(pid)["PPid"]) for pid in pids}
        (first,) = (pid for pid in pids if parents[pid] not in pids)
        return first

    async def workers(self) -> list[int]:
        first = await self.supervisor()
        return [pid for pid in await self.systemd.pids("offramp.service") if pid != first]

    async def until_one_worker(self) -> None:
        """Wait until those that were finishing their streams have left."""
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.workers()) > 1:  # noqa: ASYNC110 - a process tells nobody
                await asyncio.sleep(0.05)

    async def until_another_answers(self, pid: int) -> None:
        """Ask again and again; nobody may ever be turned away."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.healthy_pid() == pid:  # noqa: ASYNC110 - it waits for an answer
                await asyncio.sleep(0.01)

    def files(self) -> dict[str, bytes]:
        """Everything of the user's that an installation touches."""
        kept = (self.systemd.units_dir, self.entry.parent, self.claude_settings.parent)
        return {
            str(file.relative_to(self.home)): file.read_bytes()
            for folder in (*kept, self.config_file.parent)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }


def _status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@contextlib.asynccontextmanager
async def desk_in(home: Path, anthropic_url: str, zai_url: str) -> AsyncIterator[Desk]:
    async with user_systemd(home) as systemd:
        desk = Desk(systemd, InstalledOfframp(home), free_port())
        desk.offramp.add("env-1")
        desk.claude_settings.parent.mkdir()
        desk.claude_settings.write_text('{\n  "model": "opus"\n}\n')
        desk.config_file.parent.mkdir(parents=True)
        desk.config_file.write_text(
            f"# Mine.\nport = {desk.port}\nweek_start_day = 1 # Monday\n"
            f'[backend.anthropic]\nbase_url = "{anthropic_url}"\n'
            f'[backend.zai]\nbase_url = "{zai_url}"\n'
        )
        yield desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Whose services are out of reach."""
    async with desk_in(tmp_path / "home", NOWHERE, NOWHERE) as ready:
        yield ready


@pytest.fixture
async def connected_desk(tmp_path: Path, sim: Simulator) -> AsyncIterator[Desk]:
    """Whose services are the simulator."""
    async with desk_in(tmp_path / "home", sim.anthropic_url, sim.zai_url) as ready:
        yield ready


@pytest.mark.parametrize("name", ["home", ODD_NAME])
async def test_install_serves_connects_and_uninstall_undoes_it(
    name: str, tmp_path: Path, sim: Simulator
) -> None:
    async with desk_in(tmp_path / name, sim.anthropic_url, sim.zai_url) as desk:
        before = desk.files()
        ending = await desk.run(
            "install", "--yes", "--key-stdin", "--week", "thursday 22:00", stdin=ZAI_KEY.encode()
        )
        assert ending.code == 0, ending
        assert "Z.ai accepts this key" in ending.out
        for file in (desk.unit("socket"), desk.unit("service"), desk.entry):
            assert f"created   {file}" in ending.out
            assert oct(file.stat().st_mode & 0o777) == "0o644"
        assert f"Claude Code now uses http://localhost:{desk.port}" in ending.out
        assert ZAI_KEY not in ending.out + ending.err
        status = await desk.status()
        assert await desk.healthy_pid() == status.pid
        assert [each.key for each in status.backends if each.name == "zai"] == ["present"]
        env = json.loads(desk.claude_settings.read_text())["env"]
        assert env == {"ANTHROPIC_BASE_URL": f"http://localhost:{desk.port}"}
        assert "week_start_day = 4 # Monday\n" in desk.config_file.read_text()
        for unit in ("offramp.socket", "offramp.service"):
            assert await desk.systemd.property_of(unit, "UnitFileState") == "enabled"
        await _send(desk, "claude-sonnet-4-5", "Hello")
        assert (await desk.run("status")).code == 0
        gone = await desk.done("uninstall")
        assert "Claude Code no longer uses" in gone
        with pytest.raises(aiohttp.ClientConnectorError):
            await desk.healthy_pid()
        after = desk.files()
        assert [record.backend for record in read_records(desk.log_dir)] == ["zai"]
        settings = ".claude/settings.json"
        assert after[settings] == before[settings]
        assert not [name for name in after if "systemd" in name or "autostart" in name]
        assert str(desk.log_dir) in gone
        assert not desk.offramp.is_there


async def test_first_run_asks_three_things_and_shows_no_key(connected_desk: Desk) -> None:
    desk = connected_desk
    answers = [
        ("everything to Claude for now): ", "sk-ant-api03-not-for-anybody-else"),
        ("everything to Claude for now): ", "an-invalid-key-for-the-simulator"),
        ("everything to Claude for now): ", ZAI_KEY),
        ("week begin", "someday"),
        ("week begin", "fri 6"),
        ("Point Claude Code", "y"),
    ]
    code, shown = await asyncio.to_thread(
        dialogue,
        desk.systemd.entering(desk.offramp.command, "install"),
        desk.systemd.environ,
        answers,
    )
    assert code == 0, shown
    assert ZAI_KEY not in shown
    assert "[mon 22]" in shown
    assert "credential for Anthropic" in shown
    assert "refuses this key" in shown
    assert "week_start_day = 5 # Monday" in desk.config_file.read_text()
    assert "ANTHROPIC_BASE_URL" in desk.claude_settings.read_text()
    status = await desk.status()
    assert [each.key for each in status.backends if each.name == "zai"] == ["present"]


async def test_first_run_that_is_broken_off_changes_nothing(desk: Desk) -> None:
    before = desk.files()
    code, _ = await asyncio.to_thread(
        dialogue,
        desk.systemd.entering(desk.offramp.command, "install"),
        desk.systemd.environ,
        [("everything to Claude for now): ", ""), ("week begin", "\x03")],
    )
    assert code != 0
    assert desk.files() == before
    piped = await desk.run("install")
    assert piped.code == 2
    assert "--yes" in piped.err
    assert desk.files() == before


async def test_first_run_that_wants_neither_says_what_is_missing(desk: Desk) -> None:
    code, shown = await asyncio.to_thread(
        dialogue,
        desk.systemd.entering(desk.offramp.command, "install"),
        desk.systemd.environ,
        [("everything to Claude for now): ", ""), ("week begin", ""), ("Point Claude Code", "n")],
    )
    assert code == 0, shown
    assert "Next: offramp key set" in shown
    assert "Next: offramp connect" in shown
    assert "ANTHROPIC_BASE_URL" not in desk.claude_settings.read_text()
    again = await desk.done("install")
    assert "Next: offramp connect" in again
    assert "ANTHROPIC_BASE_URL" not in desk.claude_settings.read_text()


async def test_units_are_valid_and_hardened_without_namespaces(desk: Desk) -> None:
    await desk.done("install", "--yes")
    units = [str(desk.unit("service")), str(desk.unit("socket"))]
    verified = await desk.systemd.run("systemd-analyze", "--user", "verify", *units)
    assert (verified.out, verified.err) == ("", "")
    worker = _status_of((await desk.workers())[0])
    assert (worker["NoNewPrivs"], worker["Seccomp"]) == ("1", "2")


async def test_second_install_changes_nothing(desk: Desk) -> None:
    await desk.done("install", "--yes")
    pid, before = await desk.healthy_pid(), desk.files()
    said = await desk.done("install")
    assert "created" not in said
    assert "changed" not in said
    assert " run " not in said
    assert desk.files() == before
    assert await desk.healthy_pid() == pid


async def test_dry_run_tells_all_and_changes_nothing(desk: Desk) -> None:
    before = desk.files()
    said = await desk.done("install", "--dry-run", "--connect", "--week", "sun 0")
    assert f"created   {desk.unit('socket')}" in said
    assert "systemctl --user start offramp.socket" in said
    assert '+    "ANTHROPIC_BASE_URL"' in said
    assert desk.files() == before
    await desk.done("install", "--yes")
    before = desk.files()
    said = await desk.done("uninstall", "--dry-run", "--purge")
    assert str(desk.config_file.parent) in said
    assert desk.files() == before
    await desk.healthy_pid()


@pytest.mark.parametrize(
    "damage", ["deleted", "disabled", "masked", "stopped", "socket only", "edited"]
)
async def test_install_mends_what_was_broken(damage: str, desk: Desk) -> None:
    await desk.done("install", "--yes")
    whole = desk.files()
    match damage:
        case "deleted":
            desk.unit("socket").unlink()
            desk.entry.unlink()
            await desk.systemd.systemctl("daemon-reload")
        case "disabled":
            await desk.systemd.systemctl("disable", "--now", "offramp.service", "offramp.socket")
        case "masked":
            await desk.systemd.systemctl("stop", "offramp.service", "offramp.socket")
            desk.unit("service").unlink()
            await desk.systemd.systemctl("mask", "offramp.service")
        case "stopped":
            await desk.systemd.systemctl("stop", "offramp.service", "offramp.socket")
        case "socket only":
            await desk.systemd.systemctl("stop", "offramp.service", "offramp.socket")
            await desk.systemd.systemctl("start", "offramp.socket")
        case "edited":
            text = desk.unit("service").read_text()
            desk.unit("service").write_text(text.replace("offramp-daemon", "gone"))
    await desk.done("install")
    assert desk.files() == whole
    assert await desk.healthy_pid() == (await desk.status()).pid
    for unit in ("offramp.socket", "offramp.service"):
        assert await desk.systemd.property_of(unit, "ActiveState") == "active"
        assert await desk.systemd.property_of(unit, "UnitFileState") == "enabled"
        assert await desk.systemd.property_of(unit, "NeedDaemonReload") == "no"


async def test_another_port_is_taken_up_and_claude_code_follows(desk: Desk) -> None:
    await desk.done("install", "--yes")
    old, desk.port = desk.port, free_port()
    text = desk.config_file.read_text()
    desk.config_file.write_text(text.replace(f"port = {old}", f"port = {desk.port}"))
    said = await desk.done("install")
    assert f"Claude Code now uses http://localhost:{desk.port}" in said
    assert str(desk.port) in desk.claude_settings.read_text()
    await desk.healthy_pid()


async def test_port_of_somebody_else_is_refused_before_anything_changes(desk: Desk) -> None:
    before = desk.files()
    with socket.create_server(("127.0.0.1", desk.port)):
        ending = await desk.run("install", "--yes")
    assert (ending.code, ending.out) == (4, "")
    assert str(desk.port) in ending.err
    assert "offramp install again" in ending.err
    assert desk.files() == before


async def test_refused_settings_change_nothing(desk: Desk) -> None:
    desk.config_file.write_text("port = 'many'\n")
    before = desk.files()
    ending = await desk.run("install", "--yes")
    assert (ending.code, ending.out) == (3, "")
    assert str(desk.config_file) in ending.err
    assert desk.files() == before


async def test_settings_that_no_longer_hold_do_not_keep_it_from_being_taken_away(
    desk: Desk,
) -> None:
    await desk.done("install", "--yes")
    desk.config_file.write_text("port = 'many'\n")
    await desk.done("stop")
    assert "Claude Code no longer uses" in await desk.done("uninstall")
    assert "ANTHROPIC_BASE_URL" not in desk.claude_settings.read_text()
    assert not desk.unit("socket").exists()


async def test_refused_settings_do_not_keep_the_daemon_from_starting(desk: Desk) -> None:
    await desk.done("install", "--yes")
    desk.config_file.write_text("port = 'many'\n")
    for command in ("restart", "stop", "start"):
        ending = await desk.run(command)
        assert ending.code == 0, ending
    assert "everything goes to Claude" in ending.err
    assert (await desk.status()).settings_problem is not None


async def test_address_beyond_loopback_is_listened_on(desk: Desk) -> None:
    token = "a-token-that-every-client-must-send"
    text = desk.config_file.read_text()
    desk.config_file.write_text(f'host = "0.0.0.0"\nclient_token = "{token}"\n{text}')
    ending = await desk.run("install", "--yes")
    assert ending.code == 0, ending
    assert token not in ending.out + ending.err
    headers = json.loads(desk.claude_settings.read_text())["env"]["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == f"x-offramp-token: {token}"
    listening = await desk.systemd.property_of("offramp.socket", "Listen")
    assert listening == f"0.0.0.0:{desk.port} (Stream)"


async def test_lingering_is_asked_for_and_told_of_where_it_matters(
    desk: Desk, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "loginctl"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:{desk.systemd.environ['PATH']}"
    remote = await desk.run("install", "--yes", SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22")
    assert "offramp install --linger" in remote.err
    assert "loginctl enable-linger" in await desk.done("install", "--linger", PATH=path)
    assert (tmp_path / "asked").read_text() == "enable-linger\n"


async def test_daemon_in_the_foreground_is_to_be_ended_first(desk: Desk) -> None:
    process = await asyncio.create_subprocess_exec(
        *desk.systemd.entering(desk.offramp.command, "serve"), env=desk.systemd.environ
    )
    try:
        status = await desk.status_when(lambda _status: True)
        ending = await desk.run("install", "--yes")
        assert ending.code == 4
        assert f"pid {status.pid}" in ending.err
        assert not desk.unit("socket").exists()
    finally:
        process.terminate()
        await process.wait()


async def test_failure_halfway_is_told_and_mended_by_another_run(desk: Desk) -> None:
    desk.entry.parent.write_text("in the way")
    ending = await desk.run("install", "--yes")
    assert ending.code == 1
    assert f"created   {desk.unit('service')}" in ending.out
    assert str(desk.entry) in ending.err
    again = f"When this is fixed, run {desk.offramp.command} install again"
    assert again in ending.err.replace("\n", " ").replace("  ", " ")
    assert "ANTHROPIC_BASE_URL" not in desk.claude_settings.read_text()
    desk.entry.parent.unlink()
    assert f"created   {desk.entry}" in await desk.done("install", "--yes")
    assert "ANTHROPIC_BASE_URL" in desk.claude_settings.read_text()


async def test_foreign_address_of_claude_code_is_left_and_told(desk: Desk) -> None:
    text = '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}'
    desk.claude_settings.write_text(text)
    ending = await desk.run("install", "--yes")
    assert ending.code == 0
    assert "gateway.example" in ending.err
    assert desk.claude_settings.read_text() == text


async def test_what_only_the_shell_knows_is_moved_or_told(desk: Desk) -> None:
    proxy = "http://user:pass-word@127.0.0.1:9"
    ending = await desk.run(
        "install", "--yes", ZAI_API_KEY=ZAI_KEY, HTTPS_PROXY=proxy, WEEK_START_HOUR="3"
    )
    assert ending.code == 0
    assert ZAI_KEY not in ending.out + ending.err
    assert "pass-word" not in ending.out + ending.err
    assert "WEEK_START_HOUR is set in this shell only" in ending.err
    assert proxy in desk.env_file.read_text()
    status = await desk.status()
    assert [each.key for each in status.backends if each.name == "zai"] == ["present"]


async def test_proxy_that_is_moved_later_is_in_force_at_once(desk: Desk) -> None:
    await desk.done("install", "--yes")
    before = await desk.status()
    said = await desk.done("install", "--yes", HTTPS_PROXY="http://127.0.0.1:9")
    assert "restarted" in said
    assert (await desk.status()).pid != before.pid
    with desk.env_file.open("a") as file:
        file.write("NO_PROXY=later.example\n")
    found = await desk.run("doctor", "--only", "environment")
    assert "NO_PROXY may not be in force" in " ".join(found.out.split())


async def test_uninstall_says_how_to_delete_what_stays(desk: Desk) -> None:
    await desk.done("install", "--yes", ZAI_API_KEY=ZAI_KEY)
    said = await desk.done("uninstall")
    assert "of zai, in" in said
    assert ZAI_KEY not in said
    (line,) = (line for line in said.splitlines() if "rm -r " in line)
    assert str(desk.config_file.parent) in line
    assert "offramp uninstall" not in said


async def test_moved_folders_are_handed_to_the_daemon(desk: Desk, tmp_path: Path) -> None:
    root = tmp_path / "my $folder 100%"
    config = root / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(desk.config_file.read_text())
    await desk.done("install", "--yes", OFFRAMP_HOME=str(root))
    assert await desk.healthy_pid() > 0
    assert (root / "data" / "log").is_dir()
    ending = await desk.run("uninstall", "--purge", "--yes", OFFRAMP_HOME=str(root))
    assert ending.code == 0, ending
    assert not config.exists()


async def test_tray_that_was_switched_off_stays_off(desk: Desk) -> None:
    await desk.done("install", "--yes", "--no-tray")
    off = desk.entry.read_text()
    assert "Hidden=true" in off
    await desk.done("install", "--yes")
    assert desk.entry.read_text() == off
    await desk.done("install", "--tray")
    assert "Hidden=false" in desk.entry.read_text()


async def test_stop_start_and_restart(desk: Desk) -> None:
    assert f"To install it: {desk.offramp.command} install" in (await desk.run("stop")).err
    await desk.done("install", "--yes")
    first = (await desk.status()).pid
    assert f"{first} finishes its streams" in await desk.done("restart")
    second = (await desk.status()).pid
    assert second != first
    ending = await desk.run("stop")
    assert ending.code == 0
    assert f"can't work until {desk.offramp.command} start" in ending.err
    assert "offramp pause" in ending.err
    with pytest.raises(aiohttp.ClientConnectorError):
        await desk.healthy_pid()
    said = await desk.run("status")
    assert said.code == 1
    assert f"Start it: {desk.offramp.command} start" in said.out
    as_json = json.loads((await desk.run("status", "--json")).out)
    assert as_json["login_item"]["installed"]
    assert not as_json["login_item"]["listening"]
    assert "already stopped" in await desk.done("stop")
    assert "serves at" in await desk.done("start")
    assert "serves already" in await desk.done("start")
    await desk.healthy_pid()


async def test_daemon_that_hangs_is_restarted_by_its_manager(desk: Desk) -> None:
    await desk.done("install", "--yes")
    first = (await desk.status()).pid
    for pid in await desk.systemd.pids("offramp.service"):
        os.kill(pid, signal.SIGSTOP)
    drop_in = desk.systemd.units_dir / "offramp.service.d" / "short.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nTimeoutStopSec=1\n")
    await desk.systemd.systemctl("daemon-reload")
    ending = await desk.run("restart")
    assert ending.code == 0, ending
    assert "systemd ends it and starts a new one" in ending.err
    assert await desk.healthy_pid() != first


@pytest.mark.parametrize("victim", ["worker", "supervisor"])
async def test_killed_process_is_replaced_and_connections_wait(victim: str, desk: Desk) -> None:
    await desk.done("install", "--yes")
    before = (await desk.status()).pid
    pids = await desk.workers() if victim == "worker" else [await desk.supervisor()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await desk.until_another_answers(before)
    assert await desk.systemd.property_of("offramp.socket", "ActiveState") == "active"


async def test_supervisor_that_hangs_is_replaced_by_the_watchdog(desk: Desk) -> None:
    drop_in = desk.systemd.units_dir / "offramp.service.d" / "short.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=1\nTimeoutStopSec=1\n")
    await desk.done("install", "--yes")
    before = await desk.supervisor()
    for pid in await desk.systemd.pids("offramp.service"):
        os.kill(pid, signal.SIGSTOP)
    await desk.healthy_pid()
    assert await desk.supervisor() != before


async def test_crash_loop_keeps_the_port_open_and_ends_once_it_is_cured(desk: Desk) -> None:
    await desk.done("install", "--yes")
    script = desk.offramp.app / "env-1" / "bin" / "offramp-daemon"
    good = script.read_text()
    script.write_text("#!/bin/sh\nexit 1\n")
    drop_in = desk.systemd.units_dir / "offramp.service.d" / "fast.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nRestartSec=20ms\n")
    await desk.systemd.systemctl("daemon-reload")
    os.kill(await desk.supervisor(), signal.SIGKILL)
    # Until then the old worker may still answer.
    await desk.systemd.until("offramp.service", "NRestarts", lambda count: int(count) >= 1)
    waiting = asyncio.create_task(desk.healthy_pid())  # noqa: TID251 - awaited below
    await desk.systemd.until("offramp.service", "NRestarts", lambda count: int(count) >= 30)
    assert await desk.systemd.property_of("offramp.socket", "ActiveState") == "active"
    assert not waiting.done()
    script.write_text(good)
    assert await waiting == (await desk.status_when(lambda _status: True)).pid


async def test_upgrade_cuts_no_stream_and_serves_from_the_new_environment(
    connected_desk: Desk,
) -> None:
    desk = connected_desk
    await desk.done("install", "--yes", ZAI_API_KEY=ZAI_KEY)
    first = (await desk.status()).pid
    supervisor = await desk.supervisor()
    async with asyncio.TaskGroup() as group:
        slow = [
            group.create_task(
                _send(desk, "claude-sonnet-4-5", "Count. [[sim:slow=0.2]] [[sim:events=20]]")
            )
            for _ in range(5)
        ]
        await desk.status_when(lambda status: status.in_flight == len(slow))
        new = desk.offramp.add("env-2")
        said = await desk.done("install", "--restart")
        assert "restarted" in said
        assert not any(task.done() for task in slow)
        second = await desk.status_when(lambda status: status.pid != first)
        await _send(desk, "claude-sonnet-4-5", "Hello")
    await desk.until_one_worker()
    assert [record.status for record in read_records(desk.log_dir)] == ["success"] * 6
    assert await desk.supervisor() == supervisor
    for pid in await desk.systemd.pids("offramp.service"):
        assert str(new / "bin") in _command_line(pid)
    assert (await desk.status()).pid == second.pid


async def test_uninstall_leaves_a_strangers_settings_and_links_alone(desk: Desk) -> None:
    await desk.done("install", "--yes")
    text = '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}'
    desk.claude_settings.write_text(text)
    treasure = desk.home / "treasure"
    treasure.mkdir()
    (treasure / "kept.txt").write_text("kept")
    (desk.home / ".local" / "share" / "offramp" / "link").symlink_to(treasure)
    ending = await desk.run("uninstall", "--purge", "--yes")
    assert ending.code == 0, ending
    assert desk.claude_settings.read_text() == text
    assert (treasure / "kept.txt").read_text() == "kept"
    for path in (desk.config_file.parent, desk.log_dir.parent, desk.offramp.app):
        assert not path.exists()


async def test_uninstall_of_nothing_is_no_failure(desk: Desk) -> None:
    said = await desk.done("uninstall")
    assert "does not use Offramp" in said


async def _send(desk: Desk, model: str, prompt: str) -> None:
    """One streamed request through the daemon, to its true end."""
    body = {
        "model": model,
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }
    headers = {"Authorization": f"Bearer {CLAUDE_TOKEN}", "anthropic-version": "2023-06-01"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{desk.url}/v1/messages", json=body, headers=headers) as answered,
    ):
        text = await answered.text()
        assert answered.status == 200, text
        assert "message_stop" in text
