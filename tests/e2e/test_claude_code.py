"""The real Claude Code through the daemon, against the simulator: what a user does all day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from claude_code import ask_for
from daemon_process import run_command

if TYPE_CHECKING:
    from claude_code import ClaudeCode

    from offramp_simulator import Simulator

MODELS = ("opus", "sonnet", "haiku")
BACKENDS = {"opus": "anthropic", "sonnet": "zai", "haiku": "zai"}

pytestmark = pytest.mark.e2e


def read_note(claude: ClaudeCode) -> str:
    return ask_for("Read", file_path=str(claude.project / "note.txt"))


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
    # This is the proxy without the daemon around it, which `connect` would ask.
    assert (await run_command(tmp_path, "connect", "--force", **own)).code == 0
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
