"""What Claude's spent plan refuses: to the delegate if the user wants that, else Claude's word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from messages import OPUS, SONNET, ask, send
from proxy_harness import (
    CLAUDE_TOKEN,
    ZAI_KEY,
    RunningProxy,
    running_proxy,
    settings_for,
    shared_state,
)

from offramp_core.control.api import Pause
from offramp_daemon.routing.decision import AutopilotChoice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp

    from offramp_daemon.routing.affinity import Conversation
    from offramp_simulator import Simulator

RESET = datetime(2026, 11, 26, 22, tzinfo=UTC)
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
}
SESSION = {"x-claude-code-session-id": "5e551011"}


@pytest.fixture
async def proxy(sim: Simulator) -> AsyncIterator[RunningProxy]:
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    async with running_proxy(settings) as running:
        yield running


def spent(backend: str, _model: str | None, _credential: str | None) -> datetime | None:
    return RESET if backend == "anthropic" else None


def services(sim: Simulator) -> list[str]:
    return [each.service for each in sim.requests]


@pytest.mark.parametrize("is_stream", [True, False])
async def test_quota_refusal_is_served_by_the_delegate(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, is_stream: bool
) -> None:
    sim.script("anthropic", ["quota=seven_day_opus"])
    status, _ = await send(client, proxy, ask(OPUS, stream=is_stream))
    assert status == 200
    assert services(sim) == ["anthropic", "zai"]
    overflowed = sim.requests[1]
    assert json.loads(overflowed.body)["model"] == "GLM-4.7"
    assert overflowed.header("x-api-key") == ZAI_KEY
    assert overflowed.header("authorization") is None
    record = await proxy.only_record()
    assert (record.backend, record.status, record.model) == ("zai", "success", OPUS)
    assert record.reason == "overflow: the Claude plan is spent"
    assert record.output_tokens > 0


async def test_plan_that_is_known_to_be_spent_is_not_asked(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    async with running_proxy(settings, shared=shared_state(spent_until=spent)) as proxy:
        assert (await send(client, proxy, ask(OPUS)))[0] == 200
        assert (await proxy.only_record()).backend == "zai"
    assert services(sim) == ["zai"]


async def test_without_the_setting_claudes_own_refusal_is_shown(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(overflow=False)
    sim.script("anthropic", ["quota=five_hour"])
    async with client.post(proxy.url + "/v1/messages", json=ask(OPUS)) as answered:
        assert answered.status == 429
        assert answered.headers["anthropic-ratelimit-unified-representative-claim"] == "five_hour"
    assert services(sim) == ["anthropic"]


async def test_refusal_for_a_moment_is_no_spent_plan(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("anthropic", ["status=429"])
    assert (await send(client, proxy, ask(OPUS)))[0] == 429
    assert services(sim) == ["anthropic"]


@pytest.mark.parametrize("fault", ["zai=1305", "status=500", "drop", "empty", "zai=1308"])
async def test_delegate_that_fails_too_leaves_claudes_own_refusal(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, fault: str
) -> None:
    sim.script("anthropic", ["quota=seven_day"] * 2)
    proxy.change(overflow=False)
    _, expected = await send(client, proxy, ask(OPUS))
    proxy.change(overflow=True)
    sim.script("zai", [fault])
    async with client.post(proxy.url + "/v1/messages", json=ask(OPUS)) as answered:
        assert answered.status == 429
        assert answered.headers["anthropic-ratelimit-unified-status"] == "rejected"
        refusal = json.loads(await answered.read())
    assert refusal["error"] == json.loads(expected)["error"]
    assert services(sim) == ["anthropic", "anthropic", "zai"]
    assert [(each.backend, each.status) for each in proxy.records] == [("anthropic", "error")] * 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda proxy: proxy.change(delegation="never"), id="never"),
        pytest.param(lambda proxy: proxy.change(routes=()), id="no route"),
        pytest.param(lambda proxy: proxy.change_backend("zai", key=None), id="no key"),
    ],
)
async def test_overflow_goes_nowhere_that_is_not_set_up(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    change: Callable[[RunningProxy], None],
) -> None:
    change(proxy)
    sim.script("anthropic", ["quota=seven_day"])
    assert (await send(client, proxy, ask(OPUS)))[0] == 429
    assert services(sim) == ["anthropic"]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [{"role": "user", "content": "quota"}], "max_tokens": 1, "stream": False},
        {"messages": [{"role": "user", "content": "word " * 200_000}]},
    ],
    ids=["image", "web search", "quota probe", "too large"],
)
async def test_what_the_delegate_cannot_serve_stays_claudes(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, fields: dict[str, object]
) -> None:
    sim.script("anthropic", ["quota=seven_day"])
    assert (await send(client, proxy, ask(OPUS, **fields)))[0] == 429
    assert services(sim) == ["anthropic"]


async def test_paused_means_paused_for_overflow_too(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    async with running_proxy(settings, pause=Pause(since=RESET)) as proxy:
        sim.script("anthropic", ["quota=seven_day"])
        assert (await send(client, proxy, ask(OPUS)))[0] == 429
    assert services(sim) == ["anthropic"]


async def test_count_tokens_of_claude_never_overflows(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    body: dict[str, object] = {"model": OPUS, "messages": ask()["messages"]}
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    async with running_proxy(settings, shared=shared_state(spent_until=spent)) as proxy:
        assert (await send(client, proxy, body, "/v1/messages/count_tokens"))[0] == 200
    assert services(sim) == ["anthropic"]


async def test_work_that_stayed_on_claude_by_choice_goes_by_its_route_when_claude_is_spent(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    def choose(model: str, delegate: str, conversation: Conversation | None) -> AutopilotChoice:
        assert (model, delegate) == (SONNET, "zai")
        assert conversation is not None
        return AutopilotChoice(is_claude=True, why="Sonnet on Claude: the week is 12 % under pace")

    settings = settings_for(sim.anthropic_url, sim.zai_url, delegation="auto")
    async with running_proxy(settings, choose=choose) as proxy:
        sim.script("anthropic", [(), "quota=five_hour"])
        for _ in range(3):
            assert (await send(client, proxy, ask(), **SESSION))[0] == 200
        found = [(record.backend, record.reason) for record in proxy.records]
    assert found == [
        ("anthropic", "Sonnet on Claude: the week is 12 % under pace"),
        ("zai", "route sonnet"),
        ("zai", "route sonnet"),
    ]
    assert services(sim) == ["anthropic", "anthropic", "zai", "zai"]
    assert sim.requests[1].header("authorization") == f"Bearer {CLAUDE_TOKEN}"


async def test_autopilot_is_asked_only_for_conversations_that_are_warm_nowhere(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    choices = [
        AutopilotChoice(is_claude=True, why="Sonnet on Claude: the week is 12 % under pace"),
        AutopilotChoice(is_claude=False, why="Sonnet on Z.ai: Opus needs the rest of the week"),
    ]
    waiting = iter(choices)
    settings = settings_for(sim.anthropic_url, sim.zai_url, delegation="auto")
    async with running_proxy(settings, choose=lambda *_, **_more: next(waiting)) as proxy:
        for session in ("one", "one", "two", "two", "one"):
            headers = {"x-claude-code-session-id": session}
            assert (await send(client, proxy, ask(), **headers))[0] == 200
        found = [(record.backend, record.reason) for record in proxy.records]
    assert found == [
        ("anthropic", choices[0].why),
        ("anthropic", "conversation goes on"),
        ("zai", choices[1].why),
        ("zai", "route sonnet"),
        ("anthropic", "conversation goes on"),
    ]
