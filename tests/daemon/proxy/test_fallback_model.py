"""A model that the delegate does not know is sent by another name, and that is remembered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from messages import ask, send
from proxy_harness import RunningProxy, running_proxy, settings_for
from raw_upstream import MESSAGE, SSE_HEAD, Connection, chunk, json_answer, raw_upstream

from offramp_core.control import api
from offramp_core.settings import Route
from offramp_daemon.proxy.failover import SharedState
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_daemon.resilience.request_queue import RequestQueue
from offramp_daemon.routing.affinity import ConversationAffinity
from offramp_daemon.routing.model_fallbacks import ModelFallbacks

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from offramp_simulator import Simulator

SONNET, HAIKU, GLM = "claude-sonnet-5-5", "claude-haiku-5-5", "glm-9"
UNKNOWN = json_answer(b'{"error":{"code":"1211","message":"no"}}', status="400 No")
IN_STREAM = (
    SSE_HEAD
    + chunk(b'event: ping\ndata: {"type":"ping"}\n\n')
    + chunk(b'event: error\ndata: {"error":{"code":"1211","message":"no"}}\n\n')
    + b"0\r\n\r\n"
)
REFUSALS = {
    "1211": UNKNOWN,
    "200": json_answer(b'{"error":{"code":"1211","message":"no"}}'),
    "404": json_answer(
        b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}',
        status="404 Not Found",
    ),
    "openai": json_answer(
        b'{"error":{"message":"The model does not exist","code":"model_not_found"}}',
        status="404 Not Found",
    ),
    "stream": IN_STREAM,
}
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FALLBACK = "GLM-4.7"
REASON = "route sonnet, model unknown to zai, sent as GLM-4.7"


@dataclass
class Delegate:
    """A service that knows only some models, and keeps what it was sent."""

    known: set[str]
    refusal: bytes = UNKNOWN
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        return [body["model"] for body in self.bodies]

    async def answer(self, connection: Connection) -> None:
        body = json.loads(connection.body)
        self.bodies.append(body)
        if body["model"] not in self.known:
            await connection.write(self.refusal)
        elif b"count_tokens" in connection.head:
            await connection.write(json_answer(b'{"input_tokens": 77}'))
        else:
            await connection.write(json_answer(MESSAGE))


@pytest.fixture
def moment() -> list[datetime]:
    return [NOON]


@pytest.fixture
def shared(moment: list[datetime]) -> SharedState:
    return SharedState(
        breaker=CircuitBreaker(),
        queue=RequestQueue(),
        conversations=ConversationAffinity(),
        fallbacks=ModelFallbacks(clock=lambda: moment[0]),
    )


@pytest.fixture
def serve(sim: Simulator, shared: SharedState) -> Callable[..., Any]:
    return lambda url: running_proxy(settings_for(sim.anthropic_url, url), shared=shared)


@pytest.fixture(params=REFUSALS.values(), ids=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> bytes:
    return request.param


async def served_by(
    client: aiohttp.ClientSession, proxy: RunningProxy, model: str = SONNET, **fields: Any
) -> str | None:
    body = ask(model, **{"stream": False, **fields})
    assert (await send(client, proxy, body))[0] == 200
    return proxy.records[-1].backend


async def test_request_for_an_unknown_model_goes_again_at_once(
    client: aiohttp.ClientSession, serve: Any, shared: SharedState, refusal: bytes
) -> None:
    delegate = Delegate({FALLBACK}, refusal)
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        assert await served_by(client, proxy, max_tokens=200_000) == "zai"
        assert delegate.models == [SONNET, FALLBACK]
        assert [body["max_tokens"] for body in delegate.bodies] == [131_072, 131_072]
        assert (proxy.records[0].model, proxy.records[0].reason) == (SONNET, REASON)
        assert proxy.console_lines[0].reason == REASON
        assert proxy.exchanges[0].sent_model == FALLBACK
        assert shared.breaker.is_calm


async def test_name_that_is_unknown_is_not_tried_again_for_a_day(
    client: aiohttp.ClientSession, serve: Any, shared: SharedState, moment: list[datetime]
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        for _ in range(3):
            assert await served_by(client, proxy) == "zai"
        assert delegate.models == [SONNET, FALLBACK, FALLBACK, FALLBACK]
        assert [record.reason for record in proxy.records] == [REASON] * 3
        assert shared.fallbacks.current(proxy.settings.backends) == (
            api.ModelFallback(
                backend="zai", model=SONNET, sent=FALLBACK, until=NOON + timedelta(days=1)
            ),
        )
        moment[0] += timedelta(hours=25)
        assert shared.fallbacks.current(proxy.settings.backends) == ()
        delegate.known.add(SONNET)
        assert await served_by(client, proxy) == "zai"
        assert (delegate.models[-1], proxy.records[-1].reason) == (SONNET, "route sonnet")


async def test_other_names_go_on_as_they_are(client: aiohttp.ClientSession, serve: Any) -> None:
    delegate = Delegate({FALLBACK, "claude-sonnet-4-5", "GLM-4.5-Air"})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        await served_by(client, proxy)
        for model in ("claude-sonnet-4-5", HAIKU, f"{SONNET}[1m]"):
            assert await served_by(client, proxy, model) == "zai"
        assert delegate.models[2:] == ["claude-sonnet-4-5", "GLM-4.5-Air", FALLBACK]


async def test_count_of_tokens_uses_the_name_that_is_known(
    client: aiohttp.ClientSession, serve: Any
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        await served_by(client, proxy)
        _, counted = await send(client, proxy, ask(SONNET), path="/v1/messages/count_tokens")
        assert json.loads(counted) == {"input_tokens": 77}
        assert delegate.models[-1] == FALLBACK


async def test_fallback_that_is_unknown_too_is_an_ordinary_refusal(
    client: aiohttp.ClientSession, serve: Any, shared: SharedState
) -> None:
    delegate = Delegate(set())
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        for number in range(3):
            assert await served_by(client, proxy) == "anthropic"
            assert delegate.models == [SONNET, FALLBACK] * (number + 1)
        assert proxy.records[0].reason == "zai failed (refused it), served by anthropic"
        assert shared.fallbacks.current(proxy.settings.backends) == ()
        assert shared.breaker.standing(proxy.settings.backend("zai")) is None
        proxy.change(failover=False)
        status, body = await send(client, proxy, ask(SONNET))
        assert (status, b"1211" in body) == (400, True)


async def test_fallback_that_is_forgotten_by_the_service_is_forgotten_here(
    client: aiohttp.ClientSession, serve: Any
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        await served_by(client, proxy)
        delegate.known = {SONNET}
        assert await served_by(client, proxy) == "anthropic"
        assert await served_by(client, proxy) == "zai"
        assert delegate.models[-2:] == [FALLBACK, SONNET]


async def test_other_failure_of_the_fallback_is_not_remembered(
    client: aiohttp.ClientSession, serve: Any, shared: SharedState
) -> None:
    async def answer(connection: Connection) -> None:
        is_own = json.loads(connection.body)["model"] == SONNET
        await connection.write(UNKNOWN if is_own else json_answer(b"", status="500 No"))

    async with raw_upstream(answer) as upstream, serve(upstream.url) as proxy:
        assert await served_by(client, proxy) == "anthropic"
        assert proxy.records[0].reason == "zai failed (failing), served by anthropic"
        assert shared.fallbacks.current(proxy.settings.backends) == ()


@pytest.mark.parametrize(
    "route",
    [
        Route(match="sonnet", backend="zai", send_model="GLM-9"),
        Route(match="sonnet", backend="zai", send_model="GLM-9", fallback_model="glm-9"),
        Route(match="sonnet", backend="zai", fallback_model=SONNET),
    ],
)
async def test_route_without_another_name_is_refused_at_once(
    client: aiohttp.ClientSession, serve: Any, route: Route
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        proxy.change(routes=(route,))
        assert await served_by(client, proxy) == "anthropic"
        assert len(delegate.bodies) == 1


@pytest.mark.parametrize(
    ("route", "sent"),
    [
        (Route(match="sonnet", backend="zai"), "GLM-4.7"),
        (Route(match="sonnet", backend="zai", fallback_model="GLM-5.3"), "GLM-5.3"),
        (
            Route(match="sonnet", backend="zai", send_model="GLM-9", fallback_model="GLM-5"),
            "GLM-5",
        ),
    ],
)
async def test_route_of_the_users_own_has_its_fallback(
    client: aiohttp.ClientSession, serve: Any, route: Route, sent: str
) -> None:
    delegate = Delegate({sent})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        proxy.change(routes=(route,))
        fields = {"thinking": {"type": "disabled"}, "max_tokens": 64}
        for _ in range(2):
            assert await served_by(client, proxy, **fields) == "zai"
        assert delegate.models[1:] == [sent, sent]
        always_thinks = sent == "GLM-5.3"
        assert ("thinking" in delegate.bodies[-1]) is not always_thinks


async def test_model_that_is_asked_for_by_its_own_name_has_none(
    client: aiohttp.ClientSession, serve: Any, sim: Simulator
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        status, body = await send(client, proxy, ask(GLM))
        assert (status, b"1211" in body) == (400, True)
        assert delegate.models == [GLM]
    assert not sim.requests


@pytest.mark.parametrize("change", ["address", "fallback"])
async def test_changed_setting_has_the_name_tried_again(
    client: aiohttp.ClientSession, serve: Any, change: str
) -> None:
    delegate = Delegate({FALLBACK, "GLM-5"})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        await served_by(client, proxy)
        if change == "address":
            proxy.change_backend("zai", base_url=f"{upstream.url}/other")
        else:
            route = proxy.settings.routes[0]
            proxy.change(routes=(msgspec.structs.replace(route, fallback_model="GLM-5"),))
        assert await served_by(client, proxy) == "zai"
        assert delegate.models[2:] == [SONNET, FALLBACK if change == "address" else "GLM-5"]


async def test_pause_and_claude_are_left_alone(
    client: aiohttp.ClientSession, serve: Any, sim: Simulator
) -> None:
    delegate = Delegate({FALLBACK})
    async with raw_upstream(delegate.answer) as upstream, serve(upstream.url) as proxy:
        await served_by(client, proxy)
        proxy.change(delegation="never")
        assert await served_by(client, proxy) == "anthropic"
        assert json.loads(sim.requests[-1].body)["model"] == SONNET
