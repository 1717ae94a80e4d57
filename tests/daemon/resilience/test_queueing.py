"""A delegate that serves few requests at once: they wait for their turn, and none fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from messages import SONNET, ask, send
from patience import PATIENCE_S
from proxy_harness import RunningProxy, running_proxy, settings_for, shared_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from offramp_daemon.proxy.failover import SharedState
    from offramp_simulator import Simulator

SLOW = "first-byte=20"


@pytest.fixture
def shared() -> SharedState:
    return shared_state()


@pytest.fixture
async def proxy(sim: Simulator, shared: SharedState) -> AsyncIterator[RunningProxy]:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as running:
        yield running


def session(name: str) -> dict[str, str]:
    return {"x-claude-code-session-id": name}


def refusals(sim: Simulator, proxy: RunningProxy) -> int:
    """How many attempts at the delegate came to nothing."""
    return len(sim.requests) - len(proxy.records)


async def test_many_at_once_are_all_served_by_the_delegate(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, shared: SharedState
) -> None:
    sim.zai.at_once = 2
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(send(client, proxy, ask(), **session(f"s{number % 3}")))
            for number in range(12)
        ]
    assert [task.result()[0] for task in asked] == [200] * 12
    assert {(record.backend, record.status) for record in proxy.records} == {("zai", "success")}
    assert {each.service for each in sim.requests} == {"zai"}
    assert shared.queue.waiting("zai") == 0
    before = refusals(sim, proxy)
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(send(client, proxy, ask(), **session(f"s{number}")))
    assert len(proxy.records) == 18
    assert {record.backend for record in proxy.records} == {"zai"}
    assert refusals(sim, proxy) - before <= 3  # what was learnt keeps the rest from being refused


async def begin_waiting(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    group: asyncio.TaskGroup,
) -> tuple[asyncio.Task[tuple[int, bytes]], asyncio.Task[tuple[int, bytes]]]:
    """One request that the delegate works on, and one that waits since it serves one at once."""
    sim.zai.at_once = 1
    sim.script("zai", [SLOW])
    served = group.create_task(send(client, proxy, ask(), **session("first")))
    await sim.wait_for(lambda each: each.service == "zai")
    waiting = group.create_task(send(client, proxy, ask(), **session("second")))
    async with asyncio.timeout(PATIENCE_S):
        while not shared.queue.waiting("zai"):  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0)
    return served, waiting


async def test_client_that_leaves_the_queue_leaves_no_hole(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, shared: SharedState
) -> None:
    async with asyncio.TaskGroup() as group:
        served, waiting = await begin_waiting(client, proxy, sim, shared, group)
        assert shared.queue.at_once("zai") == 1
        waiting.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await proxy.has_exchange.wait()
        assert shared.queue.waiting("zai") == 0
        served.cancel()
        await proxy.in_flight.drain(5, asyncio.Event())
        assert (await send(client, proxy, ask(), **session("third")))[0] == 200
    found = [(record.backend, record.status) for record in proxy.records]
    assert found == [("zai", "cancelled"), ("zai", "cancelled"), ("zai", "success")]


async def test_request_whose_turn_does_not_come_is_served_by_claude(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, shared: SharedState
) -> None:
    proxy.change(queue_wait_s=0.05)
    async with asyncio.TaskGroup() as group:
        sim.zai.at_once = 1
        sim.script("zai", [SLOW])
        served = group.create_task(send(client, proxy, ask(), **session("first")))
        await sim.wait_for(lambda each: each.service == "zai")
        assert (await send(client, proxy, ask(), **session("second")))[0] == 200
        served.cancel()
    assert proxy.records[0].backend == "anthropic"
    assert proxy.records[0].reason == "zai failed (busy), served by anthropic"
    assert shared.breaker.is_open(proxy.settings.backend("zai"), SONNET)


async def test_without_failover_the_queue_s_end_is_a_passing_error(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(queue_wait_s=0.05, failover=False)
    async with asyncio.TaskGroup() as group:
        sim.zai.at_once = 1
        sim.script("zai", [SLOW])
        served = group.create_task(send(client, proxy, ask(), **session("first")))
        await sim.wait_for(lambda each: each.service == "zai")
        status, body = await send(client, proxy, ask(), **session("second"))
        served.cancel()
    assert (status, b"1302" in body) == (429, True)
    assert (proxy.records[0].backend, proxy.records[0].http_status) == ("zai", 429)


@pytest.mark.parametrize("phase", ["head", "opening", "stream"])
async def test_client_that_leaves_frees_its_turn_and_says_nothing_of_the_backend(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    phase: str,
) -> None:
    faults = {"head": ["first-byte=20"], "opening": ["slow=20"], "stream": ["silence=20"]}
    sim.script("zai", [faults[phase]])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(send(client, proxy, ask(), **session("one")))
        found = await sim.wait_for(lambda each: each.service == "zai")
        if phase == "stream":
            async with asyncio.timeout(PATIENCE_S):
                await found.stream_begun.wait()
        else:
            await found.body_read.wait()
        asked.cancel()
    record = await proxy.only_record()
    assert (record.backend, record.status) == ("zai", "cancelled")
    assert shared.queue.waiting("zai") == 0
    assert shared.breaker.standing(proxy.settings.backend("zai")) is None
    sim.zai.at_once = 1
    assert (await send(client, proxy, ask(), **session("two")))[0] == 200
