"""Who steps in is in trouble, too: the client hears what is of most use to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from messages import SONNET, ask, send
from patience import PATIENCE_S
from proxy_harness import running_proxy, settings_for, shared_state
from raw_upstream import SSE_HEAD, START, Connection, chunk, json_answer, raw_upstream

from offramp_core.settings import Route
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from offramp_simulator import Simulator

NOWHERE = "http://127.0.0.1:9"
GLM = "glm-4.7"


async def test_silence_after_a_streams_first_event_is_bounded(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async def begin_and_say_no_more(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await asyncio.Event().wait()

    async with raw_upstream(begin_and_say_no_more) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, silence_timeout_s=0.1)
        async with running_proxy(settings) as proxy, asyncio.timeout(PATIENCE_S):
            with pytest.raises(aiohttp.ClientError):
                await send(client, proxy, ask())
            outcome = proxy.exchanges[0].outcome
            assert outcome is not None
            assert outcome.why == "cut off: silent for 0.1 s"
            assert (await proxy.only_record()).status == "error"
    assert not sim.requests


async def test_claude_that_does_not_know_the_model_leaves_the_delegates_error(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    unknown = json_answer(b'{"type":"error","error":{"type":"not_found_error"}}', status="404 No")
    async with (
        raw_upstream(lambda connection: connection.write(unknown)) as claude,
        running_proxy(settings_for(claude.url, sim.zai_url)) as proxy,
    ):
        proxy.change(routes=(Route(match="glm", backend="zai"),))
        sim.script("zai", ["status=500", ()])
        status, body = await send(client, proxy, ask(GLM))
        assert (status, b"zai" in body) == (500, True)  # which the client tries again
        assert (await send(client, proxy, ask(GLM)))[0] == 200
        assert {record.backend for record in proxy.records} == {"zai"}


async def test_delegate_in_passing_trouble_is_asked_after_all_where_claude_is_out_of_reach(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=CircuitBreaker(clock=lambda: 1000.0, chance=lambda: 0.5))
    async with running_proxy(settings_for(NOWHERE, sim.zai_url), shared=shared) as proxy:
        sim.script("zai", ["status=503"] * 3)
        for _ in range(3):
            assert (await send(client, proxy, ask()))[0] == 502
        assert not shared.breaker.is_open(proxy.settings.backend("zai"), SONNET)
        assert (await send(client, proxy, ask()))[0] == 200
        last = proxy.records[-1]
        assert (last.backend, last.status, last.reason) == ("zai", "success", "route sonnet")
        assert shared.breaker.is_open(proxy.settings.backend("zai"), SONNET)


async def test_what_a_delegate_says_of_the_request_is_heard_where_claude_is_out_of_reach(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_proxy(settings_for(NOWHERE, sim.zai_url)) as proxy:
        sim.script("zai", ["zai=1261"])
        status, body = await send(client, proxy, ask())
        record = await proxy.only_record()
    assert (status, b"prompt is too long" in body) == (400, True)  # by which the client compacts
    assert (record.backend, record.http_status) == ("zai", 400)


async def test_way_that_is_out_altogether_is_not_tried_twice(
    client: aiohttp.ClientSession,
) -> None:
    async with running_proxy(settings_for(NOWHERE, NOWHERE)) as proxy:
        found = []
        for _ in range(2):
            assert (await send(client, proxy, ask()))[0] == 502
            found.append((proxy.records[-1].backend, proxy.records[-1].reason))
    assert found == [
        ("anthropic", "zai failed (unreachable), served by anthropic"),
        ("anthropic", "zai bypassed (unreachable), served by anthropic"),
    ]
