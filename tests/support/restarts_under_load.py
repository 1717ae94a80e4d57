"""Restarts of the real login item, in a real `systemd --user`, while streams run through it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon_process import free_port, read_records
from installed_offramp import InstalledOfframp
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY
from stream_load import Outcome, StreamLoad
from user_systemd import UserSystemd, user_systemd

from offramp_core.control.client import ControlClient, ControlError

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.control.api import Status
    from offramp_simulator import Simulator

SERVICE = "offramp.service"


@dataclass(frozen=True)
class Figures:
    """What the clients saw, and what the service manager did."""

    outcomes: list[Outcome]
    failures: list[Outcome]
    latest_first_byte_s: float
    longest_stream_s: float
    pids: set[int]
    """Of the workers that served."""
    has_same_main_pid: bool
    restarts_by_manager: int
    records: int


async def restart_under_load(
    home: Path, sim: Simulator, *, restarts: int, lanes: int = 20, long_stream_s: float = 30.0
) -> Figures:
    """Install, then restart so often, by our command and by `systemctl reload` in turn."""
    async with user_systemd(home) as systemd:
        offramp, port = InstalledOfframp(home), free_port()
        offramp.add("env-1")
        config = home / ".config" / "offramp" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(
            f'port = {port}\n[backend.anthropic]\nbase_url = "{sim.anthropic_url}"\n'
            f'[backend.zai]\nbase_url = "{sim.zai_url}"\nkey = "{ZAI_KEY}"\n'
        )
        config.chmod(0o600)
        installed = await systemd.run(offramp.command, "install", "--yes", "--no-tray")
        assert installed.code == 0, installed
        control = ControlClient(systemd.runtime / "offramp" / "control.sock")
        main_pid = await systemd.property_of(SERVICE, "MainPID")
        load = StreamLoad(f"http://127.0.0.1:{port}", lanes=lanes)
        pids = {(await _status_when_new(control, set())).pid}
        async with load.running(long_stream_s=long_stream_s):
            await load.until_streams(lanes // 4)
            for number in range(restarts):
                await _restart(systemd, offramp, by_manager=bool(number % 2))
                pids.add((await _status_when_new(control, pids)).pid)
        figures = Figures(
            outcomes=load.outcomes,
            failures=load.failures,
            latest_first_byte_s=load.latest_first_byte_s,
            longest_stream_s=max(outcome.whole_s for outcome in load.outcomes),
            pids=pids,
            has_same_main_pid=main_pid == await systemd.property_of(SERVICE, "MainPID"),
            restarts_by_manager=int(await systemd.property_of(SERVICE, "NRestarts")),
            records=0,
        )
        await systemd.systemctl("stop", "offramp.socket", SERVICE)
    records = read_records(home / ".local" / "share" / "offramp" / "log")
    return Figures(**{**vars(figures), "records": len(records)})


async def _restart(systemd: UserSystemd, offramp: InstalledOfframp, *, by_manager: bool) -> None:
    if by_manager:
        await systemd.systemctl("reload", SERVICE)
        return
    ending = await systemd.run(offramp.command, "restart")
    assert ending.code == 0, ending


async def _status_when_new(control: ControlClient, pids: set[int]) -> Status:
    """The status of a worker that is none of `pids`."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(ControlError):
                status = await asyncio.to_thread(control.status)
                if status.pid not in pids:
                    return status
            await asyncio.sleep(0.02)
