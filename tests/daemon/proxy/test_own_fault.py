"""A request's own fault keeps only its own conversation away; an outage keeps everybody away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from messages import SONNET, ask, send
from proxy_harness import RunningProxy, running_proxy, settings_for, shared_state
from raw_upstream import MESSAGE, Connection, json_answer, raw_upstream

from offramp_core.control import api
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    import aiohttp

    from offramp_simulator import Simulator

NETWORK = ("500 No", b'{"error":{"code":"1234","message":"Network error"}}')
ODD_BODY = ("500 No", b'{"type":"error","error":{"type":"api_error","code":"500","message":"x"}}')
BARE = ("500 No", b"")
FIREWALL = ("403 Forbidden", b"<html><title>403 Forbidden</title></html>")
REFUSED = ("400 No", b'{"error":{"code":"1210","message":"no"}}')
UNKNOWN = ("400 No", b'{"error":{"code":"1211","message":"no"}}')
CUT = ("502 No", b"<html>")
BLOCKED = [(status, b"<html>Rejected</html>") for status in ("200 OK", "400 No", "406 No")]
"""What firewalls answer by themselves to a body that they take for an attack."""

Send = Callable[..., Any]


def tool(name: str) -> dict[str, object]:
    return {"name": name, "input_schema": {"type": "object"}}


def odd(text: str = "Hello", **fields: object) -> dict[str, object]:
    return ask(text=text, stream=False, tools=[tool("odd")], **fields)


def well(text: str = "Hello") -> dict[str, object]:
    return ask(text=text, stream=False, tools=[tool("well")])


def refusing(kind: tuple[str, bytes]) -> Callable[[Connection], Any]:
    """A delegate that fails whatever offers the odd tool."""

    async def answer(connection: Connection) -> None:
        is_odd = json.loads(connection.body)["tools"][0]["name"] == "odd"
        await connection.write(json_answer(kind[1], status=kind[0]) if is_odd else GOOD)

    return answer


GOOD = json_answer(MESSAGE)


async def ask_as(
    client: aiohttp.ClientSession, proxy: RunningProxy, body: dict[str, object], session: str
) -> str | None:
    """Which backend served it."""
    headers = {"x-claude-code-session-id": session} if session else {}
    assert (await send(client, proxy, body, **headers))[0] == 200
    return proxy.records[-1].backend


def frozen() -> CircuitBreaker:
    return CircuitBreaker(clock=lambda: 1000.0, chance=lambda: 0.5)


@pytest.mark.parametrize("session", ["s-1", ""])
@pytest.mark.parametrize("kind", [NETWORK, ODD_BODY, BARE, FIREWALL, REFUSED, UNKNOWN, *BLOCKED])
async def test_fault_of_one_request_leaves_the_delegate_to_all_others(
    client: aiohttp.ClientSession, sim: Simulator, kind: tuple[str, bytes], session: str
) -> None:
    shared = shared_state(breaker=frozen())
    async with (
        raw_upstream(refusing(kind)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for number in range(5):
            text = f"Hello {number}"
            assert await ask_as(client, proxy, odd(text), session) == "anthropic"
        zai = proxy.settings.backend("zai")
        assert shared.breaker.standing(zai) is None
        assert shared.breaker.is_open(zai, SONNET)
        assert await ask_as(client, proxy, well(), "s-2") == "zai"
        assert await ask_as(client, proxy, well(), "") == "zai"


@pytest.mark.parametrize("kind", [NETWORK, ODD_BODY, BARE, CUT])
async def test_conversation_that_fails_time_and_again_is_spared_the_way(
    client: aiohttp.ClientSession, sim: Simulator, kind: tuple[str, bytes]
) -> None:
    shared = shared_state(breaker=frozen())
    async with (
        raw_upstream(refusing(kind)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        assert await ask_as(client, proxy, well(), "s-1") == "zai"
        for _ in range(5):
            assert await ask_as(client, proxy, odd(), "s-1") == "anthropic"
        assert len(delegate.heads) == 4
        assert proxy.records[-1].reason == "zai bypassed (failing), served by anthropic"
        assert await ask_as(client, proxy, well(), "s-2") == "zai"
        assert shared.breaker.standing(proxy.settings.backend("zai")) is None


@pytest.mark.parametrize("sessions", [("a", "b", "c"), ("", "", "a"), ("", "a", "b")])
@pytest.mark.parametrize("kind", [NETWORK, ODD_BODY, BARE, CUT])
async def test_outage_is_known_by_the_failures_of_several_conversations(
    client: aiohttp.ClientSession,
    sim: Simulator,
    kind: tuple[str, bytes],
    sessions: tuple[str, ...],
) -> None:
    shared = shared_state(breaker=frozen())
    async with (
        raw_upstream(refusing(kind)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for session in sessions:
            await ask_as(client, proxy, odd(), session)
        standing = shared.breaker.standing(proxy.settings.backend("zai"))
        assert standing is not None
        assert standing.cause == api.FAILING
        assert await ask_as(client, proxy, well(), "d") == "anthropic"


async def test_success_between_the_failures_takes_them_out_of_their_row(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=frozen())
    async with (
        raw_upstream(refusing(NETWORK)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for number in range(6):
            assert await ask_as(client, proxy, odd(), f"odd-{number}") == "anthropic"
            assert await ask_as(client, proxy, well(), f"well-{number}") == "zai"


async def test_conversation_returns_after_its_own_back_off(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    moment, is_broken = [1000.0], [True]
    shared = shared_state(breaker=CircuitBreaker(clock=lambda: moment[0], chance=lambda: 0.5))

    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(b"", status="500 No") if is_broken[0] else GOOD)

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for _ in range(4):
            assert await ask_as(client, proxy, odd(), "") == "anthropic"
        assert len(delegate.heads) == 3
        is_broken[0] = False
        moment[0] += 6
        assert await ask_as(client, proxy, odd(), "") == "zai"
        assert await ask_as(client, proxy, odd(), "") == "zai"
        assert shared.breaker.is_calm


async def test_agents_of_one_session_share_its_fault(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=frozen())
    async with (
        raw_upstream(refusing(ODD_BODY)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for agent in ("", "a-1", "a-2", "a-3", "a-4"):
            headers = {"x-claude-code-session-id": "s-1", "x-claude-code-agent-id": agent}
            assert (await send(client, proxy, odd(), **headers))[0] == 200
        assert shared.breaker.standing(proxy.settings.backend("zai")) is None
        assert await ask_as(client, proxy, well(), "s-2") == "zai"
