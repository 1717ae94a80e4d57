"""Message threads: what only adds to one goes where its state is, or is asked for whole."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from messages import OPUS, SONNET, ask, send
from proxy_harness import ZAI_KEY, running_proxy, settings_for, shared_state
from raw_upstream import answer_message, raw_upstream

from offramp_core.control.api import Pause
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker
from offramp_simulator import Simulator
from offramp_simulator.anthropic import rules as anthropic_rules

SESSION = {"x-claude-code-session-id": "5e551011"}
CREATE = {"type": "create"}
RESET = datetime(2026, 11, 26, 22, tzinfo=UTC)


@pytest.fixture
async def sim():
    """Both services; Anthropic continues every thread, for the ids here were made up."""
    refusals = anthropic_rules.ALL - {anthropic_rules.THREADS}
    async with Simulator.start(zai_key=ZAI_KEY, anthropic_refuses=refusals) as simulator:
        yield simulator
        assert not simulator.leaks


def onward(previous: str = "msg_20261101abc", model: str = SONNET, **fields: object):
    return ask(model, "And now?", thread={"type": "continue", "previous_message_id": previous})


def services(sim) -> list[str]:
    return [each.service for each in sim.requests]


def id_of(answer: bytes) -> str:
    """The message's id, of a stream or a whole answer."""
    text = answer.decode()
    first = text.partition("data: ")[2].partition("\n")[0] if text.startswith("event:") else text
    found = json.loads(first)
    said = found.get("message", found)["id"]
    assert isinstance(said, str)
    return said


def assert_whole_turn_is_wanted(status: int, body: bytes) -> None:
    assert status == 400
    answer = json.loads(body)
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["details"] == {"error_code": "thread_unsupported_request"}


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("headers", [{}, SESSION])
@pytest.mark.parametrize(
    "model", [SONNET, "claude-haiku-5-5", "claude-sonnet-5-5[1m]", "glm-4.7", "GLM-5.2[1m]"]
)
async def test_continued_thread_that_would_be_delegated_is_wanted_whole(
    client, proxy, sim, model, headers, is_stream
):
    body = {**onward(model=model), "stream": is_stream}
    assert_whole_turn_is_wanted(*await send(client, proxy, body, **headers))
    assert not sim.requests
    record = await proxy.only_record()
    assert (record.status, record.http_status) == ("error", 400)
    assert record.reason == "message thread: the whole turn was asked for"


async def test_created_thread_is_delegated_without_the_field(client, proxy, sim):
    status, _ = await send(client, proxy, ask(SONNET, thread=CREATE), **SESSION)
    assert status == 200
    assert services(sim) == ["zai"]
    assert b"thread" not in sim.requests[0].body


@pytest.mark.parametrize("headers", [{}, SESSION])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_thread_whose_last_answer_was_the_delegates_is_wanted_whole(
    client, proxy, sim, headers, is_stream
):
    _, answer = await send(client, proxy, ask(SONNET, thread=CREATE, stream=is_stream), **headers)
    proxy.change(delegation="never")  # so that it would stay on Claude, which has no such message
    assert_whole_turn_is_wanted(*await send(client, proxy, onward(id_of(answer)), **headers))
    assert services(sim) == ["zai"]


@pytest.mark.parametrize(
    "thread",
    [
        {"type": "continue"},
        {"type": "continue", "previous_message_id": None},
        {"type": "continue", "previous_message_id": 7},
        {"type": "a later kind", "previous_message_id": "msg_1"},
        {"previous_message_id": "msg_1"},
        {"type": "continue", "previous_message_id": "msg_" + "x" * 9000},
        {"type": "continue", "previous_message_id": "\ud800"},
    ],
)
async def test_thread_that_goes_on_in_any_form_is_not_delegated(client, proxy, sim, thread):
    body = ask(SONNET, thread=thread)
    assert_whole_turn_is_wanted(*await send(client, proxy, body, **SESSION))
    assert not sim.requests


