"""`offramp doctor` as its user runs it: what it prints, what it ends with, what it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from control_harness import Commands
from daemon_process import (
    OFFRAMP,
    Ending,
    daemon_process,
    environment,
    free_port,
    run_command,
    write_config,
)
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY

from offramp_core import __version__
from offramp_core.control import api

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND = {"login-item", "keyring", "tray", "charts", "claude-features"}
"""What depends on the machine that the tests run on, or is a note anywhere."""


class Machine:
    """A user's machine in a folder: Claude Code installed, connected and logged in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.claude = root / ".claude"
        self.claude.mkdir()
        (self.claude / ".credentials.json").write_text(json.dumps({"token": CLAUDE_TOKEN}))
        self.connect(f"http://localhost:{self.port}")
        program = root / "bin" / "claude"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "2.1.330 (Claude Code)"\n')
        program.chmod(0o755)

    def connect(self, url: str) -> None:
        (self.claude / "settings.json").write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": url}}))

    def configure(self, anthropic_url: str, zai_url: str) -> Path:
        file = write_config(self.root, anthropic_url, zai_url, top=f"port = {self.port}")
        file.chmod(0o600)
        return file

    @property
    def path(self) -> str:
        return f"{self.root / 'bin'}:{os.environ['PATH']}"

    async def doctor(self, *arguments: str, **variables: str) -> Ending:
        return await run_command(self.root, "doctor", *arguments, PATH=self.path, **variables)

    async def findings(self, *arguments: str, **variables: str) -> dict[str, dict[str, Any]]:
        ending = await self.doctor("--json", *arguments, **variables)
        document = json.loads(ending.out)
        assert document["version"] == __version__
        assert ending.code == (0 if document["ok"] else 1)
        return {each["name"]: each for each in document["checks"]}

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Everything that is there, but for what a running daemon writes by itself."""
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in sorted(self.root.rglob("*"))
            if not path.is_socket() and "diagnostics" not in path.parts
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_healthy_machine_has_no_failure_and_no_warning(machine, sim):
    machine.configure(sim.anthropic_url, sim.zai_url)
    async with daemon_process(machine.root, port=machine.port) as running:
        await Commands(running.paths).until_there()
        before = machine.files()
        found = await machine.findings()
        text = await machine.doctor(COLUMNS="80")
        assert machine.files() == before
        await running.stop()
    wrong = {
        name: each["remarks"]
        for name, each in found.items()
        if name not in BY_HAND and each["outcome"] != "ok"
    }
    assert not wrong
    assert f"pid {running.process.pid}" in found["daemon"]["remarks"][0]["saw"]
    assert "accepts this key" in found["key-zai"]["remarks"][0]["saw"]
    assert (text.code, text.err) == (0, "")
    assert all(len(line) <= 80 for line in text.out.splitlines())
    assert str(machine.root) not in text.out
    assert text.out.splitlines()[0] == "Offramp"
    for secret in (ZAI_KEY, CLAUDE_TOKEN):
        assert secret not in text.out + json.dumps(found)
    for entry in sim.journal.requests:
        assert CLAUDE_TOKEN not in str(entry.headers)


async def test_sick_machine_is_told_what_is_wrong_with_it(machine):
    nowhere = f"http://127.0.0.1:{free_port()}"
    file = machine.configure(nowhere, nowhere)
    file.chmod(0o644)
    machine.connect("http://localhost:1")
    found = await machine.findings(ANTHROPIC_API_KEY=CLAUDE_TOKEN)
    assert {name for name, each in found.items() if each["outcome"] == "failure"} == {
        *("daemon", "backend-anthropic", "backend-zai", "claude-address"),
    }
    assert {name for name, each in found.items() if each["outcome"] == "warning"} >= {
        *("secrets", "claude-login"),
    }
    assert CLAUDE_TOKEN not in json.dumps(found)
    for each in found.values():
        for remark in each["remarks"]:
            assert remark["cure"] or remark["outcome"] in {"ok", "note"}
    assert (await machine.doctor()).code == 1


async def test_port_that_another_program_took_is_named_with_its_cure(machine):
    with socket.create_server(("127.0.0.1", machine.port)):
        found = await machine.findings("--only", "port", PORT=str(machine.port))
    assert list(found) == ["port"]
    (remark,) = [each for each in found["port"]["remarks"] if each["outcome"] == "failure"]
    if sys.platform != "darwin":
        assert f"pid {os.getpid()}" in remark["saw"]
        assert f"kill {os.getpid()}" in remark["cure"]


async def test_settings_that_are_refused_are_one_finding_among_others(machine):
    file = machine.configure("http://127.0.0.1:9", "http://127.0.0.1:9")
    file.write_text("prot = 3002\n")
    found = await machine.findings("--only", "settings", "--only", "log", "--only", "claude")
    assert found["settings"]["outcome"] == "failure"
    assert "Did you mean port?" in found["settings"]["remarks"][0]["cure"]
    assert found["log"]["outcome"] == "ok"
    assert {"claude", "claude-address", "claude-login"} <= set(found)


def test_commands_are_shown_as_typed_and_within_the_terminals_width(tmp_path):
    """In a checkout the program is not on the PATH."""
    program = "./checkout/bin/offramp"
    code = f"import sys; sys.argv[0] = {program!r}; from offramp_cli import main; main()"
    names = ("daemon", "environment", "login-item", "key-zai")
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", *(f"--only={name}" for name in names)],
        env=environment(tmp_path, COLUMNS="64", NO_PROXY="example.com"),
        capture_output=True,
        text=True,
        check=False,
    )
    text = " ".join(done.stdout.split())
    assert f"{program} install" in text
    assert text.replace(program, "").count("offramp install") == 0
    assert max(map(len, done.stdout.splitlines())) <= 64


async def test_warnings_alone_are_no_failure(machine):
    ending = await machine.doctor("--only", "key-zai")
    assert ending.code == 0
    assert "warning  key-zai" in ending.out
    assert ending.out.splitlines()[-1] == "1 check: 1 warning."


async def test_unknown_name_is_refused_with_those_that_there_are(machine):
    ending = await machine.doctor("--only", "prot")
    assert (ending.code, ending.out) == (2, "")
    assert "'prot'" in ending.err
    assert "port" in ending.err


async def test_paused_daemon_is_noted(machine, sim):
    machine.configure(sim.anthropic_url, sim.zai_url)
    async with daemon_process(machine.root, port=machine.port) as running:
        commands = Commands(running.paths)
        await commands.until_there()
        await commands.pause()
        found = await machine.findings("--only", "daemon")
        await running.stop()
    assert found["daemon"]["outcome"] == "note"
    assert "offramp resume" in found["daemon"]["remarks"][1]["cure"]


@pytest.mark.skipif(sys.platform == "darwin", reason="no environment of another process is shown")
async def test_proxy_that_only_the_shell_knows_is_a_warning_and_not_gone_through(machine, sim):
    machine.configure(sim.anthropic_url, sim.zai_url)
    proxy = "http://me:c0rp-passw0rd@127.0.0.1:9"
    async with daemon_process(machine.root, port=machine.port) as running:
        await Commands(running.paths).until_there()
        names = ("environment", "backend", "key", "claude-address")
        only = [argument for name in names for argument in ("--only", name)]
        found = await machine.findings(*only, HTTPS_PROXY=proxy)
        await running.stop()
    assert found["environment"]["outcome"] == "warning"
    assert "offramp install" in found["environment"]["remarks"][0]["cure"]
    assert found["backend-zai"]["outcome"] == found["key-zai"]["outcome"] == "ok"
    assert found["claude-address"]["outcome"] == "failure"  # Claude Code does go through it
    assert "passw0rd" not in json.dumps(found)


async def test_daemon_says_which_variables_it_was_started_with_but_no_login(machine, sim):
    machine.configure(sim.anthropic_url, sim.zai_url)
    (machine.root / "config" / ".env").write_text("NO_PROXY=.corp.example\n")
    proxy = "http://me:c0rp-passw0rd@127.0.0.1:9"
    async with daemon_process(
        machine.root, port=machine.port, https_proxy=proxy, SSL_CERT_DIR="/etc/ssl/certs"
    ) as running:
        status = await Commands(running.paths).until_there()
        await running.stop()
    assert status.variables == {
        "HTTPS_PROXY": "http://***@127.0.0.1:9",
        "NO_PROXY": ".corp.example",
        "SSL_CERT_DIR": "/etc/ssl/certs",
    }
    assert b"passw0rd" not in api.encode(status)


async def test_everything_that_hangs_is_given_up(machine):
    """A network, a daemon and Claude Code, none of which says anything."""
    with (
        socket.create_server(("127.0.0.1", machine.port)),
        socket.create_server(("127.0.0.1", 0)) as mute,
    ):
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        machine.configure(url, url)
        (machine.root / "bin" / "claude").write_text("#!/bin/sh\nexec sleep 60\n")
        started_s = time.monotonic()
        found = await machine.findings()
        took_s = time.monotonic() - started_s
    assert took_s < 50  # ten seconds, and what a busy machine adds
    assert found["backend-zai"]["outcome"] == "failure"
    assert found["claude"]["outcome"] == "warning"
    assert found["log"]["outcome"] == "ok"


def test_neither_tray_nor_window_nor_toolkit_is_imported(tmp_path):
    code = (
        "import sys, offramp_cli.doctor.command\n"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('offramp_tray', 'offramp_dashboard', 'PySide6', 'pystray', 'numpy')])"
    )
    done = subprocess.run(
        (OFFRAMP[0], "-c", code),
        env=environment(tmp_path),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"


async def test_report_is_written_beside_what_is_printed_and_holds_no_secret(machine, sim):
    machine.configure(sim.anthropic_url, sim.zai_url)
    proxy = "http://me:c0rp-passw0rd@127.0.0.1:9"
    async with daemon_process(machine.root, port=machine.port, HTTPS_PROXY=proxy) as running:
        await Commands(running.paths).until_there()
        ending = await machine.doctor("--report", HTTPS_PROXY=proxy, MY_TOKEN="planted-token-1")
        asked = await machine.doctor("--json", "--report", str(machine.root / "mine.txt"))
        await running.stop()
    report = (machine.root / "offramp-report.txt").read_text()
    assert f"The report is in {machine.root / 'offramp-report.txt'}" in ending.out
    assert "daemon.log" in report
    assert f"port = {machine.port}" in report
    assert "MY_TOKEN" in report
    assert str(machine.root) not in report
    assert json.loads(asked.out)["ok"] in {True, False}
    assert "mine.txt" in asked.err
    for secret in (ZAI_KEY, CLAUDE_TOKEN, "c0rp-passw0rd", "planted-token-1"):
        assert secret not in report + (machine.root / "mine.txt").read_text() + ending.out
