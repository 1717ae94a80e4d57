"""A delegate that fails before its answer begins: Claude serves the request, and nobody notices."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest
from messages import SONNET, ask, send
from proxy_harness import (
    CLAUDE_TOKEN,
    RunningProxy,
    running_proxy,
    settings_for,
    shared_state,
)
from raw_upstream import Connection, raw_upstream

from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_daemon.routing.affinity import ConversationAffinity

if TYPE_CHECKING:
    from offramp_simulator import Simulator

SESSION = {"x-claude-code-session-id": "5e551011"}
RESET = datetime(2026, 11, 26, 22, tzinfo=UTC)

IN_EVERY_PHASE = [
    "drop",
    "cut=0",
    "reset=0",
    "empty",
    "error-200",
    "status=500",
    "status=502",
    "status=503",
    "status=529",
    "status=404",
    "status=429",
    "status=401",
    "status=403",
    *(
        f"zai={code}{shape}"
        for code in (
            *(1000, 1001, 1005),
            *(1113, 1309, 1311, 1313, 1314, 1315),
            *(1200, 1230, 1234),
            *(1210, 1214, 1261, 1301),
            *(1302, 1305, 1308, 1310, 1316, 1321),
        )
        for shape in ("", "/typed")
    ),
]
FIRST_EVENTS = {
    "error event": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"busy"}}\n\n',
    "unnamed error": b'data: {"error":{"code":"1305","message":"overloaded"}}\r\n\r\n',
    "error without data": b"event: error\n\n",
    "error without a blank line": b'data: {"success":false,"code":1234,"msg":"no"}',
}


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("fault", IN_EVERY_PHASE)
async def test_failure_before_the_first_byte_is_served_by_claude(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, fault: str, is_stream: bool
) -> None:
    if fault in {"cut=0", "reset=0", "empty"} and not is_stream:
        fault = "cut"
    proxy.change(queue_wait_s=0.05)
    sim.script("zai", [fault] * 10)
    status, body = await send(client, proxy, ask(stream=is_stream))
    assert status == 200
    assert (b"message_stop" in body) is is_stream
    assert sim.requests[0].service == "zai"
    served = [each for each in sim.requests if each.service == "anthropic"]
    assert len(served) == 1
    assert served[0].header("authorization") == f"Bearer {CLAUDE_TOKEN}"
    assert served[0].header("x-api-key") is None
    assert json.loads(served[0].body) == ask(stream=is_stream)
    record = await proxy.only_record()
    assert (record.backend, record.status, record.http_status) == ("anthropic", "success", 200)
    assert record.reason is not None
    assert record.reason.startswith("zai failed (")
    assert record.output_tokens > 0


@pytest.mark.parametrize("beginning", FIRST_EVENTS.values(), ids=FIRST_EVENTS)
async def test_stream_that_begins_with_an_error_is_served_by_claude(
    client: aiohttp.ClientSession, sim: Simulator, beginning: bytes
) -> None:
    async def answer(connection: Connection) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
        await connection.write(head % len(beginning) + beginning)

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        status, body = await send(client, proxy, ask())
        assert (status, b"message_stop" in body) == (200, True)
        assert beginning not in body
        assert (await proxy.only_record()).backend == "anthropic"


async def test_delegate_that_takes_no_connection_is_stepped_around(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_proxy(settings_for(sim.anthropic_url, "http://127.0.0.1:9")) as proxy:
        for _ in range(2):
            assert (await send(client, proxy, ask()))[0] == 200
        reasons = [record.reason for record in proxy.records]
    assert reasons == [
        "zai failed (unreachable), served by anthropic",
        "zai bypassed (unreachable), served by anthropic",
    ]


@pytest.mark.parametrize("fault", ["cut=1", "reset=1", "cut-clean", "error-event", "cut", "reset"])
async def test_answer_that_has_begun_is_never_asked_for_again(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, fault: str
) -> None:
    sim.script("zai", [fault])
    with pytest.raises(aiohttp.ClientError):
        await send(client, proxy, ask())
    record = await proxy.only_record()
    assert (record.backend, record.status) == ("zai", "error")
    assert [each.service for each in sim.requests] == ["zai"]


async def test_whole_answer_is_asked_for_once(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    for is_stream in (True, False):
        assert (await send(client, proxy, ask(stream=is_stream)))[0] == 200
    assert [each.service for each in sim.requests] == ["zai", "zai"]


async def test_user_who_forbids_it_sees_the_delegates_error(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(failover=False)
    sim.script("zai", ["zai=1310"])
    assert (await send(client, proxy, ask()))[0] == 429
    assert (await proxy.only_record()).backend == "zai"
    assert [each.service for each in sim.requests] == ["zai"]


async def test_client_without_a_login_is_not_sent_to_claude(
    proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1234"])
    async with aiohttp.ClientSession() as stranger:
        assert (await send(stranger, proxy, ask()))[0] == 500
    assert [each.service for each in sim.requests] == ["zai"]


async def test_spent_claude_plan_is_not_asked(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def spent_until(backend: str, model: str | None, credential: str | None) -> datetime | None:
        asked.append((backend, model, credential))
        return RESET if backend == "anthropic" else None

    shared = shared_state(spent_until=spent_until)
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["zai=1305"])
        assert (await send(client, proxy, ask()))[0] == 429
        assert (await proxy.only_record()).backend == "zai"
    assert [each.service for each in sim.requests] == ["zai"]
    assert ("anthropic", SONNET, CLAUDE_TOKEN) in asked


@pytest.mark.parametrize(("fault", "is_passing"), [("zai=1305", True), ("zai=1310", False)])
async def test_when_claude_turns_out_to_be_spent_a_passing_failure_is_the_better_answer(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    fault: str,
    is_passing: bool,
) -> None:
    sim.script("zai", [fault])
    sim.script("anthropic", ["quota=seven_day"])
    status, body = await send(client, proxy, ask())
    assert status == 429
    assert (b"1305" in body) == is_passing
    record = await proxy.only_record()
    assert (record.backend, record.status) == ("zai" if is_passing else "anthropic", "error")


@pytest.mark.parametrize("status", [401, 403])
async def test_login_that_claude_does_not_take_leaves_the_delegates_error(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, status: int
) -> None:
    sim.script("zai", ["zai=1210"])
    sim.script("anthropic", [f"status={status}"])
    answered, body = await send(client, proxy, ask())
    assert (answered, b"1210" in body) == (400, True)
    record = await proxy.only_record()
    assert (record.backend, record.http_status) == ("zai", 400)


async def test_backend_is_stepped_around_after_failures_in_a_row_and_tried_again(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    now_s = 1000.0
    shared = shared_state(breaker=CircuitBreaker(clock=lambda: now_s, chance=lambda: 0.5))
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["status=503"] * 3)
        for _ in range(5):
            assert (await send(client, proxy, ask()))[0] == 200
        assert [each.service for each in sim.requests].count("zai") == 3
        now_s += 60
        assert (await send(client, proxy, ask()))[0] == 200
        assert sim.requests[-1].service == "zai"
        assert (await send(client, proxy, ask()))[0] == 200
        assert sim.requests[-1].service == "zai"
        reasons = [record.reason for record in proxy.records]
    assert reasons == [
        *["zai failed (failing), served by anthropic"] * 3,
        *["zai bypassed (failing), served by anthropic"] * 2,
        *["route sonnet"] * 2,
    ]


async def test_model_that_is_not_in_the_plan_does_not_stop_the_others(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1311"])
    for model in (SONNET, SONNET, "claude-haiku-4-5"):
        assert (await send(client, proxy, ask(model)))[0] == 200
    backends = [(record.model, record.backend) for record in proxy.records]
    assert backends == [
        (SONNET, "anthropic"),
        (SONNET, "anthropic"),
        ("claude-haiku-4-5", "zai"),
    ]


async def test_conversation_returns_to_the_delegate_that_still_holds_its_cache(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", [(), "status=500", ()])
    for _ in range(3):
        assert (await send(client, proxy, ask(), **SESSION))[0] == 200
    assert [record.backend for record in proxy.records] == ["zai", "anthropic", "zai"]


async def test_conversation_stays_on_claude_when_only_claude_holds_its_cache(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    now_s = 1000.0
    shared = shared_state(conversations=ConversationAffinity(clock=lambda: now_s))
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["status=500"])
        assert (await send(client, proxy, ask(), **SESSION))[0] == 200
        assert (await send(client, proxy, ask(), **SESSION))[0] == 200
        other = {**SESSION, "x-claude-code-agent-id": "a7"}
        assert (await send(client, proxy, ask(), **other))[0] == 200
        now_s += 301
        assert (await send(client, proxy, ask(), **SESSION))[0] == 200
        found = [(record.backend, record.reason) for record in proxy.records]
    assert found == [
        ("anthropic", "zai failed (failing), served by anthropic"),
        ("anthropic", "conversation goes on"),
        ("zai", "route sonnet"),
        ("zai", "route sonnet"),
    ]


@pytest.mark.parametrize("fault", ["status=500", "drop", ("first-byte=60",)])
async def test_count_tokens_is_estimated_and_never_sent_to_claude(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, fault: str
) -> None:
    if isinstance(fault, tuple):
        sim.script("zai", ["status=503"] * 3)
        for _ in range(3):
            await send(client, proxy, ask())
    else:
        sim.script("zai", [fault], path="/v1/messages/count_tokens")
    body: dict[str, object] = {"model": SONNET, "messages": ask()["messages"]}
    status, answer = await send(client, proxy, body, "/v1/messages/count_tokens?beta=true")
    assert status == 200
    assert json.loads(answer)["input_tokens"] > 0
    assert not any("count_tokens" in each.path for each in sim.requests if each.service != "zai")


async def test_client_that_leaves_while_claude_steps_in_is_recorded_once(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["status=500"])
    sim.script("anthropic", ["first-byte=30"])
    asking = asyncio.ensure_future(send(client, proxy, ask()))  # noqa: TID251 - it is cancelled here
    await sim.wait_for(lambda each: each.service == "anthropic")
    asking.cancel()
    record = await proxy.only_record()
    assert (record.backend, record.status) == ("anthropic", "cancelled")
