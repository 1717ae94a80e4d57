"""What stepping around a backend must leave as it was: bodies, logins, records, other backends."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from messages import OPUS, SONNET, ask, send
from proxy_harness import (
    CLAUDE_TOKEN,
    RunningProxy,
    running_proxy,
    settings_for,
    shared_state,
)
from raw_client import post, read_to_end
from raw_upstream import (
    DELTA,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    chunk,
    json_answer,
    raw_upstream,
)

from offramp_core.control import api
from offramp_core.settings import Backend, Route, Secret
from offramp_daemon.proxy import failover_policy
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_simulator.service import signatures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from offramp_daemon.proxy.failover import SharedState
    from offramp_simulator import Simulator

PATH = "/v1/messages?beta=true"
RESET = datetime(2026, 11, 26, 22, tzinfo=UTC)
SIGNED = {
    "type": "thinking",
    "thinking": "of Claude",
    "signature": signatures.anthropic_signature("of Claude"),
}
FOREIGN = {
    "type": "thinking",
    "thinking": "of GLM",
    "signature": signatures.zai_signature("of GLM"),
}


@pytest.fixture
def shared() -> SharedState:
    return shared_state()


@pytest.fixture
async def proxy(sim: Simulator, shared: SharedState) -> AsyncIterator[RunningProxy]:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as running:
        yield running


def services(sim: Simulator) -> list[str]:
    return [each.service for each in sim.requests]


def talk(model: str = SONNET) -> dict[str, object]:
    """A conversation in which both services have thought."""
    turns: list[dict[str, object]] = [{"role": "user", "content": "Hello"}]
    for thought in (SIGNED, FOREIGN):
        turns.append({"role": "assistant", "content": [thought, {"type": "text", "text": "Hi"}]})
        turns.append({"role": "user", "content": "Go on"})
    thinking = {"type": "adaptive"}
    return {**ask(model), "messages": turns, "thinking": thinking}


def thoughts_in(body: bytes) -> list[str]:
    return [
        block["thinking"]
        for message in json.loads(body)["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "thinking"
    ]


async def test_claude_gets_its_own_thinking_alone_when_it_steps_in(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1305"])
    assert (await send(client, proxy, talk()))[0] == 200
    assert services(sim) == ["zai", "anthropic"]
    assert [thoughts_in(each.body) for each in sim.requests] == [["of GLM"], ["of Claude"]]


async def test_delegate_gets_its_own_thinking_alone_when_it_steps_in(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(overflow=True)
    sim.script("anthropic", ["quota=seven_day"])
    assert (await send(client, proxy, talk(OPUS)))[0] == 200
    assert services(sim) == ["anthropic", "zai"]
    assert [thoughts_in(each.body) for each in sim.requests] == [["of Claude"], ["of GLM"]]


async def test_body_that_came_compressed_reaches_claude_as_it_came(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["status=503"])
    plain = json.dumps(ask(), indent=1).encode()
    packed = gzip.compress(plain)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with client.post(proxy.url + PATH, data=packed, headers=headers) as answered:
        assert answered.status == 200
        await answered.read()
    delegated, kept = sim.requests
    assert delegated.header("content-encoding") is None
    assert kept.header("content-encoding") == "gzip"
    assert kept.body == packed
    assert kept.path == PATH


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_compressed_answers_pass_and_their_beginning_is_read_all_the_same(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, coding: str
) -> None:
    accepted = {"Accept-Encoding": "gzip, br, zstd"}
    sim.script("zai", [coding, (coding, "error-200")])
    for _ in range(2):
        assert (await send(client, proxy, ask(), **accepted))[0] == 200
    assert services(sim) == ["zai", "zai", "anthropic"]
    assert [record.status for record in proxy.records] == ["success"] * 2
    assert all(record.output_tokens for record in proxy.records)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_http_1_0_client_gets_claudes_answer_to_its_end(
    proxy: RunningProxy, sim: Simulator, is_stream: bool
) -> None:
    sim.script("zai", ["zai=1310"])
    login = b"Authorization: Bearer %s\r\n" % CLAUDE_TOKEN.encode()
    versions = b"anthropic-version: 2023-06-01\r\nanthropic-beta: oauth-2025-04-20\r\n"
    body = json.dumps(ask(stream=is_stream)).encode()
    request = post(PATH.encode(), body, login + versions)
    came = await read_to_end(proxy.url, request.replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, answer = came.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert b"chunked" not in head.lower()
    assert b'"usage"' in answer
    assert (await proxy.only_record()).status == "success"


async def test_delegates_are_in_trouble_each_for_itself(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, shared: SharedState
) -> None:
    other = Backend(name="other", base_url="http://127.0.0.1:9", key=Secret("other-key-1"))
    proxy.change(
        backends=(*proxy.settings.backends, other),
        routes=(Route(match="haiku", backend="other"), Route(match="sonnet", backend="zai")),
    )
    for model in ("claude-haiku-4-5", "claude-haiku-4-5", SONNET):
        assert (await send(client, proxy, ask(model)))[0] == 200
    assert [(record.backend, record.reason) for record in proxy.records] == [
        ("anthropic", "other failed (unreachable), served by anthropic"),
        ("anthropic", "other bypassed (unreachable), served by anthropic"),
        ("zai", "route sonnet"),
    ]
    assert services(sim) == ["anthropic", "anthropic", "zai"]
    assert shared.breaker.standing(proxy.settings.backend("zai")) is None


async def test_client_is_not_simply_sent_to_claude_where_both_plans_are_spent(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(spent_until=lambda _backend, _model, _login: RESET)
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["zai=1308"])
        status, body = await send(client, proxy, ask())
    assert (status, services(sim)) == (429, ["zai"])
    assert b"unless your Claude plan is used up, too" in body


async def test_mirror_that_takes_the_clients_login_is_left_alone(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    def spent_until(backend: str, _model: str | None, _login: str | None) -> datetime | None:
        return RESET if backend == "anthropic" else None

    async with raw_upstream(lambda connection: connection.write(answer)) as mirror:
        answer = json_answer(b'{"type":"error"}', status="503 Busy", headers=b"x-its-own: 1\r\n")
        settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
        backend = Backend(name="mirror", base_url=mirror.url, auth="client")
        settings = msgspec.structs.replace(
            settings,
            backends=(*settings.backends, backend),
            routes=(*settings.routes, Route(match="opus", backend="mirror")),
        )
        shared = shared_state(spent_until=spent_until)
        async with running_proxy(settings, shared=shared) as proxy:
            async with client.post(proxy.url + PATH, json=ask(OPUS)) as answered:
                assert (answered.status, answered.headers["x-its-own"]) == (503, "1")
            assert (await proxy.only_record()).backend == "mirror"
        assert f"Bearer {CLAUDE_TOKEN}".encode() in mirror.heads[0]
    assert services(sim) == []


@pytest.mark.parametrize(
    "beginning",
    [START[:20], b"\n\n", b'{"type":"error","error":{"code":"1234","message":"no"}}\n\n'],
    ids=["torn", "blank", "json"],
)
@pytest.mark.parametrize("failover", [True, False])
async def test_stream_that_ends_before_its_first_event_is_no_answer(
    client: aiohttp.ClientSession, sim: Simulator, beginning: bytes, failover: bool
) -> None:
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(beginning) + b"0\r\n\r\n")

    settings = settings_for(sim.anthropic_url, "", failover=failover)
    async with raw_upstream(answer) as delegate:
        backends = tuple(
            msgspec.structs.replace(each, base_url=delegate.url) if each.name == "zai" else each
            for each in settings.backends
        )
        settings = msgspec.structs.replace(settings, backends=backends)
        async with running_proxy(settings) as proxy:
            status, body = await send(client, proxy, ask())
            record = await proxy.only_record()
    if failover:
        assert (status, b"message_stop" in body) == (200, True)
        assert (record.backend, record.status) == ("anthropic", "success")
    else:
        assert status >= 500
        assert json.loads(body)["type"] == "error"
        assert (record.backend, record.status) == ("zai", "error")


async def test_reason_does_not_speak_of_an_attempt_that_came_to_nothing(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(overflow=True)
    sim.script("anthropic", ["signature-400", "quota=seven_day"])
    assert (await send(client, proxy, talk(OPUS)))[0] == 200
    assert services(sim) == ["anthropic", "anthropic", "zai"]
    record = await proxy.only_record()
    assert (record.backend, record.reason) == ("zai", "overflow: the Claude plan is spent")


async def test_reason_still_tells_of_the_second_try_when_the_delegate_fails_too(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    proxy.change(overflow=True)
    sim.script("anthropic", ["signature-400", "quota=seven_day"])
    sim.script("zai", ["status=500"])
    assert (await send(client, proxy, talk(OPUS)))[0] == 429
    record = await proxy.only_record()
    assert (record.backend, record.reason) == ("anthropic", "default, sent again without thinking")


async def test_claudes_refusal_is_byte_for_byte_its_own_after_the_delegate_failed(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    refusal = gzip.compress(b'{"type": "error",\n "error":{"type":"rate_limit_error"}}')
    headers = {
        "content-encoding": "gzip",
        "anthropic-ratelimit-unified-status": "rejected",
        "retry-after": "86400",
        "x-should-retry": "false",
        "request-id": "req_7",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    answer = json_answer(refusal, status="429 Too Many Requests", headers=lines)
    async with raw_upstream(lambda connection: connection.write(answer)) as claude:
        settings = settings_for(claude.url, sim.zai_url, overflow=True)
        async with running_proxy(settings) as proxy:
            sim.script("zai", ["zai=1310"])
            async with client.post(proxy.url + PATH, json=ask(OPUS)) as answered:
                assert answered.status == 429
                assert await answered.read() == refusal
            assert {name: answered.headers.get(name) for name in headers} == headers
            record = await proxy.only_record()
    assert (record.backend, record.http_status, record.reason) == ("anthropic", 429, "default")
    assert (len(claude.heads), services(sim)) == (1, ["zai"])


async def test_backend_in_passing_trouble_is_asked_after_all_where_claude_is_spent(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=CircuitBreaker(clock=lambda: 1000.0, chance=lambda: 0.5))
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["status=503"] * 3)
        for _ in range(3):
            assert (await send(client, proxy, ask()))[0] == 200
        sim.script("anthropic", ["quota=five_hour"])
        assert (await send(client, proxy, ask()))[0] == 200
        last = proxy.records[-1]
        assert (last.backend, last.reason) == ("zai", "route sonnet")
    assert services(sim)[-2:] == ["anthropic", "zai"]


async def test_error_in_mid_stream_does_not_pass_for_a_spent_quota(
    client: aiohttp.ClientSession, sim: Simulator, shared: SharedState
) -> None:
    error = b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error"}}\n\n'
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START + DELTA + error + stop) + b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        assert error in (await send(client, proxy, ask()))[1]
        assert (await proxy.only_record()).status == "error"
        assert shared.breaker.is_open(proxy.settings.backend("zai"), SONNET)


async def test_empty_answers_do_not_count_as_served(
    client: aiohttp.ClientSession, sim: Simulator, shared: SharedState
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, failover=False)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["empty"] * 3)
        for _ in range(3):
            assert await send(client, proxy, ask()) == (200, b"")
        standing = shared.breaker.standing(proxy.settings.backend("zai"))
    assert standing is not None
    assert standing.cause == api.FAILING


@pytest.mark.parametrize(
    ("status", "headers", "is_quota"),
    [
        ("429 No", b"anthropic-ratelimit-unified-status: rejected\r\n", True),
        ("429 No", b"anthropic-ratelimit-unified-representative-claim: five_hour\r\n", True),
        ("429 No", b"", False),
        ("429 No", b"anthropic-ratelimit-unified-status: allowed\r\n", False),
        ("429 No", b"anthropic-ratelimit-requests-remaining: 0\r\nretry-after: 3\r\n", False),
        ("529 No", b"anthropic-ratelimit-unified-status: rejected\r\n", False),
        ("200 OK", b"anthropic-ratelimit-unified-status: rejected\r\n", False),
    ],
)
async def test_only_a_refused_plan_is_a_quota_refusal(
    client: aiohttp.ClientSession, status: str, headers: bytes, is_quota: bool
) -> None:
    answer = json_answer(MESSAGE, status=status, headers=headers)
    async with (
        raw_upstream(lambda connection: connection.write(answer)) as upstream,
        client.get(upstream.url) as answered,
    ):
        assert failover_policy.is_quota_refusal(answered) is is_quota


async def test_settings_changed_in_flight_leave_requests_under_way_alone(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, shared: SharedState
) -> None:
    sim.script("zai", ["first-byte=0.2", ()])
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(send(client, proxy, ask()))
        await sim.wait_for(lambda each: each.service == "zai")
        proxy.change_backend("zai", key=None)
        proxy.change(delegation="never", failover=False)
    assert asked.result()[0] == 200
    assert (await proxy.only_record()).backend == "zai"
    assert shared.queue.waiting("zai") == 0
    assert (await send(client, proxy, ask()))[0] == 200
    assert services(sim) == ["zai", "anthropic"]


async def test_login_that_claude_does_not_take_is_no_news_to_a_client_of_the_delegate(
    client: aiohttp.ClientSession, sim: Simulator, shared: SharedState
) -> None:
    refusal = json_answer(b'{"type":"error"}', status="401 Unauthorized")
    async with (
        raw_upstream(lambda connection: connection.write(refusal)) as claude,
        running_proxy(settings_for(claude.url, sim.zai_url), shared=shared) as proxy,
    ):
        sim.script("zai", ["zai=1310", "zai=1310", ()])
        login = {"Authorization": "Bearer nobody-knows-it"}
        statuses = [(await send(client, proxy, ask(), **login))[0] for _ in range(3)]
        assert statuses == [429, 429, 200]
        assert {record.backend for record in proxy.records} == {"zai"}


@pytest.mark.parametrize("fault", ["zai=1310", "zai=1001", "zai=1113"])
async def test_client_may_renew_its_token_where_the_delegate_fails_for_long(
    client: aiohttp.ClientSession, sim: Simulator, shared: SharedState, fault: str
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", [fault])
        sim.script("anthropic", ["status=401", "status=401", ()])
        statuses = [(await send(client, proxy, ask()))[0] for _ in range(3)]
        assert statuses == [401, 401, 200]
        assert services(sim) == ["zai", "anthropic", "anthropic", "anthropic"]
        assert {record.backend for record in proxy.records} == {"anthropic"}