@pytest.mark.parametrize(
    "thread",
    [
        *(None, {}, [], "continue", 7, True, [["continue"]]),
        *({"type": "create"}, {"type": "create", "previous_message_id": None}),
        *({"type": ["continue"]}, {"type": {"type": "continue"}}),
    ],
)
async def test_thread_that_is_none_is_left_out(client, proxy, sim, thread):
    status, _ = await send(client, proxy, ask(SONNET, thread=thread))
    assert status == 200
    assert services(sim) == ["zai"]
    assert b"thread" not in sim.requests[0].body


@pytest.mark.parametrize("thinking", ["own", "strip"])
async def test_opus_thread_reaches_claude_byte_for_byte(client, start_proxy, thinking):
    """It may begin with a result whose call, or hold thinking whose turn, only Claude has."""
    content = [
        {"type": "tool_result", "tool_use_id": "functions.Bash:0", "content": "ok"},
        {"type": "text", "text": ""},
    ]
    messages = [
        {"role": "user", "content": content},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "0a"}]},
    ]
    raw = json.dumps({**onward(model=OPUS), "messages": messages}, indent=1).encode()
    async with (
        raw_upstream(answer_message) as anthropic,
        start_proxy(anthropic.url, anthropic.url, thinking=thinking) as proxy,
        client.post(proxy.url + "/v1/messages", data=raw) as answered,
    ):
        assert answered.status == 200
    assert anthropic.bodies == [raw]


async def open_breaker(client, proxy, sim) -> None:
    """A conversation of its own meets a delegate that refuses the key."""
    sim.script("zai", ["zai=1001"])
    headers = {"x-claude-code-session-id": "another"}
    assert (await send(client, proxy, ask(SONNET), **headers))[0] == 200
    assert services(sim) == ["zai", "anthropic"]
    sim.requests.clear()


async def test_thread_is_wanted_whole_while_the_breaker_is_open(client, proxy, sim):
    await open_breaker(client, proxy, sim)
    assert_whole_turn_is_wanted(*await send(client, proxy, onward(), **SESSION))
    assert not sim.requests


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_thread_that_claude_served_while_the_breaker_was_open_goes_on_there(
    client, proxy, sim, by_id, is_stream
):
    await open_breaker(client, proxy, sim)
    whole = ask(SONNET, thread=CREATE, stream=is_stream)
    _, answer = await send(client, proxy, whole, **SESSION)
    previous = id_of(answer) if by_id else "msg_20261101abc"
    raw = json.dumps(onward(previous), indent=1).encode()
    headers = {} if by_id else SESSION
    async with client.post(proxy.url + "/v1/messages", data=raw, headers=headers) as answered:
        assert answered.status == 200
    assert services(sim) == ["anthropic", "anthropic"]
    assert sim.requests[1].body == raw


