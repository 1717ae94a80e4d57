"""A delegate that refuses every request of a kind: Claude serves them, and the user hears of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from messages import SONNET, ask, send
from patience import PATIENCE_S
from proxy_harness import RunningProxy, running_proxy, settings_for, shared_state
from raw_upstream import Connection, json_answer, raw_upstream
from watch_desk import Desk

from offramp_core.control import api
from offramp_core.settings import KeepRules, Route
from offramp_daemon.routing.affinity import ConversationAffinity
from offramp_daemon.trouble.runs import Run
from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from offramp_simulator import Simulator

HAIKU = "claude-haiku-4-5"
GLM = "glm-4.7"
REFUSED = "zai failed (refused it), served by anthropic"
SKIPPED = "zai skipped (refused: HTTP 400, code 1210), served by anthropic"
SPENT = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-representative-claim": "seven_day",
}


def of(session: str, agent: str = "") -> dict[str, str]:
    found = {"x-claude-code-session-id": session}
    return {**found, "x-claude-code-agent-id": agent} if agent else found


def reasons(proxy: RunningProxy) -> list[str | None]:
    return [record.reason for record in proxy.records]


def asked(sim: Simulator) -> int:
    return sum(each.service == "zai" for each in sim.requests)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def proxy(sim: Simulator, desk: Desk) -> AsyncIterator[RunningProxy]:
    """One whose conversations cool at once, so that each request asks the delegate again."""
    ticks = iter(range(0, 10**9, 1000))
    cold = ConversationAffinity(clock=lambda: next(ticks))
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    shared = shared_state(conversations=cold, watch=desk.watch)
    async with running_proxy(settings, shared=shared) as running:
        yield running


@pytest.mark.parametrize(
    ("model", "code", "status", "cause", "is_stream"),
    [
        (SONNET, "1210", 400, api.REFUSED, True),
        (HAIKU, "1210", 400, api.REFUSED, False),
        (SONNET, "1214", 500, api.REFUSED, True),
        (HAIKU, "1211", 400, api.UNKNOWN_MODEL, True),
    ],
)
async def test_twenty_refused_in_a_row_are_reported_and_all_but_three_skip_the_round_trip(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    desk: Desk,
    model: str,
    code: str,
    status: int,
    cause: str,
    is_stream: bool,
) -> None:
    sim.script("zai", [f"zai={code}"] * 40)
    for _ in range(20):
        assert (await send(client, proxy, ask(model, stream=is_stream)))[0] == 200
    (trouble,) = desk.watch.troubles()
    sent = SONNET if model == SONNET else "GLM-4.5-Air"
    assert (trouble.backend, trouble.model, trouble.cause) == ("zai", sent, cause)
    assert (trouble.requests, trouble.detail) == (20, f"HTTP {status}, code {code}")
    assert asked(sim) == 3
    skipped = f"zai skipped ({cause}: HTTP {status}, code {code}), served by anthropic"
    assert reasons(proxy) == [REFUSED] * 3 + [skipped] * 17
    assert {record.status for record in proxy.records} == {"success"}
    assert len(desk.changes) == 1


async def test_conversations_of_their_own_skip_after_the_second(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 5)
    for number in range(5):
        await send(client, proxy, ask(), **of(f"s{number}"))
    assert reasons(proxy) == [REFUSED] * 2 + [SKIPPED] * 3
    assert asked(sim) == 2


async def test_only_the_one_conversation_that_is_refused_skips(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210", "zai=1210", (), "zai=1210", (), ()])
    for session in ("odd", "odd", "fine", "odd", "odd", "fine", "odd", "fine"):
        await send(client, proxy, ask(), **of(session))
    of_odd = [record.reason for record in proxy.records if record.session_id == "odd"]
    of_fine = [record.backend for record in proxy.records if record.session_id == "fine"]
    assert of_odd == [REFUSED] * 3 + [SKIPPED] * 2
    assert of_fine == ["zai"] * 3


async def test_another_model_is_not_skipped(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    await send(client, proxy, ask(HAIKU), **of("s1"))
    await send(client, proxy, ask(), **of("s1"))
    assert reasons(proxy)[2:] == ["route haiku", SKIPPED]


async def test_conversation_that_claude_keeps_warm_is_reported_though_it_asks_only_once(
    client: aiohttp.ClientSession, sim: Simulator, desk: Desk
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared_state(watch=desk.watch)) as proxy:
        sim.script("zai", ["zai=1210"] * 20)
        for _ in range(20):
            assert (await send(client, proxy, ask(), **of("s1")))[0] == 200
        assert asked(sim) == 1
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests) == (api.REFUSED, 20)
    assert trouble.is_in_one_conversation


async def test_conversation_that_claude_keeps_warm_after_an_overload_is_no_trouble(
    client: aiohttp.ClientSession, sim: Simulator, desk: Desk
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared_state(watch=desk.watch)) as proxy:
        sim.script("zai", ["zai=1305"])
        for _ in range(9):
            await send(client, proxy, ask(), **of("s1"))
    assert desk.watch.troubles() == ()


async def test_probe_that_is_served_ends_skipping(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2", "s3"):
        await send(client, proxy, ask(), **of(session))
    desk.later(minutes=15)
    for session in ("s3", "s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    assert reasons(proxy) == [REFUSED, REFUSED, SKIPPED, *["route sonnet"] * 3]
    assert desk.watch.troubles() == ()
    assert desk.announced == [(api.REFUSED, False), (api.REFUSED, True)]


async def test_probe_that_is_refused_is_served_by_claude_and_the_others_skip_on(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    sim.script("zai", ["zai=1210"] * 3)
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    desk.later(minutes=15)
    for session in ("s3", "s4"):
        assert (await send(client, proxy, ask(), **of(session)))[0] == 200
    assert reasons(proxy) == [REFUSED] * 3 + [SKIPPED]


@pytest.mark.parametrize(
    "change",
    [
        {"routes": (Route(match="sonnet", backend="zai", send_model="GLM-4.6"),)},
        {"routes": (Route(match="sonnet", backend="zai", max_output_tokens=10_000),)},
        {"thinking": "strip"},
        {"keep_on_anthropic": KeepRules(images=False)},
    ],
)
async def test_changed_setting_ends_skipping_at_once(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, change: dict[str, object]
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2", "s3"):
        await send(client, proxy, ask(), **of(session))
    proxy.change(**change)
    await send(client, proxy, ask(), **of("s3"))
    assert reasons(proxy)[2:] == [SKIPPED, "route sonnet"]


async def test_changed_backend_ends_skipping_at_once(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2", "s3"):
        await send(client, proxy, ask(), **of(session))
    proxy.change_backend("zai", drop_fields=("top_k",))
    await send(client, proxy, ask(), **of("s3"))
    assert reasons(proxy)[2:] == [SKIPPED, "route sonnet"]


async def test_setting_of_something_else_does_not_end_skipping(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    proxy.change(overflow=True)
    await send(client, proxy, ask(), **of("s3"))
    assert reasons(proxy)[2:] == [SKIPPED]


async def test_without_failover_every_request_is_sent_and_the_trouble_is_shown(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    proxy.change(failover=False)
    sim.script("zai", ["zai=1210"] * 10)
    for _ in range(10):
        assert (await send(client, proxy, ask()))[0] == 400
    assert asked(sim) == 10
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests) == (api.REFUSED, 0)
    assert desk.watch.stand_ins() == ()


async def test_request_by_the_delegates_own_name_is_never_skipped_nor_a_trouble(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    sim.script("zai", ["zai=1210"] * 10)
    for number in range(10):
        assert (await send(client, proxy, ask(GLM), **of(f"s{number}")))[0] == 400
    assert asked(sim) == 10
    assert desk.watch.troubles() == ()


async def test_client_without_a_login_is_never_skipped(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 3)
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    del client.headers["Authorization"]
    assert (await send(client, proxy, ask(), **of("s3")))[0] == 400
    assert asked(sim) == 3


async def test_while_the_claude_plan_is_known_to_be_spent_the_delegate_is_asked(
    client: aiohttp.ClientSession, sim: Simulator, desk: Desk
) -> None:
    until: list[datetime] = []
    shared = shared_state(
        spent_until=lambda name, _model, _credential: (
            until[0] if until and name == "anthropic" else None
        ),
        watch=desk.watch,
    )
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["zai=1210"] * 2)
        for session in ("s1", "s2"):
            await send(client, proxy, ask(), **of(session))
        until.append(datetime(2099, 1, 1, tzinfo=UTC))
        await send(client, proxy, ask(), **of("s3"))
        assert proxy.records[-1].backend == "zai"
        until.clear()
        await send(client, proxy, ask(), **of("s4"))
        assert reasons(proxy)[-1] == "route sonnet"


@pytest.mark.parametrize("is_reached", [True, False])
async def test_skipped_delegate_is_asked_after_all_where_claude_can_not_serve(
    client: aiohttp.ClientSession, sim: Simulator, desk: Desk, is_reached: bool
) -> None:
    async def refuse(connection: Connection) -> None:
        body = b'{"type":"error","error":{"type":"rate_limit_error","message":"spent"}}'
        head = "".join(f"\r\n{name}: {value}" for name, value in SPENT.items())
        await connection.write(json_answer(body, status=f"429 Too Many{head}"))

    settings = settings_for(sim.anthropic_url, sim.zai_url)
    shared = shared_state(watch=desk.watch)
    async with raw_upstream(refuse) as spent, running_proxy(settings, shared=shared) as proxy:
        sim.script("zai", ["zai=1210"] * 2)
        for session in ("s1", "s2", "s3"):
            await send(client, proxy, ask(), **of(session))
        proxy.change_backend(
            "anthropic", base_url=spent.url if is_reached else "http://127.0.0.1:9"
        )
        assert (await send(client, proxy, ask(), **of("s4")))[0] == 200
        assert proxy.records[-1].backend == "zai"
        assert desk.watch.troubles() == ()


async def test_token_count_of_a_model_that_is_skipped_is_estimated(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 2)
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    body: dict[str, object] = {"model": SONNET, "messages": ask()["messages"]}
    status, _ = await send(client, proxy, body, "/v1/messages/count_tokens?beta=true")
    assert status == 200
    assert asked(sim) == 2


async def test_client_that_leaves_the_probe_lets_the_next_one_try(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    sim.script("zai", [*["zai=1210"] * 2, ("first-byte=60",)])
    for session in ("s1", "s2"):
        await send(client, proxy, ask(), **of(session))
    desk.later(minutes=15)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(send(client, proxy, ask(), **of("s3")))
        async with asyncio.timeout(PATIENCE_S):
            while asked(sim) < 3:  # noqa: ASYNC110 - the simulator tells nobody
                await asyncio.sleep(0)
        proxy.has_exchange.clear()
        leaving.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await proxy.has_exchange.wait()
    await send(client, proxy, ask(), **of("s1"))
    assert [(each.status, each.reason) for each in proxy.records[2:]] == [
        ("cancelled", "route sonnet"),
        ("success", "route sonnet"),
    ]


@pytest.mark.parametrize(
    "sim",
    [Refusals(anthropic=anthropic_rules.ALL - {"unknown-models"})],
    indirect=True,
    ids=["any model"],
)
@pytest.mark.parametrize(
    "model", ["claude-sonnet-\ud800", "claude-sonnet-" + "x" * 300, "claude-sonnet-\u2028"]
)
async def test_odd_names_are_kept_in_a_form_that_files_and_answers_can_hold(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk, model: str
) -> None:
    sim.script("zai", ["zai=1210"] * 5)
    for _ in range(3):
        body = json.dumps(ask(model)).encode()
        headers = {"x-claude-code-session-id": "s\udcff" * 300}
        async with client.post(f"{proxy.url}/v1/messages", data=body, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()
    (trouble,) = desk.watch.troubles()
    assert api.encode(trouble)
    (run,) = desk.watch.state().runs
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run
    assert len(run.model) <= 200


async def test_conversation_that_skips_and_then_stays_on_claude_counts_on(
    client: aiohttp.ClientSession, sim: Simulator, desk: Desk
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings, shared=shared_state(watch=desk.watch)) as proxy:
        sim.script("zai", ["zai=1210"] * 5)
        for session in ("s1", "s2", "s3", "s3", "s3"):
            await send(client, proxy, ask(), **of(session))
        assert reasons(proxy) == [REFUSED, REFUSED, SKIPPED, *["conversation goes on"] * 2]
    (trouble,) = desk.watch.troubles()
    assert trouble.requests == 5


async def test_long_conversation_that_stays_on_claude_is_reported_with_its_rule(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    proxy.change(routes=(Route(match="sonnet", backend="zai", context_tokens=1000),))
    for turn in range(6):
        await send(client, proxy, ask(text="word " * 500 * (turn + 1)), **of("long"))
        await send(client, proxy, ask(), **of("long", agent="a1"))
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.rule, trouble.model) == (api.KEPT, "context_size", SONNET)
    assert trouble.requests == 5
    assert len(desk.changes) == 1
    assert desk.watch.stand_ins() == ()
    assert asked(sim) == 7


async def test_long_conversation_that_the_delegate_refuses_is_reported_and_bars_nobody(
    client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator, desk: Desk
) -> None:
    sim.script("zai", ["zai=1261"] * 8)
    for session in ("s1", "s2"):
        for _ in range(4):
            assert (await send(client, proxy, ask(), **of(session)))[0] == 200
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests) == (api.TOO_LONG, 8)
    await send(client, proxy, ask(), **of("s3"))
    assert proxy.records[-1].backend == "zai"


async def test_images_in_every_conversation_are_reported(
    client: aiohttp.ClientSession, proxy: RunningProxy, desk: Desk
) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "aWE="}
    picture = {
        **ask(),
        "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}],
    }
    for number in range(12):
        await send(client, proxy, picture, **of(f"s{number % 3}"))
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.rule, trouble.requests) == (api.KEPT, "images", 12)
