"""Other delegates stand in before Claude: order, bodies, what is skipped, and what is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from messages import ask, send
from preset_harness import proxy_with, route
from proxy_harness import shared_state

from offramp_core.control import api
from offramp_core.services import service_of
from offramp_core.settings import Secret
from offramp_daemon.resilience.backend_health import stand_in_for
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_daemon.trouble.watch import DelegationWatch
from offramp_simulator.preset.rules import deepseek_signature
from offramp_simulator.service import signatures

if TYPE_CHECKING:
    import aiohttp

    from offramp_simulator import Simulator

SONNET = "claude-sonnet-5-5"
CHAIN = ("deepseek", "kimi", "anthropic")
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
}
DOWN = ["status=503"]


def served(sim: Simulator) -> list[str]:
    return [each.service for each in sim.requests]


async def test_next_delegate_serves_what_the_first_fails(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", "kimi", failover=CHAIN) as (proxy, _):
        sim.script("zai", DOWN)
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek"]
    assert (record.backend, record.status) == ("deepseek", "success")
    assert record.served_model == "deepseek-flash"
    assert record.reason == "zai failed (failing), served by deepseek"


async def test_claude_serves_only_after_all_delegates(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", "kimi", failover=CHAIN) as (proxy, services):
        sim.script("zai", ["zai=1308"])
        services["deepseek"].script("/v1/messages", DOWN)
        services["kimi"].has_money = False
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek", "kimi", "anthropic"]
    assert record.backend == "anthropic"
    assert record.reason == (
        "zai failed (quota spent), deepseek failed (failing), kimi failed (account trouble), "
        "served by anthropic"
    )


async def test_each_gets_the_request_fitted_from_what_the_client_sent(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    thoughts = {
        "zai": signatures.zai_signature("Hm"),
        "deepseek": deepseek_signature("Hm"),
        "anthropic": signatures.anthropic_signature("Hm"),
    }
    answer = [
        *({"type": "thinking", "thinking": "Hm", "signature": each} for each in thoughts.values()),
        {"type": "text", "text": "Hi"},
    ]
    body = {
        **ask(SONNET),
        "thinking": {"type": "adaptive"},
        "metadata": {"user_id": "u"},
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "Go on"},
        ],
    }
    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, fakes):
        sim.script("zai", DOWN)
        fakes["deepseek"].script("/v1/messages", DOWN)
        assert (await send(client, proxy, body))[0] == 200
    bodies = {each.service: json.loads(each.body) for each in sim.requests}
    assert list(bodies) == ["zai", "deepseek", "anthropic"]
    got = {
        service: [block["signature"] for block in sent["messages"][1]["content"][:-1]]
        for service, sent in bodies.items()
    }
    assert got == {service: [signature] for service, signature in thoughts.items()}
    assert bodies["deepseek"]["model"] == "deepseek-flash"
    assert bodies["anthropic"]["metadata"] == body["metadata"]
    assert "metadata" not in bodies["deepseek"]


def too_long_for_kimi() -> dict[str, Any]:
    return {**ask(SONNET), "messages": [{"role": "user", "content": "word " * 2_000}]}


@pytest.mark.parametrize(
    ("chain", "body", "skipped"),
    [
        (
            ("qwen", "kimi", "anthropic"),
            {**ask(SONNET), "messages": [{"role": "user", "content": [IMAGE]}]},
            "qwen skipped (images), served by kimi",
        ),
        (("kimi", "deepseek", "anthropic"), too_long_for_kimi(), "kimi skipped (context_size)"),
    ],
)
async def test_delegate_that_can_not_take_the_request_is_skipped(
    client: aiohttp.ClientSession,
    sim: Simulator,
    chain: tuple[str, ...],
    body: dict[str, Any],
    skipped: str,
) -> None:
    routes = [route("minimax"), route("kimi", "haiku", context_tokens=1_000)]
    names = ("minimax", *chain[:-1])
    async with proxy_with(sim, *names, failover=chain, routes=routes) as (proxy, fakes):
        fakes["minimax"].script("/v1/messages", DOWN)
        assert (await send(client, proxy, body))[0] == 200
        record = await proxy.only_record()
    assert served(sim) == ["minimax", chain[1]]
    assert record.reason is not None
    assert skipped in record.reason


async def test_delegate_without_a_key_is_skipped(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", "kimi", failover=CHAIN) as (proxy, _):
        proxy.change_backend("deepseek", key=None)
        sim.script("zai", DOWN)
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
        record = await proxy.only_record()
    assert served(sim) == ["zai", "kimi"]
    assert record.reason == "zai failed (failing), deepseek skipped (no key), served by kimi"


async def test_each_delegate_has_a_breaker_of_its_own(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=CircuitBreaker())
    chain = ("deepseek", "anthropic")
    async with proxy_with(sim, "deepseek", failover=chain, shared=shared) as (proxy, fakes):
        sim.script("zai", ["zai=1308"])
        fakes["deepseek"].has_money = False
        for _ in range(2):
            assert (await send(client, proxy, ask(SONNET)))[0] == 200
        backends = {each.name: each for each in proxy.settings.backends}
        standings = {name: shared.breaker.standing(backends[name]) for name in ("zai", "deepseek")}
    assert served(sim) == ["zai", "deepseek", "anthropic", "anthropic"]
    found = {name: each.cause if each else None for name, each in standings.items()}
    assert found == {"zai": api.LIMIT, "deepseek": api.ACCOUNT}
    assert proxy.records[-1].reason == (
        "zai bypassed (quota spent), deepseek bypassed (account trouble), served by anthropic"
    )


async def test_stand_in_that_would_only_refuse_again_is_skipped(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(watch=DelegationWatch())
    chain = ("deepseek", "anthropic")
    async with proxy_with(sim, "deepseek", failover=chain, shared=shared) as (proxy, fakes):
        proxy.change_backend("zai", base_url="http://127.0.0.1:9/down")
        fakes["deepseek"].script("/v1/messages", ["status=400"] * 20)
        for number in range(10):
            session = {"x-claude-code-session-id": f"0b7e3c1a-6b1f-4a57-9a3e-6f8f7c1d2e3{number}"}
            assert (await send(client, proxy, ask(SONNET), **session))[0] == 200
        reasons = [record.reason or "" for record in proxy.records]
    asked = served(sim).count("deepseek")
    assert 0 < asked < 10
    assert "deepseek failed (refused it), served by anthropic" in reasons[0]
    assert "deepseek skipped (refused" in reasons[-1]


@pytest.mark.parametrize(
    ("name", "chain", "to"),
    [
        ("zai", ("deepseek", "anthropic"), "deepseek"),
        ("deepseek", ("deepseek", "anthropic"), "anthropic"),
        ("deepseek", ("deepseek",), None),
        ("zai", (), None),
    ],
)
def test_status_names_who_serves_instead(name: str, chain: tuple[str, ...], to: str | None) -> None:
    assert stand_in_for(service_of(name).backend, chain) == to


async def test_without_claude_in_the_list_claude_is_not_asked(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", failover=("deepseek",)) as (proxy, fakes):
        sim.script("zai", ["zai=1305"])
        fakes["deepseek"].script("/v1/messages", DOWN)
        status, answer = await send(client, proxy, ask(SONNET))
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek"]
    # The client hears of the delegate that its request belongs to.
    assert (status, b"zai says" in answer) == (429, True)
    assert (record.backend, record.status) == ("zai", "error")
    assert record.reason == "zai failed (overloaded), deepseek failed (failing)"


async def test_record_names_all_that_were_asked_where_claude_does_not_take_the_login(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, fakes):
        sim.script("zai", ["zai=1305"])
        fakes["deepseek"].has_money = False
        sim.script("anthropic", ["status=401"])
        assert (await send(client, proxy, ask(SONNET)))[0] == 429
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek", "anthropic"]
    assert (record.backend, record.status) == ("zai", "error")
    assert record.reason == "zai failed (overloaded), deepseek failed (account trouble)"


async def test_delegate_asked_in_spite_of_its_trouble_is_recorded_behind_the_others(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    shared = shared_state(breaker=CircuitBreaker())
    async with proxy_with(sim, "deepseek", failover=("deepseek",), shared=shared) as (proxy, fakes):
        sim.script("zai", ["zai=1308"])
        fakes["deepseek"].has_money = False
        assert (await send(client, proxy, ask(SONNET)))[0] == 429
        sim.script("zai", [])
        assert (await send(client, proxy, ask(SONNET)))[0] == 200
    assert (proxy.records[-1].backend, proxy.records[-1].status) == ("zai", "success")
    assert proxy.records[-1].reason == (
        "zai bypassed (quota spent), deepseek bypassed (account trouble), served by zai"
    )


async def test_delegate_stands_in_though_the_client_has_no_login(
    sim: Simulator,
) -> None:
    import aiohttp

    async with (
        proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, _),
        aiohttp.ClientSession() as session,
    ):
        sim.script("zai", DOWN)
        assert (await send(session, proxy, ask(SONNET)))[0] == 200
    assert served(sim) == ["zai", "deepseek"]


async def test_nothing_else_is_asked_once_bytes_have_reached_the_client(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    import aiohttp

    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, _):
        sim.script("zai", ["cut=6"])
        with pytest.raises(aiohttp.ClientError):
            await send(client, proxy, ask(SONNET))
        record = await proxy.only_record()
    assert served(sim) == ["zai"]
    assert (record.backend, record.status) == ("zai", "error")


async def test_a_stand_in_s_own_cut_is_not_made_good_by_another(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    import aiohttp

    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, fakes):
        sim.script("zai", DOWN)
        fakes["deepseek"].script("/v1/messages", ["cut=6"])
        with pytest.raises(aiohttp.ClientError):
            await send(client, proxy, ask(SONNET))
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek"]
    assert (record.backend, record.status) == ("deepseek", "error")


async def test_what_adds_to_a_thread_goes_to_no_stand_in(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, _):
        status, answer = await send(client, proxy, ask(SONNET, thread=thread))
    assert (status, b"thread_unsupported_request" in answer) == (400, True)
    assert served(sim) == []


async def test_model_asked_for_by_its_own_name_is_served_by_nobody_else(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", failover=("deepseek", "anthropic")) as (proxy, _):
        sim.script("zai", DOWN)
        assert (await send(client, proxy, ask("glm-4.7")))[0] >= 500
    assert served(sim) == ["zai"]


@pytest.mark.parametrize(
    ("tier", "expected"), [("sonnet", ["zai", "deepseek"]), ("haiku", ["deepseek", "zai"])]
)
async def test_one_list_serves_routes_to_each_of_its_delegates(
    client: aiohttp.ClientSession, sim: Simulator, tier: str, expected: list[str]
) -> None:
    routes = [route("zai", send_model=None), route("deepseek", "haiku")]
    chain = ("zai", "deepseek", "anthropic")
    async with proxy_with(sim, "deepseek", failover=chain, routes=routes) as (proxy, fakes):
        sim.script("zai", DOWN if tier == "sonnet" else [])
        fakes["deepseek"].script("/v1/messages", DOWN if tier == "haiku" else [])
        assert (await send(client, proxy, ask(f"claude-{tier}-5-5")))[0] == 200
    assert served(sim) == expected


async def test_stand_in_s_key_is_in_no_record_and_no_error(
    client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with proxy_with(sim, "deepseek", failover=("deepseek",)) as (proxy, _):
        secret = "pk-of-somebody-else-0123456789"
        proxy.change_backend("deepseek", key=Secret(secret))
        sim.script("zai", DOWN)
        _, answer = await send(client, proxy, ask(SONNET))
        record = await proxy.only_record()
    assert served(sim) == ["zai", "deepseek"]
    assert secret not in answer.decode()
    assert secret not in str(record)