async def test_thread_of_a_conversation_that_a_rule_keeps_goes_on_at_claude(client, proxy, sim):
    """Its later requests hold no tools, by which the rule would know it."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    _, answer = await send(client, proxy, ask(SONNET, thread=CREATE, tools=tools), **SESSION)
    for _ in range(2):
        status, answer = await send(client, proxy, onward(id_of(answer)), **SESSION)
        assert status == 200
    assert services(sim) == ["anthropic"] * 3
    assert [record.reason for record in proxy.records] == [
        "kept: server_tools",
        "thread goes on",
        "thread goes on",
    ]


async def test_message_of_claudes_beside_does_not_move_a_delegated_thread(client, proxy, sim):
    """A web search is a call of its own in the same session."""
    _, answer = await send(client, proxy, ask(SONNET, thread=CREATE), **SESSION)
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    await send(client, proxy, ask(SONNET, tools=tools), **SESSION)
    assert_whole_turn_is_wanted(*await send(client, proxy, onward(id_of(answer)), **SESSION))
    assert services(sim) == ["zai", "anthropic"]


async def test_whole_turn_after_the_refusal_is_delegated(client, proxy, sim):
    _, answer = await send(client, proxy, ask(SONNET, thread=CREATE), **SESSION)
    assert (await send(client, proxy, onward(id_of(answer)), **SESSION))[0] == 400
    assert (await send(client, proxy, ask(SONNET), **SESSION))[0] == 200
    assert services(sim) == ["zai", "zai"]


async def test_paused_thread_of_claudes_goes_on_when_delegation_does(sim, client):
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    shared = shared_state()
    pause = Pause(since=RESET)
    async with running_proxy(settings, shared=shared, pause=pause) as paused:
        assert (await send(client, paused, onward(), **SESSION))[0] == 200
    async with running_proxy(settings, shared=shared) as proxy:
        assert (await send(client, proxy, onward(), **SESSION))[0] == 200
    assert services(sim) == ["anthropic", "anthropic"]


def spent(backend: str, _model: str | None, _credential: str | None) -> datetime | None:
    return RESET if backend == "anthropic" else None


@pytest.mark.parametrize("is_known", [True, False])
async def test_thread_at_a_spent_claude_is_wanted_whole_and_then_overflows(sim, client, is_known):
    shared = shared_state(spent_until=spent) if is_known else shared_state()
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    if not is_known:
        sim.script("anthropic", ["quota=seven_day_opus"] * 3)
    async with running_proxy(settings, shared=shared) as proxy:
        body = onward(model=OPUS)
        assert_whole_turn_is_wanted(*await send(client, proxy, body, **SESSION))
        assert "zai" not in services(sim)
        status, answer = await send(client, proxy, ask(OPUS, thread=CREATE), **SESSION)
        assert status == 200
        assert services(sim)[-1] == "zai"
        # The plan's window may have begun again by now; that thread is still not Claude's.
        proxy.change(overflow=False)
        count = len(sim.requests)
        body = onward(id_of(answer), OPUS)
        assert_whole_turn_is_wanted(*await send(client, proxy, body, **SESSION))
        assert len(sim.requests) == count


async def test_opus_conversation_that_is_back_at_claude_goes_on_there(client, sim):
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    sim.script("anthropic", ["quota=seven_day_opus"])
    async with running_proxy(settings) as proxy:
        assert (await send(client, proxy, ask(OPUS), **SESSION))[0] == 200
        assert services(sim) == ["anthropic", "zai"]
        assert_whole_turn_is_wanted(*await send(client, proxy, onward(model=OPUS), **SESSION))
        assert (await send(client, proxy, ask(OPUS), **SESSION))[0] == 200
        assert (await send(client, proxy, onward(model=OPUS), **SESSION))[0] == 200
    assert services(sim)[2:] == ["anthropic", "anthropic"]


async def test_spent_claude_without_overflow_answers_itself(client, proxy, sim):
    sim.script("anthropic", ["quota=five_hour"])
    assert (await send(client, proxy, onward(model=OPUS), **SESSION))[0] == 429
    assert services(sim) == ["anthropic"]


@pytest.mark.parametrize("model", [SONNET, OPUS])
@pytest.mark.parametrize("is_delegates", [True, False, None])
async def test_count_of_a_thread_is_never_refused(sim, client, model, is_delegates):
    shared = shared_state()
    if is_delegates is not None:
        shared.threads.note(None, "msg_20261101abc", is_delegated=is_delegates)
    async with running_proxy(settings_for(sim.anthropic_url, sim.zai_url), shared=shared) as proxy:
        status, answer = await send(
            client, proxy, onward(model=model), "/v1/messages/count_tokens?beta=true", **SESSION
        )
    assert status == 200
    assert json.loads(answer)["input_tokens"] > 0
    if model == SONNET and is_delegates is False:
        assert services(sim) == ["anthropic"]


async def test_count_of_a_thread_is_estimated_while_the_breaker_is_open(sim, client):
    breaker = CircuitBreaker()
    shared = shared_state(breaker=breaker)
    async with running_proxy(settings_for(sim.anthropic_url, sim.zai_url), shared=shared) as proxy:
        await open_breaker(client, proxy, sim)
        status, answer = await send(client, proxy, onward(), "/v1/messages/count_tokens", **SESSION)
    assert status == 200
    assert json.loads(answer)["input_tokens"] > 0
    assert not sim.requests


async def test_many_threads_at_once_each_stay_where_they_are(client, proxy, sim):
    async def converse(number: int) -> None:
        headers = {"x-claude-code-session-id": f"s{number}"}
        model = OPUS if number % 2 else SONNET
        _, answer = await send(client, proxy, ask(model, thread=CREATE), **headers)
        status, _ = await send(client, proxy, onward(id_of(answer), model), **headers)
        assert status == (200 if number % 2 else 400)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(converse(number))
