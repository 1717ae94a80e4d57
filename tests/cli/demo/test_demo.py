"""`offramp demo` as a process: its history, its traffic, and whom it leaves alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, daemon_process, free_port, run_command
from raw_upstream import Connection, raw_upstream

from offramp_cli import exit_codes
from offramp_cli.demo import demo
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

USERS_KEY = "fedcba9876543210fedcba9876543210.UsersOwnZaiKey"


def files_below(folder: Path) -> set[Path]:
    return {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}


async def ask(client, running: DaemonProcess, model: str) -> int:
    body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    async with client.post(running.url + "/v1/messages", json=body) as answered:
        await answered.read()
        return answered.status


UNKNOWN = "route sonnet, model unknown to zai, sent as GLM-4.7"


async def test_history_is_written_once(tmp_path):
    counts = []
    for _ in range(2):
        async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
            assert await running.stop(signal.SIGINT) == 0
        counts.append(len(running.records))
        assert "Traceback" not in running.said
        assert running.said.splitlines()[-1] == "Offramp has stopped."
    assert counts[0] == counts[1] > 1000


async def test_settings_of_a_running_demo_have_its_port_and_no_real_address(tmp_path):
    async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
        shown = await run_command(tmp_path, "config", "show", "--demo", "--json")
        assert await running.stop() == 0
    settings = json.loads(shown.out)["settings"]
    assert settings["port"] == {"value": running.port, "origin": "demo"}
    assert "https://" not in shown.out


async def test_files_are_the_users_only_whatever_the_umask_says(tmp_path):
    before = os.umask(0)
    try:
        async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
            assert await running.stop(signal.SIGINT) == 0
    finally:
        os.umask(before)
    log = Paths.under(tmp_path / "demo").log_dir
    files = [file for file in log.iterdir() if file.is_file()]
    assert {"quota.jsonl"} < {file.name for file in files}
    assert not [file for file in files if file.stat().st_mode & 0o077]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "route sonnet"),
        (("--refuse", "zai:claude-names"), UNKNOWN),
        (("--lenient",), "route sonnet"),
        (("--lenient", "--refuse", "zai:claude-names"), UNKNOWN),
    ],
)
async def test_demo_refuses_what_it_is_asked_to(tmp_path, client, options, reason):
    async with daemon_process(tmp_path, "--no-traffic", *options, is_demo=True) as running:
        assert await ask(client, running, "claude-sonnet-4-5") == 200
        assert await running.stop() == 0
    assert (running.records[-1].backend, running.records[-1].reason) == ("zai", reason)
    assert re.search(r"Z\.ai: http://127\.0\.0\.1:\d+/api/anthropic", running.said)


async def test_demo_names_the_refusals_that_it_has(tmp_path):
    ending = await run_command(tmp_path, "demo", "--allow", "zai:field")
    assert ending.code != 0
    assert "no refusal 'zai:field'" in ending.err
    assert "zai:fields" in ending.err


async def test_stats_of_the_demo_read_its_history_and_its_requests(tmp_path, client):
    async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
        for model in ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"):
            assert await ask(client, running, model) == 200
        assert await running.stop() == 0
    assert [record.backend for record in running.records[-3:]] == ["anthropic", "zai", "zai"]
    ending = await run_command(tmp_path, "stats", "--demo", "--all", "--json")
    assert ending.code == 0
    weeks = json.loads(ending.out)["weeks"]
    assert sum(week["requests"] for week in weeks) == len(running.records)
    ending = await run_command(tmp_path, "logs", "--demo", "-n", "3", "--json")
    assert [json.loads(line)["backend"] for line in ending.out.splitlines()] == [
        "anthropic",
        "zai",
        "zai",
    ]
    ending = await run_command(tmp_path, "stats", "--json")
    assert sum(week["requests"] for week in json.loads(ending.out)["weeks"]) == 0


async def test_users_settings_key_and_history_are_left_alone(tmp_path, client):
    async def answer(connection: Connection) -> None:
        raise AssertionError("The demo called a service of the user's")

    users_log = tmp_path / "users-log"
    users_log.mkdir()
    own = Paths.under(tmp_path)
    own.config_dir.mkdir()
    own.config_file.write_text("port = 70000  # wrong, and none of the demo's business\n")
    before = files_below(tmp_path)
    async with raw_upstream(answer) as service:
        variables = {
            "ZAI_API_KEY": USERS_KEY,
            "ZAI_BASE_URL": service.url,
            "ANTHROPIC_BASE_URL": service.url,
            "OFFRAMP_ANTHROPIC_BASE_URL": service.url,
            "LOG_DIR": str(users_log),
            "OFFRAMP_LOG_DIR": str(users_log),
            "PORT": "70000",
        }
        async with daemon_process(tmp_path, "--no-traffic", is_demo=True, **variables) as running:
            for model in ("claude-opus-4-6", "claude-sonnet-4-5"):
                assert await ask(client, running, model) == 200
            assert await running.stop() == 0
        assert not service.heads
    written = files_below(tmp_path) - before
    assert written
    assert all(file.parts[0] == "demo" for file in written)
    for file in written:
        assert USERS_KEY.encode() not in (tmp_path / file).read_bytes()
    assert running.records[-1].served_model == "glm-4.7"


async def test_played_traffic_shows_and_ends_promptly_with_ctrl_c(tmp_path):
    async with daemon_process(tmp_path, is_demo=True) as running:
        assert "Demo" in running.said
        line = await running.line_with("|zai]")
        assert "hello world" not in line  # its standard error is no terminal here
        began_s = time.monotonic()
        assert await running.stop(signal.SIGINT) == 0
        assert time.monotonic() - began_s < 15
    assert "Traceback" not in running.said
    assert running.records[-1].status in {"success", "cancelled"}
    assert running.records[-1].session_id


async def test_port_in_use_is_said_with_its_own_exit_code(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ending = await run_command(tmp_path, "demo", "--no-traffic", "--port", str(port))
    assert ending.code == exit_codes.PORT_BUSY
    assert f"Port {port}" in ending.err
    assert "Traceback" not in ending.err


async def test_port_is_taken_before_the_stand_ins_take_theirs(tmp_path, monkeypatch):
    chosen, seen = free_port(), []

    class CutError(Exception):
        """Ends the demo where the stand-ins would start."""

    def start(**_options):
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", chosen))
        seen.append(chosen)
        raise CutError

    monkeypatch.setattr(demo.Simulator, "start", start)
    with pytest.raises(CutError):
        await demo.serve(Paths.under(tmp_path / "demo"), port=chosen, has_traffic=False)
    assert seen == [chosen]
    socket.create_server(("127.0.0.1", chosen)).close()  # given back


async def test_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "demo").write_text("a file where a folder should be")
    ending = await run_command(tmp_path, "demo", "--no-traffic")
    assert ending.code == exit_codes.FAILURE
    assert str(tmp_path / "demo") in ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize("text", ['[backend.other]\nbase_url = "http://127.0.0.1:9"\n', "prot = 1"])
async def test_demos_own_file_is_checked_and_cannot_lead_outside(tmp_path, client, text):
    paths = Paths.under(tmp_path / "demo")
    paths.config_dir.mkdir(parents=True)
    paths.config_file.write_text(text)
    if text.startswith("prot"):
        ending = await run_command(tmp_path, "demo", "--no-traffic")
        assert ending.code == exit_codes.SETTINGS_REFUSED
        return
    async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
        assert await ask(client, running, "claude-sonnet-4-5") == 200
        assert await running.stop() == 0
