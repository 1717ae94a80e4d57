"""What a delegate sends in place of an answer: late errors, pages, and refusals of length."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from messages import SONNET, ask, send
from proxy_harness import ZAI_KEY, running_proxy, settings_for, shared_state
from raw_upstream import (
    DELTA,
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    chunk,
    json_answer,
    raw_upstream,
)

from offramp_core.settings import Route
from offramp_daemon.messages.answers import first_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from offramp_simulator import Simulator

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
ERROR = b'event: error\ndata: {"type":"error","error":{"code":"%s","message":"m"}}\n\n'
PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><p>body</p></html>"
SPRING = b'{"timestamp":"2026-11-30","status":404,"error":"Not Found","path":"/v1/messages"}'


def streams(*pieces: bytes, head: bytes = SSE_HEAD) -> Callable[[Connection], Awaitable[None]]:
    async def answer(connection: Connection) -> None:
        await connection.write(head)
        for piece in pieces:
            await connection.write(chunk(piece))
        await connection.write(b"0\r\n\r\n")

    return answer


def answers(
    body: bytes, status: str = "200 OK", kind: bytes = b"text/html"
) -> Callable[[Connection], Awaitable[None]]:
    answer = json_answer(body, status=status).replace(b"application/json", kind)
    return lambda connection: connection.write(answer)


@pytest.mark.parametrize("code", [b"1302", b"1305", b"1308", b"1210", b"1234", b"1002"])
@pytest.mark.parametrize(
    "pieces",
    [
        (PING,),
        (PING, PING * 30, PING),
        (b": waiting\n\n",),
        (b": waiting\n",),
        (b"retry: 1000\n\n", PING),
        (b"\n\n\n",),
        (START,),
        (PING, START, PING),
    ],
)
async def test_error_before_the_first_content_leaves_the_request_to_claude(
    client: aiohttp.ClientSession, sim: Simulator, pieces: tuple[bytes, ...], code: bytes
) -> None:
    async with (
        raw_upstream(streams(*pieces, ERROR % code)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        status, body = await send(client, proxy, ask())
        assert status == 200
        assert b"message_stop" in body
        assert b"ping" not in body.partition(b"message_start")[0]
        assert (await proxy.only_record()).backend == "anthropic"


async def test_compressed_error_behind_pings_is_seen_too(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    head = SSE_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    coded = gzip.compress(PING * 3 + ERROR % b"1305")
    async with (
        raw_upstream(streams(coded[:20], coded[20:], head=head)) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        assert (await send(client, proxy, ask()))[0] == 200
        assert (await proxy.only_record()).backend == "anthropic"


async def test_error_under_the_wrong_type_is_seen_too(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    error = b'{"error":{"code":"1305","message":"busy"}}'
    async with (
        raw_upstream(answers(error, kind=b"text/event-stream")) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        assert (await send(client, proxy, ask()))[0] == 200
        assert (await proxy.only_record()).backend == "anthropic"


async def test_stream_that_ends_after_its_pings_leaves_the_request_to_claude(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with (
        raw_upstream(streams(PING, b": x\n\n")) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
    ):
        assert (await send(client, proxy, ask()))[0] == 200
        assert (await proxy.only_record()).backend == "anthropic"


@pytest.mark.parametrize("sign", [PING, b": alive\n\n", START])
async def test_signs_of_life_reach_the_client_before_there_is_any_content(
    client: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch, sign: bytes
) -> None:
    monkeypatch.setattr(first_event, "HOLD_S", 0.01)
    go_on = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(sign))
        await go_on.wait()
        await connection.write(chunk(START + DELTA + END) + b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
        client.post(f"{proxy.url}/v1/messages", json=ask()) as answered,
    ):
        assert await answered.content.readexactly(len(sign)) == sign
        go_on.set()
        assert await answered.read() == START + DELTA + END
        assert (await proxy.only_record()).status == "success"


async def test_error_after_signs_of_life_were_passed_on_is_an_error_in_mid_stream(
    client: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_event, "HOLD_S", 0.01)
    go_on = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(PING))
        await go_on.wait()
        await connection.write(chunk(ERROR % b"1305") + b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url)) as proxy,
        client.post(f"{proxy.url}/v1/messages", json=ask()) as answered,
    ):
        await answered.content.readexactly(len(PING))
        go_on.set()
        with pytest.raises(aiohttp.ClientError):
            await answered.read()
        record = await proxy.only_record()
        assert (record.backend, record.status) == ("zai", "error")
    assert not sim.requests


ELSEWHERE = [
    (PAGE, b"text/html"),
    (PAGE, b"application/json"),
    (PAGE, b"text/event-stream"),
    (SPRING, b"application/json"),
    (SPRING, b"text/event-stream"),
    (b"404 page not found", b"text/plain"),
    (b'{"code":5,"message":"Not Found","details":[]}', b"application/json"),
    (b'{"message":"no Route matched"}', b"application/json"),
    (b'{"status":"ok"}', b"application/json"),
]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        *(("200 OK", *came) for came in ELSEWHERE),
        *(("404 Not Found", *came) for came in ELSEWHERE),
        ("404 Not Found", b'{"detail":"Not Found"}', b"application/json"),
        ("405 No", b'{"detail":"Method Not Allowed"}', b"application/json"),
        ("400 Bad Request", PAGE, b"text/html"),
    ],
)
async def test_wrong_address_is_named_whatever_answers_there(
    client: aiohttp.ClientSession, sim: Simulator, status: str, body: bytes, kind: bytes
) -> None:
    async with raw_upstream(answers(body, status, kind)) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            for is_stream in (True, False):
                shown, text = await send(client, proxy, ask(stream=is_stream))
                assert shown in {400, 404, 405, 502}
                message = json.loads(text)["error"]["message"]
                assert "ZAI_BASE_URL is probably wrong" in message
                assert "https://api.z.ai/api/anthropic" in message
                assert "<" not in message
            proxy.change(failover=True)
            assert (await send(client, proxy, ask()))[0] == 200
            outcomes = [exchange.outcome for exchange in proxy.exchanges[:2]]
            assert all("ZAI_BASE_URL may be wrong" in (each.why or "") for each in outcomes if each)


async def test_backend_of_the_users_own_is_named_by_its_table(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with raw_upstream(answers(PAGE)) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            mine = msgspec.structs.replace(settings.backend("zai"), name="mine")
            proxy.change(backends=(*settings.backends, mine))
            proxy.change(routes=(Route(match="sonnet", backend="mine"),))
            _, text = await send(client, proxy, ask())
    message = json.loads(text)["error"]["message"]
    assert "base_url in [backend.mine] is probably wrong" in message


async def test_page_that_repeats_the_key_does_not_bring_it_to_the_client(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    page = b"<html><title>%s</title>" % ZAI_KEY.encode()
    async with raw_upstream(answers(page)) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            _, text = await send(client, proxy, ask())
    assert ZAI_KEY.encode() not in text
    assert ZAI_KEY.encode()[:6] not in text


LONG = "word " * 205_000


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 No", b'{"error":{"code":"1214","message":"Invalid parameter"}}'),
        ("400 No", b'{"error":{"code":"1210","message":"Incorrect parameters"}}'),
        ("200 OK", b'{"error":{"code":"1214","message":"Invalid parameter"}}'),
        ("413 Too Large", b""),
        ("413 Too Large", PAGE),
        ("400 No", b""),
    ],
)
async def test_too_long_a_request_makes_the_client_compact_where_nobody_serves_it(
    client: aiohttp.ClientSession, sim: Simulator, status: str, body: bytes
) -> None:
    async with raw_upstream(answers(body, status)) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            proxy.change(routes=(Route(match="sonnet", backend="zai"),))
            for is_stream in (True, False):
                shown, text = await send(client, proxy, ask(text=LONG, stream=is_stream))
                error = json.loads(text)["error"]
                assert (shown, error["type"]) == (400, "invalid_request_error")
                assert error["message"].startswith("prompt is too long")
            proxy.change(failover=True)
            assert (await send(client, proxy, ask(text=LONG)))[0] == 200
    assert [each.service for each in sim.requests] == ["anthropic"]


async def test_too_long_in_the_first_event_makes_the_client_compact(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    error = (
        b'event: error\ndata: {"type":"error","error":{"message":"context length exceeded"}}\n\n'
    )
    async with raw_upstream(streams(PING, error)) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            shown, text = await send(client, proxy, ask())
    assert shown == 400
    assert json.loads(text)["error"]["message"].startswith("prompt is too long")


@pytest.mark.parametrize("code", [b"1210", b"1214"])
async def test_short_request_that_is_refused_is_not_too_long(
    client: aiohttp.ClientSession, sim: Simulator, code: bytes
) -> None:
    refusal = b'{"error":{"code":"%s","message":"Invalid parameter"}}' % code
    async with raw_upstream(answers(refusal, "400 No")) as delegate:
        settings = settings_for(sim.anthropic_url, delegate.url, failover=False)
        async with running_proxy(settings) as proxy:
            shown, text = await send(client, proxy, ask())
            assert (shown, json.loads(text)["error"]["message"][:8]) == (400, "zai says")
            route = Route(match="sonnet", backend="zai", context_tokens=100_000)
            keep = proxy.settings.keep_on_anthropic
            proxy.change(routes=(route,), keep_on_anthropic=keep.__class__(context_size=False))
            _, text = await send(client, proxy, ask(text="word " * 80_000))
            assert json.loads(text)["error"]["message"].startswith("prompt is too long")


async def test_bare_403_bars_nobody(client: aiohttp.ClientSession, sim: Simulator) -> None:
    shared, count = shared_state(), iter(range(100))

    async def answer(connection: Connection) -> None:
        refused = json_answer(PAGE, status="403 Forbidden")
        await connection.write(refused if next(count) == 0 else json_answer(MESSAGE))

    async with (
        raw_upstream(answer) as delegate,
        running_proxy(settings_for(sim.anthropic_url, delegate.url), shared=shared) as proxy,
    ):
        for _ in range(2):
            assert (await send(client, proxy, ask(stream=False)))[0] == 200
        assert [record.backend for record in proxy.records] == ["anthropic", "zai"]
        assert shared.breaker.is_open(proxy.settings.backend("zai"), SONNET)
