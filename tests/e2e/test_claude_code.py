"""The real Claude Code through the daemon, against the simulator: what a user does all day."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import run_command
from proxy_harness import CLAUDE_TOKEN, RunningProxy

if TYPE_CHECKING:
    from offramp_simulator import Simulator

CLAUDE = Path(__file__).parents[2] / ".cache/claude-code/node_modules/.bin/claude"
MODELS = ("opus", "sonnet", "haiku")
BACKENDS = {"opus": "anthropic", "sonnet": "zai", "haiku": "zai"}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@dataclass
class ClaudeCode:
    """Claude Code with a home of its own, a fake subscription login, and no way out."""

    home: Path
    base_url: str | None

    async def ask(self, prompt: str, model: str, *options: str) -> dict[str, object]:
        """Its JSON answer to `prompt`."""
        process = await asyncio.create_subprocess_exec(
            str(CLAUDE),
            "-p",
            "--output-format=json",
            f"--model={model}",
            *options,
            prompt,
            cwd=self.home / "project",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "TERM": "xterm",
                **({"ANTHROPIC_BASE_URL": self.base_url} if self.base_url else {}),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
                "HTTPS_PROXY": "http://127.0.0.1:9",
                "NO_PROXY": "localhost,127.0.0.1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60):
                out, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            raise
        assert process.returncode == 0, (out, errors)
        answer: dict[str, object] = json.loads(out)
        assert not answer["is_error"], answer
        return answer


@pytest.fixture
def claude(tmp_path: Path, proxy: RunningProxy) -> ClaudeCode:
    assert CLAUDE.exists(), "make e2e installs Claude Code first; run the test through it"
    (tmp_path / ".claude").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "note.txt").write_text("forty-two\n")
    (tmp_path / ".claude.json").write_text('{"hasCompletedOnboarding": true}')
    login = {
        "accessToken": CLAUDE_TOKEN,
        "refreshToken": "sk-ant-ort01-fake",
        "expiresAt": 4_102_444_800_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    credentials = tmp_path / ".claude" / ".credentials.json"
    credentials.write_text(json.dumps({"claudeAiOauth": login}))
    return ClaudeCode(tmp_path, proxy.url)


def read_note(claude: ClaudeCode) -> str:
    path = str(claude.home / "project" / "note.txt")
    return f"use the tool Read with {json.dumps({'file_path': path})}"


def thinking_signatures(body: bytes) -> list[str]:
    return [
        block.get("signature", "")
        for message in json.loads(body)["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "thinking"
    ]


def messages_to(sim: Simulator, service: str) -> list[bytes]:
    return [
        received.body
        for received in sim.requests
        if received.service == service
        and received.method == "POST"
        and received.path_only.endswith("/v1/messages")
    ]


@pytest.mark.parametrize("model", MODELS)
async def test_tool_loop_runs_on_the_right_backend(claude, proxy, sim, model):
    answer = await claude.ask(read_note(claude), model)
    assert answer["num_turns"] == 2
    served = [record for record in proxy.records if model in (record.model or "")]
    assert len(served) >= 2
    assert {record.backend for record in served} == {BACKENDS[model]}
    assert {record.status for record in served} == {"success"}
    assert all(record.session_id == answer["session_id"] for record in served)
    assert any(b"forty-two" in body for body in messages_to(sim, BACKENDS[model]))


async def test_one_conversation_goes_through_all_three_models_and_back(claude, proxy, sim):
    answer = await claude.ask(read_note(claude), "opus")
    for model in ("sonnet", "haiku", "opus", "sonnet"):
        answer = await claude.ask(read_note(claude), model, "--resume", str(answer["session_id"]))
    assert {record.status for record in proxy.records} == {"success"}
    assert {record.backend for record in proxy.records} == {"anthropic", "zai"}
    assert all("again" not in (record.reason or "") for record in proxy.records)
    seen = {
        service: [
            signature
            for body in messages_to(sim, service)
            for signature in thinking_signatures(body)
        ]
        for service in ("anthropic", "zai")
    }
    assert seen["anthropic"], "no thinking was sent: this test shows nothing"
    assert all(len(signature) > 100 for signature in seen["anthropic"])
    assert all(len(signature) < 100 for signature in seen["zai"])
    for body in messages_to(sim, "zai"):
        assert b"sk-ant" not in body
        assert b"account_uuid" not in body


async def test_connect_alone_points_claude_code_here_until_disconnect(claude, proxy, tmp_path):
    own = {"HOME": str(tmp_path), "PORT": proxy.url.rpartition(":")[2]}
    settings = tmp_path / ".claude" / "settings.json"
    settings.write_text('{\n  "includeCoAuthoredBy": false\n}\n')
    original = settings.read_bytes()
    assert (await run_command(tmp_path, "connect", **own)).code == 0
    claude.base_url = None
    await claude.ask("say hi", "opus")
    assert {record.status for record in proxy.records} == {"success"}
    assert proxy.records
    assert (await run_command(tmp_path, "disconnect", **own)).code == 0
    assert settings.read_bytes() == original


@pytest.mark.parametrize(
    "fault",
    ["status=500", "drop", "empty", "error-200", "cut=0", "zai=1302", "zai=1308", "zai=1001"],
)
async def test_delegate_that_fails_is_not_noticed(claude, proxy, sim, fault):
    proxy.change(queue_wait_s=0.1)
    sim.script("zai", [(), *[fault] * 20])
    answer = await claude.ask(read_note(claude), "sonnet")
    assert answer["num_turns"] == 2
    served = [record for record in proxy.records if "sonnet" in (record.model or "")]
    assert {record.status for record in served} == {"success"}
    assert [record.backend for record in served][:2] == ["zai", "anthropic"]
    assert (served[1].reason or "").endswith("served by anthropic")
    assert any(b"forty-two" in body for body in messages_to(sim, "anthropic"))


async def test_spent_claude_plan_overflows_unnoticed_if_the_user_wants_that(claude, proxy, sim):
    proxy.change(overflow=True)
    sim.script("anthropic", ["quota=seven_day"] * 20)
    answer = await claude.ask(read_note(claude), "opus")
    assert answer["num_turns"] == 2
    served = [record for record in proxy.records if "opus" in (record.model or "")]
    assert {(record.backend, record.status) for record in served} == {("zai", "success")}
    assert {json.loads(body)["model"] for body in messages_to(sim, "zai")} == {"GLM-4.7"}
