"""Faults: how they are written, and what they do to an answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp
import anthropic
import brotli  # type: ignore[import-untyped]  # it ships no types
import pytest
import zstandard
from patience import PATIENCE_S

from offramp_simulator import Simulator
from offramp_simulator.service.faults import (
    Fault,
    Faults,
    ToolAsk,
    UnknownFaultError,
    markers,
    phrases,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HEADERS = {"x-api-key": "a-key", "anthropic-version": "2023-06-01"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def body_of(text: str, model: str = "claude-opus-4-6", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": 2048, "messages": messages, "stream": True, **fields}


async def stream(
    sim: Simulator, http: aiohttp.ClientSession, text: str, **headers: str
) -> tuple[int, bytes]:
    """Status and body of a streamed answer from Anthropic."""
    url = f"{sim.anthropic_url}/v1/messages"
    async with http.post(url, json=body_of(text), headers={**HEADERS, **headers}) as answer:
        return answer.status, await answer.read()


def test_markers_are_found_with_and_without_values() -> None:
    text = 'a [[sim:cut]] b [[sim:slow=0.05]] [[sim:tool=X {"a": [[1]]}]] [[sim:cut [[sim:chunk=3]]'
    assert list(markers(text)) == ["cut", "slow=0.05", 'tool=X {"a": [[1]]}', "chunk=3"]


def test_phrases_with_broken_json_are_passed_over() -> None:
    text = 'use the tool A with {"x": 1} and use the tool B with {broken'
    assert phrases(text) == [ToolAsk("A", {"x": 1})]


def test_unknown_fault_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UnknownFaultError, match="cut-clean"):
        Fault.parse("cutt")


def test_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(UnknownFaultError, match="takes a number"):
        Faults((Fault("slow", "fast"),)).number("slow")


async def test_unknown_marker_is_answered_with_a_400_that_says_so(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    status, body = await stream(sim, http, "[[sim:wrong]]")
    assert status == 400
    assert b"has no fault 'wrong'" in body


async def test_fault_in_a_header_works_like_one_in_the_text(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    status, body = await stream(sim, http, "hello", **{"x-sim-fault": "status=500"})
    assert status == 500
    assert json.loads(body)["error"] == {"type": "api_error", "message": "Internal server error"}


@pytest.mark.parametrize(
    ("marker", "status", "kind"),
    [
        ("status=429", 429, "rate_limit_error"),
        ("status=529", 529, "overloaded_error"),
        ("status=403", 403, "permission_error"),
        ("error-200", 200, "overloaded_error"),
    ],
)
async def test_errors_of_anthropic_have_its_shape(
    sim: Simulator, http: aiohttp.ClientSession, marker: str, status: int, kind: str
) -> None:
    got, body = await stream(sim, http, f"[[sim:{marker}]]")
    assert (got, json.loads(body)["error"]["type"]) == (status, kind)


@pytest.mark.parametrize(
    ("marker", "status", "expected"),
    [
        ("zai=1308", 429, {"code": "1308"}),
        ("zai=1305", 429, {"code": "1305"}),
        ("zai=1310", 429, {"type": "rate_limit_error", "code": "1310"}),
        ("zai=1308/typed", 429, {"type": "rate_limit_error", "code": "1308"}),
        ("zai=1000", 401, {"code": "1000"}),
        ("zai=1261", 400, {"code": "1261"}),
        ("error-200", 200, {"code": "1305"}),
        ("error-200=1308", 200, {"code": "1308"}),
    ],
)
async def test_errors_of_zai_have_both_its_shapes(
    sim: Simulator,
    http: aiohttp.ClientSession,
    marker: str,
    status: int,
    expected: dict[str, str],
) -> None:
    url = f"{sim.zai_url}/v1/messages"
    body = body_of(f"[[sim:{marker}]]", "glm-4.7")
    async with http.post(url, json=body, headers={"x-api-key": "k"}) as answer:
        error = json.loads(await answer.read())["error"]
    assert answer.status == status
    assert {key: value for key, value in error.items() if key != "message"} == expected


async def test_cut_stream_ends_in_a_broken_connection(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await stream(sim, http, "[[sim:cut]]")
    assert sim.requests[-1].outcome == "cut"


async def test_cut_after_a_number_of_events_sends_just_those(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    begun = 0
    async with http.post(url, json=body_of("[[sim:cut=3]]"), headers=HEADERS) as answer:
        with contextlib.suppress(aiohttp.ClientPayloadError):
            while line := await answer.content.readline():
                begun += line.startswith(b"event: ")
    assert begun == 3


async def test_reset_breaks_the_connection(sim: Simulator, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientError):
        await stream(sim, http, "[[sim:reset=1]]")
    assert sim.requests[-1].outcome == "cut"


async def test_drop_closes_before_an_answer(sim: Simulator, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await stream(sim, http, "[[sim:drop]]")


async def test_json_answer_is_cut_as_well(sim: Simulator, http: aiohttp.ClientSession) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    body = body_of("[[sim:cut]]", stream=False)
    async with http.post(url, json=body, headers=HEADERS) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.parametrize(
    ("marker", "last"), [("cut-clean", "content_block_delta"), ("error-event", "error")]
)
async def test_stump_that_ends_cleanly_lacks_its_stop(
    sim: Simulator, http: aiohttp.ClientSession, marker: str, last: str
) -> None:
    status, body = await stream(sim, http, f"[[sim:{marker}]] [[sim:events=9]]")
    events = [json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:")]
    assert status == 200
    assert events[-1]["type"] == last
    assert "message_stop" not in {event["type"] for event in events}


async def test_empty_stream_is_a_200_without_a_byte(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    assert await stream(sim, http, "[[sim:empty]]") == (200, b"")


async def test_events_sets_the_number_of_text_deltas(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    _, body = await stream(sim, http, "[[sim:events=500]]")
    assert body.count(b'"text_delta"') == 500


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize("coding", DECODERS)
async def test_content_encoding_on_request_holds_the_same_stream(
    sim: Simulator, http: aiohttp.ClientSession, coding: str
) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    headers = {**HEADERS, "accept-encoding": "gzip, deflate, br, zstd"}
    body = body_of(f"[[sim:{coding}]] [[sim:text=a b c]]")
    async with http.post(url, json=body, headers=headers) as answer:
        raw = await answer.read()
    assert answer.headers["content-encoding"] == coding
    assert b"message_stop" in DECODERS[coding](raw)


async def test_content_encoding_that_is_not_accepted_is_left_out(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    _, body = await stream(sim, http, "[[sim:zstd]]", **{"accept-encoding": "gzip"})
    assert body.startswith(b"event: message_start")


async def test_each_event_of_a_compressed_stream_can_be_read_when_it_comes(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{sim.anthropic_url}/v1/messages"
    headers = {**HEADERS, "accept-encoding": "gzip"}
    body = body_of("[[sim:gzip]] [[sim:silence=60]]")
    decoder = zlib.decompressobj(wbits=31)
    seen = b""
    async with http.post(url, json=body, headers=headers) as answer:
        while b"content_block_delta" not in seen:
            seen += decoder.decompress(await answer.content.readany())
        answer.close()
    await sim.requests[-1].ended.wait()
    assert sim.requests[-1].client_disconnected


async def test_chunk_crlf_and_noise_change_the_spelling_alone(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    text = "[[sim:chunk=7]] [[sim:crlf]] [[sim:noise]] [[sim:text=one two]]"
    async with anthropic.AsyncAnthropic(
        base_url=sim.anthropic_url, api_key="a-key", max_retries=0
    ) as client:
        fields: Any = {key: value for key, value in body_of(text).items() if key != "stream"}
        async with client.messages.stream(**fields) as streamed:
            message = await streamed.get_final_message()
    _, raw = await stream(sim, http, text)
    assert message.content[0].text == "one two"
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert b": a comment" in raw


@pytest.mark.parametrize("marker", ["silence=60", "slow=60", "first-byte=60"])
async def test_client_that_leaves_is_noticed_at_once(
    sim: Simulator, http: aiohttp.ClientSession, marker: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(stream(sim, http, f"[[sim:{marker}]]"))
        request = await sim.wait_for(lambda one: one.method == "POST")
        await request.body_read.wait()
        asking.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await request.ended.wait()
    assert request.outcome == "client-gone"


async def test_close_ends_streams_that_still_run(http: aiohttp.ClientSession) -> None:
    sim = Simulator()
    await sim.open()
    url = f"{sim.anthropic_url}/v1/messages"
    async with http.post(url, json=body_of("[[sim:silence=60]]"), headers=HEADERS) as answer:
        await answer.content.readany()
        async with asyncio.timeout(PATIENCE_S):
            await sim.close()
    assert sim.requests[-1].outcome == "cut"


@pytest.mark.parametrize(
    ("marker", "wording"),
    [
        ("signature-400", "Invalid `signature` in `thinking` block"),
        ("expected-400", "Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
        ("modified-400", "cannot be modified"),
    ],
)
async def test_thinking_error_asked_for_is_met_once_per_text(
    sim: Simulator, http: aiohttp.ClientSession, marker: str, wording: str
) -> None:
    statuses = []
    for text in (f"a [[sim:{marker}]]", f"a [[sim:{marker}]]", f"b [[sim:{marker}]]"):
        status, body = await stream(sim, http, text)
        statuses.append(status)
        assert (wording in json.loads(body)["error"]["message"]) if status == 400 else body
    assert statuses == [400, 200, 400]


async def test_server_tools_carry_the_ids_of_their_service(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    for url, model, lead in (
        (sim.anthropic_url, "claude-opus-4-6", "srvtoolu_"),
        (sim.zai_url, "glm-4.7", "call_"),
    ):
        body = body_of("[[sim:server-tool]]", model, stream=False)
        async with http.post(f"{url}/v1/messages", json=body, headers=HEADERS) as answer:
            content = json.loads(await answer.read())["content"]
        assert content[0]["id"].startswith(lead)
        assert content[1]["tool_use_id"] == content[0]["id"]


@pytest.mark.parametrize(("marker", "expected"), [("unsigned", ""), ("unsigned=missing", None)])
async def test_zai_thinking_can_come_unsigned(
    sim: Simulator, http: aiohttp.ClientSession, marker: str, expected: str | None
) -> None:
    body = body_of(f"[[sim:{marker}]]", "glm-4.7", stream=False, thinking={"type": "adaptive"})
    headers = {"x-api-key": "k"}
    async with http.post(f"{sim.zai_url}/v1/messages", json=body, headers=headers) as answer:
        block = json.loads(await answer.read())["content"][0]
    assert block["type"] == "thinking"
    assert block.get("signature") == expected
