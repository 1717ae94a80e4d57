"""An upgrade from the tree in which the daemon was one flat package, in a real `systemd --user`."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import older_tree
import pytest
from daemon_process import free_port, read_records
from installed_offramp import InstalledOfframp
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY
from stream_load import StreamLoad
from user_systemd import UserSystemd, reason_to_skip, user_systemd

from offramp_core.control.client import ControlClient, ControlError

if TYPE_CHECKING:
    from offramp_core.control.api import Status
    from offramp_simulator import Simulator


FLAT_TREE = "10ff6e2"
"""The last commit whose command line and supervisor were modules of `offramp_daemon`."""
FLAT_PROGRAMS = {
    "offramp": "from offramp_daemon.cli import main",
    "offramp-daemon": "from offramp_daemon.supervisor import main",
}
SERVICE = "offramp.service"
LANES = 20


@pytest.mark.parametrize("way", ["install", "reload"])
async def test_upgrade_from_the_flat_tree_cuts_no_stream_and_serves_with_the_new_code(
    way: str, tmp_path: Path, sim: Simulator
) -> None:
    if (reason := reason_to_skip()) is not None:
        pytest.skip(f"no systemd --user: {reason}")
    sources = older_tree.take_out(FLAT_TREE, tmp_path / "flat")
    home = tmp_path / "home"
    async with user_systemd(home) as systemd:
        offramp, port = InstalledOfframp(home), free_port()
        old = offramp.add("env-1", sources=sources, programs=FLAT_PROGRAMS)
        _write_config(home, port, sim)
        await _done(systemd, offramp.command, "install", "--yes", "--no-tray")
        control = ControlClient(systemd.runtime / "offramp" / "control.sock")
        first = (await _status_of_another(control, 0)).pid
        supervisor = int(await systemd.property_of(SERVICE, "MainPID"))
        assert await _all_run_from(systemd, old)

        load = StreamLoad(f"http://127.0.0.1:{port}", lanes=LANES)
        async with load.running(long_stream_s=8.0):
            await load.until_streams(LANES // 4)
            new = offramp.add("env-2")
            if way == "install":
                await _done(systemd, offramp.command, "install", "--restart")
            else:
                await systemd.systemctl("reload", SERVICE)
            second = await _status_of_another(control, first)
            await load.until_streams(LANES)

        assert load.failures == []
        assert len(load.outcomes) > LANES
        assert int(await systemd.property_of(SERVICE, "MainPID")) == supervisor
        assert int(await systemd.property_of(SERVICE, "NRestarts")) == 0
        await _until_all_run_from(systemd, new)
        assert (await asyncio.to_thread(control.status)).pid == second.pid
        await systemd.systemctl("stop", "offramp.socket", SERVICE)
    records = read_records(home / ".local" / "share" / "offramp" / "log")
    assert [record.status for record in records] == ["success"] * len(load.outcomes)


def _write_config(home: Path, port: int, sim: Simulator) -> None:
    config = home / ".config" / "offramp" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'port = {port}\n[backend.anthropic]\nbase_url = "{sim.anthropic_url}"\n'
        f'[backend.zai]\nbase_url = "{sim.zai_url}"\nkey = "{ZAI_KEY}"\n'
    )
    config.chmod(0o600)


async def _done(systemd: UserSystemd, *command: str) -> None:
    """Run a command that must succeed."""
    ending = await systemd.run(*command)
    assert ending.code == 0, ending
    assert "Traceback" not in ending.err


async def _status_of_another(control: ControlClient, pid: int) -> Status:
    """The status of a worker other than `pid`, once there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(ControlError):
                status = await asyncio.to_thread(control.status)
                if status.pid != pid:
                    return status
            await asyncio.sleep(0.02)


async def _all_run_from(systemd: UserSystemd, environment: Path) -> bool:
    """Whether supervisor and worker, and nobody else, run in `environment`."""
    commands = [_command_line(pid) for pid in await systemd.pids(SERVICE)]
    return len(commands) == 2 and all(str(environment / "bin") in each for each in commands)


def _command_line(pid: int) -> str:
    """How a process was started; nothing where it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def _until_all_run_from(systemd: UserSystemd, environment: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await _all_run_from(systemd, environment):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
