"""Two daemons with names of their own on one folder, as two machines that synchronise it."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING

import aiohttp
from daemon_process import DaemonProcess, daemon_process, run_command, write_config
from patience import PATIENCE_S
from raw_client import OPUS

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_simulator import Simulator


async def send(client: aiohttp.ClientSession, daemon: DaemonProcess) -> None:
    async with client.post(daemon.url + "/v1/messages", data=OPUS) as answered:
        await answered.read()


async def until(folder: Path, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while lines_in(folder) < count:  # noqa: ASYNC110 - the daemons' writers tell nobody
            await asyncio.sleep(0.02)


def lines_in(folder: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("requests-*.jsonl"))


async def test_two_machines_keep_apart_and_each_shows_what_both_did(
    tmp_path: Path, sim: Simulator
) -> None:
    shared = tmp_path / "shared"
    for name in ("laptop", "desktop"):
        top = f'machine = "{name}"\nlog_dir = "{shared}"'
        write_config(tmp_path / name, sim.anthropic_url, sim.zai_url, top=top)
    async with (
        aiohttp.ClientSession() as client,
        daemon_process(tmp_path / "laptop") as laptop,
        daemon_process(tmp_path / "desktop") as desktop,
    ):
        for daemon in (laptop, desktop, laptop):
            await send(client, daemon)
        await until(shared, 3)
    kinds = {file.name.split("-")[0].split(".")[0] for file in shared.iterdir()}
    assert kinds <= {"requests", "events", "quota"}
    assert {file.name.split(".")[-2] for file in shared.iterdir()} == {"laptop", "desktop"}
    for file in list(shared.glob("requests-*.desktop.jsonl")):
        shutil.copy(file, file.with_name(f"{file.stem} (conflicted copy 2026-11-30).jsonl"))
    for name in ("laptop", "desktop"):
        ending = await run_command(tmp_path / name, "stats", "--json")
        assert json.loads(ending.out)["skipped_lines"] == 0
        shown = await run_command(tmp_path / name, "logs", "--json")
        times = [json.loads(line)["ts"] for line in shown.out.splitlines()]
        assert len(times) == 3
        assert times == sorted(times)


async def test_without_a_name_the_files_have_none(tmp_path: Path, sim: Simulator) -> None:
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with aiohttp.ClientSession() as client, daemon_process(tmp_path) as daemon:
        await send(client, daemon)
        await until(daemon.paths.log_dir, 1)
    names = {file.name for file in daemon.paths.log_dir.iterdir()}
    assert all(name.count(".") == 1 for name in names)
    assert not daemon.paths.machine_id_file.exists()
