"""`offramp try` with a real daemon, fake services, and a stand-in for Claude Code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import (
    OFFRAMP,
    Ending,
    daemon_process,
    environment,
    free_port,
    run_command,
    write_config,
)
from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY

from offramp_simulator import Simulator
from offramp_simulator.preset.rules import PRESETS as RULES
from offramp_simulator.preset.service import PresetService, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "a-token-of-thirty-two-letters-xyz"
COUNT = "/v1/messages/count_tokens"
OTHER_KEY = "pk-0123456789abcdef0123456789abcdef"

ASKING = """
import json, os, sys, urllib.error, urllib.request
settings = json.load(open(os.environ["STAND_IN"]))
assert "ZAI_API_KEY" not in os.environ and os.listdir() == []
assert sys.argv[1:4] == ["-p", "--model", "opus"]
body = {"model": "claude-opus-4-6", "max_tokens": 9,
        "messages": [{"role": "user", "content": sys.argv[4]}]}
headers = {"content-type": "application/json", "anthropic-version": "2023-06-01",
           "anthropic-beta": "oauth-2025-04-20", "authorization": "Bearer " + settings["login"]}
request = urllib.request.Request(
    settings["url"] + "/v1/messages", json.dumps(body).encode(), headers)
try:
    urllib.request.urlopen(request).read()
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
print("ready")
"""
SILENT = "print('ready')"
FAILING = "import sys; print('Invalid API key sk-ant-api03-' + 'Abc9' * 20); sys.exit(1)"
WAITING = """
import os, signal
with open(os.environ["STAND_IN"] + ".pipe", "w") as pipe:
    pipe.write(str(os.getpid()))
signal.pause()
"""


@dataclass
class Bench:
    home: Path
    sim: Simulator
    variables: dict[str, str] = field(default_factory=dict)

    def config(self, *, top: str = "", zai_url: str | None = None) -> None:
        write_config(self.home, self.sim.anthropic_url, zai_url or self.sim.zai_url, top=top)

    def claude(self, script: str, url: str = "") -> None:
        """Put a stand-in for Claude Code on the PATH."""
        folder = self.home / "bin"
        folder.mkdir()
        program = folder / "claude"
        program.write_text(f"#!{sys.executable}\n{script}\n")
        program.chmod(0o700)
        settings = self.home / "stand-in.json"
        settings.write_text(json.dumps({"url": url, "login": CLAUDE_TOKEN}))
        self.variables["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self.variables["STAND_IN"] = str(settings)
        self.variables["ZAI_API_KEY"] = ZAI_KEY

    async def attempt(self, *arguments: str) -> tuple[Ending, list[dict[str, Any]]]:
        ending = await run_command(self.home, "try", "--json", *arguments, **self.variables)
        for secret in (ZAI_KEY, CLAUDE_TOKEN, TOKEN, "Abc9Abc9Abc9"):
            assert secret not in ending.out + ending.err
        trials: list[dict[str, Any]] = json.loads(ending.out)["trials"]
        return ending, trials


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Simulator.start(zai_key=ZAI_KEY, keep_requests=10) as sim:
        yield Bench(tmp_path, sim)
        assert not sim.leaks


def daemon(bench: Bench, *arguments: str) -> Any:
    return daemon_process(bench.home, *arguments)


async def test_delegate_that_answers_is_named(bench: Bench) -> None:
    bench.config()
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
        said = await run_command(bench.home, "try")
    assert (ending.code, ending.err, trial["outcome"]) == (0, "", "ok")
    assert trial["text"] == "Z.ai answered through Offramp. The request was free."
    assert said.out == f"Z.ai    ok       {trial['text']}\n"


def kimi(key: str = "") -> str:
    """Routes that send Sonnet and Haiku to another service than Z.ai."""
    routes = "".join(
        f'[[route]]\nmatch = "{tier}"\nbackend = "kimi"\nsend_model = "kimi-k2.6"\n'
        for tier in ("sonnet", "haiku")
    )
    return f"{routes}[backend.kimi]\n{key}"


async def test_other_delegate_is_asked_where_the_routes_lead_to_it(bench: Bench) -> None:
    service = PresetService(bench.sim.journal, RULES["kimi"], key=OTHER_KEY)
    async with running(service) as url:
        bench.config(top=kimi(f'base_url = "{url}"\nkey = "{OTHER_KEY}"\n'))
        async with daemon(bench):
            ending, (trial,) = await bench.attempt()
            said = await run_command(bench.home, "try")
    assert (ending.code, trial["of"], trial["outcome"]) == (0, "kimi", "ok")
    assert trial["text"] == "Kimi answered through Offramp. The request was free."
    assert said.out == f"Kimi    ok       {trial['text']}\n"


async def test_missing_key_of_another_delegate_is_named(bench: Bench) -> None:
    bench.config(top=kimi())
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["of"], trial["outcome"]) == (1, "kimi", "failed")
    assert "no key for Kimi" in trial["text"]
    assert trial["hint"] == "Store one: offramp key set kimi"


async def test_failure_of_another_delegate_may_be_that_it_counts_no_tokens(bench: Bench) -> None:
    bench.config(top=kimi(f'base_url = "{bench.sim.zai_url}"\nkey = "{ZAI_KEY}"\n'))
    bench.sim.script("zai", ["status=404"], path=COUNT)
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["of"], trial["outcome"]) == (1, "kimi", "failed")
    assert "may be that it does not count tokens" in trial["text"]


async def test_without_a_daemon_the_command_that_starts_it_is_named(bench: Bench) -> None:
    bench.config()
    ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["outcome"]) == (1, "failed")
    assert trial["text"] == "The daemon is not running."
    assert "offramp start" in trial["hint"]


async def test_client_token_is_sent(bench: Bench) -> None:
    bench.config(top=f'client_token = "{TOKEN}"')
    async with daemon(bench):
        _, (trial,) = await bench.attempt()
    assert trial["outcome"] == "ok"


@pytest.mark.parametrize(
    ("top", "part"),
    [
        ('delegation = "never"', "Delegation is off"),
        ("route = []", "No route uses Z.ai"),
    ],
)
async def test_delegate_that_would_not_be_asked_is_skipped(
    bench: Bench, top: str, part: str
) -> None:
    bench.config(top=top)
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["outcome"]) == (0, "skipped")
    assert part in trial["text"]


async def test_pause_is_told(bench: Bench) -> None:
    bench.config()
    async with daemon(bench):
        await run_command(bench.home, "pause")
        _, (trial,) = await bench.attempt()
    assert (trial["outcome"], trial["hint"]) == ("skipped", "offramp resume ends it")


async def test_only_haiku_delegated_is_tried_with_haiku(bench: Bench) -> None:
    bench.config(top='[[route]]\nmatch = "haiku"\nbackend = "zai"\nsend_model = "GLM-4.5-Air"\n')
    async with daemon(bench):
        _, (trial,) = await bench.attempt()
    assert trial["outcome"] == "ok"


async def test_missing_key_is_told(bench: Bench) -> None:
    bench.config()
    file = bench.home / "config" / "config.toml"
    file.write_text(file.read_text().replace(f'key = "{ZAI_KEY}"\n', ""))
    keyring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    async with daemon_process(bench.home, **keyring):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["outcome"]) == (1, "failed")
    assert "no key for Z.ai" in trial["text"]


@pytest.mark.parametrize("fault", ["status=500", "status=401"])
async def test_delegate_that_fails_is_not_taken_for_an_answer(bench: Bench, fault: str) -> None:
    bench.config()
    bench.sim.script("zai", [fault], path=COUNT)
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["outcome"]) == (1, "failed")
    assert trial["text"].startswith("Z.ai did not answer through Offramp")


async def test_delegate_out_of_reach_is_not_taken_for_an_answer(bench: Bench) -> None:
    bench.config(zai_url=f"http://127.0.0.1:{free_port()}")
    async with daemon(bench):
        ending, (trial,) = await bench.attempt()
    assert (ending.code, trial["outcome"]) == (1, "failed")
    assert "offramp doctor" in trial["hint"]


async def test_claude_code_that_is_connected_is_seen_in_the_log(bench: Bench) -> None:
    bench.config()
    async with daemon(bench) as running:
        bench.claude(ASKING, running.url)
        ending, (_, claude) = await bench.attempt("--claude")
    assert (ending.code, claude["of"], claude["outcome"]) == (0, "anthropic", "ok"), claude
    text = "Claude Code got an answer through Offramp: Claude served claude-opus-4-6."
    assert claude["text"] == text


async def test_claude_code_that_goes_elsewhere_is_told(bench: Bench) -> None:
    bench.config()
    async with daemon(bench):
        bench.claude(SILENT)
        ending, (_, claude) = await bench.attempt("--claude")
    assert (ending.code, claude["outcome"]) == (1, "failed")
    assert "none of its requests went through Offramp" in claude["text"]
    assert claude["hint"] == "Connect it: offramp connect"


async def test_claude_code_that_fails_is_quoted_without_its_key(bench: Bench) -> None:
    bench.config()
    async with daemon(bench):
        bench.claude(FAILING)
        ending, (_, claude) = await bench.attempt("--claude")
    assert ending.code == 1
    assert "Claude Code ended with 1: Invalid API key" in claude["text"]


async def test_claude_code_that_is_not_installed_is_told(bench: Bench) -> None:
    bench.config()
    bench.variables["PATH"] = str(bench.home)
    ending, (_, claude) = await bench.attempt("--claude")
    assert ending.code == 1
    assert "Claude Code is not installed" in claude["text"]


async def test_trial_that_is_ended_ends_claude_code_too(bench: Bench) -> None:
    bench.config()
    bench.claude(WAITING)
    pipe = bench.home / "stand-in.json.pipe"
    os.mkfifo(pipe)
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP, "try", "--claude", env=environment(bench.home, **bench.variables), stdout=PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        pid = int(await asyncio.to_thread(pipe.read_text))
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_help_names_what_it_costs(offramp: Any) -> None:
    ending = offramp("try", "--help")
    assert "free request" in ending.out
